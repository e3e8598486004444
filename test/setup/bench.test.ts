/** `npm run bench -- NAME` is a command of its own: it builds what it measures. Each benchmark runs once with little to do. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename } from "node:path";
import { expect, it, type TestContext } from "vitest";
import { full, unable } from "../kernel/vm.ts";
import { patience } from "../support/patience.ts";

const programs = readdirSync("bench/reference")
  .filter((file) => file.endsWith(".c"))
  .map((file) => `build/bench/${basename(file, ".c")}`);

/** `kernel` and `vulnerabilities` start machines whose clocks count instructions, minutes of a processor: with all loops only. */
const names = readdirSync("bench")
  .filter((file) => file.endsWith(".ts"))
  .map((file) => basename(file, ".ts"))
  .filter((name) => !["kernel", "vulnerabilities"].includes(name) || full);

function bench(...words: string[]): unknown[] {
  const { MAKEFLAGS, MFLAGS, MAKELEVEL, ...env } = process.env;
  const ran = spawnSync(process.execPath, ["tools/bench.mjs", ...words, "--json"], {
    encoding: "utf8",
    env,
    timeout: 2 * patience.machine,
    killSignal: "SIGKILL",
  });
  expect(ran).toMatchObject({ status: 0, stderr: "" });
  return ran.stdout
    .trim()
    .split("\n")
    .map((row) => JSON.parse(row));
}

it("a benchmark finds its programs where none was built before", () => {
  for (const program of programs) rmSync(program, { force: true });
  for (const row of bench("static-size")) expect(row).toMatchObject({ bench: "static-size" });
  expect(programs.filter((program) => !existsSync(program))).toEqual([]);
});

/** `make setup-test` has installed the requirements of the others. */
function skipUnlessPossible(name: string, { skip }: TestContext): void {
  const has = (program: string): boolean => spawnSync("which", [program]).status === 0;
  if (name === "ebpf" && process.getuid?.() !== 0) skip("loading programs needs root");
  if (name === "ebpf" && !has("clang-19")) skip("clang-19 is not installed");
  if (name === "nginx" && availableParallelism() < 2) skip("the server and its load need a processor each");
  const kernels = { kernel: ["stock", "patched"], vulnerabilities: ["vulnerable"] } as const;
  const reason = (kernels[name as keyof typeof kernels] ?? []).map(unable).find((one) => one !== undefined);
  if (reason !== undefined) skip(reason);
}

it.for(names)("the benchmark %s runs", { timeout: 2 * patience.machineTest }, (name, context) => {
  skipUnlessPossible(name, context);
  const rows = bench(name, "--smoke");
  for (const row of rows)
    expect(row).toMatchObject({ bench: name, case: expect.any(String), ours: expect.any(Number) });
});
