/**
 * Every engine gives the interpreter's verdicts, reports and events for each call of a task tree under random policies;
 * with copied, fresh and shared state, and threads and processes that exit and are killed.
 */
import { spawnSync } from "node:child_process";
import { beforeAll, describe, expect, it } from "vitest";
import { firstSeed } from "../../src/ir/testing/seeds.ts";
import { eachInMachine, full, unable } from "../kernel/vm.ts";
import { runs as includes } from "../support/parts.ts";
import { patience } from "../support/patience.ts";
import type { JobOutcome } from "./harness.ts";
import { type Circumstances, differences, folder, prepare, prepareJobs, replayProgram } from "./replay.ts";

const circumstances: readonly (Circumstances & { readonly name: string; readonly runs: number })[] = [
  { name: "seccomp-ebpf, with CAP_BPF", engine: "seccomp-ebpf", unprivileged: false, uid: 0, runs: 15 },
  { name: "seccomp-ebpf, without any privilege", engine: "seccomp-ebpf", unprivileged: true, uid: 65_534, runs: 10 },
  { name: "notify", engine: "notify", unprivileged: false, uid: 0, runs: 5 },
  { name: "notify, as an ordinary user", engine: "notify", unprivileged: false, uid: 65_534, runs: 5 },
];

const users = [0, 65_534];

/** On this kernel. A fork that the supervisor's own stop interrupts, as on a busy machine, is judged once all the same. */
const here = [
  { name: "notify", interruptsForks: false },
  { name: "notify, with every fork interrupted", interruptsForks: true },
];

beforeAll(prepare);

const outcomesOf = (output: string): JobOutcome[] =>
  output
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as JobOutcome);

/** The differences of these seeds' scripts from the interpreter's results. */
function judge(
  outcomes: readonly JobOutcome[],
  { scripts }: ReturnType<typeof prepareJobs>,
  engine: Circumstances["engine"],
): string[] {
  expect(outcomes.map(({ seed }) => seed)).toEqual([...scripts.keys()]);
  return outcomes.flatMap((outcome) =>
    differences(scripts.get(outcome.seed)!, outcome, engine).map((text) => `seed ${outcome.seed}: ${text}`),
  );
}

const seedsOf = (runs: number): number[] => {
  return Array.from(
    { length: full ? 80 * runs : includes("random") ? 4 * runs : runs },
    (_, index) => firstSeed + index,
  );
};

describe("the interpreter's verdicts, on this kernel, under", () => {
  for (const { name, interruptsForks } of here) {
    it(
      name,
      (context) => {
        if (process.arch !== "x64") context.skip("the replay is for x86-64");
        const uid = process.getuid!();
        const where = { engine: "notify", unprivileged: false, uid, interruptsForks } as const;
        const jobs = prepareJobs(`here-${interruptsForks}`, seedsOf(20), where);
        expect(jobs.scripts.size).toBeGreaterThan(5);
        const words = [`${folder}/harness.cjs`, replayProgram, jobs.file];
        const ran = spawnSync(process.execPath, words, { encoding: "utf8", maxBuffer: 1 << 28 });
        expect(judge(outcomesOf(ran.stdout), jobs, "notify")).toEqual([]);
      },
      patience.machineTest,
    );
  }
});

describe("the interpreter's verdicts, in the machine", () => {
  it(
    "under each engine, as root and as an ordinary user",
    async (context) => {
      const reason = unable("patched");
      if (reason !== undefined) context.skip(reason);
      const prepared = circumstances.map(({ name, runs, ...where }) => {
        const jobs = prepareJobs(name.replaceAll(/\W+/g, "-"), seedsOf(runs), where);
        expect(jobs.scripts.size).toBeGreaterThan(runs / 4);
        return { name, where, jobs };
      });
      const timeout = ((full ? 4 : 1) * patience.machine) / 1000;
      // One process for each user: Node takes seconds to start in the machine.
      const groups = users.map((uid) => prepared.filter(({ where }) => where.uid === uid));
      const commands = groups.map((group, index) => {
        const files = group.map(({ jobs }) => jobs.file);
        return { words: ["node", `${folder}/harness.cjs`, replayProgram, ...files], uid: users[index]!, timeout };
      });
      const ran = await eachInMachine({ kernel: "patched", ...(full ? { timeout } : {}) }, commands);
      for (const [index, group] of groups.entries()) {
        const { status, stdout, stderr } = ran[index]!;
        expect(status, stderr).toBe(0);
        const outcomes = outcomesOf(stdout);
        for (const { name, where, jobs } of group)
          expect(judge(outcomes.splice(0, jobs.scripts.size), jobs, where.engine), name).toEqual([]);
        expect(outcomes).toEqual([]);
      }
    },
    full ? 4 * patience.machineTest : patience.machineTest,
  );
});
