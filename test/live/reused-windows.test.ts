/** A task does not get the window or the prepared call of a thread whose id it has (victims/reused.c). */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pidNamespace } from "../support/processes.ts";
import { prepare, run, victim } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "portcullis-reused-"));
beforeAll(async () => {
  writeFileSync(join(folder, "forbidden"), "forbidden");
  await prepare();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const [eperm, edom] = [-1, -33];

const programs = ["paths", "paths-followed"] as const;
const kernels = ["present", "oldest"] as const;
const settings = programs.flatMap((program) => kernels.map((kernel) => ({ program, kernel })));

describe.each(settings)("under $program, with a kernel's features: $kernel", ({ program, kernel }) => {
  test.for([
    ["window", eperm],
    ["prepared", edom],
    ["unwatched", eperm],
  ] as const)("%s", ([which, result], context) => {
    if (process.getuid?.() !== 0) context.skip("only root can make a pid namespace and choose the next id in it");
    const within = [...pidNamespace, "env", "-C", folder];
    const { out, error, status } = run({ program, kernel, within }, victim("reused"), which);
    if (out === `${which}: not possible\n`) context.skip("the victim's assembly is for x86-64");
    expect({ out, error, status }).toEqual({ out: `${which}: ${result}\n`, error: "", status: 0 });
  });
});
