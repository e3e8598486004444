/**
 * Random policies as filters on the patched kernel: processes and threads fork, exit and make calls under them;
 * verdicts, reports and records equal the interpreter's. As root for the target `seccomp`, as the user nobody for
 * `unprivileged`.
 */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { compiled } from "../support/run.ts";
import { casesInMachine, full, unable } from "./vm.ts";

const folder = resolve("build/test");
const program = join(folder, "lives.cjs");
const policies = full ? 100 : 8;
const steps = 60;

async function prepare(): Promise<string> {
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: ["test/kernel/guest/lives.ts"],
    outfile: program,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    logLevel: "warning",
    // The addon is resolved from here.
    define: { "import.meta.url": JSON.stringify(`file://${resolve("src/linux/native.ts")}`) },
  });
  return compiled(resolve("test/kernel/guest/lives.c"));
}

const lives = unable("patched") === undefined ? await prepare() : "";
for (const [target, first, more] of [
  ["seccomp", 0, {}],
  ["unprivileged", 1000, { user: "65534" }],
] as const)
  await casesInMachine(
    `random policies for the target ${target}`,
    { kernel: "patched", ...more },
    ["node", program, lives, `${first}`, `${policies}`, `${steps}`, target],
    policies,
  );
