import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { describe as describeEvent } from "../../../events/describe.ts";
import { printLine } from "../../../events/line.ts";
import { describeObstacle } from "../../../events/obstacles.ts";
import type { FollowObstacle } from "../../../events/record.ts";
import { judgement } from "../../../events/testing/judgement.ts";
import { explainRefusal, type PtraceCircumstances, parseStatus, type TaskStatus } from "./ptrace-refusal.ts";

const task: TaskStatus = {
  parent: 1,
  tracer: 0,
  users: [1000, 1000, 1000],
  groups: [1000, 1000, 1000],
  permitted: 0n,
  effective: 0n,
};
const privileged: TaskStatus = {
  ...task,
  users: [0, 0, 0],
  groups: [0, 0, 0],
  permitted: 1n << 19n,
  effective: 1n << 19n,
};
const found: PtraceCircumstances = {
  errno: 1,
  own: task,
  task,
  tracerName: undefined,
  isDumpable: true,
  isInOurUserNamespace: true,
  yama: 0,
  isDescendant: true,
};

describe("why ptrace is refused", () => {
  const cases: readonly (readonly [string, Partial<PtraceCircumstances>, FollowObstacle])[] = [
    [
      "another tracer, before all other reasons",
      { task: { ...task, tracer: 7 }, tracerName: "strace", isDumpable: false, yama: 2 },
      { why: "traced", by: 7, command: "strace" },
    ],
    ["not dumpable", { isDumpable: false, yama: 1, isDescendant: false }, { why: "not-dumpable" }],
    [
      "another saved user, which also makes a process not dumpable",
      { task: { ...task, users: [1000, 1000, 33] }, isDumpable: false },
      { why: "other-user", uid: 33 },
    ],
    ["another group", { task: { ...task, groups: [1000, 5, 1000] } }, { why: "other-group" }],
    ["capabilities that we lack", { task: { ...task, permitted: 1n } }, { why: "more-capabilities" }],
    ["another user namespace", { own: privileged, isInOurUserNamespace: false }, { why: "user-namespace" }],
    ["Yama, for processes that are not our descendants", { yama: 1, isDescendant: false }, { why: "yama", level: 1 }],
    ["Yama, for all processes without the capability", { yama: 2 }, { why: "yama", level: 2 }],
    ["Yama, for all", { own: privileged, yama: 3 }, { why: "yama", level: 3 }],
    ["no known reason", { own: privileged, isDumpable: false, yama: 2 }, { why: "refused", errno: 1 }],
    ["no known reason, for a descendant", { yama: 1 }, { why: "refused", errno: 1 }],
  ];
  test.each(cases)("%s", (_, circumstances, obstacle) => {
    expect(explainRefusal({ ...found, ...circumstances })).toEqual(obstacle);
    const { cause, advice } = describeObstacle(obstacle);
    expect(`${cause}; ${advice}`).not.toMatch(/undefined|doctor/);
  });

  test("is read from the kernel's text", () => {
    const status = parseStatus(readFileSync("/proc/thread-self/status", "latin1"));
    expect(status).toMatchObject({ parent: process.ppid, tracer: 0 });
    expect(status!.users).toEqual([process.getuid!(), process.geteuid!(), process.geteuid!()]);
    expect(parseStatus("")).toBeUndefined();
  });
});

describe("the event of an action that failed", () => {
  const policy = {
    architecture: "x86_64",
    name: "p",
    files: ["p.ts"],
    verdicts: [
      { action: "kill-process", errno: 0, reason: "too many", at: { file: 0, line: 3, column: 7, length: 1 } },
    ],
    reports: [],
    phases: [],
  } as const;
  const record = judgement({ pid: 5, tid: 5, command: "victim", number: 57 });

  test("says denied if the kernel refused a kill, with the reason", () => {
    const [event] = describeEvent(policy, { ...record, notKilled: 1 });
    expect(event).toMatchObject({
      verdict: "deny",
      errno: "EPERM",
      reason: "too many; the verdict kills the process, but the kernel refused the kill: EPERM",
      rule: "p.ts:3:7",
    });
    expect(describeEvent(policy, record)).toMatchObject([{ verdict: "kill-process", reason: "too many" }]);
  });

  test("names the tracer and a remedy", () => {
    const obstacle = { why: "traced", by: 9, command: "strace" } as const;
    const [event] = describeEvent(policy, { ...record, verdict: "unseen-child", errno: 1, obstacle });
    expect(event).toMatchObject({
      verdict: "deny",
      errno: "EPERM",
      reason: "the new process could not be followed: strace[9] traces the caller, and a task has one tracer",
      advice: expect.stringContaining("without a policy"),
    });
    expect(printLine(event!)).toMatch(/strace\[9\] traces the caller.*; debug without a policy/);
  });
});
