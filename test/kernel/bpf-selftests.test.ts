/**
 * Runs the kernel's tests of the verifier, which the series changes, and of hash maps, which it seals: they have the
 * same results on the stock and the patched kernel. The programs are built from the stock tree.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
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
  const run = async (kernel: Kernel, name: string, ...words: string[]): Promise<Outcome> => {
    // Beside busy processes one such command can take more than ten minutes.
    const command = { words: [join(folder, name), ...words], timeout: patience.test / 1000 };
    const [outcome] = await eachInMachine({ kernel }, [command]);
    if (outcome === undefined) throw new Error("no outcome");
    return outcome;
  };
  const onBoth = (name: string, ...words: string[]) =>
    Promise.all([run("stock", name, ...words), run("patched", name, ...words)]);

  beforeAll(() => {
    if (reason !== undefined) return;
    const tree = execFileSync("kernel/build", ["--tree", "stock"], { encoding: "utf8" }).trim();
    execFileSync("make", ["-s", "-C", "kernel/bpf-selftests", `TREE=${tree}`, `OUTPUT=${folder}`], { stdio: "pipe" });
    execFileSync("chmod", ["-R", "a+rX", folder]);
  }, patience.test);

  it("test_verifier: the same tests pass on both kernels, except those that need a module or IPv6", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const [stock, patched] = await onBoth("test_verifier");
    for (const { signal, stdout } of [stock, patched]) {
      expect(signal).toBe(null);
      expect(stdout.split("\n").at(-2)).toMatch(/^Summary: \d+ PASSED, 0 SKIPPED, \d+ FAILED$/);
    }
    const failing = lines(stock).filter((line) => !line.endsWith(" OK"));
    expect(failing.filter((line) => !elsewhere.test(line))).toEqual([]);
    expect(lines(stock).length - failing.length).toBeGreaterThanOrEqual(770);
    expect(lines(patched)).toEqual(lines(stock));
  });

  // Compares the verifier's paths through each program. It takes another minute, so it runs only with all iterations.
  if (full) {
    it("test_verifier: the verifier's logs are identical", async (context) => {
      if (reason !== undefined) context.skip(reason);
      const [stock, patched] = await onBoth("test_verifier", "-v");
      expect(settled(stock.stdout).length).toBeGreaterThan(6000);
      expect(settled(patched.stdout)).toEqual(settled(stock.stdout));
    });
  }

  it("test_lru_map passes with the series", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const outcome = await run("patched", "test_lru_map");
    expect(outcome).toMatchObject({ status: 0, signal: null });
    expect(outcome.stdout.match(/: Pass$/gm)?.length).toBe(26);
  });
});
