import { expect, test, vi } from "vitest";
import { statusWords } from "../engines/status.ts";
import type { PolicyDescription } from "../events/record.ts";
import { judgement } from "../events/testing/judgement.ts";
import { StatusReporter } from "./reporter.ts";

const verdict = {
  action: "deny",
  errno: 13,
  reason: "no <b>",
  at: { file: 0, line: 3, column: 5, length: 1 },
} as const;
const policy: PolicyDescription = {
  ...{ architecture: "x86_64", name: "p", files: ["p.ts"], reports: [] },
  verdicts: [{ action: "allow", errno: 0, reason: undefined, at: undefined }, verdict],
  phases: [{ cell: 0, name: "phase", names: ["starting", "serving"] }],
};
const state = {
  cells: [
    { name: "phase", scope: "process", kind: { is: "phases", names: ["starting", "serving"] } },
    { name: "asked", scope: "process", kind: { is: "flag" } },
    { name: "count", scope: "tree", kind: { is: "counter" } },
  ],
  tables: [{ name: "seen", scope: "tree", capacity: 10 }],
} as const;
const reporter = () =>
  new StatusReporter({ policy, state, command: ["a"], audit: false, engine: "notify", unknown: [] });
const first = statusWords.verdicts;

test("adds up words that wrap, and leaves out verdicts without a call", () => {
  const one = reporter();
  one.words[first + 1] = 2 ** 32 - 10;
  one.words[statusWords.refusals] = 3;
  expect(one.status()).toMatchObject({ calls: 2 ** 32 - 7, refusedByPortcullis: 3 });
  one.words[first + 1] = 5;
  const { calls, verdicts } = one.status();
  expect(calls).toBe(2 ** 32 + 8);
  expect(verdicts).toMatchObject([{ verdict: "deny EACCES", rule: "p.ts:3:5", reason: "no <b>", calls: 2 ** 32 + 5 }]);
});

test("rates are those of the time between, for each reader the same", () => {
  vi.useFakeTimers({ now: 1_000_000 });
  try {
    const one = reporter();
    one.words[first] = 100;
    vi.setSystemTime(1_002_000);
    expect(one.status().perSecond).toBe(50);
    one.words[first] = 110;
    vi.setSystemTime(1_002_100);
    expect(one.status().perSecond).toBe(50);
    vi.setSystemTime(1_003_000);
    expect(one.status().perSecond).toBe(10);
  } finally {
    vi.useRealTimers();
  }
});

test("names the state of a snapshot, and its age", () => {
  const one = reporter();
  expect(one.status().state).toBe(undefined);
  one.ask();
  expect(one.words[statusWords.wanted]).toBe(1);
  one.words[first] = 7;
  one.snapshot({
    time: 5000,
    more: 2,
    tree: { cells: [[2, "18446744073709551615"]], tables: [[0, 4]] },
    processes: [
      {
        pid: 9,
        threads: 2,
        cells: [
          [0, "1"],
          [1, "1"],
        ],
        tables: [],
      },
    ],
  });
  one.words[first] = 10;
  expect(one.status().state).toEqual({
    ...{ time: 5, callsSince: 3, more: 2 },
    tree: { phases: {}, values: { count: "18446744073709551615" }, tables: [{ name: "seen", keys: 4, capacity: 10 }] },
    processes: [{ pid: 9, threads: 2, phases: { phase: "serving" }, values: { asked: true }, tables: [] }],
  });
});

test("has the last refusals only", () => {
  const one = reporter();
  const record = (tid: number) => judgement({ pid: tid, tid, number: 83, verdict: 1, phases: [0] });
  for (let tid = 1; tid <= 50; tid++) one.record(record(tid));
  const { refusals } = one.status();
  expect(refusals).toHaveLength(20);
  expect(refusals.at(-1)).toMatchObject({ pid: 50, call: "mkdir", verdict: "deny", errno: "EACCES" });
});
