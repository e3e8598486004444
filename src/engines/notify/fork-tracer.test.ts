import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { property } from "../../ir/testing/property.ts";
import * as ptrace from "../../machine/ptrace.ts";
import { Work } from "../../machine/work.ts";
import { ForkTracer, mostFollowed } from "./fork-tracer.ts";
import type { SignalStops } from "./signal-stops.ts";
import { processOf, type Reservation, type TaskRegistry, type Thread } from "./tasks/tasks.ts";

vi.mock("../../machine/ptrace.ts");
vi.mock("./tasks/tasks.ts", async (original) => ({
  ...(await original<object>()),
  processOf: vi.fn<typeof processOf>(),
}));
afterEach(() => vi.restoreAllMocks());

const none = () => undefined;
const { fork, exec, stop } = { fork: 1, exec: 4, stop: 128 };
const call = new Uint8Array(64);
const threadOf = (pid: number, tid: number) => ({ tid, process: { pid } }) as Thread;
const reservationOf = (slot: number): Reservation => ({ processSlot: slot, threadSlot: slot, isRestricted: false });

interface Report {
  readonly tid: number;
  readonly event: number;
  readonly message?: number;
}

/** A tracee, and what a wait will report of it. */
interface Tracee {
  readonly tracer: ptrace.Tracer;
  readonly reports: Report[];
  /** The options of PTRACE_SEIZE. */
  readonly options: number;
}

const end = -1;

/** A kernel: it knows who traces whom, and reports the stops and ends that a test has queued, each to its tracer. */
class Kernel {
  readonly tracees = new Map<number, Tracee>();
  readonly tracers = [ptrace.ownThread];
  /** The order of the reports of all tracees. */
  readonly order: number[] = [];
  #message = 0;
  readonly registry = {
    cancel: vi.fn<TaskRegistry["cancel"]>(),
    commit: vi.fn<TaskRegistry["commit"]>().mockReturnValue("process"),
    executes: vi.fn<TaskRegistry["executes"]>(),
    executed: vi.fn<TaskRegistry["executed"]>(),
    notExecuted: vi.fn<TaskRegistry["notExecuted"]>(),
    losesId: vi.fn<TaskRegistry["losesId"]>(),
    isExecuting: vi.fn<TaskRegistry["isExecuting"]>(),
  };
  readonly kill = vi.fn<(pid: number) => void>();
  readonly tracer: ForkTracer;

  readonly work = new Work(undefined);
  /** The result of a wait for a stop. */
  awaits: (tracer: ptrace.Tracer) => number = () => -4;

  /** Tasks that stay tracees of this thread. */
  readonly kept = new Set<number>();
  readonly signals = {
    isKept: (tid: number) => this.kept.has(tid),
    stops: (tid: number) => this.kept.has(tid),
    born: (tid: number) => this.kept.add(tid),
    ended: (tid: number) => this.kept.delete(tid),
    inherits: vi.fn<SignalStops["inherits"]>(),
    detached: vi.fn<SignalStops["detached"]>(),
    executed: (former: number, pid: number) => {
      for (const tid of [former, pid]) this.kept.delete(tid);
    },
    get keepsAny(): boolean {
      return true;
    },
  };

  /** `keeps`: tasks are kept. */
  constructor({ keeps = false } = {}) {
    const seize = (tracer: ptrace.Tracer) => (tid: number, options: number) => {
      this.tracees.set(tid, { tracer, options, reports: [] });
      return 0;
    };
    const letGo = (tracer: ptrace.Tracer) => (tid: number) => {
      const tracee = this.tracees.get(tid);
      // It has been killed in its stop, and is reaped by a wait.
      if (tracee?.tracer !== tracer || tracee.reports.length > 0) return -3;
      if (!this.kept.has(tid)) this.tracees.delete(tid);
      return 0;
    };
    ptrace.ownThread.seize = seize(ptrace.ownThread);
    ptrace.ownThread.beginSeize = ptrace.ownThread.seize;
    ptrace.ownThread.beginAwait = () => this.awaits(ptrace.ownThread);
    ptrace.ownThread.letGo = letGo(ptrace.ownThread);
    vi.mocked(ptrace.startTracer).mockImplementation(() => {
      const tracer: ptrace.Tracer = {
        call: () => 0,
        seize: (tid, options) => seize(tracer)(tid, options),
        beginSeize: (tid, options) => seize(tracer)(tid, options),
        beginAwait: () => this.awaits(tracer),
        letGo: (tid) => letGo(tracer)(tid),
      };
      this.tracers.push(tracer);
      return tracer;
    });
    const has = (tracer: ptrace.Tracer, tid: number) => this.tracees.get(tid)?.tracer === tracer;
    vi.mocked(ptrace.isTracee).mockImplementation(has);
    vi.mocked(ptrace.traceesOf).mockImplementation((tracer) =>
      [...this.tracees.keys()].filter((tid) => has(tracer, tid)),
    );
    vi.mocked(ptrace.interrupt).mockImplementation((tracer, tid) => (has(tracer, tid) ? 0 : -3));
    vi.mocked(ptrace.stopOf).mockImplementation((event) => ({ stopped: event !== end, signal: 5, event }));
    vi.mocked(ptrace.eventMessage).mockImplementation(() => this.#message);
    vi.mocked(ptrace.stopOfOne).mockImplementation((tracer, tid) => (has(tracer, tid) ? "none yet" : "no tracees"));
    vi.mocked(ptrace.nextStop).mockImplementation((tracer) => {
      for (const tid of this.order) {
        const tracee = this.tracees.get(tid);
        if (tracee?.tracer !== tracer || tracee.reports.length === 0) continue;
        const { event, message, tid: reported } = tracee.reports.shift()!;
        this.order.splice(this.order.indexOf(tid), 1);
        this.#message = message ?? 0;
        if (event === end) this.tracees.delete(tid);
        return { tid: reported, status: event };
      }
      return [...this.tracees.values()].some((one) => one.tracer === tracer) ? "none yet" : "no tracees";
    });
    this.tracer = new ForkTracer(this.registry as unknown as TaskRegistry, {
      kill: this.kill,
      lost: none,
      isPinned: () => false,
      restarts: none,
      signals: keeps ? (this.signals as unknown as SignalStops) : undefined,
      work: this.work,
      followsForks: true,
      interruptsForks: false,
    });
  }

  /** The result of a seizure, after the pauses of its call. */
  seizes(tid: number, follows: "child" | "itself"): number {
    const known = this.beginsSeizure(tid, follows);
    while (this.work.isUnderWay) this.work.end()(0);
    return known.result;
  }

  beginsSeizure(tid: number, follows: "child" | "itself"): { result: number } {
    const known = { result: Number.NaN };
    this.tracer.seize(tid, follows, (result) => {
      known.result = result;
      return false;
    });
    return known;
  }

  /** A wait will report this of the tracee. */
  reports(tid: number, event: number, message?: number): void {
    this.tracees.get(tid)!.reports.push({ tid, event, ...(message === undefined ? {} : { message }) });
    this.order.push(tid);
  }

  /** copy_process(): the child has its parent's tracer, if that asks for children. */
  makes(parent: number, child: number): void {
    const { tracer, options } = this.tracees.get(parent)!;
    if ((options & ptrace.traceOptions.creation) !== 0) this.tracees.set(child, { tracer, options, reports: [] });
  }

  /** A thread other than the leader gets its leader's id, long before the event of exec. */
  takesId(former: number, pid: number): void {
    this.tracees.set(pid, this.tracees.get(former)!);
    this.tracees.delete(former);
  }

  keeps(tid: number): void {
    this.kept.add(tid);
    const options = ptrace.traceOptions.creation | ptrace.traceOptions.exec;
    this.tracees.set(tid, { tracer: ptrace.ownThread, options, reports: [] });
  }

  forks(tid: number, reservation: Reservation): void {
    expect(this.seizes(tid, "child")).toBe(0);
    this.tracer.awaitChild(tid, reservation, call);
  }

  advance(): void {
    // Another thread's tracees are looked at when they are due.
    const clock = performance.now();
    vi.spyOn(performance, "now").mockReturnValue(clock + 10);
    this.tracer.advance({ interrupts: false });
  }
}

let kernel: Kernel;
beforeEach(() => {
  kernel = new Kernel();
});

describe("after a fork has passed", () => {
  // The wait has a limit of time, and the machine of the tests may have none to give.
  beforeEach(() => void vi.spyOn(performance, "now").mockReturnValue(performance.now()));
  const reserved = reservationOf(1);
  const outcomes = (waits: readonly (() => number)[]) => {
    const left = [...waits];
    kernel.awaits = () => left.shift()!();
    kernel.forks(10, reserved);
    expect(kernel.tracer.awaitStops()).toBe(false);
    return left.length;
  };
  const child = () => {
    kernel.makes(10, 11);
    kernel.reports(11, stop);
    return 0;
  };
  const parent = () => {
    kernel.reports(10, fork, 11);
    return 0;
  };

  test("both stops are awaited, in any order", () => {
    expect(outcomes([child, parent])).toBe(0);
    expect(kernel.registry.commit).toHaveBeenCalledWith(reserved, 11);
    expect(kernel.tracer.busy).toBe(false);
  });

  test("a wait ends after a moment if nothing stops", () => {
    expect(outcomes([() => -4, () => 0])).toBe(1);
    expect(kernel.tracer.busy).toBe(true);
  });

  test("stops of other tasks do not prolong it", () => {
    let now = performance.now();
    vi.spyOn(performance, "now").mockImplementation(() => now);
    const other = () => {
      now += 0.6;
      return 0;
    };
    expect(outcomes([other, other, other])).toBe(1);
  });

  test("the thread does not wait where the tree has one of its own", () => {
    kernel.awaits = () => -115;
    kernel.forks(10, reserved);
    expect(kernel.tracer.awaitStops()).toBe(false);
    expect([kernel.work.isUnderWay, kernel.work.pause]).toEqual([true, undefined]);
    kernel.work.end()(-4);
    expect(kernel.work.isUnderWay).toBe(false);
  });
});

const reservation = reservationOf(1);
const other = reservationOf(2);

test("an execution does not fail because a new task with the thread's former id forks", () => {
  const { tracer, registry } = kernel;
  kernel.seizes(12, "itself");
  tracer.awaitExecution(threadOf(10, 12), call);
  kernel.takesId(12, 10);
  expect(tracer.called(12, call)).toBe("new");
  expect(registry.losesId).toHaveBeenCalledWith(12, 10);
  kernel.forks(12, other);
  kernel.reports(10, exec, 12);
  kernel.advance();
  expect(registry.executed).toHaveBeenCalledWith(12, 10);
  expect(registry.notExecuted).not.toHaveBeenCalled();
  expect(registry.cancel).not.toHaveBeenCalled();
});

test("an execution does not fail because a new child with the thread's former id stops", () => {
  const { tracer, registry } = kernel;
  kernel.seizes(12, "itself");
  tracer.awaitExecution(threadOf(10, 12), call);
  kernel.forks(20, reservation);
  kernel.takesId(12, 10);
  kernel.makes(20, 12);
  kernel.reports(20, fork, 12);
  kernel.reports(12, stop);
  kernel.advance();
  expect(registry.commit).toHaveBeenCalledWith(reservation, 12);
  expect(registry.notExecuted).not.toHaveBeenCalled();
});

test("a fork of the thread that executes has failed", () => {
  const { registry } = kernel;
  kernel.forks(12, reservation);
  kernel.takesId(12, 10);
  kernel.reports(10, exec, 12);
  kernel.advance();
  expect(registry.cancel).toHaveBeenCalledWith(reservation);
});

test("a child that was killed before its first stop is neither registered nor killed by its number", () => {
  const { registry, kill } = kernel;
  kernel.forks(10, reservation);
  kernel.makes(10, 11);
  kernel.reports(10, fork, 11);
  kernel.reports(11, end);
  kernel.advance();
  expect(registry.commit).not.toHaveBeenCalled();
  expect(registry.cancel).toHaveBeenCalledWith(reservation);
  expect(kill).not.toHaveBeenCalled();
});

test("the child of a leader that another thread's execution has ended is followed", () => {
  const { tracer, registry, kill } = kernel;
  kernel.forks(10, reservation);
  kernel.makes(10, 11);
  kernel.tracees.delete(10);
  expect(tracer.called(10, call)).toBe("new"); // the executed program
  kernel.reports(11, stop);
  kernel.advance();
  expect(registry.commit).toHaveBeenCalledWith(reservation, 11);
  expect(registry.cancel).not.toHaveBeenCalled();
  expect(kill).not.toHaveBeenCalled();
});

test("of two parents that are killed before their events, each child gets its own parent's state", () => {
  const { registry, kill } = kernel;
  kernel.forks(10, reservation);
  kernel.forks(20, other);
  kernel.makes(10, 11);
  kernel.makes(20, 21);
  for (const tid of [20, 10]) kernel.reports(tid, end);
  for (const tid of [21, 11]) kernel.reports(tid, stop);
  kernel.advance();
  expect(registry.commit.mock.calls).toEqual(
    expect.arrayContaining([
      [reservation, 11],
      [other, 21],
    ]),
  );
  expect(registry.cancel).not.toHaveBeenCalled();
  expect(kill).not.toHaveBeenCalled();
});

test("the fork of a parent that was killed before it made a child counts no longer when its end is known", () => {
  const { tracer, registry } = kernel;
  kernel.forks(10, reservation);
  kernel.forks(20, other); // goes on
  kernel.reports(10, end);
  kernel.advance();
  expect(registry.cancel.mock.calls).toEqual([[reservation]]);
  expect(tracer.busy).toBe(true);
});

test("a task that no judged fork has made is killed", () => {
  const { tracer, registry, kill } = kernel;
  kernel.seizes(10, "child");
  tracer.release(10);
  kernel.makes(10, 11);
  kernel.reports(11, stop);
  kernel.advance();
  expect(kill).toHaveBeenCalledWith(11);
  expect(registry.commit).not.toHaveBeenCalled();
});

test("a thread that is made after a failed execution is not traced", () => {
  const { tracer, kill } = kernel;
  kernel.seizes(12, "itself");
  tracer.awaitExecution(threadOf(10, 12), call);
  kernel.makes(12, 13);
  expect(kernel.tracees.has(13)).toBe(false);
  kernel.reports(12, stop);
  kernel.advance();
  expect(kill).not.toHaveBeenCalled();
});

test("a tracer follows another call only when it has no tracee left", () => {
  kernel.forks(10, reservation);
  kernel.makes(10, 11);
  kernel.reports(10, end);
  kernel.advance(); // the child has not stopped
  kernel.forks(20, other);
  expect(kernel.tracees.get(20)!.tracer).not.toBe(kernel.tracees.get(11)!.tracer);
  kernel.reports(11, stop);
  kernel.advance();
  kernel.forks(30, reservationOf(3));
  expect(kernel.tracees.get(30)!.tracer).toBe(ptrace.ownThread);
  expect(kernel.tracers).toHaveLength(2);
});

test("the number of calls that are followed at once has a limit", () => {
  for (let tid = 0; tid <= mostFollowed; tid++) kernel.forks(1000 + tid, reservationOf(tid));
  expect(kernel.seizes(9, "child")).toBe(-11);
  expect(kernel.tracers).toHaveLength(mostFollowed + 1);
});

test("while all tracers are taken a call pauses, and takes the first one that is free", () => {
  for (let tid = 0; tid <= mostFollowed; tid++) kernel.forks(1000 + tid, reservationOf(tid));
  const seizure = kernel.beginsSeizure(9, "child");
  expect(kernel.work.pause).toBeGreaterThan(0);
  kernel.reports(1000, stop);
  kernel.work.end()(0);
  expect([seizure.result, kernel.work.isUnderWay]).toEqual([0, false]);
});

test("a call is refused if the tracer's thread cannot be started", () => {
  kernel.forks(10, reservation);
  vi.mocked(ptrace.startTracer).mockReturnValue(-11);
  expect(kernel.seizes(20, "child")).toBe(-11);
});

test("a leader's id can become another program's until the execution has ended", () => {
  const { tracer } = kernel;
  expect(tracer.executesIn(10)).toBe(false);
  kernel.seizes(12, "itself");
  tracer.awaitExecution(threadOf(10, 12), call);
  expect([tracer.executesIn(10), tracer.executesIn(12)]).toEqual([true, false]);
  kernel.takesId(12, 10);
  kernel.reports(10, exec, 12);
  kernel.advance();
  expect(tracer.executesIn(10)).toBe(false);
});

// ── Kept tasks ────────────────────────────────────────────────────────────────────────────────────────────────────────

describe("while tasks are kept", () => {
  beforeEach(() => {
    kernel = new Kernel({ keeps: true });
    for (const tid of [10, 20]) kernel.keeps(tid);
  });

  const committed = () => kernel.registry.commit.mock.calls;
  const cancelled = () => kernel.registry.cancel.mock.calls;

  test.each(["before", "after"])("the child is known if it is named %s its stop", (when) => {
    kernel.forks(10, reservation);
    expect(kernel.tracer.mustWait(20)).toBe(true);
    kernel.makes(10, 11);
    const steps = [() => kernel.reports(10, fork, 11), () => kernel.reports(11, stop)];
    for (const report of when === "before" ? steps : steps.reverse()) {
      report();
      kernel.advance();
    }
    expect(committed()).toEqual([[reservation, 11]]);
    expect(kernel.kept.has(11)).toBe(true);
    expect(kernel.tracer.busy).toBe(false);
    expect(kernel.tracer.mustWait(20)).toBe(false);
    expect(kernel.tracers).toHaveLength(1);
  });

  test("another kept task's fork has no tracer meanwhile, and another task's has", () => {
    kernel.forks(10, reservation);
    expect(kernel.seizes(20, "child")).toBe(-11);
    kernel.forks(30, other);
    kernel.makes(10, 11);
    kernel.makes(30, 31);
    for (const tid of [31, 11]) kernel.reports(tid, stop);
    kernel.advance();
    expect(committed()).toEqual([
      [reservation, 11],
      [other, 31],
    ]);
    expect(kernel.tracers).toHaveLength(2);
  });

  test("a call waits for the tracer no longer than five seconds", () => {
    const time = vi.spyOn(performance, "now");
    const start = performance.now();
    kernel.forks(10, reservation);
    expect(kernel.tracer.mustWait(20)).toBe(true);
    time.mockReturnValue(start + 5100);
    expect(kernel.tracer.mustWait(20)).toBe(false);
  });

  test.each(["stops", "ends"])("a parent is killed before its event, and /proc shows its child, which %s", (how) => {
    kernel.forks(10, reservation);
    kernel.makes(10, 11);
    kernel.reports(10, end);
    kernel.advance();
    expect(kernel.tracer.mustWait(20)).toBe(true);
    kernel.reports(11, how === "stops" ? stop : end);
    kernel.advance();
    expect(committed()).toEqual(how === "stops" ? [[reservation, 11]] : []);
    expect(cancelled()).toEqual(how === "stops" ? [] : [[reservation]]);
    expect(kernel.kill).not.toHaveBeenCalled();
    expect(kernel.tracer.busy).toBe(false);
  });

  test("a parent is killed before its event, and its child has stopped before", () => {
    kernel.forks(10, reservation);
    kernel.makes(10, 11);
    kernel.reports(11, stop);
    kernel.reports(10, end);
    kernel.advance();
    expect(committed()).toEqual([[reservation, 11]]);
    expect(cancelled()).toEqual([]);
    expect(kernel.tracer.busy).toBe(false);
  });

  test("a parent that is killed in its stop names no child, and has made one", () => {
    kernel.forks(10, reservation);
    kernel.makes(10, 11);
    kernel.reports(10, fork, -3);
    kernel.advance();
    kernel.reports(11, stop);
    kernel.advance();
    expect(committed()).toEqual([[reservation, 11]]);
  });

  test("a parent that is killed has made nothing", () => {
    kernel.forks(10, reservation);
    kernel.reports(10, end);
    kernel.advance();
    expect(cancelled()).toEqual([[reservation]]);
    expect(kernel.tracer.busy).toBe(false);
  });

  test("a child ends before its parent names it", () => {
    kernel.forks(10, reservation);
    kernel.makes(10, 11);
    kernel.reports(11, end);
    kernel.advance();
    kernel.reports(10, fork, 11);
    kernel.advance();
    expect(cancelled()).toEqual([[reservation]]);
    expect(kernel.tracer.busy).toBe(false);
  });

  test("a thread is no child of the fork in flight", () => {
    vi.mocked(processOf).mockReturnValueOnce(10);
    kernel.forks(20, other);
    kernel.makes(10, 12);
    kernel.reports(12, stop);
    kernel.reports(10, 3, 12);
    kernel.advance();
    expect(kernel.kept.has(12)).toBe(true);
    expect(committed()).toEqual([]);
    expect(kernel.kill).not.toHaveBeenCalled();
    kernel.makes(20, 21);
    kernel.reports(21, stop);
    kernel.advance();
    expect(committed()).toEqual([[other, 21]]);
  });

  test("a thread whose fork has failed makes a thread", () => {
    vi.mocked(processOf).mockReturnValueOnce(10);
    kernel.forks(10, reservation);
    kernel.makes(10, 12);
    kernel.reports(12, stop);
    kernel.reports(10, 3, 12);
    kernel.advance();
    expect(cancelled()).toEqual([[reservation]]);
    expect(kernel.tracer.busy).toBe(false);
  });

  test("a process that no judged call has made is killed", () => {
    kernel.makes(10, 11);
    kernel.reports(11, stop);
    kernel.advance();
    expect(kernel.kill.mock.calls).toEqual([[11]]);
  });

  test("the next call of the caller shows that its fork has failed, and does not stop it", () => {
    kernel.forks(10, reservation);
    vi.mocked(ptrace.interrupt).mockClear();
    expect(kernel.tracer.called(10, call)).toBe("new");
    expect(cancelled()).toEqual([[reservation]]);
    expect(ptrace.interrupt).not.toHaveBeenCalled();
    expect(kernel.tracer.busy).toBe(false);
  });

  test("this thread follows another task's fork, too, and its child is not kept", () => {
    kernel.forks(30, reservation);
    kernel.makes(30, 31);
    kernel.reports(30, end);
    kernel.reports(31, stop);
    kernel.advance();
    expect(committed()).toEqual([[reservation, 31]]);
    expect(kernel.signals.inherits).toHaveBeenCalledWith(30, 31);
    expect(kernel.signals.detached).toHaveBeenCalledWith(31);
    expect(kernel.kept.has(31)).toBe(false);
    expect(kernel.tracers).toHaveLength(1);
  });

  test("a fork of the thread that executes has failed, and the program is not kept", () => {
    kernel.keeps(12);
    kernel.forks(12, reservation);
    kernel.takesId(12, 10);
    kernel.reports(10, exec, 12);
    kernel.advance();
    expect(cancelled()).toEqual([[reservation]]);
    expect([...kernel.tracees.keys()]).toEqual([20]);
  });
});

// ── Any order of events ───────────────────────────────────────────────────────────────────────────────────────────────

/** A fork of one process: whether it makes a child, whether the process is killed first, and when each step happens. */
const forkOfOne = fc.record({
  makes: fc.boolean(),
  parentIs: fc.constantFrom("alive", "killed", "killed in its stop"),
  childIsKilled: fc.boolean(),
  /** The moments of the start, of the parent's report, and of the child's. */
  at: fc.tuple(fc.nat(20), fc.nat(20), fc.nat(20)),
});

property([fc.array(forkOfOne, { maxLength: 12 }), fc.boolean()])(
  "each child gets the state of its parent, in any order of stops, ends and forks",
  (forks, keeps) => {
    kernel = new Kernel({ keeps });
    const { tracer, registry, kill } = kernel;
    const steps: { readonly time: number; readonly run: () => void }[] = [];
    for (const [index, { makes, parentIs, childIsKilled, at }] of forks.entries()) {
      const [parent, child, own] = [100 + index, 200 + index, reservationOf(index)];
      const [start, first, second] = at;
      steps.push({
        time: start,
        run: () => {
          kernel.forks(parent, own);
          if (makes) kernel.makes(parent, child);
        },
      });
      const ended = () => {
        if (parentIs === "killed") kernel.reports(parent, end);
        else if (makes) {
          kernel.reports(parent, fork, child);
          if (parentIs === "killed in its stop") kernel.reports(parent, end);
        } else if (tracer.called(parent, call) === "stops") kernel.reports(parent, stop);
      };
      steps.push({ time: start + first, run: ended });
      if (makes) steps.push({ time: start + second, run: () => kernel.reports(child, childIsKilled ? end : stop) });
    }
    for (const { run } of steps.sort((one, two) => one.time - two.time)) {
      run();
      kernel.advance();
    }
    kernel.advance();
    expect(tracer.busy).toBe(false);
    const committed = registry.commit.mock.calls.map(([{ processSlot }, pid]) => [processSlot, pid]);
    const lives = forks.flatMap(({ makes, childIsKilled }, index) => (makes && !childIsKilled ? [index] : []));
    expect(committed.sort(([a], [b]) => a! - b!)).toEqual(lives.map((index) => [index, 200 + index]));
    const cancelled = registry.cancel.mock.calls.map(([{ processSlot }]) => processSlot);
    const fails = forks.flatMap((_, index) => (lives.includes(index) ? [] : [index]));
    expect(cancelled.sort((a, b) => a - b)).toEqual(fails);
    expect(kill).not.toHaveBeenCalled();
  },
);

/** A fork of a kept task, as above; and whether another kept task makes a thread before, between or after the reports. */
const forkOfKept = fc.record({
  makes: fc.boolean(),
  parentIs: fc.constantFrom("alive", "killed", "killed in its stop"),
  childIsKilled: fc.boolean(),
  childIsFirst: fc.boolean(),
  threadAt: fc.constantFrom(undefined, 0, 1, 2),
});

property([fc.array(forkOfKept, { maxLength: 8 })])(
  "each child of a kept task gets the state of its parent, also beside new threads",
  (forks) => {
    kernel = new Kernel({ keeps: true });
    const { tracer, registry, kill } = kernel;
    vi.mocked(processOf).mockImplementation((tid) => (tid >= 300 ? 99 : tid));
    kernel.keeps(99);
    for (const [index, { makes, parentIs, childIsKilled, childIsFirst, threadAt }] of forks.entries()) {
      const [parent, child, thread] = [100 + index, 200 + index, 300 + index];
      kernel.keeps(parent);
      expect(tracer.mustWait(parent)).toBe(false);
      kernel.forks(parent, reservationOf(index));
      expect(tracer.mustWait(99)).toBe(true);
      if (makes) kernel.makes(parent, child);
      const ends = () => {
        if (parentIs === "killed") kernel.reports(parent, end);
        else if (makes) {
          // A caller that has been killed in its stop has no message any more.
          kernel.reports(parent, fork, parentIs === "alive" ? child : -3);
          if (parentIs !== "alive") kernel.reports(parent, end);
        } else expect(tracer.called(parent, call)).toBe("new");
      };
      const steps = [ends, () => makes && kernel.reports(child, childIsKilled ? end : stop)];
      if (childIsFirst) steps.reverse();
      if (threadAt !== undefined) {
        const begins = () => {
          kernel.makes(99, thread);
          kernel.reports(thread, stop);
        };
        steps.splice(threadAt, 0, begins);
      }
      for (const step of steps) {
        step();
        kernel.advance();
      }
      expect(tracer.busy).toBe(false);
    }
    const committed = registry.commit.mock.calls.map(([{ processSlot }, pid]) => [processSlot, pid]);
    const lives = forks.flatMap(({ makes, childIsKilled }, index) => (makes && !childIsKilled ? [index] : []));
    expect(committed).toEqual(lives.map((index) => [index, 200 + index]));
    const cancelled = registry.cancel.mock.calls.map(([{ processSlot }]) => processSlot);
    expect(cancelled).toEqual(forks.flatMap((_, index) => (lives.includes(index) ? [] : [index])));
    expect(kill).not.toHaveBeenCalled();
  },
);
