/**
 * One meaning on every engine: what a tree of tasks does under random policies gets, call by call, the verdicts, reports
 * and events that the interpreter gives; state copied, fresh or shared; threads and processes that end and are killed.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { full, inMachine, unable } from "../kernel/vm.ts";
import type { JobOutcome } from "./harness.ts";
import { type Circumstances, differences, folder, prepare, prepareJobs, replayProgram } from "./replay.ts";

const circumstances: readonly (Circumstances & { readonly name: string; readonly runs: number })[] = [
  { name: "seccomp-ebpf, with CAP_BPF", engine: "seccomp-ebpf", unprivileged: false, uid: 0, runs: 60 },
  { name: "seccomp-ebpf, without any privilege", engine: "seccomp-ebpf", unprivileged: true, uid: 65_534, runs: 40 },
  { name: "notify", engine: "notify", unprivileged: false, uid: 0, runs: 20 },
];

beforeAll(prepare, 120_000);

describe("the interpreter's meaning, in the machine, under", () => {
  for (const { name, runs, ...where } of circumstances) {
    it(
      name,
      async (context) => {
        const reason = unable("patched");
        if (reason !== undefined) context.skip(reason);
        const first = Number(process.env["PORTCULLIS_FUZZ_SEED"] ?? 0);
        const seeds = Array.from({ length: full ? 20 * runs : runs }, (_, index) => first + index);
        const { file, scripts } = prepareJobs(name.replaceAll(/\W+/g, "-"), seeds, where);
        const user = where.uid === 0 ? {} : { user: `${where.uid}` };
        const words = ["node", `${folder}/harness.cjs`, file, replayProgram];
        const ran = await inMachine({ kernel: "patched", ...user }, words);
        expect(ran.status, ran.stderr).toBe(0);
        const outcomes = ran.stdout
          .split("\n")
          .filter(Boolean)
          .map((line) => JSON.parse(line) as JobOutcome);
        expect(outcomes.map(({ seed }) => seed)).toEqual([...scripts.keys()]);
        expect(outcomes.length).toBeGreaterThan(seeds.length / 4);
        const wrong = outcomes.flatMap((outcome) =>
          differences(scripts.get(outcome.seed)!, outcome, where.engine).map((text) => `seed ${outcome.seed}: ${text}`),
        );
        expect(wrong).toEqual([]);
      },
      full ? 3_600_000 : 600_000,
    );
  }
});
