/**
 * The kernel's own tests of the verifier, which the series changes, and of hash maps, which it seals: what they say
 * on the stock kernel they say with the series. The same programs on both, built from the stock tree.
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

/** Of test_verifier: a test's number and description, /u as a user without privileges, and whether it held. */
const lines = (outcome: Outcome): string[] => outcome.stdout.match(/^#\d+\/[up] .*\b(?:OK|FAIL|SKIP)\b/gm) ?? [];

/** Those that need what the kernels of the tests do not have: functions and types of bpf_testmod.ko, and IPv6. */
const elsewhere = /kfunc call|reg2btf_ids|^#\d+\/p map_kptr: ref: |valid .* reads from bpf_sk_lookup/;

/** A verifier's log without what another run has otherwise (times, addresses) and what another kernel has (ids of types). */
const settled = (log: string): string[] =>
  log.replace(/verification time \d+ usec|\b0xffff[0-9a-f]{12}\b|\bbtf_id \d+/g, "").split("\n");

describe("the kernel's BPF selftests", { timeout: patience.machineTest }, () => {
  const run = async (kernel: Kernel, name: string, ...words: string[]): Promise<Outcome> => {
    const [outcome] = await eachInMachine({ kernel }, [{ words: [join(folder, name), ...words] }]);
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

  it("test_verifier: the same tests hold on both kernels, all that need no module and no IPv6", async (context) => {
    if (reason !== undefined) context.skip(reason);
    const [stock, patched] = await onBoth("test_verifier");
    const failing = lines(stock).filter((line) => !line.endsWith(" OK"));
    expect(failing.filter((line) => !elsewhere.test(line))).toEqual([]);
    expect(lines(stock).length - failing.length).toBeGreaterThanOrEqual(770);
    expect(lines(patched)).toEqual(lines(stock));
    expect(patched.stdout.split("\n").at(-2)).toMatch(/^Summary: \d+ PASSED, 0 SKIPPED, \d+ FAILED$/);
  });

  // Which path the verifier took through each program of each test. A minute more, so with all loops only.
  if (full) {
    it("test_verifier: the verifier's logs are the same to the last line", async (context) => {
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
