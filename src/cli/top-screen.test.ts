import { expect, test } from "vitest";
import type { Status } from "../status/status.ts";
import { statusScreen } from "./top-screen.ts";

const status: Status = {
  ...{ v: 1, kind: "status", time: 100, running: 12.4, pid: 5, policy: "p", command: ["a\x1b[2J", "b"], audit: false },
  ...{ engine: "n", unknown: [] },
  ...{ calls: 10, perSecond: 2.5, refusedByPortcullis: 1 },
  verdicts: [{ verdict: "deny EACCES", rule: "p.ts:1:2", reason: "no\u202e", calls: 9, perSecond: 2 }],
  state: {
    ...{ time: 99, callsSince: 4, more: 3 },
    tree: { phases: {}, values: { count: "7" }, tables: [{ name: "seen", keys: 5, capacity: 10 }] },
    processes: [{ pid: 0, threads: 2, phases: { phase: "serving" }, values: {}, tables: [] }],
  },
  refusals: [],
};

test("shows rates, rules, the state of the tree and of each process, and its age", () => {
  expect(statusScreen(status, undefined)).toEqual([
    "a\ufffd[2J b  (portcullis 5, policy p, for 12 s)",
    "judged: 2.5 calls/s, 10 in all, 1 of them refused without a rule",
    "",
    "verdict      calls/s  calls  rule",
    "deny EACCES        2      9  p.ts:1:2  no\ufffd",
    "",
    "tree: count=7  seen [#####.....] 5 of 10",
    "",
    "pid  threads  name  phases and state",
    "0          2  ?     phase serving",
    "and 3 more processes",
    "(the state is that before the last 4 calls)",
  ]);
});

test("lists the data that the engine cannot show, and that it counts reported calls", () => {
  const lines = statusScreen({ ...status, engine: "e", unknown: ["calls that pass"] }, undefined);
  expect(lines).toContain("reported: 2.5 calls/s, 10 in all, 1 of them refused without a rule");
  expect(lines.slice(-2)).toEqual(["not known under this engine:", "  calls that pass"]);
  expect(statusScreen({ ...status, calls: 0, unknown: ["calls that pass"] }, undefined)).toContain(
    "the kernel has reported no call yet",
  );
});

test("reports that the state is not known yet", () => {
  const line = "phases and state: not known before the next judged call";
  expect(statusScreen({ ...status, state: undefined }, undefined)).toContain(line);
  expect(statusScreen({ ...status, state: undefined, unknown: ["calls that pass"] }, undefined)).not.toContain(line);
  expect(statusScreen(status, undefined)).not.toContain(line);
});

test("fits a terminal, and counts the omitted lines", () => {
  const lines = statusScreen(status, { columns: 20, rows: 4 });
  expect(lines).toHaveLength(4);
  expect(lines.every((line) => line.length <= 20)).toBe(true);
  expect(lines.at(-1)).toBe("… 9 more lines");
});
