/** Tests which threads of a process are kept, with an addon that does not seize. */
import { beforeEach, expect, test } from "vitest";
import { callNumber } from "../../abi/call-numbers.ts";
import { errno } from "../../abi/errno-numbers.ts";
import type { Native } from "../../machine/native.ts";
import { Work } from "../../machine/work.ts";
import { SignalStops } from "./signal-stops.ts";

/** The threads that are to be seized, and the result for each after the first one. */
let asked: number[] = [];
let further = 0;
/** The result of the addon: 0, or the work of another thread. */
let begun = 0;
const isFirst = () => asked.length === 0;
const kept = new Set<number>();

const addon = {
  isKept: (tid: number) => kept.has(tid),
  isSuspended: () => false,
  forgetKept: (tid: number) => kept.delete(tid),
  beginKeep: (tasks: Int32Array) => {
    let isDelayed = false;
    tasks.forEach((tid, index) => {
      const result = isDelayed ? -errno.EINTR : isFirst() ? 0 : further;
      if (!isDelayed) asked.push(tid);
      if (result === 0) kept.add(tid);
      isDelayed = result === -errno.EINTR;
      tasks[index] = result;
    });
    return begun;
  },
} as unknown as Native;

beforeEach(() => {
  asked = [];
  begun = 0;
  kept.clear();
});

const number = callNumber("rt_sigaction", "x86_64");
let stops: SignalStops;
const work = new Work(undefined);

/** This process, which has several threads, installs a handler. */
function installs(): void {
  stops = new SignalStops("x86_64", () => true, addon);
  expect(stops.mustKeep(process.pid, number)).toBe(true);
  expect(stops.keepCaller(process.pid, work, () => true)).toBe(begun === 0);
  while (work.isUnderWay) work.end()(0);
  expect(stops.called(process.pid, number, () => 15n)).toBe("passes");
}

test("a process is kept with all of its threads", () => {
  further = 0;
  installs();
  expect(asked.length).toBeGreaterThan(2);
  expect(kept.size).toBe(asked.length);
});

test("a thread that cannot be seized does not keep others from it", () => {
  further = -errno.EPERM;
  installs();
  expect(asked.length).toBeGreaterThan(2);
  expect(kept.size).toBe(1);
});

test("no further one is tried while a thread executes a program, which delays each attempt", () => {
  further = -errno.EINTR;
  installs();
  expect(asked).toHaveLength(2);
});

test("the call goes on when another thread has kept all of them", () => {
  begun = -errno.EINPROGRESS;
  further = 0;
  installs();
  expect(asked.length).toBeGreaterThan(2);
});

test("a thread that our own tracer has is kept when that has detached it", () => {
  further = -errno.EPERM;
  installs();
  const late = asked.at(-1)!;
  expect(stops.hasDue).toBe(false);
  stops.detached(late);
  stops.detached(process.pid); // it is kept
  expect(stops.hasDue).toBe(true);
  expect(stops.takeDue()).toEqual([late]);
  expect(stops.hasDue).toBe(false);
  stops.ended(late);
  stops.detached(late);
  expect(stops.hasDue).toBe(false);
});
