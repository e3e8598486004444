/**
 * Follows forks, and executions by threads other than the leader: finds the process that a judged fork has made.
 *
 * The caller is blocked in its notification. It is seized (PTRACE_SEIZE, which does not stop it), answered, and makes the
 * call. If the call makes a child, both stop: the parent in an event, the child before its first instruction. At its first
 * stop the child enters the registry with the state that was reserved when the fork was judged. Both are detached after
 * some 100 µs. If the call fails there is no event. The next judged call of the same thread then shows that the fork failed:
 * the thread is stopped and detached at that call, which is restarted and judged then. Or, after some milliseconds,
 * PTRACE_INTERRUPT stops the thread, and that stop (or one for a signal) shows it. On a busy machine the thread may not
 * have reached copy_process() yet. Then this stop itself makes the kernel restart the fork (kernel/fork.c, Linux 6.12): the
 * call comes again, and passes without another judgement.
 *
 * **Whose child it is.** The event of the parent names the child, but a parent that is killed has no event. So each followed
 * call has a tracer of its own, which traces nothing else. The kernel gives a new task the tracer of its parent, in
 * copy_process() under the lock of the task list (include/linux/ptrace.h, ptrace_init_task(), Linux 6.18), so a child belongs
 * to the call of its tracer. The program has no influence on it. A tracer is a thread: the supervisor's own, and further
 * ones (machine/ptrace.ts) while that one is taken. A tracer takes another call only when wait(2) has reported ECHILD, so no
 * child of an earlier call is left.
 *
 * Kept tasks (signal-stops.ts) are tracees of the supervisor's own thread for as long as they live. That thread follows one
 * call at a time, too: of a kept task, or of another one. Each fork of a kept task is followed, so a new process among its
 * tracees is the child of that call. Threads need no name: they belong to their process. Because wait(2) does not report
 * ECHILD while a task is kept, the thread takes another call when the caller has shown that its fork made nothing, or when the
 * child has stopped or ended. A caller that was killed shows nothing: then /proc tells whether there is a child.
 *
 * Several forks can be in flight. Other calls are judged meanwhile: `advance` does not wait.
 *
 * A call in flight belongs to a task, not to an id. A thread that executes a program gets its leader's id
 * (fs/exec.c, de_thread(), Linux 6.12) long before the event that says so. Meanwhile any new task can get the thread's
 * former id, and the leader, which may have made a child, disappears without a wait status.
 *
 * | the caller's stop or end | meaning |
 * | --- | --- |
 * | an event of fork, vfork or clone | it has made a child, which stops, too, or is killed first |
 * | an event of exec | a fork of the same thread has failed; the thread has taken over its leader's id |
 * | our own stop, and ERESTARTNOINTR | the same call comes again: it has been judged |
 * | any other stop | the call made nothing |
 * | its end | it made a child if its tracer has a tracee left |
 */

import { errno, kernelErrno } from "../../abi/errno-numbers.ts";
import { seccompData } from "../../abi/seccomp-data.ts";
import { signals } from "../../abi/signals.ts";
import * as ptrace from "../../machine/ptrace.ts";
import type { GoOn, Work } from "../../machine/work.ts";
import { type AwaitedFork, ForkPatience } from "./fork-patience.ts";
import type { SignalStops } from "./signal-stops.ts";
import { processOf, type Reservation, type TaskRegistry, type Thread } from "./tasks/tasks.ts";

/**
 * Milliseconds until a thread is interrupted to see the outcome of its call: a fork, an execution, which reads files, and a
 * call that such a stop has interrupted before. `seizure`: the time for which another thread of the process, which executes
 * a program, can delay it. `tracer`: the wait for a tracer if all are taken and no further one can be started; meanwhile the
 * tree's other calls wait. `kept`: the time for which one call can take the tracer of the kept tasks while others wait.
 */
const patience = { creation: 5, execution: 100, restarted: 100, seizure: 100, tracer: 20, kept: 5000 } as const;

/** Milliseconds. A fork takes about 0.1 ms, and its two tasks stop one after the other. */
const eagerTime = 1;

/**
 * Milliseconds between examinations of the tracees: an eighth of the time since the last stop or seizure, within these limits.
 * A fork takes about 0.1 ms, and one in memory that never arrives takes any time.
 */
const pauses = { least: 0.1, most: 5 } as const;
/** The same for a tracer that is another thread, whose answer takes some 10 µs. */
const threadPauses = { least: 0.02, most: 5 } as const;

/** Calls that are followed at once. A fork that takes for ever, in a frozen thread, keeps its tracer. */
export const mostFollowed = 256;

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
  /** The child has been named and has not stopped. Known only where a task is kept. */
  child: number | undefined;
}

interface Execution extends Followed {
  readonly kind: "execution";
  /** Its process. */
  readonly pid: number;
}

/** A thread that was seized for a call that it does not make: it only has to be detached. */
interface Detaching {
  readonly kind: "detaching";
  readonly tid: number;
  until: number;
}

type InFlight = Creation | Execution | Detaching;

/** A tracer, and the one call that it follows. */
interface Following {
  readonly tracer: ptrace.Tracer;
  /** A tracee can exist: wait(2) has not said otherwise since the last one was seized. */
  hasTracees: boolean;
  /** The call of its tracee, until the tracee stops for it or ends. */
  caller: InFlight | undefined;
  /** A fork, until its child has stopped or it is certain that there is none. It can outlive its caller. */
  creation: Creation | undefined;
  /** Tracees that were killed before they could be detached. Their parents wait for them until this class has reaped them. */
  readonly dying: Set<number>;
  /** The time of the last seizure. */
  since: number;
  /** The time of the last stop or seizure. */
  progress: number;
  /** The time of the next look at it. */
  lookAt: number;
}

export interface ForkTracerOptions {
  readonly kill: (pid: number) => void;
  /** Called when a child could not be followed and was killed. */
  readonly lost: (pid: number, why: string) => void;
  /** Whether the thread is a tracee of pin/pinning.ts, which did not stop in time for a pinned call. */
  readonly isPinned: (tid: number) => boolean;
  /** Called when the kernel restarts a call that has passed. `call` is its `struct seccomp_data`. */
  readonly restarts: (tid: number, call: Uint8Array) => void;
  /** Undefined if no task is kept. */
  readonly signals: SignalStops | undefined;
  readonly work: Work;
  /** Whether each fork of a kept task is followed. */
  readonly followsForks: boolean;
  /** For tests: interrupt each fork, in turn before it begins, so that the kernel restarts it, and at any moment of it. */
  readonly interruptsForks: boolean;
}

export class ForkTracer {
  readonly #registry: TaskRegistry;
  /** The first is this thread, which is also the tracer of pin/pinning.ts. */
  readonly #following: Following[] = [following(ptrace.ownThread)];
  /** The one that has seized last. */
  #seized: Following = this.#following[0]!;
  readonly #patience = new ForkPatience();
  #forks = 0;
  #lastProgress = 0;
  readonly #options: ForkTracerOptions;

  constructor(registry: TaskRegistry, options: ForkTracerOptions) {
    this.#registry = registry;
    this.#options = options;
  }

  get #own(): Following {
    return this.#following[0]!;
  }

  /** Whether any task may be traced that is not only kept. */
  get busy(): boolean {
    for (const one of this.#following) if (this.#isBusy(one)) return true;
    return false;
  }

  #isBusy(one: Following): boolean {
    if (!one.hasTracees || one !== this.#own || !this.#keepsAny) return one.hasTracees;
    return isTaken(one) || one.dying.size > 0;
  }

  get #keepsAny(): boolean {
    return this.#options.signals?.keepsAny === true;
  }

  /** Whether the thread is traced for as long as it lives. */
  keeps(tid: number): boolean {
    return this.#options.signals?.isKept(tid) === true;
  }

  /** Whether a call of the thread, which is to be followed, must wait until another one is over. */
  mustWait(tid: number): boolean {
    const own = this.#own;
    if (!isTaken(own) || own.caller?.tid === tid || !this.keeps(tid)) return false;
    return performance.now() < own.since + patience.kept;
  }

  /** Milliseconds until the next `advance` is worthwhile, if no call comes. */
  get pause(): number {
    return pauseSince(this.#lastProgress, pauses);
  }

  /** Whether the outcome of an allowed fork is not known yet, except of those that take very long. */
  get hasReservations(): boolean {
    if (!this.busy) return false;
    const forks = this.#following.flatMap(({ creation }) => creation ?? []);
    return forks.length > 0 && this.#patience.awaits(forks, performance.now());
  }

  /** Whether a thread of this process that is not its leader executes a program, and may get the leader's id at any moment. */
  executesIn(pid: number): boolean {
    for (const { caller } of this.#following) if (caller?.kind === "execution" && caller.pid === pid) return true;
    return false;
  }

  /** Whether a call in flight of the thread is followed. */
  follows(tid: number): boolean {
    return this.#of(tid) !== undefined;
  }

  /** Follows the call in flight of the thread with this id. Calls of an earlier thread with the id lose it. */
  #of(tid: number): Following | undefined {
    for (const one of this.#following) {
      if (one.caller?.tid !== tid) continue;
      if (ptrace.isTracee(one.tracer, tid)) return one;
      this.#losesId(one, one.caller);
    }
    return undefined;
  }

  /**
   * A thread makes a judged call with this `struct seccomp_data`. If an earlier call of the thread is in flight, that call
   * has failed, because the thread would have stopped first (or it is restarted after a signal, as a new call).
   *
   * `stops`: the thread is about to stop for us, before it returns to its program, so the call must be restarted.
   * `judged`: it is the earlier call again, which our own stop has interrupted. The thread is still traced.
   */
  called(tid: number, call: Uint8Array): "new" | "stops" | "judged" {
    const one = this.#of(tid);
    if (one?.caller === undefined) return "new";
    if (comesAgain(one.caller, call)) return "judged";
    this.#hasFailed(one, one.caller);
    one.caller = undefined;
    if (this.keeps(tid)) return "new";
    one.caller = detachingWith(tid);
    if (ptrace.interrupt(one.tracer, tid) === 0) return "stops";
    // The id belongs to another thread by now.
    one.caller = undefined;
    return "new";
  }

  /** Whether it is the call in flight of the thread again, which our own stop has interrupted. Then it must pass. */
  comesAgain(tid: number, call: Uint8Array): boolean {
    const caller = this.#of(tid)?.caller;
    return caller !== undefined && comesAgain(caller, call);
  }

  /**
   * Seizes a thread that is about to make a followed call. `goOn` gets 0, or ptrace(2)'s negative errno; -EAGAIN if no tracer is
   * left for it: a limit of processes may forbid another thread, and most calls in flight end soon. A thread whose execution
   * fails can make a thread before it is detached, which must not become a tracee.
   */
  seize(tid: number, follows: "child" | "itself", goOn: GoOn): boolean {
    const isKept = this.keeps(tid);
    const until = performance.now() + patience.tracer;
    const attempt = (): boolean => {
      const one = this.#freeTracer(isKept);
      if (one !== undefined && isKept) {
        this.#begins(one);
        return goOn(0);
      }
      if (one !== undefined) return this.#seizeBy(one, tid, follows, goOn);
      if (performance.now() >= until) return goOn(-errno.EAGAIN);
      return this.#options.work.after(pauses.least, () => {
        this.advance({ interrupts: false });
        return attempt();
      });
    };
    return attempt();
  }

  #seizeBy(one: Following, tid: number, follows: "child" | "itself", goOn: GoOn): boolean {
    const options = ptrace.traceOptions.exec | (follows === "child" ? ptrace.traceOptions.creation : 0);
    const until = performance.now() + patience.seizure;
    const attempt = (): boolean =>
      this.#options.work.when(one.tracer.beginSeize(tid, options), (result) => {
        if (result === -errno.EINTR && performance.now() < until) {
          // The execution that delays it can wait until another thread of the process, a tracee, is reaped (moment.c).
          this.advance({ interrupts: false });
          return attempt();
        }
        if (result === 0) this.#begins(one);
        return goOn(result);
      });
    return attempt();
  }

  /**
   * One attempt, of at most four milliseconds, without an end of the present call. All trees of this thread wait for it: only for
   * a caller of whom no descriptor can be had.
   */
  seizeAtOnce(tid: number): number {
    const one = this.#freeTracer(this.keeps(tid));
    const result = one?.tracer.seize(tid, ptrace.traceOptions.exec) ?? -errno.EAGAIN;
    if (result === 0) this.#begins(one!);
    return result;
  }

  #begins(one: Following): void {
    one.hasTracees = true;
    this.#seized = one;
    one.since = performance.now();
    this.#progresses(one);
  }

  /** A tracer that follows no call. A kept task has this thread. */
  #freeTracer(isKept: boolean): Following | undefined {
    const own = this.#own;
    // A thread that was to be pinned can be its tracee still.
    own.hasTracees = true;
    this.#look(own);
    if (isKept) return isTaken(own) ? undefined : own;
    const free = this.#following.find((one) => !this.#isBusy(one));
    if (free !== undefined || this.#following.length > mostFollowed) return free;
    const tracer = ptrace.startTracer();
    if (typeof tracer === "number") return undefined;
    const one = following(tracer);
    this.#following.push(one);
    return one;
  }

  /** The seized thread's fork passes. `call` is its `struct seccomp_data`. */
  awaitChild(tid: number, reservation: Reservation, call: Uint8Array): void {
    const since = performance.now();
    const until = since + patience.creation;
    const followed = { tid, call, until, isRestarted: false } as const;
    const one = this.#seized;
    // A tracee is not reaped before it is detached, so the id is still its own.
    one.creation = {
      ...{ kind: "creation", ...followed, reservation, since },
      ...{ child: undefined, processOf: () => processOf(tid) },
    };
    one.caller = one.creation;
    if (this.#options.interruptsForks && this.#forks % 2 === 0) ptrace.interrupt(one.tracer, tid);
  }

  /** The seized thread's execution passes. It is not its process's leader. */
  awaitExecution(thread: Thread, call: Uint8Array): void {
    const until = performance.now() + patience.execution;
    this.#registry.executes(thread);
    const { tid, process } = thread;
    this.#seized.caller = { kind: "execution", tid, pid: process.pid, call, until, isRestarted: false };
  }

  /** The seized thread's fork is about to pass. */
  beginFork(tid: number): void {
    this.#forks++;
    if (this.#options.interruptsForks && this.#forks % 2 === 1) ptrace.interrupt(this.#seized.tracer, tid);
  }

  /** The seized thread does not make its call. */
  release(tid: number): void {
    if (this.keeps(tid)) return;
    this.#seized.caller = detachingWith(tid);
    ptrace.interrupt(this.#seized.tracer, tid);
  }

  /**
   * The seized thread's fork passes. Waits a moment for the stops, which usually come at once. Returns false: the answer has
   * been sent.
   */
  awaitStops(): boolean {
    const one = this.#seized;
    const until = performance.now() + eagerTime;
    const wait = (): boolean => {
      if (!isTaken(one)) return false;
      return this.#options.work.when(one.tracer.beginAwait(), (result) => {
        this.#look(one);
        return result === 0 && performance.now() < until && wait();
      });
    };
    return wait();
  }

  /**
   * Handles all tracees that have stopped, and returns their number. Does not wait. With `interrupts` it stops threads whose
   * call takes too long. Do not interrupt a thread whose next notification has not been received: the kernel restarts that
   * call, except call −1, which then returns −ERESTARTSYS to the program (arch/x86/kernel/signal.c, Linux 6.12).
   */
  advance({ interrupts }: { readonly interrupts: boolean }): number {
    let count = 0;
    for (const one of this.#following) {
      if (!one.hasTracees && !(one === this.#own && this.#keepsAny)) continue;
      if (one.tracer === ptrace.ownThread) {
        count += this.#look(one);
      } else if (performance.now() >= one.lookAt) {
        count += this.#look(one);
        one.lookAt = performance.now() + pauseSince(one.progress, threadPauses);
      }
      if (interrupts) this.#interruptLate(one);
    }
    return count;
  }

  /**
   * Handles the stops of one tracer's tracees, and returns their number. Stops for signals come last, so that a task that gets
   * signals all the time does not hide the others.
   */
  #look(one: Following): number {
    const signalled = new Map<number, ReturnType<typeof ptrace.stopOf>>();
    for (let count = 0; ; count++) {
      const found = ptrace.nextStop(one.tracer);
      if (typeof found === "string") {
        for (const [tid, stop] of signalled) this.#handle(one, tid, stop);
        if (found === "no tracees") this.#forgetAll(one);
        else for (const tid of one.dying) this.#reap(one, tid);
        return count;
      }
      const { tid } = found;
      const stop = ptrace.stopOf(found.status);
      // A task that was killed in its stop has another one: its end.
      signalled.delete(tid);
      if (stop.stopped && stop.event === 0) signalled.set(tid, stop);
      else this.#handle(one, tid, stop);
    }
  }

  /** Another thread that executes a program can have got the id meanwhile: its stop is handled, too. */
  #reap(one: Following, tid: number): void {
    const stop = ptrace.stopOfOne(one.tracer, tid);
    if (stop === "none yet") return;
    one.dying.delete(tid);
    if (stop !== "no tracees") this.#handle(one, tid, ptrace.stopOf(stop.status));
  }

  #progresses(one: Following): void {
    this.#lastProgress = performance.now();
    one.progress = this.#lastProgress;
    one.lookAt = 0;
  }

  #handle(one: Following, tid: number, stop: ReturnType<typeof ptrace.stopOf>): void {
    const { stopped, signal, event } = stop;
    this.#progresses(one);
    if (one === this.#own && one.caller?.kind === "execution" && stopped) this.#checkId(one, one.caller, tid);
    const { caller } = one;
    // This event comes with the id that the thread has after its execution: its leader's.
    if (stopped && event === ptrace.traceEvent.exec) {
      this.#executed(one, tid);
    } else if (caller?.tid === tid) {
      if (stopped && isOwnStop(signal, event) && this.#restarts(one, caller)) return;
      one.caller = undefined;
      if (stopped) this.#callerStopped(one, caller, signal, event);
      else this.#callerEnded(one, caller);
    } else if (!stopped) {
      one.dying.delete(tid);
      if (one.creation?.child === tid) this.#makesNothing(one);
    } else if (one === this.#own && this.#options.signals?.stops(tid) === true) {
      ptrace.restartEndedCall(one.tracer, tid);
      this.#letGo(one, tid, event === 0 ? signal : 0);
    } else if (one === this.#own && this.#options.isPinned(tid)) {
      this.#letGo(one, tid, event === 0 ? signal : 0);
    } else {
      this.#handleNew(one, tid);
    }
    if (stopped) return;
    this.#options.signals?.ended(tid);
    // A kept task that was killed can leave a child that has not stopped yet, also if it was the last kept task.
    if (one === this.#own && this.#options.signals !== undefined) one.hasTracees = true;
  }

  /** While an execution has another id, a new tracee of this thread can have the caller's former id. */
  #checkId(one: Following, caller: Execution, tid: number): void {
    if (caller.tid === tid && this.#keepsAny && (processOf(tid) ?? caller.pid) !== caller.pid)
      this.#losesId(one, caller);
  }

  /** The first stop of a task that a tracee has made. */
  #handleNew(one: Following, tid: number): void {
    const { signals, followsForks } = this.#options;
    const { creation } = one;
    // A kept task that has ended was the parent if no other call of this thread makes a child.
    const hasKept = this.#keepsAny || (signals !== undefined && creation === undefined);
    const isOfKept = one === this.#own && hasKept && (!followsForks || isThread(tid));
    if (isOfKept) {
      // The child that had this id has ended before its parent named it.
      if (creation?.child === tid) this.#makesNothing(one);
      signals?.born(tid);
    } else if (creation !== undefined) {
      one.creation = undefined;
      if (this.#registry.commit(creation.reservation, tid) === "exhausted")
        this.#loseChild(tid, "no file descriptors are left to follow it with");
      if (one === this.#own && this.keeps(creation.tid)) signals?.born(tid);
      else signals?.inherits(creation.tid, tid);
    } else {
      this.#loseChild(tid, "it was made by no call that was judged");
    }
    this.#letGo(one, tid, 0);
  }

  #callerStopped(one: Following, caller: InFlight, signal: number, event: number): void {
    const { fork, vfork, clone } = ptrace.traceEvent;
    this.#options.signals?.stops(caller.tid);
    if (event === fork || event === vfork || event === clone) {
      if (one === this.#own && this.#keepsAny) this.#names(one, ptrace.eventMessage(one.tracer, caller.tid));
      this.#letGo(one, caller.tid, 0);
      return;
    }
    this.#hasFailed(one, caller);
    if (isOwnStop(signal, event) || this.keeps(caller.tid)) ptrace.restartEndedCall(one.tracer, caller.tid);
    // A stop for a signal holds the signal back, so the detach delivers it. All other stops are our own.
    this.#letGo(one, caller.tid, event === 0 ? signal : 0);
  }

  /** The event of the caller, or /proc, names its child, which can have stopped or ended before. */
  #names(one: Following, child: number): void {
    if (one.creation === undefined) return;
    if (child <= 0) this.#findChild(one);
    else if (ptrace.isTracee(one.tracer, child) && !this.keeps(child)) one.creation.child = child;
    else this.#makesNothing(one);
  }

  /** The caller was killed before its event. */
  #findChild(one: Following): void {
    if (one.creation === undefined) return;
    const isOther = (tid: number) => this.keeps(tid) || one.dying.has(tid) || this.#options.isPinned(tid);
    const child = ptrace.traceesOf(one.tracer).find((tid) => !isOther(tid));
    if (child === undefined) this.#makesNothing(one);
    else one.creation.child = child;
  }

  /**
   * Whether our own stop has interrupted the call, so that the thread makes it again. If so, continues it, still traced.
   *
   * copy_process() and the preparation of an execution return ERESTARTNOINTR. A notification that has not been received
   * returns ERESTARTSYS: that is the restarted call itself, or else a call that was never judged.
   */
  #restarts({ tracer }: Following, caller: InFlight): boolean {
    if (caller.kind === "detaching") return false;
    const interrupted = ptrace.interruptedCall(tracer, caller.tid);
    if (interrupted === undefined || !isCallOf(interrupted, caller.call)) return false;
    const isRestarted =
      interrupted.error === kernelErrno.ERESTARTNOINTR ||
      (caller.isRestarted && interrupted.error === kernelErrno.ERESTARTSYS);
    if (!isRestarted) return false;
    this.#options.restarts(caller.tid, caller.call);
    if (ptrace.resume(tracer, caller.tid) < 0) return false;
    caller.isRestarted = true;
    caller.until = performance.now() + patience.restarted;
    return true;
  }

  #executed(one: Following, pid: number): void {
    const former = ptrace.eventMessage(one.tracer, pid);
    const { caller } = one;
    if (caller?.tid === former && this.#isOfExecution(one, caller, pid)) {
      one.caller = undefined;
      // The thread executes a program, so its earlier fork has failed.
      if (caller.kind === "creation") this.#hasFailed(one, caller);
    }
    // The former leader has ended without a wait status.
    for (const other of this.#following) {
      other.dying.delete(pid);
      if (other.caller?.tid === pid) this.#losesId(other, other.caller);
    }
    this.#registry.executed(former, pid);
    this.#options.signals?.executed(former, pid);
    this.#letGo(one, pid, 0);
  }

  /** Whether the caller in flight has executed a program in this process, rather than got the former id of the thread that has. */
  #isOfExecution({ tracer }: Following, caller: InFlight, pid: number): boolean {
    if (caller.kind === "execution") return caller.pid === pid;
    return caller.tid === pid || !ptrace.isTracee(tracer, caller.tid);
  }

  /** The call has made nothing. */
  #hasFailed(one: Following, caller: InFlight): void {
    if (caller.kind === "creation") this.#makesNothing(one);
    else if (caller.kind === "execution") this.#registry.notExecuted(caller.tid, caller.pid);
  }

  /** The fork, if its child has not stopped, has none. */
  #makesNothing(one: Following): void {
    if (one.creation !== undefined) this.#registry.cancel(one.creation.reservation);
    one.creation = undefined;
  }

  /** The caller's id is another task's by now: it executes a program, or was a leader and another thread has executed one. */
  #losesId(one: Following, caller: InFlight): void {
    one.caller = undefined;
    if (caller.kind === "execution") this.#registry.losesId(caller.tid, caller.pid);
    else this.#callerEnded(one, caller);
  }

  /** A fork that has passed may have made a child, which stops, or else the tracer has no tracee left but the kept ones. */
  #callerEnded(one: Following, caller: InFlight): void {
    if (caller.kind !== "creation" || caller.isRestarted) this.#hasFailed(one, caller);
    else if (one === this.#own && this.#keepsAny) this.#findChild(one);
  }

  #loseChild(child: number, why: string): void {
    this.#options.kill(child);
    this.#options.lost(child, why);
  }

  #forgetAll(one: Following): void {
    if (one.caller !== undefined) this.#hasFailed(one, one.caller);
    one.caller = undefined;
    this.#makesNothing(one);
    one.dying.clear();
    one.hasTracees = false;
  }

  #interruptLate(one: Following): void {
    const { caller, tracer } = one;
    const now = performance.now();
    if (caller === undefined || now < caller.until) return;
    caller.until = now + patience.execution;
    if (ptrace.interrupt(tracer, caller.tid) === 0) return;
    // It may have got its leader's id already, and be about to stop for the event.
    if (caller.kind === "execution" && this.#registry.isExecuting(caller.tid, caller.pid)) return;
    // It is no longer a tracee. (A leader disappears without a wait status when another thread executes.)
    this.#losesId(one, caller);
  }

  /** Detaches a task that has stopped, or lets a kept one continue. */
  #letGo(one: Following, tid: number, signal: number): void {
    // A tracee that was killed during a stop is no longer stopped, and stays a tracee until it is reaped.
    if (one.tracer.letGo(tid, signal) < 0) one.dying.add(tid);
    else this.#options.signals?.detached(tid);
  }
}

/** Whether it follows a call. */
function isTaken({ caller, creation }: Following): boolean {
  return caller !== undefined || creation !== undefined;
}

function isThread(tid: number): boolean {
  return (processOf(tid) ?? tid) !== tid;
}

function following(tracer: ptrace.Tracer): Following {
  return {
    tracer,
    hasTracees: false,
    caller: undefined,
    creation: undefined,
    dying: new Set(),
    since: 0,
    progress: 0,
    lookAt: 0,
  };
}

function detachingWith(tid: number): Detaching {
  return { kind: "detaching", tid, until: performance.now() + patience.execution };
}

function pauseSince(time: number, { least, most }: { readonly least: number; readonly most: number }): number {
  return Math.min(Math.max((performance.now() - time) / 8, least), most);
}

/** Whether it is the caller's call again, which our own stop has interrupted. */
function comesAgain(caller: InFlight, call: Uint8Array): boolean {
  if (caller.kind === "detaching" || !caller.isRestarted || !isSame(caller.call, call)) return false;
  caller.isRestarted = false;
  caller.until = performance.now() + patience.restarted;
  return true;
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
