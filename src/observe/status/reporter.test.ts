import { describe, expect, test, vi } from "vitest";
import { statusWords } from "../../engines/engine/status.ts";
import type { PolicyDescription } from "../../events/record.ts";
import { judgement } from "../../events/testing/judgement.ts";
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

describe("refused calls", () => {
  const actions = ["allow", "deny", "log", "ask"] as const;
  const many = () =>
    new StatusReporter({
      ...{ state, command: ["a"], audit: false, engine: "notify", unknown: [] },
      policy: { ...policy, verdicts: actions.map((action) => ({ ...verdict, action })) },
    });
  const refusal = (changes: Parameters<typeof judgement>[0]) => judgement({ number: 83, verdict: 1, ...changes });

  test("are grouped by call, verdict, program and phase, and those that passed are not among them", () => {
    const one = many();
    one.record(refusal({ pid: 1, phases: [0] }));
    one.record(refusal({ pid: 2, phases: [0], count: 4 }));
    one.record(refusal({ phases: [1] }));
    one.record(refusal({ phases: [1], command: "other" }));
    one.record(refusal({ number: 84, verdict: "unpinned" }));
    one.record(refusal({ verdict: 2 }));
    one.record(refusal({ verdict: 0, reports: [] }));
    for (const answered of ["allowed", "allowed-before", "denied"] as const)
      one.record(refusal({ verdict: 3, answered }));
    const { refused, refusedBefore } = one.status();
    expect(refusedBefore).toBe(0);
    const shown = refused.map(({ calls, event }) => [
      calls,
      event.call,
      event.verdict,
      event.command,
      event.phases?.["phase"],
      event.pid,
    ]);
    expect(shown).toEqual([
      [5, "mkdir", "deny", "c", "starting", 2],
      [1, "mkdir", "deny", "c", "serving", 1],
      [1, "mkdir", "deny", "other", "serving", 1],
      [1, "rmdir", "deny", "c", undefined, 1],
      [1, "mkdir", "ask", "c", undefined, 1],
    ]);
  });

  test("have rates", () => {
    vi.useFakeTimers({ now: 1_000_000 });
    try {
      const one = many();
      for (let count = 0; count < 10; count++) one.record(refusal({}));
      vi.setSystemTime(1_002_000);
      expect(one.status().refused).toMatchObject([{ calls: 10, perSecond: 5 }]);
      vi.setSystemTime(1_003_000);
      expect(one.status().refused).toMatchObject([{ calls: 10, perSecond: 0 }]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("of a process that changes its name have a bounded number of groups, of which the last are kept", () => {
    const one = many();
    one.record(refusal({ command: "kept" }));
    for (let name = 0; name < 1000; name++) {
      one.record(refusal({ command: `n${name}` }));
      one.record(refusal({ command: "kept" }));
    }
    const { refused, refusedBefore } = one.status();
    expect(refused).toHaveLength(32);
    expect(refused.at(-1)).toMatchObject({ calls: 1001, event: { command: "kept" } });
    expect(refused[0]!.event.command).toBe("n969");
    expect(refusedBefore).toBe(969);
  });
});

test("a verdict has the names of its calls, if the engine knows them", () => {
  const calls = [
    { names: [], more: 0 },
    { names: ["mkdir", "mkdirat"], more: 3 },
  ];
  const run = { policy, command: ["a"], audit: false, engine: "notify", unknown: [] };
  const one = new StatusReporter({ ...run, state: { ...state, calls } });
  one.words[first + 1] = 1;
  expect(one.status().verdicts).toMatchObject([{ names: ["mkdir", "mkdirat"], moreNames: 3 }]);
  const other = reporter();
  other.words[first + 1] = 1;
  expect(other.status().verdicts[0]).not.toHaveProperty("names");
});
