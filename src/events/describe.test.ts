/** Which records become events, and their members. */
import { expect, test } from "vitest";
import { describe } from "./describe.ts";
import { printLine } from "./line.ts";
import type { JudgementRecord, PolicyDescription } from "./record.ts";

const policy: PolicyDescription = {
  architecture: "x86_64",
  name: "p",
  files: ["p.ts"],
  verdicts: [
    { action: "deny", errno: 38, reason: undefined, at: undefined },
    { action: "deny", errno: 1, reason: undefined, at: undefined },
    { action: "deny", errno: 0, reason: undefined, at: undefined },
  ],
  reports: [{ text: "seen", values: [], at: undefined }],
  phases: [],
};
const record = (number: number, verdict: JudgementRecord["verdict"]): JudgementRecord => ({
  kind: "judgement",
  time: 0,
  pid: 1,
  tid: 1,
  command: "c",
  architecture: 0xc000_003e,
  number,
  arguments: [0n, 0n, 0n, 0n, 0n, 0n],
  verdict,
  phases: [],
  reports: [],
  audit: false,
});
const [clone3, openat2] = [435, 437];

test("clone3 denied with ENOSYS is not an event, because C libraries fall back to clone", () => {
  expect(describe(policy, record(clone3, 0))).toEqual([]);
  expect(describe(policy, { ...record(clone3, 0), audit: true })).toEqual([]);
});

test("another errno, another call, a refusal by portcullis and a report are events", () => {
  expect(describe(policy, record(clone3, 1))).toMatchObject([{ call: "clone3", errno: "EPERM" }]);
  expect(describe(policy, record(openat2, 0))).toMatchObject([{ call: "openat2", errno: "ENOSYS" }]);
  expect(describe(policy, record(clone3, "supervisor-failed"))).toMatchObject([{ errno: "ENOSYS" }]);
  const reports = [{ report: 0, values: [] }];
  expect(describe(policy, { ...record(clone3, 0), reports })).toMatchObject([{ kind: "report" }]);
});

test("a denial with errno 0 says that the call is not made", () => {
  const lineOf = (audit: boolean) => {
    const [event] = describe(policy, { ...record(clone3, 2), audit });
    expect(event).toMatchObject({ verdict: "deny", errno: "0", returns: 0 });
    return printLine(event!);
  };
  expect(lineOf(false)).toMatch(/: returned 0 without being made$/);
  expect(lineOf(true)).toMatch(/: would have returned 0 without being made$/);
  expect(describe(policy, record(openat2, 0))[0]).not.toHaveProperty("returns");
});
