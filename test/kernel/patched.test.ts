/** Test files on the patched kernel, in one machine (shared-machine.ts). */
import { resolve } from "node:path";
import { afterAll, describe } from "vitest";
import { isIncluded } from "../support/parts.ts";
import { patience } from "../support/patience.ts";
import { inSharedMachine } from "./shared-machine.ts";
import { shareMachine } from "./vm.ts";

const end = shareMachine();
afterAll(end, patience.machine);
for (const file of inSharedMachine.filter(isIncluded))
  describe(file, async () => {
    await import(resolve(file));
  });
