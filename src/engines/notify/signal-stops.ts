/**
 * Keeps the processes that catch signals seized, so that a signal does not end a supervised call's wait for the supervisor
 * (native/addon/ptrace/kept.h, which handles the stop for a signal).
 *
 * A process is kept from its first call of rt_sigaction with an action on, with all of its threads and children, until it
 * executes a program, which resets handlers. The filter reports these calls, and the calls of ptrace(2) with which a process
 * of the tree wants to trace another one: that one is released. A process that cannot be seized, because another tracer has
 * it, or Yama or credentials forbid it, is not kept: a signal can end the waits of its calls (EINTR). If that tracer is our
 * own, which follows a call of the task, it is kept afterwards. Attempts are work of the tree (machine/work.ts). While a
 * thread executes a program, the other ones, which that ends, cannot be seized, and are not kept either.
 */

import { readdirSync } from "node:fs";
import type { ArchitectureName } from "../../abi/architecture.ts";
import { callNumber } from "../../abi/call-numbers.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { type Native, native } from "../../machine/native.ts";
import * as ptrace from "../../machine/ptrace.ts";
import type { Work } from "../../machine/work.ts";
import type { SupervisorDescriptors } from "./descriptors.ts";
import type { TestedCall } from "./policy/tested-calls.ts";

/** PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_SEIZE */
const tracing = { traceMe: 0, attach: 16, seize: 0x4206 } as const;

/** The C library's own signals (glibc: SIGCANCEL and SIGSETXID). Their handlers have SA_RESTART. */
const signalsOfLibrary = [32, 33] as const;

/** The calls that must be reported. */
export const catchingCalls = (architecture: ArchitectureName): readonly TestedCall[] => [
  [
    callNumber("rt_sigaction", architecture),
    [
      [
        { argument: 0, half: "low", isNot: signalsOfLibrary },
        { argument: 1, half: "low", isNot: [0] },
      ],
    ],
  ],
  [callNumber("ptrace", architecture), [[{ argument: 0, half: "low", is: Object.values(tracing) }]]],
];

export class SignalStops {
  readonly #native: Native;
  readonly #sigaction: number;
  readonly #ptrace: number;
  /** Kept tasks that are released at their next stop. */
  readonly #released = new Set<number>();
  /** Tasks that are kept as soon as no other tracer of ours has them. */
  readonly #wanted = new Set<number>();
  /** Those of them that our tracers have detached. */
  readonly #due = new Set<number>();
  readonly #isTracedByUs: (tid: number) => boolean;
  /** Some task has been kept. Until then no supervised call pays for the addon's answers. */
  #hasKept = false;

  /** `isTracedByUs`: whether a tracer of ours has the task for a moment. `addon`: for tests. */
  constructor(architecture: ArchitectureName, isTracedByUs: (tid: number) => boolean, addon: Native = native()) {
    this.#native = addon;
    this.#isTracedByUs = isTracedByUs;
    this.#sigaction = callNumber("rt_sigaction", architecture);
    this.#ptrace = callNumber("ptrace", architecture);
  }

  /**
   * See `KeptTaskFunctions.startKeeping`. Returns the event; −1 if no task can be kept. `allowsHandlers`: each rt_sigaction is
   * allowed, so that the addon can pass those of kept tasks.
   */
  start({ stopped, keeping }: SupervisorDescriptors, filter: Uint8Array, allowsHandlers: boolean): number {
    const passes = allowsHandlers ? this.#sigaction : -1;
    return this.#native.startKeeping(stopped, keeping, filter, passes) === 0 ? stopped : -1;
  }

  /** Tasks that another supervisor has kept are kept from their next call on. */
  restore(kept: readonly number[]): void {
    for (const tid of kept) this.#wanted.add(tid);
    if (kept.length > 0) this.#hasKept = true;
  }

  get keepsAny(): boolean {
    return this.#hasKept && this.#native.keepsAny();
  }

  /** Whether tracees may have stopped or ended since the last time. */
  takeStops(): boolean {
    return this.#hasKept && this.#native.takeStops();
  }

  isKept(tid: number): boolean {
    return this.#hasKept && this.#native.isKept(tid);
  }

  /** A tracee of this thread has stopped. Whether it is kept. */
  stops(tid: number): boolean {
    if (!this.isKept(tid)) return false;
    if (this.#released.delete(tid)) this.#native.forgetKept(tid);
    return true;
  }

  /** Whether the process of a thread that makes this call is to be kept first. */
  mustKeep(tid: number, number: number): boolean {
    return number === this.#sigaction || (this.#hasKept && (this.#wanted.has(tid) || this.#native.isSuspended(tid)));
  }

  /** Keeps the caller's process, and then goes on with its call. True if a response is in the memory. */
  keepCaller(tid: number, work: Work, goOn: () => boolean): boolean {
    const rounds = this.keep(tid);
    const next = (): boolean => {
      const { done, value } = rounds.next();
      return done === true ? goOn() : work.when(value, next);
    };
    return next();
  }

  /**
   * A thread makes this call, and is kept if it must be. "waits": its judgement must wait until `mustWait` is false for the argument
   * 1. "stops": it is about to stop for us, and the call must be restarted.
   */
  called(tid: number, number: number, argument: (index: number) => bigint): "passes" | "waits" | "stops" {
    if (number !== this.#ptrace || !this.keepsAny) return "passes";
    const request = Number(BigInt.asUintN(32, argument(0)));
    const { traceMe, attach, seize } = tracing;
    if (request === traceMe) return this.#release(tid) ? "stops" : "passes";
    if (request !== attach && request !== seize) return "passes";
    return this.mustWait(Number(BigInt.asIntN(32, argument(1)))) ? "waits" : "passes";
  }

  /** Whether the task is still to be released. A new child has its parent's tracer, and is kept from its first stop on. */
  mustWait(tid: number): boolean {
    this.#wanted.delete(tid);
    return this.#release(tid) || ptrace.isTracee(ptrace.ownThread, tid);
  }

  /** A kept task has made this tracee. */
  born(tid: number): void {
    this.#native.addKept(tid);
  }

  /** A tracer that is not this thread has followed the fork of the parent. The child has its handlers. */
  inherits(parent: number, child: number): void {
    if (this.#wanted.has(parent) || this.#native.isKept(parent)) this.#wanted.add(child);
  }

  /** No tracer of ours has the task any more, unless it is kept. */
  detached(tid: number): void {
    if (this.#wanted.has(tid)) this.#due.add(tid);
  }

  /** Whether a task is to be kept now. */
  get hasDue(): boolean {
    return this.#due.size > 0;
  }

  takeDue(): readonly number[] {
    const due = [...this.#due];
    this.#due.clear();
    return due;
  }

  ended(tid: number): void {
    this.#due.delete(tid);
    this.#wanted.delete(tid);
    this.#released.delete(tid);
    this.#native.forgetKept(tid);
  }

  executed(former: number, pid: number): void {
    if (former > 0) this.ended(former);
    this.ended(pid);
  }

  /**
   * Keeps all threads of a process. Threads that they make meanwhile are tracees if their parents are. Yields the results of
   * `KeptTaskFunctions.beginKeep`, and goes on when that work is over.
   */
  *keep(tid: number): Generator<number, void, void> {
    if (this.#native.isKept(tid)) return;
    const seen = new Set<number>();
    for (let tasks = [tid]; tasks.length > 0; tasks = threadsOf(tid).filter((one) => !seen.has(one))) {
      for (const one of tasks) seen.add(one);
      const results = Int32Array.from(tasks);
      this.#hasKept = true;
      yield this.#native.beginKeep(results);
      for (const [index, one] of tasks.entries()) this.#tried(one, results[index]!);
      const isKept = seen.size > 1 || results[0] === 0 || this.#wanted.has(tid);
      if (!isKept || results.includes(-errno.EINTR)) return;
    }
  }

  #tried(tid: number, result: number): void {
    if (result === -errno.EPERM && this.#isTracedByUs(tid)) this.#wanted.add(tid);
    else this.#wanted.delete(tid);
  }

  /** Releases the task at its next stop. False if it is not kept. */
  #release(tid: number): boolean {
    if (!this.#native.isKept(tid) || ptrace.interrupt(ptrace.ownThread, tid) < 0) return false;
    this.#released.add(tid);
    return true;
  }
}

function threadsOf(tid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${tid}/task`).map(Number);
  } catch {
    return [];
  }
}
