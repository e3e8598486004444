/**
 * Random policies as filters on the patched kernel: processes and threads fork, exit and make calls under them;
 * verdicts, reports and records equal the interpreter's. As root for the target `seccomp`, as the user nobody for
 * `unprivileged`.
 */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { bundleGuest } from "../support/bundle.ts";
import { compiled } from "../support/run.ts";
import { casesInMachine, full, unable } from "./vm.ts";

const folder = resolve("build/test");
const program = join(folder, "lives.cjs");
const policies = full ? 100 : 8;
const steps = 60;

async function prepare(): Promise<string> {
  mkdirSync(folder, { recursive: true });
  await bundleGuest("test/kernel/guest/lives.ts", program);
  return compiled(resolve("test/kernel/guest/lives.c"));
}

const lives = unable("patched") === undefined ? await prepare() : "";
await casesInMachine(
  { kernel: "patched" },
  (
    [
      ["seccomp", 0, 0],
      ["unprivileged", 1000, 65534],
    ] as const
  ).map(([target, first, uid]) => ({
    title: `random policies for the target ${target}`,
    command: { words: ["node", program, lives, `${first}`, `${policies}`, `${steps}`, target], uid },
    count: policies,
  })),
);
