/**
 * Who calls: from the thread id in a notification to the thread's and the process's state.
 *
 * Ids are reused; descriptors are not. Every process that is known has a pidfd, and every thread but the leader one of
 * its own; all are watched by one epoll, which is asked after each notification has been received and before it is judged
 * (the addon's `next`). A caller is alive until it is answered, so whoever had its id before is known to be dead by then.
 *
 * The leader needs no descriptor of its own: its id is its process's and stays taken as long as that lives. It can come to
 * mean another thread, though: `executed`.
 */
import { readFileSync } from "node:fs";
import { inherit, initialise, SlotAllocator } from "../../compile/wasm/state.ts";
import { close, openDirectory, stillHas, watch } from "../../linux/descriptors.ts";
import { type Identity, openProcess, openThread, readIdentity } from "../../linux/pidfd.ts";
import type { JudgementMemory } from "./memory.ts";
import type { Needs } from "./policy.ts";

export interface Process {
  readonly pid: number;
  /** Address of its state. */
  readonly slot: number;
  readonly pidfd: number;
  readonly threads: Set<Thread>;
  readonly word: number;
}

export interface Thread {
  tid: number;
  readonly process: Process;
  slot: number;
  /** A pidfd of the thread, or before Linux 6.9 its folder in /proc; -1 for a leader. */
  descriptor: number;
  word: number;
}

/** What a process that is about to be made will start with. */
export interface Birth {
  readonly processSlot: number;
  readonly threadSlot: number;
}

/** Why nobody is found: the caller is gone, its process was not seen at its birth, or descriptors have run out. */
export type Unidentified = "gone" | "unseen" | "exhausted";

export interface TaskFeatures {
  /** A pidfd can be of one thread (Linux 6.9). */
  readonly threadDescriptors: boolean;
  /** Try to ask pidfds who is behind them (Linux 6.13) before /proc. */
  readonly descriptorsTellWho: boolean;
}

const noWord = -1;

export class TaskRegistry {
  readonly #memory: JudgementMemory;
  readonly #slots: SlotAllocator;
  readonly #needs: Needs;
  readonly #epoll: number;
  readonly #threads = new Map<number, Thread>();
  readonly #processes = new Map<number, Process>();
  readonly #watched: (Thread | Process | undefined)[] = [];
  readonly #freeWords: number[] = [];
  readonly #identity: Identity = { process: 0, uid: 0, gid: 0 };
  /** Before Linux 6.9 a thread's descriptor is its folder in /proc, which does not tell when it ends: ask each time. */
  readonly #threadsMustBeAsked: boolean;
  #birthsInFlight = 0;

  /** From Linux 6.13 on a pidfd says who is behind it. */
  readonly #descriptorsTellWho: boolean;

  constructor(memory: JudgementMemory, needs: Needs, epoll: number, features: TaskFeatures) {
    this.#memory = memory;
    this.#needs = needs;
    this.#epoll = epoll;
    this.#threadsMustBeAsked = !features.threadDescriptors;
    this.#descriptorsTellWho = features.descriptorsTellWho;
    this.#slots = new SlotAllocator(memory.instance.memory, memory.instance.layout);
  }

  /** Processes with a living thread, and those that are being made. */
  get alive(): number {
    return this.#processes.size + this.#birthsInFlight;
  }

  get knownThreads(): number {
    return this.#threads.size;
  }

  /** The thread with this id, if it is known and is still that thread. */
  find(tid: number): Thread | undefined {
    const thread = this.#threads.get(tid);
    if (thread === undefined || !this.#threadsMustBeAsked || thread.descriptor < 0) return thread;
    if (stillHas(thread.descriptor, "comm")) return thread;
    this.#endThread(thread);
    return undefined;
  }

  /**
   * A thread that calls for the first time; its state is fresh. `stillWaits` says whether the notification still stands:
   * asked after the thread's identity was read, it proves that it was the caller's.
   */
  discover(tid: number, stillWaits: () => boolean): Thread | Unidentified {
    const descriptor = this.#threadsMustBeAsked ? openDirectory(`/proc/${tid}`) : openThread(tid);
    const identity = this.#identity;
    const known = this.#identify(tid, descriptor, identity) && stillWaits();
    if (!known || descriptor < 0) {
      if (descriptor >= 0) close(descriptor);
      return known && descriptor !== -3 /* ESRCH */ ? "exhausted" : "gone";
    }
    const isLeader = identity.process === tid;
    if (isLeader) close(descriptor);
    const process = this.#processes.get(identity.process) ?? this.#discoverProcess(identity.process);
    if (typeof process === "string") {
      if (!isLeader) close(descriptor);
      return process;
    }
    const slot = this.#slots.take("thread");
    this.#memory.renew();
    const { memory, layout } = this.#memory.instance;
    initialise(memory, layout, "thread", slot);
    const thread: Thread = { tid, process, slot, descriptor: isLeader ? -1 : descriptor, word: noWord };
    if (!isLeader && !this.#threadsMustBeAsked && !this.#watch(thread, descriptor)) {
      this.#slots.giveBack("thread", slot);
      close(descriptor);
      return "exhausted";
    }
    this.#enter(thread);
    return thread;
  }

  #discoverProcess(pid: number): Process | Unidentified {
    if (this.#needs.births) return "unseen";
    const slot = this.#slots.take("process");
    this.#memory.renew();
    const { memory, layout } = this.#memory.instance;
    initialise(memory, layout, "process", slot);
    return this.#addProcess(pid, slot) ?? "exhausted";
  }

  /** The process that the command starts as, with its only thread. False where descriptors have run out. */
  adopt(pid: number): boolean {
    const processSlot = this.#slots.take("process");
    const threadSlot = this.#slots.take("thread");
    this.#memory.renew();
    const { memory, layout } = this.#memory.instance;
    initialise(memory, layout, "process", processSlot);
    initialise(memory, layout, "thread", threadSlot);
    return this.#addFirst(pid, { processSlot, threadSlot });
  }

  // ── Births ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A fork was allowed: its child will have its maker's state as it is now. Counts among the living from here on. */
  conceive(maker: Thread | undefined): Birth {
    const processSlot = this.#slots.take("process");
    const threadSlot = this.#slots.take("thread");
    this.#memory.renew();
    this.#birthsInFlight++;
    const { memory, layout } = this.#memory.instance;
    if (maker !== undefined) {
      inherit(memory, layout, "process", maker.process.slot, processSlot);
      inherit(memory, layout, "thread", maker.slot, threadSlot);
    }
    return { processSlot, threadSlot };
  }

  /** The fork failed, or was never made. */
  miscarry(birth: Birth): void {
    this.#birthsInFlight--;
    this.#slots.giveBack("process", birth.processSlot);
    this.#slots.giveBack("thread", birth.threadSlot);
  }

  /**
   * The child exists and has not run yet. "thread": it is none (the fork failed, and its maker has started a thread
   * since); "exhausted": it cannot be followed for want of descriptors.
   */
  bear(birth: Birth, pid: number): "process" | "thread" | "exhausted" {
    this.#birthsInFlight--;
    if (this.#addFirst(pid, birth)) return "process";
    return readStatus(pid, this.#identity) && this.#identity.process !== pid ? "thread" : "exhausted";
  }

  #addFirst(pid: number, birth: Birth): boolean {
    // A process that had this id and whose end we have not been told of yet.
    const former = this.#processes.get(pid);
    if (former !== undefined) this.#endProcess(former);
    const process = this.#addProcess(pid, birth.processSlot);
    if (process === undefined) {
      this.#slots.giveBack("thread", birth.threadSlot);
      return false;
    }
    this.#enter({ tid: pid, process, slot: birth.threadSlot, descriptor: -1, word: noWord });
    return true;
  }

  /**
   * A thread that was not the leader has executed a program: it now has the leader's id and keeps its own state, and all
   * other threads of its process are gone.
   */
  executed(formerTid: number, pid: number): void {
    const thread = this.#threads.get(formerTid);
    if (thread === undefined || formerTid === pid) return;
    for (const other of [...thread.process.threads]) if (other !== thread) this.#endThread(other);
    this.#threads.delete(formerTid);
    this.#unwatch(thread);
    thread.tid = pid;
    this.#threads.set(pid, thread);
  }

  // ── Ends ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What the epoll's word stood for has ended. */
  ended(word: number): void {
    const one = this.#watched[word];
    if (one === undefined) return;
    if ("pid" in one) this.#endProcess(one);
    else this.#endThread(one);
  }

  #endProcess(process: Process): void {
    for (const thread of [...process.threads]) this.#endThread(thread);
    if (this.#processes.get(process.pid) === process) this.#processes.delete(process.pid);
    this.#slots.giveBack("process", process.slot);
    this.#freeWord(process.word);
    close(process.pidfd);
  }

  #endThread(thread: Thread): void {
    if (this.#threads.get(thread.tid) === thread) this.#threads.delete(thread.tid);
    thread.process.threads.delete(thread);
    this.#slots.giveBack("thread", thread.slot);
    this.#unwatch(thread);
  }

  // ── Identity ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Effective ids of a thread's user and group at this moment, as we see them; undefined where it is gone. */
  credentials(thread: Thread): Identity | undefined {
    const descriptor = thread.descriptor >= 0 && !this.#threadsMustBeAsked ? thread.descriptor : thread.process.pidfd;
    const isExact = this.#descriptorsTellWho && (thread.descriptor < 0 || !this.#threadsMustBeAsked);
    if (isExact && readIdentity(descriptor, this.#identity)) return this.#identity;
    return readStatus(thread.tid, this.#identity) ? this.#identity : undefined;
  }

  #identify(tid: number, descriptor: number, identity: Identity): boolean {
    const asks = this.#descriptorsTellWho && !this.#threadsMustBeAsked && descriptor >= 0;
    if (asks && readIdentity(descriptor, identity)) return true;
    return readStatus(tid, identity);
  }

  #enter(thread: Thread): void {
    this.#threads.set(thread.tid, thread);
    thread.process.threads.add(thread);
  }

  #addProcess(pid: number, slot: number): Process | undefined {
    const pidfd = openProcess(pid);
    const word = this.#takeWord();
    if (pidfd < 0 || watch(this.#epoll, pidfd, word) < 0) {
      if (pidfd >= 0) close(pidfd);
      this.#freeWord(word);
      this.#slots.giveBack("process", slot);
      return undefined;
    }
    const process: Process = { pid, slot, pidfd, threads: new Set(), word };
    this.#watched[word] = process;
    this.#processes.set(pid, process);
    return process;
  }

  #watch(thread: Thread, descriptor: number): boolean {
    const word = this.#takeWord();
    if (watch(this.#epoll, descriptor, word) < 0) {
      this.#freeWord(word);
      return false;
    }
    thread.word = word;
    this.#watched[word] = thread;
    return true;
  }

  #unwatch(thread: Thread): void {
    if (thread.word !== noWord) this.#freeWord(thread.word);
    if (thread.descriptor >= 0) close(thread.descriptor);
    thread.word = noWord;
    thread.descriptor = -1;
  }

  #takeWord(): number {
    return this.#freeWords.pop() ?? this.#watched.push(undefined) - 1;
  }

  #freeWord(word: number): void {
    this.#watched[word] = undefined;
    this.#freeWords.push(word);
  }
}

/** From /proc/TID/status, as our own namespaces see it. False where there is no such thread, or it is hidden. */
export function readStatus(tid: number, identity: Identity): boolean {
  let text: string;
  try {
    text = readFileSync(`/proc/${tid}/status`, "latin1");
  } catch {
    return false;
  }
  const match = /^Tgid:\t(\d+)$[\s\S]*^Uid:\t\d+\t(\d+)\t.*\nGid:\t\d+\t(\d+)\t/m.exec(text);
  if (match === null) return false;
  identity.process = Number(match[1]);
  identity.uid = Number(match[2]);
  identity.gid = Number(match[3]);
  return true;
}
