/**
 * Holds rooms for calls: lets a call run when its rooms admit it (src/rooms/table.ts), and learns when it has ended.
 *
 * A call that is let through says nothing when it ends. Its end is learned in one of these ways:
 *
 * | its end | is learned |
 * | --- | --- |
 * | is reported | the stub that makes the call makes another behind it (native/addon/machine.c, REPORTS_END) |
 * | is seen | when another call wants the room: /proc says where the thread is; one that runs all the time is stopped for a moment |
 * | in both cases | when the filter asks about another call of the thread, which can be in one only; when the thread has ended |
 *
 * A report costs a stop and two notifications more; seeing costs nothing as long as no two calls want a room at once. So the ends
 * of a room's calls are reported from when two have wanted it at once, until that has not happened for a while; except for
 * threads whose next call is expected sooner than a report (expected.ts).
 */
import type { EnteredRoom } from "../../../ir/evaluation.ts";
import type { Room } from "../../../ir/program.ts";
import { callNumber } from "../../../linux/call-numbers.ts";
import { errno } from "../../../linux/errno-numbers.ts";
import { native } from "../../../linux/native.ts";
import { notificationIsValid } from "../../../linux/seccomp.ts";
import { type Outcome, type RoomRequest, RoomTable } from "../../../rooms/table.ts";
import type { Pinning } from "../pin/pinning.ts";
import type { Process, Thread } from "../tasks.ts";
import { ExpectedThreads } from "./expected.ts";
import { waitingSignals, whereabouts } from "./whereabouts.ts";

/** A call that its verdict lets run, and that enters rooms. It outlives its notification's turn. */
export interface EnteringCall {
  readonly thread: Thread;
  readonly id: bigint;
  /** Its notification's `struct seccomp_data`. */
  readonly data: Uint8Array;
  /** Its end is reported. */
  readonly isReported: boolean;
  /** Lets it run. False where its caller does not wait any more. */
  admit(): boolean;
  /** A signal has come: the call is made and judged anew when that is handled. */
  restart(): void;
  /** It has waited too long for this side: it gets the room's verdict. */
  late(entered: EnteredRoom): void;
  /** It returns this errno, positive. */
  refuse(errno: number): void;
}

/** Milliseconds. */
const times = {
  /** Between two looks at those that hold a room and those that wait. */
  look: 5,
  /** A thread that runs for so long, and whose call's end is not reported, is stopped. */
  running: 10,
  /** From when two calls have wanted a room at once: until then the ends of its calls are reported. */
  contended: 1000,
} as const;

/** In one go: a tree can have thousands of threads that wait. */
const mostLooks = 64;
/** Further calls are refused. */
const mostWaiting = 4096;

interface Entry {
  readonly call: EnteringCall;
  readonly requests: readonly RoomRequest[];
  /** Its beginning is not over: it is not to be let run by `admit`. */
  isBeginning: boolean;
  isAdmitted: boolean;
  /** When that was, in milliseconds. */
  admittedAt: number;
  /** Its thread's next call is expected to say that it has ended. */
  isExpected: boolean;
  /** From when on it was seen running, in milliseconds; 0: it was not. */
  runningSince: number;
  isInterrupted: boolean;
  /** Its process had a signal at the last look, which can be another thread's. */
  hadSignal: boolean;
}

export class RoomKeeper {
  readonly #rooms: readonly Room[];
  readonly #table: RoomTable<Entry>;
  readonly #pinning: Pinning;
  readonly #listener: number;
  /** By thread. */
  readonly #entries = new Map<number, Entry>();
  /** Those that were looked at go to the end. */
  readonly #waiting = new Set<Entry>();
  /** By room: until when the ends of its calls are reported. Milliseconds. */
  readonly #contendedUntil: Float64Array;
  /** Threads that can be looked at. */
  readonly #visible = new WeakSet<Thread>();
  readonly #expected = new ExpectedThreads<Thread>();
  readonly #tree = {};
  #nextLook = 0;

  constructor(rooms: readonly Room[], pinning: Pinning, listener: number) {
    this.#rooms = rooms;
    this.#table = new RoomTable(rooms);
    this.#pinning = pinning;
    this.#listener = listener;
    this.#contendedUntil = new Float64Array(rooms.length);
  }

  /** Some call waits: `advance` is to be called in time. */
  get isBusy(): boolean {
    return this.#waiting.size > 0;
  }

  /** No further call can wait. */
  get isFull(): boolean {
    return this.#waiting.size >= mostWaiting;
  }

  /** Milliseconds until `advance` has something to do. */
  get patience(): number {
    return Math.max(0, this.#nextLook - performance.now());
  }

  // ── Beginning ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * True: the call may run, and its end need not be reported, because no other call wants its rooms. False: its end should be
   * reported; where that cannot be, `enter` will do.
   */
  enterAtOnce(call: EnteringCall, entered: readonly EnteredRoom[]): boolean {
    const time = performance.now();
    if (entered.some(({ room }) => this.#contendedUntil[room]! > time) || !this.isVisible(call)) return false;
    const entry = this.#begin(call, entered, time);
    if (!entry.isAdmitted) this.#remove(entry);
    return entry.isAdmitted;
  }

  /** Whether a report of the call's end, which is visible, is not worth its time. To be asked once for each call. */
  isExpected({ thread }: EnteringCall): boolean {
    return this.#expected.comes(thread, performance.now());
  }

  /** True: the call may run. False: it waits; whether it runs `call` learns. `isExpected`: as that says. */
  enter(call: EnteringCall, entered: readonly EnteredRoom[], isExpected = false): boolean {
    const time = performance.now();
    if (call.isReported) this.#expected.prepared(call.thread, time);
    const entry = this.#begin(call, entered, time, isExpected);
    if (entry.isAdmitted) return true;
    if (this.#waiting.size === 0) this.#nextLook = time + times.look;
    this.#waiting.add(entry);
    return false;
  }

  /** Whether it can be seen where the thread is: now it waits in its call, and /proc must say so. */
  isVisible({ thread, data }: EnteringCall): boolean {
    if (this.#visible.has(thread)) return true;
    const place = whereabouts(thread.tid, data);
    if (place === "in-call") this.#visible.add(thread);
    return place === "in-call" || place === "running";
  }

  /** Where it has to wait, those that hold its rooms are looked at. If that does not help, the rooms are contended. */
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
   * The address space, as one of the calls that hold the room or wait for it has it. Where the kernel does not compare two (no
   * kcmp(2), another user's process), they count as one.
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

  // ── Ending ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The filter asks about a call of the thread, or the thread has ended: the call that it was in is over. */
  ended(tid: number): void {
    const entry = this.#entries.get(tid);
    if (entry === undefined) return;
    if (entry.isAdmitted && (entry.isExpected || entry.call.isReported)) this.#learn(entry, performance.now());
    this.#remove(entry);
  }

  #learn({ call: { thread }, isExpected, admittedAt }: Entry, time: number): void {
    if (isExpected) this.#expected.came(thread, admittedAt, time, this.#waiting.size > 0);
    else this.#expected.reported(thread, admittedAt, time);
  }

  /** Every call that waits returns this errno, positive. */
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

  /** To be called when `patience` is over. */
  advance(): void {
    const time = performance.now();
    if (time < this.#nextLook) return;
    this.#nextLook = time + times.look;
    this.#settle(this.#table.expire(now()));
    for (const entry of this.#awaited().slice(0, mostLooks)) this.#look(entry, time);
    for (const entry of [...this.#waiting].slice(0, mostLooks)) this.#lookAtWaiting(entry);
  }

  /** Calls that hold a room which a call that waits wants. */
  #awaited(): readonly Entry[] {
    const wanted = this.#rooms.map(() => new Set<unknown>());
    for (const { requests } of this.#waiting) for (const { room, owner } of requests) wanted[room]!.add(owner);
    return [...this.#entries.values()].filter(
      ({ isAdmitted, requests }) => isAdmitted && requests.some(({ room, owner }) => wanted[room]!.has(owner)),
    );
  }

  /** Whether the call of a thread that holds a room has ended. */
  #look(entry: Entry, time: number, start = now()): void {
    const { call } = entry;
    const { tid } = call.thread;
    if (!entry.isAdmitted || this.#entries.get(tid) !== entry) return;
    if (entry.isInterrupted) {
      // It has come to its stop since, and so to the end of its call.
      if (!this.#pinning.isLate(tid)) this.#remove(entry, start);
      return;
    }
    switch (whereabouts(tid, call.data)) {
      case "elsewhere":
        if (entry.isExpected) this.#expected.failed(call.thread);
        this.#remove(entry, start);
        return;
      case "running":
        if (entry.runningSince === 0) entry.runningSince = time;
        else if (!call.isReported && time - entry.runningSince >= times.running) this.#interrupt(entry, start);
        return;
      case "in-call":
      case "hidden":
        entry.runningSince = 0;
    }
  }

  #interrupt(entry: Entry, start: bigint): void {
    if (entry.isExpected) this.#expected.failed(entry.call.thread);
    const result = this.#pinning.interrupt(entry.call.thread.tid);
    if (result === 0 || result === -errno.ESRCH) this.#remove(entry, start);
    else if (result === -errno.EINPROGRESS) entry.isInterrupted = true;
    else entry.runningSince = 0; // another process traces it: it is looked at again
  }

  /** Whether it waits still. */
  #lookAtWaiting(entry: Entry): void {
    const { call } = entry;
    if (!this.#waiting.delete(entry)) return;
    this.#waiting.add(entry);
    if (!notificationIsValid(this.#listener, BigUint64Array.of(call.id))) {
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
  // 1 and 2 are an order of two that differ. A thread that has ended shares its memory with none.
  return result !== 1 && result !== 2 && result !== -errno.ESRCH;
}
