/**
 * Runs the kernel's tests of the verifier, which the series changes, and of hash maps, which it seals: they pass on the
 * patched kernel, and have the same results on the stock one. The programs are built from the stock tree.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runs } from "../support/parts.ts";
import { patience } from "../support/patience.ts";
import { eachInMachine, full, type Kernel, type Outcome, unable } from "./vm.ts";

const reason = unable("stock") ?? unable("patched");
const folder = mkdtempSync(join(tmpdir(), "portcullis-bpf-selftests-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A line of test_verifier: a test's number and description, /u for an unprivileged user, and the result. */
const lines = (outcome: Outcome): string[] => outcome.stdout.match(/^#\d+\/[up] .*\b(?:OK|FAIL|SKIP)\b/gm) ?? [];

/** Tests of features that the test kernels lack: functions and types of bpf_testmod.ko, and IPv6. */
const elsewhere = /kfunc call|reg2btf_ids|^#\d+\/p map_kptr: ref: |valid .* reads from bpf_sk_lookup/;

/** A verifier's log without values that vary between runs (times, addresses) or between kernels (ids of types). */
const settled = (log: string): string[] =>
  log.replace(/verification time \d+ usec|\b0xffff[0-9a-f]{12}\b|\bbtf_id \d+/g, "").split("\n");

describe("the kernel's BPF selftests", { timeout: patience.machineTest }, () => {
  const run = (kernel: Kernel, ...commands: readonly (readonly string[])[]): Promise<Outcome[]> =>
    // Beside busy processes one such command can take more than ten minutes.
    eachInMachine(
      { kernel },
      commands.map(([name, ...words]) => ({
        words: [join(folder, name!), ...words],
        timeout: patience.machineProgram / 1000,
      })),
    );

  beforeAll(() => {
    if (reason !== undefined) return;
    const tree = execFileSync("kernel/build", ["--tree", "stock"], { encoding: "utf8" }).trim();
    execFileSync("make", ["-s", "-C", "kernel/bpf-selftests", `TREE=${tree}`, `OUTPUT=${folder}`], { stdio: "pipe" });
    execFileSync("chmod", ["-R", "a+rX", folder]);
  }, patience.test);

  it("pass with the series, except those that need a module or IPv6", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const [verifier, map] = (await run("patched", ["test_verifier"], ["test_lru_map"])) as [Outcome, Outcome];
    expect(verifier.signal).toBe(null);
    expect(verifier.stdout.split("\n").at(-2)).toMatch(/^Summary: \d+ PASSED, 0 SKIPPED, \d+ FAILED$/);
    const failing = lines(verifier).filter((line) => !line.endsWith(" OK"));
    expect(failing.filter((line) => !elsewhere.test(line))).toEqual([]);
    expect(lines(verifier).length - failing.length).toBeGreaterThanOrEqual(770);
    expect(map).toMatchObject({ status: 0, signal: null });
    expect(map.stdout.match(/: Pass$/gm)?.length).toBe(26);
  });

  // Compares the verifier's paths through each program.
  if (full || runs("machine")) {
    it("test_verifier: results and the verifier's logs are the same on both kernels", async (context) => {
      if (reason !== undefined) context.skip(reason);
      const command = ["test_verifier", "-v"];
      const [[stock], [patched]] = (await Promise.all([run("stock", command), run("patched", command)])) as [
        [Outcome],
        [Outcome],
      ];
      expect(settled(stock.stdout).length).toBeGreaterThan(6000);
      expect(settled(patched.stdout)).toEqual(settled(stock.stdout));
    });
  }
});
