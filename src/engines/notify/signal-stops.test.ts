/** Tests which threads of a process are kept, with an addon that does not seize. */
import { beforeEach, expect, test } from "vitest";
import { callNumber } from "../../abi/call-numbers.ts";
import { errno } from "../../abi/errno-numbers.ts";
import type { Native } from "../../machine/native.ts";
import { SignalStops } from "./signal-stops.ts";

/** The threads that are to be seized, and the result for each after the first one. */
let asked: number[] = [];
let further = 0;
const kept = new Set<number>();

const addon = {
  isKept: (tid: number) => kept.has(tid),
  isSuspended: () => false,
  keepTask: (tid: number) => {
    const result = asked.push(tid) === 1 ? 0 : further;
    if (result === 0) kept.add(tid);
    return result;
  },
} as unknown as Native;

beforeEach(() => {
  asked = [];
  kept.clear();
});

/** This process, which has several threads, installs a handler. */
function installs(): void {
  const number = callNumber("rt_sigaction", "x86_64");
  const stops = new SignalStops("x86_64", () => false, addon);
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
