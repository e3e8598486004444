/**
 * Holds rooms for calls: lets a call run when its rooms admit it (src/rooms/table.ts), and learns when it has ended.
 *
 * The kernel does not notify the supervisor of a call's end. The keeper learns of the end in one of these ways:
 *
 * | the end | how the keeper learns of it |
 * | --- | --- |
 * | is reported | after the call, its stub makes a second call, that the filter reports (native/addon/pin/stubs.c, REPORTS_END) |
 * | is looked for | when another call wants the room, /proc shows where the thread is; a thread that runs all the time is stopped for a moment |
 * | in both cases | the filter reports another call of the thread, which can be in one call only; or the thread ends |
 *
 * A report costs a stop and two more notifications. Looking costs nothing as long as no two calls want a room at once. So
 * ends are reported after two calls have wanted a room at once, until that has not happened for a while; except for
 * threads whose next call is expected sooner than a report (expected.ts).
 *
 * A process whose threads hold rooms can become untraceable. The calls with which it does so are reported (hiding.ts), and we
 * stop its other threads before. If such a process is missed, we kill it: it could keep a room for ever, and the end of its hold
 * could come before the end of its call.
 */

import { callNumber } from "../../../abi/call-numbers.ts";
import { errno } from "../../../abi/errno-numbers.ts";
import type { EnteredRoom } from "../../../ir/evaluation.ts";
import type { Room } from "../../../ir/program.ts";
import { native } from "../../../machine/native.ts";
import { notificationIsValid } from "../../../machine/seccomp.ts";
import { type Outcome, type RoomRequest, RoomTable } from "../../../rooms/table.ts";
import type { Pinning } from "../pin/pinning.ts";
import type { Process, Thread } from "../tasks/tasks.ts";
import { ExpectedThreads } from "./expected.ts";
import { waitingSignals, whereabouts } from "./whereabouts.ts";

/** A call with rooms that its verdict allows. It may be answered after later notifications. */
export interface EnteringCall {
  readonly thread: Thread;
  readonly id: bigint;
  /** Its notification's `struct seccomp_data`. */
  readonly data: Uint8Array;
  /** Whether the stub reports its end. */
  readonly isReported: boolean;
  /** Lets it run. False if its caller no longer waits. */
  admit(): boolean;
  /** A signal has arrived. When it is handled, the call is made and judged again. */
  restart(): void;
  /** It has waited too long for this side, and gets the room's verdict. */
  late(entered: EnteredRoom): void;
  /** It returns this positive errno. */
  refuse(errno: number): void;
  /** Its caller no longer waits for it, and it was not admitted. */
  abandon(): void;
}

/** Milliseconds. */
const times = {
  /** Between two looks at the holders of a room and at the waiting calls. */
  look: 5,
  /** A thread whose call's end is not reported is stopped if it runs for so long. */
  running: 10,
  /** The process of a holder that we may neither look at nor stop is killed if others wait for it so long. */
  hidden: 1000,
  /** So long after two calls have wanted a room at once, the ends of its calls are reported. */
  contended: 1000,
} as const;

/** The most looks in one pass: a tree can have thousands of waiting threads. */
const mostLooks = 64;
/** The most waiting calls; further ones are refused. */
const mostWaiting = 4096;

interface Entry {
  readonly call: EnteringCall;
  readonly requests: readonly RoomRequest[];
  /** `#begin` has not returned yet: `admit` must not be called. */
  isBeginning: boolean;
  isAdmitted: boolean;
  /** The time of its admission, in milliseconds. */
  admittedAt: number;
  /** Whether the thread's next call is expected to show its end. */
  isExpected: boolean;
  /** The time since which looks have found it running, in milliseconds; 0: the last look did not. */
  runningSince: number;
  /** The time since which looks have found it hidden, in milliseconds; 0: the last look did not. */
  hiddenSince: number;
  isKilled: boolean;
  isInterrupted: boolean;
  /** Whether its process had a pending signal at the last look; another thread may take that signal. */
  hadSignal: boolean;
}

/** Kills the process of a thread that holds this room, and that may neither be looked at nor stopped. */
export type KillHidden = (thread: Thread, room: number) => void;

export class RoomKeeper {
  readonly #rooms: readonly Room[];
  readonly #table: RoomTable<Entry>;
  readonly #pinning: Pinning;
  readonly #listener: number;
  /** By thread, in the order of the next looks. */
  readonly #entries = new Map<number, Entry>();
  /** In the order of the next looks. */
  readonly #waiting = new Set<Entry>();
  /** By room: the time until which the ends of its calls are reported, in milliseconds. */
  readonly #contendedUntil: Float64Array;
  readonly #killHidden: KillHidden;
  /** Threads whose state /proc shows us, unless their process may be hidden. */
  readonly #visible = new WeakSet<Thread>();
  /** Processes that have made a call after which they may be hidden, perhaps at this moment. */
  readonly #hiding = new WeakSet<Process>();
  readonly #expected = new ExpectedThreads<Thread>();
  readonly #tree = {};
  #nextLook = 0;

  constructor(rooms: readonly Room[], pinning: Pinning, listener: number, killHidden: KillHidden) {
    this.#rooms = rooms;
    this.#table = new RoomTable(rooms);
    this.#pinning = pinning;
    this.#listener = listener;
    this.#killHidden = killHidden;
    this.#contendedUntil = new Float64Array(rooms.length);
  }

  /** Whether a call waits, so that `advance` must be called in time. */
  get isBusy(): boolean {
    return this.#waiting.size > 0;
  }

  /** Whether no further call can wait. */
  get isFull(): boolean {
    return this.#waiting.size >= mostWaiting;
  }

  /** Milliseconds until `advance` has something to do. */
  get patience(): number {
    return Math.max(0, this.#nextLook - performance.now());
  }

  // ── Entering ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Returns true if the call may run without a report of its end, because no other call wants its rooms. If false, its end
   * should be reported; a call whose end cannot be reported must use `enter`.
   */
  enterAtOnce(call: EnteringCall, entered: readonly EnteredRoom[]): boolean {
    const time = performance.now();
    if (entered.some(({ room }) => this.#contendedUntil[room]! > time) || !this.isVisible(call)) return false;
    const entry = this.#begin(call, entered, time);
    if (!entry.isAdmitted) this.#remove(entry);
    return entry.isAdmitted;
  }

  /** Whether a report of the call's end would take longer than the thread's next call. Call this once for each call. */
  isExpected({ thread }: EnteringCall): boolean {
    return this.#expected.comes(thread, performance.now());
  }

  /** Returns true if the call may run. If false it waits, and a method of `call` is called later. `isExpected`: see there. */
  enter(call: EnteringCall, entered: readonly EnteredRoom[], isExpected = false): boolean {
    const time = performance.now();
    if (call.isReported) this.#expected.prepared(call.thread, time);
    const entry = this.#begin(call, entered, time, isExpected);
    if (entry.isAdmitted) return true;
    if (this.#waiting.size === 0) this.#nextLook = time + times.look;
    this.#waiting.add(entry);
    return false;
  }

  /** Whether /proc shows where the thread is: it waits in its call now, and /proc must show that. */
  isVisible({ thread, data }: EnteringCall): boolean {
    if (this.#visible.has(thread) && !this.#hiding.has(thread.process)) return true;
    const place = whereabouts(thread.tid, data);
    if (place === "in-call") this.#visible.add(thread);
    return place === "in-call" || place === "running";
  }

  /** Whether the thread may be hidden before its call ends. Then the end can only be reported. */
  mayHide({ thread }: EnteringCall): boolean {
    return this.#hiding.has(thread.process);
  }

  /** If the call has to wait, looks at the holders of its rooms. If it still has to wait, the rooms are contended. */
  #begin(call: EnteringCall, entered: readonly EnteredRoom[], time: number, isExpected = false): Entry {
    const { thread } = call;
    this.ended(thread.tid);
    const requests = entered.map(({ room, side }) => ({ room, side, owner: this.#owner(room, thread) }));
    const entry: Entry = {
      call,
      requests,
      isBeginning: true,
      isAdmitted: false,
      admittedAt: time,
      isExpected,
      runningSince: 0,
      hiddenSince: 0,
      isKilled: false,
      isInterrupted: false,
      hadSignal: false,
    };
    this.#entries.set(thread.tid, entry);
    const start = now();
    this.#settle(this.#table.enter(entry, requests, start));
    if (!entry.isAdmitted) {
      const { behind } = this.#table.waitOf(entry)!;
      for (const other of behind.slice(0, mostLooks)) if (!other.isExpected) this.#look(other, time, start);
      for (const { room } of entry.isAdmitted ? [] : requests) this.#contendedUntil[room] = time + times.contended;
    }
    entry.isBeginning = false;
    return entry;
  }

  #owner(room: number, { tid, process }: Thread): unknown {
    switch (this.#rooms[room]!.scope) {
      case "tree":
        return this.#tree;
      case "process":
        return process;
      case "memory":
        return this.#memoryOwner(room, tid, process);
    }
  }

  /**
   * The owner of a room with scope memory: the address space, equal to that of a call in the room if they are the same. Two
   * that the kernel does not compare (no kcmp(2), another user's process) count as one.
   */
  #memoryOwner(room: number, tid: number, process: Process): unknown {
    const compared = new Set<unknown>();
    for (const { call, requests } of this.#entries.values()) {
      const owner = requests.find((one) => one.room === room)?.owner;
      if (owner === undefined || compared.has(owner)) continue;
      if (call.thread.process === process || haveSameMemory(tid, call.thread.tid)) return owner;
      compared.add(owner);
    }
    return {};
  }

  // ── Leaving ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The filter reports a call of the thread, or the thread has ended, so its former call is over. */
  ended(tid: number): void {
    const entry = this.#entries.get(tid);
    if (entry === undefined) return;
    if (!entry.isAdmitted) entry.call.abandon();
    else if (entry.isExpected || entry.call.isReported) this.#learn(entry, performance.now());
    this.#remove(entry);
  }

  #learn({ call: { thread }, isExpected, admittedAt }: Entry, time: number): void {
    if (isExpected) this.#expected.came(thread, admittedAt, time, this.#waiting.size > 0);
    else this.#expected.reported(thread, admittedAt, time);
  }

  /** The caller of a call after which its process may be hidden: ends the holds of the other threads, which can be stopped now. */
  hides({ process }: Thread): void {
    this.#hiding.add(process);
    const start = now();
    for (const entry of [...this.#entries.values()]) {
      const { thread, data } = entry.call;
      if (thread.process !== process || !entry.isAdmitted || entry.isInterrupted) continue;
      if (whereabouts(thread.tid, data) === "elsewhere") this.#remove(entry, start);
      else this.#interrupt(entry, start);
    }
  }

  /** Makes every waiting call return this positive errno. */
  giveUp(errno: number): void {
    for (const { call } of this.#waiting) call.refuse(errno);
    this.#waiting.clear();
  }

  #remove(entry: Entry, time = now()): void {
    this.#forget(entry);
    this.#settle(this.#table.leave(entry, time));
  }

  #forget(entry: Entry): void {
    const { tid } = entry.call.thread;
    if (this.#entries.get(tid) === entry) this.#entries.delete(tid);
    this.#waiting.delete(entry);
  }

  #settle(outcomes: readonly Outcome<Entry>[]): void {
    for (const outcome of outcomes) {
      const entry = outcome.call;
      if (outcome.is === "late") {
        const { room, side } = entry.requests.find((one) => one.room === outcome.room)!;
        this.#forget(entry);
        entry.call.late({ room, side });
        continue;
      }
      entry.isAdmitted = true;
      if (!entry.isBeginning) entry.admittedAt = performance.now();
      this.#waiting.delete(entry);
      if (!entry.isBeginning && !entry.call.admit()) this.#remove(entry);
    }
  }

  // ── While calls wait ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Makes the looks that are due. Call it when `patience` is over. */
  advance(): void {
    const time = performance.now();
    if (time < this.#nextLook) return;
    this.#nextLook = time + times.look;
    this.#settle(this.#table.expire(now()));
    for (const entry of this.#awaited().slice(0, mostLooks)) {
      this.#look(entry, time);
      this.#putLast(entry);
    }
    for (const entry of [...this.#waiting].slice(0, mostLooks)) this.#lookAtWaiting(entry);
  }

  /** The calls that hold a room that a waiting call wants. */
  #awaited(): readonly Entry[] {
    const wanted = this.#rooms.map(() => new Set<unknown>());
    for (const { requests } of this.#waiting) for (const { room, owner } of requests) wanted[room]!.add(owner);
    return [...this.#entries.values()].filter(
      ({ isAdmitted, requests }) => isAdmitted && requests.some(({ room, owner }) => wanted[room]!.has(owner)),
    );
  }

  /** Many calls that last must not hide the end of another one, which may be of another room. */
  #putLast(entry: Entry): void {
    const { tid } = entry.call.thread;
    if (this.#entries.get(tid) !== entry) return;
    this.#entries.delete(tid);
    this.#entries.set(tid, entry);
  }

  /** Finds whether the call of a holder has ended. */
  #look(entry: Entry, time: number, start = now()): void {
    const { call } = entry;
    const { tid } = call.thread;
    if (!entry.isAdmitted || this.#entries.get(tid) !== entry) return;
    if (entry.isInterrupted) {
      // The thread has stopped meanwhile, so its call has ended.
      if (!this.#pinning.isLate(tid)) this.#remove(entry, start);
      return;
    }
    const place = whereabouts(tid, call.data);
    if (place !== "hidden") entry.hiddenSince = 0;
    switch (place) {
      case "elsewhere":
        if (entry.isExpected) this.#expected.failed(call.thread);
        this.#remove(entry, start);
        return;
      case "running":
      case "unseen": // a stop needs no descriptor
        if (entry.runningSince === 0) entry.runningSince = time;
        else if (!call.isReported && time - entry.runningSince >= times.running) this.#interrupt(entry, start);
        return;
      case "hidden":
        entry.runningSince = 0;
        if (entry.hiddenSince === 0) entry.hiddenSince = time;
        else if (time - entry.hiddenSince >= (call.isReported ? times.hidden : times.running))
          this.#endHidden(entry, time, start);
        return;
      case "in-call":
        entry.runningSince = 0;
    }
  }

  /** It may be stopped although /proc hides it. Otherwise only its death is a certain end of its call. */
  #endHidden(entry: Entry, time: number, start: bigint): void {
    if (entry.isKilled || this.#interrupt(entry, start) || time - entry.hiddenSince < times.hidden) return;
    entry.isKilled = true;
    this.#killHidden(entry.call.thread, entry.requests[0]!.room);
  }

  /** Returns false if the thread may not be stopped. */
  #interrupt(entry: Entry, start: bigint): boolean {
    if (entry.isExpected) this.#expected.failed(entry.call.thread);
    const result = this.#pinning.interrupt(entry.call.thread.tid);
    if (result === 0 || result === -errno.ESRCH) this.#remove(entry, start);
    else if (result === -errno.EINPROGRESS) entry.isInterrupted = true;
    else {
      entry.runningSince = 0; // if another process traces it, a later look must find it
      return false;
    }
    return true;
  }

  /** Finds whether the call still waits. */
  #lookAtWaiting(entry: Entry): void {
    const { call } = entry;
    if (!this.#waiting.delete(entry)) return;
    this.#waiting.add(entry);
    if (!notificationIsValid(this.#listener, BigUint64Array.of(call.id))) {
      call.abandon();
      this.#remove(entry);
      return;
    }
    const { own, shared } = waitingSignals(call.thread.tid);
    if (own || (shared && entry.hadSignal)) {
      this.#remove(entry);
      call.restart();
      return;
    }
    entry.hadSignal = shared;
  }
}

/** CLOCK_MONOTONIC in nanoseconds. */
function now(): bigint {
  return process.hrtime.bigint();
}

/** KCMP_VM (kcmp(2)). */
const compareMemory = 1;

function haveSameMemory(tid: number, other: number): boolean {
  const result = native().syscall(callNumber("kcmp"), tid, other, compareMemory, 0, 0);
  // 1 and 2 order two different address spaces. An ended thread shares its memory with no other.
  return result !== 1 && result !== 2 && result !== -errno.ESRCH;
}
