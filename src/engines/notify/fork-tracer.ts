/**
 * Follows forks, and executions by threads other than the leader: finds the process that a judged fork has made.
 *
 * The caller is blocked in its notification. It is seized (PTRACE_SEIZE, which does not stop it), answered, and makes the
 * call. If the call makes a child, both stop: the parent in an event that names the child, the child before its first
 * instruction. The child enters the registry with the state that was reserved when the fork was judged, and both are
 * detached after some 100 µs. If the call fails there is no event. The next judged call of the same thread then shows
 * that the fork failed: the thread is stopped and detached at that call, which is restarted and judged then. Or, after
 * some milliseconds, PTRACE_INTERRUPT stops the thread, and that stop (or one for a signal) shows it. On a busy machine
 * the thread may not have reached copy_process() yet. Then this stop itself makes the kernel restart the fork
 * (kernel/fork.c, Linux 6.12): the call comes again, and passes without another judgement.
 *
 * Several forks can be in flight. Other calls are judged meanwhile: `advance` does not wait.
 *
 * A call in flight belongs to a task, not to an id. A thread that executes a program gets its leader's id
 * (fs/exec.c, de_thread(), Linux 6.12) long before the event that says so. Meanwhile any new task can get the thread's
 * former id, and the leader, which may have made a child, disappears without a wait status.
 *
 * | the caller's stop or end | meaning |
 * | --- | --- |
 * | an event of fork, vfork or clone | the child enters the registry |
 * | an event of exec | a fork of the same thread has failed; the thread has taken over its leader's id |
 * | our own stop, and ERESTARTNOINTR | the same call comes again: it has been judged |
 * | any other stop | the call made nothing |
 * | its end | it may have made a child without naming it: the next unknown tracee is that child, if a tracee is left |
 */

import { errno, kernelErrno } from "../../linux/errno-numbers.ts";
import * as ptrace from "../../linux/ptrace.ts";
import { seccompData } from "../../linux/seccomp-data.ts";
import { signals } from "../../linux/signals.ts";
import { type AwaitedFork, ForkPatience } from "./fork-patience.ts";
import { processOf, type Reservation, type TaskRegistry, type Thread } from "./tasks.ts";

/**
 * Milliseconds until a thread is interrupted to see the outcome of its call: a fork, an execution, which reads files, and a
 * call that such a stop has interrupted before. `child`: the time until the first stop of a child whose parent has ended
 * without naming it. `seizure`: the time for which another thread of the process, which executes a program, can delay it.
 */
const patience = { creation: 5, execution: 100, restarted: 100, child: 500, seizure: 100 } as const;

/**
 * The number of looks before the first sleep: a fork takes about 100 µs, and looks cost less than a sleep. On a busy machine
 * each look gives the processor away for milliseconds, so their time is bounded, too, in milliseconds.
 */
const eagerLooks = 200;
const eagerTime = 1;

/**
 * Milliseconds between examinations of the tracees: an eighth of the time since the last stop or seizure, within these limits.
 * A fork takes about 0.1 ms, and one in memory that never arrives takes any time.
 */
const pauses = { least: 0.1, most: 5 } as const;

interface Followed {
  readonly tid: number;
  /** Its `struct seccomp_data`. */
  readonly call: Uint8Array;
  until: number;
  /** Our own stop has interrupted the call: the thread makes it again. */
  isRestarted: boolean;
}

interface Creation extends Followed, AwaitedFork {
  readonly kind: "creation";
  readonly reservation: Reservation;
}

interface Execution extends Followed {
  readonly kind: "execution";
  /** Its process. */
  readonly pid: number;
}

/** A thread that was seized for a call that it does not make: it only has to be detached. */
interface Stray {
  readonly kind: "stray";
  readonly tid: number;
  until: number;
}

type InFlight = Creation | Execution | Stray;

export interface ForkTracerOptions {
  readonly kill: (pid: number) => void;
  /** Called when a child could not be followed and was killed. */
  readonly lost: (pid: number, why: string) => void;
  /** Whether the thread is a tracee of pin/pinning.ts, which did not stop in time for a pinned call. */
  readonly isPinned: (tid: number) => boolean;
  /** Called when the kernel restarts a call that has passed. `call` is its `struct seccomp_data`. */
  readonly restarts: (tid: number, call: Uint8Array) => void;
  /** For tests: interrupt each fork, in turn before it begins, so that the kernel restarts it, and at any moment of it. */
  readonly interruptsForks: boolean;
}

export class ForkTracer {
  readonly #registry: TaskRegistry;
  /** By the caller's thread id. */
  readonly #inFlight = new Map<number, InFlight>();
  /** Children that have entered the registry and have not reached their first stop. */
  readonly #expected = new Set<number>();
  /** Tracees that stopped before their parent's event was read. */
  readonly #early = new Set<number>();
  /** Tracees that were killed before they could be detached. Their parents wait for them until this class has reaped them. */
  readonly #dying = new Set<number>();
  /** A tracee can exist: wait(2) has not said otherwise since the last one was seized. */
  #hasTracees = false;
  /** Reservations of parents that ended before they could name the child. */
  readonly #unnamed: (AwaitedFork & { readonly reservation: Reservation; readonly until: number })[] = [];
  readonly #patience = new ForkPatience();
  /** The time at which the tracees in `early` are killed. */
  #earlyUntil = Number.POSITIVE_INFINITY;
  #forks = 0;
  #lastProgress = 0;
  readonly #options: ForkTracerOptions;

  constructor(registry: TaskRegistry, options: ForkTracerOptions) {
    this.#registry = registry;
    this.#options = options;
  }

  /** Whether any task may be traced, or a reservation waits for its child. */
  get busy(): boolean {
    return this.#hasTracees || this.#unnamed.length > 0;
  }

  /** Milliseconds until the next `advance` is worthwhile, if no call comes. */
  get pause(): number {
    return Math.min(Math.max((performance.now() - this.#lastProgress) / 8, pauses.least), pauses.most);
  }

  /** Whether the outcome of an allowed fork is not known yet, except of those that take very long. */
  get hasReservations(): boolean {
    if (this.#unnamed.length === 0 && this.#inFlight.size === 0) return false;
    return this.#patience.awaits(this.#reservations(), performance.now());
  }

  /** Whether a thread of this process that is not its leader executes a program, and may get the leader's id at any moment. */
  executesIn(pid: number): boolean {
    for (const one of this.#inFlight.values()) if (one.kind === "execution" && one.pid === pid) return true;
    return false;
  }

  *#reservations(): Generator<AwaitedFork> {
    yield* this.#unnamed;
    for (const one of this.#inFlight.values()) if (one.kind === "creation") yield one;
  }

  /**
   * A thread makes a judged call with this `struct seccomp_data`. If an earlier call of the thread is in flight, that call
   * has failed, because the thread would have stopped first (or it is restarted after a signal, as a new call).
   *
   * `stops`: the thread is about to stop for us, before it returns to its program, so the call must be restarted.
   * `judged`: it is the earlier call again, which our own stop has interrupted. The thread is still traced.
   */
  called(tid: number, call: Uint8Array): "new" | "stops" | "judged" {
    const former = this.#inFlight.get(tid);
    if (former === undefined) return "new";
    if (!ptrace.isTracee(tid)) {
      this.#losesId(former);
      return "new";
    }
    if (this.comesAgain(tid, call)) return "judged";
    this.#hasFailed(former);
    this.#inFlight.set(tid, { kind: "stray", tid, until: performance.now() + patience.execution });
    if (ptrace.interrupt(tid) === 0) return "stops";
    // The id belongs to another thread by now.
    this.#inFlight.delete(tid);
    return "new";
  }

  /** Whether it is the call in flight of the thread again, which our own stop has interrupted. Then it must pass. */
  comesAgain(tid: number, call: Uint8Array): boolean {
    const one = this.#inFlight.get(tid);
    if (one === undefined || one.kind === "stray" || !one.isRestarted || !isSame(one.call, call)) return false;
    if (!ptrace.isTracee(tid)) return false;
    one.isRestarted = false;
    one.until = performance.now() + patience.restarted;
    return true;
  }

  /** Seizes a thread that is about to make a followed call. Returns 0, or ptrace(2)'s negative errno. */
  seize(tid: number): number {
    const options = ptrace.traceOptions.creation | ptrace.traceOptions.exec;
    const until = performance.now() + patience.seizure;
    let result = ptrace.seize(tid, options);
    // The execution that delays it can wait until another thread of the process, a tracee, is reaped (seize.c).
    while (result === -errno.EINTR && performance.now() < until) {
      this.advance({ interrupts: false });
      result = ptrace.seize(tid, options);
    }
    if (result === 0) this.#hasTracees = true;
    this.#lastProgress = performance.now();
    return result;
  }

  /** The seized thread's fork passes. `call` is its `struct seccomp_data`. */
  awaitChild(tid: number, reservation: Reservation, call: Uint8Array): void {
    const since = performance.now();
    const until = since + patience.creation;
    const followed = { tid, call, until, isRestarted: false } as const;
    // A tracee is not reaped before it is detached, so the id is still its own.
    this.#inFlight.set(tid, { kind: "creation", ...followed, reservation, since, processOf: () => processOf(tid) });
    if (this.#options.interruptsForks && this.#forks % 2 === 0) ptrace.interrupt(tid);
  }

  /** The seized thread's execution passes. It is not its process's leader. */
  awaitExecution(thread: Thread, call: Uint8Array): void {
    const until = performance.now() + patience.execution;
    this.#registry.executes(thread);
    const { tid, process } = thread;
    this.#inFlight.set(tid, { kind: "execution", tid, pid: process.pid, call, until, isRestarted: false });
  }

  /** The seized thread's fork is about to pass. */
  beginFork(tid: number): void {
    this.#forks++;
    if (this.#options.interruptsForks && this.#forks % 2 === 1) ptrace.interrupt(tid);
  }

  /** The thread was seized, but does not make its call. */
  release(tid: number): void {
    this.#inFlight.set(tid, { kind: "stray", tid, until: performance.now() + patience.execution });
    ptrace.interrupt(tid);
  }

  /** Waits a moment for stops, which usually come at once. */
  advanceEagerly(): void {
    const end = performance.now() + eagerTime;
    for (let look = 0; look < eagerLooks && this.busy && performance.now() < end; look++) {
      if (this.advance({ interrupts: false }) === 0) ptrace.yieldProcessor();
    }
  }

  /**
   * Handles all tracees that have stopped, and returns their number. Does not wait. With `interrupts` it stops threads whose
   * call takes too long. Do not interrupt a thread whose next notification has not been received: the kernel restarts that
   * call, except call −1, which then returns −ERESTARTSYS to the program (arch/x86/kernel/signal.c, Linux 6.12).
   */
  advance({ interrupts }: { readonly interrupts: boolean }): number {
    for (let count = 0; ; count++) {
      const stop = ptrace.nextStop();
      if (stop === "no tracees") {
        this.#forgetAll();
        return count;
      }
      if (stop === "none yet") {
        for (const tid of this.#dying) this.#reap(tid);
        if (interrupts) this.#interruptLate();
        return count;
      }
      this.#handle(stop.tid, ptrace.stopOf(stop.status));
    }
  }

  /** Another thread that executes a program can have got the id meanwhile: its stop is handled, too. */
  #reap(tid: number): void {
    const stop = ptrace.stopOfOne(tid);
    if (stop === "none yet") return;
    this.#dying.delete(tid);
    if (stop !== "no tracees") this.#handle(tid, ptrace.stopOf(stop.status));
  }

  #handle(tid: number, { stopped, signal, event }: ReturnType<typeof ptrace.stopOf>): void {
    this.#lastProgress = performance.now();
    // This event comes with the id that the thread has after its execution: its leader's.
    if (stopped && event === ptrace.traceEvent.exec) {
      this.#executed(tid);
      return;
    }
    const one = this.#callerWith(tid, stopped);
    if (one !== undefined) {
      if (stopped && isOwnStop(signal, event) && this.#restarts(one)) return;
      this.#inFlight.delete(tid);
      if (stopped) this.#callerStopped(one, signal, event);
      else this.#callerEnded(one);
    } else if (!stopped) {
      this.#dying.delete(tid);
      this.#expected.delete(tid);
      this.#early.delete(tid);
    } else if (this.#expected.delete(tid) || this.#options.isPinned(tid)) {
      this.#detach(tid, event === 0 ? signal : 0);
    } else {
      this.#early.add(tid);
      this.#earlyUntil = performance.now() + patience.child;
      this.#adoptUnnamed();
    }
  }

  /**
   * The caller in flight whose stop or end a wait has reported. While its execution has another id, the wait can be that of a
   * child that has the former id. The end of an executing thread is that of its process, or another thread's execution.
   */
  #callerWith(tid: number, stopped: boolean): InFlight | undefined {
    const one = this.#inFlight.get(tid);
    if (one?.kind !== "execution" || (stopped && (processOf(tid) ?? one.pid) === one.pid)) return one;
    this.#losesId(one);
    return undefined;
  }

  #callerStopped(one: InFlight, signal: number, event: number): void {
    const { fork, vfork, clone } = ptrace.traceEvent;
    if (event === fork || event === vfork || event === clone) {
      this.#hasMade(one, ptrace.eventMessage(one.tid));
      this.#detach(one.tid, 0);
      return;
    }
    this.#hasFailed(one);
    if (isOwnStop(signal, event)) ptrace.restartEndedCall(one.tid);
    // A stop for a signal holds the signal back, so the detach delivers it. All other stops are our own.
    this.#detach(one.tid, event === 0 ? signal : 0);
  }

  /**
   * Whether our own stop has interrupted the call, so that the thread makes it again. If so, continues it, still traced.
   *
   * copy_process() and the preparation of an execution return ERESTARTNOINTR. A notification that has not been received
   * returns ERESTARTSYS: that is the restarted call itself, or else a call that was never judged.
   */
  #restarts(one: InFlight): boolean {
    if (one.kind === "stray") return false;
    const interrupted = ptrace.interruptedCall(one.tid);
    if (interrupted === undefined || !isCallOf(interrupted, one.call)) return false;
    const isRestarted =
      interrupted.error === kernelErrno.ERESTARTNOINTR ||
      (one.isRestarted && interrupted.error === kernelErrno.ERESTARTSYS);
    if (!isRestarted) return false;
    this.#options.restarts(one.tid, one.call);
    if (ptrace.resume(one.tid) < 0) return false;
    one.isRestarted = true;
    one.until = performance.now() + patience.restarted;
    return true;
  }

  /** `child` is negative if the caller was killed during its stop. */
  #hasMade(one: InFlight, child: number): void {
    // A child that was killed before its first stop has been reaped: its id can be another process's by now.
    const exists = child > 0 && ptrace.isTracee(child);
    if (one.kind !== "creation") {
      this.#hasFailed(one);
      if (exists) this.#expect(child); // a thread, which needs no reservation
    } else if (exists) this.#commit(one.reservation, child);
    else if (child > 0) this.#registry.cancel(one.reservation);
    else this.#addUnnamed(one); // its child has not stopped yet
  }

  #executed(pid: number): void {
    const former = ptrace.eventMessage(pid);
    const caller = this.#inFlight.get(former);
    if (caller !== undefined && this.#isOfExecution(caller, pid)) {
      this.#inFlight.delete(former);
      // The thread executes a program, so its earlier fork has failed.
      if (caller.kind === "creation") this.#registry.cancel(caller.reservation);
    }
    // The former leader has ended without a wait status.
    this.#dying.delete(pid);
    const leader = this.#inFlight.get(pid);
    if (leader !== undefined) this.#losesId(leader);
    this.#registry.executed(former, pid);
    this.#detach(pid, 0);
  }

  /** Whether the caller in flight has executed a program in this process, rather than got the former id of the thread that has. */
  #isOfExecution(caller: InFlight, pid: number): boolean {
    if (caller.kind === "execution") return caller.pid === pid;
    return caller.tid === pid || !ptrace.isTracee(caller.tid) || this.#early.has(caller.tid);
  }

  /** The call has made nothing. */
  #hasFailed(one: InFlight): void {
    if (one.kind === "creation") this.#registry.cancel(one.reservation);
    else if (one.kind === "execution") this.#registry.notExecuted(one.tid, one.pid);
  }

  /** The caller's id is another task's by now: it executes a program, or was a leader and another thread has executed one. */
  #losesId(one: InFlight): void {
    this.#inFlight.delete(one.tid);
    if (one.kind === "execution") this.#registry.losesId(one.tid, one.pid);
    else this.#callerEnded(one);
  }

  #callerEnded(one: InFlight): void {
    if (one.kind !== "creation") return this.#hasFailed(one);
    if (one.isRestarted) return this.#registry.cancel(one.reservation);
    this.#addUnnamed(one);
    this.#adoptUnnamed();
  }

  #addUnnamed({ reservation, since, processOf }: Creation): void {
    this.#unnamed.push({ reservation, since, processOf, until: performance.now() + patience.child });
  }

  #commit(reservation: Reservation, child: number): void {
    if (this.#registry.commit(reservation, child) === "exhausted") {
      this.#options.kill(child);
      this.#options.lost(child, "no file descriptors are left to follow it with");
    }
    this.#expect(child);
  }

  /** The child exists and has not been detached, so no caller in flight has its id. */
  #expect(child: number): void {
    const former = this.#inFlight.get(child);
    if (former !== undefined) this.#losesId(former);
    if (this.#early.delete(child)) this.#detach(child, 0);
    else this.#expected.add(child);
  }

  get #someParentMayName(): boolean {
    for (const one of this.#inFlight.values()) if (one.kind === "creation") return true;
    return false;
  }

  /** A child whose parent ended without naming it is followed only if its parent is certain. */
  #adoptUnnamed(): void {
    if (this.#unnamed.length === 0 || this.#early.size === 0 || this.#someParentMayName) return;
    for (const child of [...this.#early]) {
      const one = this.#unnamed.pop();
      if (one === undefined) return;
      if (this.#unnamed.length > 0 || this.#early.size > 1) this.#killUnnamed(child);
      this.#commit(one.reservation, child);
    }
  }

  #killUnnamed(child: number): void {
    this.#options.kill(child);
    this.#options.lost(child, "its parent ended before it was known which child is whose");
  }

  /**
   * A reservation whose child has not stopped in this time belongs to a failed fork. A stopped tracee without a possible
   * parent and reservation is a child of a fork that was not judged.
   */
  #giveUp(now: number): void {
    while (this.#unnamed.length > 0 && now >= this.#unnamed[0]!.until) {
      this.#registry.cancel(this.#unnamed.shift()!.reservation);
    }
    // A thread with any call in flight may have made a thread before, and may still name it.
    if (now < this.#earlyUntil || this.#inFlight.size > 0) return;
    this.#earlyUntil = Number.POSITIVE_INFINITY;
    for (const child of [...this.#early]) {
      this.#killUnnamed(child);
      this.#expect(child);
    }
  }

  #forgetAll(): void {
    for (const { reservation } of this.#unnamed.splice(0)) this.#registry.cancel(reservation);
    for (const one of this.#inFlight.values()) this.#hasFailed(one);
    this.#inFlight.clear();
    this.#hasTracees = false;
    this.#expected.clear();
    this.#early.clear();
    this.#dying.clear();
  }

  #interruptLate(): void {
    const now = performance.now();
    for (const one of [...this.#inFlight.values()]) {
      if (now < one.until) continue;
      one.until = now + patience.execution;
      if (ptrace.interrupt(one.tid) === 0) continue;
      // It may have got its leader's id already, and be about to stop for the event.
      if (one.kind === "execution" && this.#registry.isExecuting(one.tid, one.pid)) continue;
      // It is no longer a tracee. (A leader disappears without a wait status when another thread executes.)
      this.#losesId(one);
    }
    this.#adoptUnnamed();
    this.#giveUp(now);
  }

  #detach(tid: number, signal: number): void {
    // A tracee that was killed during a stop is no longer stopped, and stays a tracee until it is reaped.
    if (ptrace.detach(tid, signal) < 0) this.#dying.add(tid);
  }
}

/** With another signal it is a stop of the whole process (ptrace(2), Group-stop), which must continue. */
function isOwnStop(signal: number, event: number): boolean {
  return event === ptrace.traceEvent.stop && signal === signals.SIGTRAP;
}

/** Whether two `struct seccomp_data` are equal. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.every((byte, index) => byte === other[index]);
}

function isCallOf({ number, instructionPointer }: ptrace.InterruptedCall, call: Uint8Array): boolean {
  const view = new DataView(call.buffer, call.byteOffset);
  return (
    number === view.getInt32(seccompData.number.offset, true) &&
    BigInt.asUintN(64, instructionPointer) === view.getBigUint64(seccompData.instructionPointer.offset, true)
  );
}
