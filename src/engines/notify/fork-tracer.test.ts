import { afterEach, expect, test, vi } from "vitest";
import * as ptrace from "../../linux/ptrace.ts";
import { ForkTracer } from "./fork-tracer.ts";
import type { Reservation, TaskRegistry, Thread } from "./tasks.ts";

vi.mock("../../linux/ptrace.ts");
afterEach(() => vi.restoreAllMocks());

const none = () => undefined;

/** The looks at the outcome of a fork that fails, if each gives the processor away for so many milliseconds. */
function looks(milliseconds: number): number {
  let [now, count] = [0, 0];
  vi.spyOn(performance, "now").mockImplementation(() => now);
  vi.mocked(ptrace.seize).mockReturnValue(0);
  vi.mocked(ptrace.nextStop).mockReturnValue("none yet");
  vi.mocked(ptrace.yieldProcessor).mockImplementation(() => {
    now += milliseconds;
    count++;
    return 0;
  });
  const options = { kill: none, lost: none, isPinned: () => false, restarts: none, interruptsForks: false };
  const tracer = new ForkTracer({} as TaskRegistry, options);
  tracer.seize(7);
  tracer.advanceEagerly();
  return count;
}

test("looks often for the outcome of a fork", () => {
  expect(looks(0.001)).toBe(200);
});

test("does not give the processor away for long, on a machine where each look takes a time slice", () => {
  expect(looks(8)).toBe(1);
});

/** A tracer, its registry, and a kernel that reports these stops in turn and knows these tracees. */
function traced(stops: readonly { readonly tid: number; readonly event: number; readonly message?: number }[] = []) {
  const left = [...stops];
  const tracees = new Set<number>();
  let message = 0;
  vi.mocked(ptrace.seize).mockReturnValue(0);
  vi.mocked(ptrace.detach).mockReturnValue(0);
  vi.mocked(ptrace.isTracee).mockImplementation((tid) => tracees.has(tid));
  vi.mocked(ptrace.stopOf).mockImplementation((status) => ({ stopped: true, signal: 5, event: status }));
  vi.mocked(ptrace.eventMessage).mockImplementation(() => message);
  vi.mocked(ptrace.nextStop).mockImplementation(() => {
    const stop = left.shift();
    if (stop === undefined) return "none yet";
    message = stop.message ?? 0;
    return { tid: stop.tid, status: stop.event };
  });
  const registry = {
    cancel: vi.fn<TaskRegistry["cancel"]>(),
    commit: vi.fn<TaskRegistry["commit"]>().mockReturnValue("process"),
    executes: vi.fn<TaskRegistry["executes"]>(),
    executed: vi.fn<TaskRegistry["executed"]>(),
    notExecuted: vi.fn<TaskRegistry["notExecuted"]>(),
    losesId: vi.fn<TaskRegistry["losesId"]>(),
  };
  const kill = vi.fn<(pid: number) => void>();
  const options = { kill, lost: none, isPinned: () => false, restarts: none, interruptsForks: false };
  const tracer = new ForkTracer(registry as unknown as TaskRegistry, options);
  return { tracer, registry, tracees, kill };
}

const { fork, exec, stop } = { fork: 1, exec: 4, stop: 128 };
const call = new Uint8Array(64);
const reservation: Reservation = { processSlot: 1, threadSlot: 1, isRestricted: false };
const other: Reservation = { processSlot: 2, threadSlot: 2, isRestricted: false };
const threadOf = (pid: number, tid: number) => ({ tid, process: { pid } }) as Thread;

test("an execution does not fail because a new task with the thread's former id makes a call", () => {
  const { tracer, registry, tracees } = traced([{ tid: 10, event: exec, message: 12 }]);
  tracer.awaitExecution(threadOf(10, 12), call);
  tracees.add(10); // the thread, under its leader's id
  expect(tracer.called(12, call)).toBe("new");
  expect(registry.losesId).toHaveBeenCalledWith(12, 10);
  tracees.add(12); // the new task forks
  tracer.awaitChild(12, other, call);
  tracer.advance({ interrupts: false });
  expect(registry.executed).toHaveBeenCalledWith(12, 10);
  expect(registry.notExecuted).not.toHaveBeenCalled();
  expect(registry.cancel).not.toHaveBeenCalled();
});

test("an execution does not fail because a new child with the thread's former id stops", () => {
  const { tracer, registry, tracees } = traced([
    { tid: 20, event: fork, message: 12 },
    { tid: 12, event: stop },
  ]);
  tracer.awaitExecution(threadOf(10, 12), call);
  for (const tid of [10, 12, 20]) tracees.add(tid);
  tracer.awaitChild(20, reservation, call);
  tracer.advance({ interrupts: false });
  expect(registry.losesId).toHaveBeenCalledWith(12, 10);
  expect(registry.commit).toHaveBeenCalledWith(reservation, 12);
  expect(registry.notExecuted).not.toHaveBeenCalled();
});

test("a fork of the thread that executes has failed", () => {
  const { tracer, registry, tracees } = traced([{ tid: 10, event: exec, message: 12 }]);
  tracer.awaitChild(12, reservation, call);
  tracees.add(10);
  tracer.advance({ interrupts: false });
  expect(registry.cancel).toHaveBeenCalledWith(reservation);
});

test("a child that was killed before its first stop is neither registered nor killed by its number", () => {
  const { tracer, registry, tracees, kill } = traced([{ tid: 10, event: fork, message: 11 }]);
  tracees.add(10);
  tracer.awaitChild(10, reservation, call);
  tracer.advance({ interrupts: false });
  expect(registry.commit).not.toHaveBeenCalled();
  expect(registry.cancel).toHaveBeenCalledWith(reservation);
  expect(kill).not.toHaveBeenCalled();
});

test("the child of a leader that another thread's execution has ended is followed", () => {
  const { tracer, registry, tracees, kill } = traced([{ tid: 11, event: stop }]);
  tracer.awaitChild(10, reservation, call);
  tracees.add(11);
  tracer.advance({ interrupts: false }); // the child stops, and its parent may still name it
  expect(tracer.called(10, call)).toBe("new"); // the executed program
  expect(registry.commit).toHaveBeenCalledWith(reservation, 11);
  expect(registry.cancel).not.toHaveBeenCalled();
  expect(kill).not.toHaveBeenCalled();
});

test("a leader's id can become another program's until the execution has ended", () => {
  const { tracer, tracees } = traced([{ tid: 10, event: exec, message: 12 }]);
  expect(tracer.executesIn(10)).toBe(false);
  tracer.awaitExecution(threadOf(10, 12), call);
  tracees.add(12);
  expect([tracer.executesIn(10), tracer.executesIn(12)]).toEqual([true, false]);
  tracer.advance({ interrupts: false });
  expect(tracer.executesIn(10)).toBe(false);
});
