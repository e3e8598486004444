/**
 * The registry of tasks: finds the state of a thread and its process by the thread id in a notification.
 *
 * Ids are reused; descriptors are not. Every known process has a pidfd, and so has every thread but the leader. One epoll
 * watches all of them; the addon's `next` polls it after each notification is received and before it is judged. A caller
 * lives until it is answered, so the end of an earlier task with its id is known by then.
 *
 * The leader needs no descriptor, because its id is its process's, which is not reused during the process's life. An
 * execution by another thread gives that thread the leader's id: `executed`.
 *
 * Before Linux 6.9 there are no pidfds of single threads. A thread's descriptor is then its folder in /proc, which gives no
 * event when the thread ends. Each call of the thread tests whether the folder still has its entries, and all folders are
 * tested when their number has doubled since the last test, or when no descriptor is left: otherwise a process that makes a
 * thread for each request would use up the descriptors.
 */

import { errno } from "../../../abi/errno-numbers.ts";
import { inherit, initialise, SlotAllocator } from "../../../backend/wasm/state.ts";
import { close, openDirectory, stillHas, unwatch, watch } from "../../../machine/descriptors.ts";
import { type Identity, noDescriptorsLeft, openProcess, openThread, readIdentity } from "../../../machine/pidfd.ts";
import { readProc } from "../../../machine/proc.ts";
import type { JudgementMemory } from "../policy/memory.ts";
import type { Needs } from "../policy/policy.ts";
import { isSame, type SavedProcess, type SavedState, type SavedThread, savedTask } from "./saved.ts";

export interface Process {
  readonly pid: number;
  /** The address of its state. */
  readonly slot: number;
  readonly pidfd: number;
  /** The registry must not close the pidfd. */
  readonly isBorrowed: boolean;
  readonly threads: Set<Thread>;
  readonly word: number;
  /** Whether a thread of it, or of an ancestor, has restricted itself by Landlock. */
  isRestricted: boolean;
}

export interface Thread {
  tid: number;
  readonly process: Process;
  slot: number;
  /** A pidfd of the thread, or before Linux 6.9 its folder in /proc; -1 for a leader. */
  descriptor: number;
  word: number;
  /** It is not the leader and executes a program, so it may get the leader's id before `executed` is called. */
  isExecuting: boolean;
}

/** The state with which a process starts, reserved when its parent's fork was judged. */
export interface Reservation {
  readonly processSlot: number;
  readonly threadSlot: number;
  /** The `Process.isRestricted` of the new process. */
  readonly isRestricted: boolean;
}

/** Why no thread is found: the caller has ended, its process was not followed since its fork, or descriptors have run out. */
export type Unidentified = "gone" | "unseen" | "exhausted";

export interface TaskFeatures {
  /** Whether the kernel has pidfds of single threads (Linux 6.9). */
  readonly threadDescriptors: boolean;
  /** Use PIDFD_GET_INFO for the process and its credentials (Linux 6.13) before /proc. */
  readonly descriptorsIdentify: boolean;
  /** Adds processes that were not followed since their fork, with fresh state. */
  readonly adoptsUnseen?: boolean;
}

const noWord = -1;
/** So many folders of ended threads can stay open. */
const leastPolled = 64;

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
  /** Before Linux 6.9: a thread's descriptor is its folder in /proc. */
  readonly #threadsMustBePolled: boolean;
  /** Threads whose descriptor is a folder. */
  readonly #polled = new Set<Thread>();
  /** The number of them at which all are tested. */
  #mostPolled = leastPolled;
  /** So many further tests of all, for lack of a descriptor, are left out, because the last one has freed none. */
  #vain = 0;
  #reservations = 0;

  /** Whether PIDFD_GET_INFO gives the process and its credentials (Linux 6.13). */
  readonly #descriptorsIdentify: boolean;
  readonly #adoptsUnseen: boolean;
  /** Called when the registry drops a thread, which has ended or has got another id. */
  readonly onEnd = new Set<(tid: number) => void>();

  constructor(memory: JudgementMemory, needs: Needs, epoll: number, features: TaskFeatures) {
    this.#memory = memory;
    this.#needs = needs;
    this.#epoll = epoll;
    this.#threadsMustBePolled = !features.threadDescriptors;
    this.#descriptorsIdentify = features.descriptorsIdentify;
    this.#adoptsUnseen = features.adoptsUnseen === true;
    this.#slots = new SlotAllocator(memory.instance.memory, memory.instance.layout);
  }

  /** The number of processes with a living thread, and of forks in flight. */
  get alive(): number {
    return this.#processes.size + this.#reservations;
  }

  /** The known processes, in the order in which they became known. */
  get processes(): Iterable<Process> {
    return this.#processes.values();
  }

  get knownProcesses(): number {
    return this.#processes.size;
  }

  get knownThreads(): number {
    return this.#threads.size;
  }

  /** The known thread with this id, if it still lives. */
  find(tid: number): Thread | undefined {
    const thread = this.#threads.get(tid);
    if (thread === undefined || !this.#threadsMustBePolled || thread.descriptor < 0) return thread;
    return this.#isGone(thread) ? undefined : thread;
  }

  /** Tests the thread's folder, and drops the thread if it has ended. */
  #isGone(thread: Thread): boolean {
    if (stillHas(thread.descriptor, "comm")) return false;
    this.#loseId(thread);
    return true;
  }

  /** Drops the threads whose folders show their end. */
  #sweep(): void {
    for (const thread of [...this.#polled]) this.#isGone(thread);
    this.#mostPolled = Math.max(leastPolled, 2 * this.#polled.size);
  }

  /** No descriptor is left. Returns whether the folder of an ended thread has freed one. */
  #freesDescriptor(): boolean {
    if (this.#vain > 0) {
      this.#vain--;
      return false;
    }
    const before = this.#polled.size;
    this.#sweep();
    const frees = this.#polled.size < before;
    if (!frees) this.#vain = Math.floor(before / leastPolled);
    return frees;
  }

  /**
   * Adds a thread at its first call, with fresh state. `stillWaits` says whether the notification is still valid: if it is
   * after the thread's identity was read, that identity is the caller's.
   */
  discover(tid: number, stillWaits: () => boolean): Thread | Unidentified {
    if (this.#polled.size >= this.#mostPolled) this.#sweep();
    const found = this.#tryToDiscover(tid, stillWaits);
    return found === "exhausted" && this.#freesDescriptor() ? this.#tryToDiscover(tid, stillWaits) : found;
  }

  #tryToDiscover(tid: number, stillWaits: () => boolean): Thread | Unidentified {
    const descriptor = this.#openTask(tid);
    const identity = this.#identity;
    const known = this.#identify(tid, descriptor, identity) && stillWaits();
    if (!known || descriptor < 0) {
      // Without descriptors /proc cannot be read either, so a waiting caller looks like one that has ended. The caller's own
      // descriptor can be the last one.
      const isExhausted = noDescriptorsLeft();
      if (descriptor >= 0) close(descriptor);
      return isExhausted && stillWaits() ? "exhausted" : "gone";
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
    const own = isLeader ? -1 : descriptor;
    const thread: Thread = { tid, process, slot, descriptor: own, word: noWord, isExecuting: false };
    if (!isLeader && !this.#threadsMustBePolled && !this.#watch(thread, descriptor)) {
      this.#slots.giveBack("thread", slot);
      close(descriptor);
      return "exhausted";
    }
    if (own >= 0 && this.#threadsMustBePolled) this.#polled.add(thread);
    this.#enter(thread);
    return thread;
  }

  #discoverProcess(pid: number): Process | Unidentified {
    if (this.#needs.births && !this.#adoptsUnseen) return "unseen";
    const slot = this.#slots.take("process");
    this.#memory.renew();
    const { memory, layout } = this.#memory.instance;
    initialise(memory, layout, "process", slot);
    return this.#addProcess(pid, slot) ?? "exhausted";
  }

  /** Adds the command's first process, with its only thread. A given pidfd stays the caller's. False on failure. */
  adopt(pid: number, pidfd?: number): boolean {
    const processSlot = this.#slots.take("process");
    const threadSlot = this.#slots.take("thread");
    this.#memory.renew();
    const { memory, layout } = this.#memory.instance;
    initialise(memory, layout, "process", processSlot);
    initialise(memory, layout, "thread", threadSlot);
    return this.#addFirst(pid, { processSlot, threadSlot, isRestricted: false }, pidfd);
  }

  // ── Children ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A fork was allowed: reserves its parent's present state for the child, which counts as alive from now on. */
  reserveChild(parent: Thread | undefined): Reservation {
    const processSlot = this.#slots.take("process");
    const threadSlot = this.#slots.take("thread");
    this.#memory.renew();
    this.#reservations++;
    const { memory, layout } = this.#memory.instance;
    if (parent !== undefined) {
      inherit(memory, layout, "process", parent.process.slot, processSlot);
      inherit(memory, layout, "thread", parent.slot, threadSlot);
    }
    return { processSlot, threadSlot, isRestricted: parent?.process.isRestricted ?? false };
  }

  /** Frees the reservation of a fork that failed, or was never made. */
  cancel(reservation: Reservation): void {
    this.#reservations--;
    this.#slots.giveBack("process", reservation.processSlot);
    this.#slots.giveBack("thread", reservation.threadSlot);
  }

  /**
   * Adds the child, which exists and has not run yet. "thread": it is not a process (the fork failed, and its caller has
   * started a thread since); "exhausted": no descriptor is left for it.
   */
  commit(reservation: Reservation, pid: number): "process" | "thread" | "exhausted" {
    this.#reservations--;
    if (this.#addFirst(pid, reservation)) return "process";
    return readStatus(pid, this.#identity) && this.#identity.process !== pid ? "thread" : "exhausted";
  }

  #addFirst(pid: number, reservation: Reservation, borrowed?: number): boolean {
    // An earlier process with this id, whose end has not been reported yet.
    const former = this.#processes.get(pid);
    if (former !== undefined) this.#endProcess(former);
    const process = this.#addProcess(
      pid,
      reservation.processSlot,
      borrowed === undefined ? undefined : { pidfd: borrowed, isBorrowed: true },
    );
    if (process === undefined) {
      this.#slots.giveBack("thread", reservation.threadSlot);
      return false;
    }
    process.isRestricted = reservation.isRestricted;
    const slot = reservation.threadSlot;
    this.#enter({ tid: pid, process, slot, descriptor: -1, word: noWord, isExecuting: false });
    return true;
  }

  /**
   * A thread other than the leader is about to execute a program. If its descriptor ends, its state stays until `executed` or
   * the end of its process: the kernel changes the id, and so ends the descriptor, before it reports the execution
   * (fs/exec.c, de_thread(), Linux 6.12). From then on another task can get the former id.
   */
  executes(thread: Thread): void {
    thread.isExecuting = true;
  }

  /** The execution has failed in a thread that still has its id, or all tracees have ended. */
  notExecuted(tid: number, pid: number): void {
    const thread = this.#executingThread(tid, pid);
    if (thread === undefined) return;
    if (this.#threads.get(tid) === thread) thread.isExecuting = false;
    else this.#endThread(thread);
  }

  /** The thread executes its program and no longer has this id. */
  losesId(tid: number, pid: number): void {
    const thread = this.#executingThread(tid, pid);
    if (thread !== undefined && this.#threads.get(tid) === thread) this.#loseId(thread);
  }

  /** Whether the thread with this former or present id may still execute its program. */
  isExecuting(tid: number, pid: number): boolean {
    return this.#executingThread(tid, pid) !== undefined;
  }

  #executingThread(formerTid: number, pid: number): Thread | undefined {
    for (const thread of this.#processes.get(pid)?.threads ?? [])
      if (thread.isExecuting && thread.tid === formerTid) return thread;
    return undefined;
  }

  /**
   * A thread other than the leader has executed a program. It now has the leader's id and its own state as before, and all
   * other threads of its process have ended.
   */
  executed(formerTid: number, pid: number): void {
    const thread = this.#executingThread(formerTid, pid);
    if (thread === undefined || formerTid === pid) return;
    for (const other of [...thread.process.threads]) if (other !== thread) this.#endThread(other);
    this.#forget(thread);
    this.#unwatch(thread);
    thread.isExecuting = false;
    thread.tid = pid;
    this.#threads.set(pid, thread);
  }

  // ── Ends ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The process or thread with this word of the epoll has ended. */
  reap(word: number): void {
    const one = this.#watched[word];
    if (one === undefined) return;
    if ("pid" in one) this.#endProcess(one);
    else this.#loseId(one);
  }

  /** The thread has ended, or executes a program and has got the leader's id. */
  #loseId(thread: Thread): void {
    if (!thread.isExecuting) return this.#endThread(thread);
    this.#forget(thread);
    this.#unwatch(thread);
  }

  #endProcess(process: Process): void {
    for (const thread of [...process.threads]) this.#endThread(thread);
    if (this.#processes.get(process.pid) === process) this.#processes.delete(process.pid);
    this.#slots.giveBack("process", process.slot);
    this.#freeWord(process.word);
    if (process.isBorrowed) unwatch(this.#epoll, process.pidfd);
    else close(process.pidfd);
  }

  /** The thread no longer has its id. */
  #forget(thread: Thread): void {
    if (this.#threads.get(thread.tid) !== thread) return;
    this.#threads.delete(thread.tid);
    for (const tell of this.onEnd) tell(thread.tid);
  }

  #endThread(thread: Thread): void {
    this.#forget(thread);
    thread.process.threads.delete(thread);
    this.#slots.giveBack("thread", thread.slot);
    this.#unwatch(thread);
  }

  // ── Another supervisor ────────────────────────────────────────────────────────────────────────────────────────────

  /** No fork and no execution may be in flight. */
  save(): Pick<SavedState, "slots" | "processes"> {
    const processes = [...this.#processes.values()].flatMap(({ pid, slot, isRestricted, threads }) => {
      const task = savedTask(pid);
      if (task === undefined) return [];
      const known = [...threads].flatMap((thread) => {
        const one = savedTask(thread.tid);
        return one === undefined ? [] : [{ ...one, slot: thread.slot }];
      });
      return [{ ...task, slot, isRestricted, threads: known }];
    });
    return { slots: this.#slots.save(), processes };
  }

  /** Takes over the tasks that still live; the memory has their state. */
  restore({ slots, processes }: Pick<SavedState, "slots" | "processes">): void {
    this.#slots.restore(slots);
    for (const saved of processes) {
      const process = this.#restoreProcess(saved);
      if (process !== undefined) process.isRestricted = saved.isRestricted;
      for (const thread of saved.threads)
        if (process === undefined || !this.#restoreThread(process, thread)) this.#slots.giveBack("thread", thread.slot);
    }
  }

  #restoreProcess(saved: SavedProcess): Process | undefined {
    const { id, slot } = saved;
    const pidfd = openProcess(id);
    if (pidfd >= 0 && isSame(saved)) return this.#addProcess(id, slot, { pidfd, isBorrowed: false });
    if (pidfd >= 0) close(pidfd);
    this.#slots.giveBack("process", slot);
    return undefined;
  }

  #restoreThread(process: Process, saved: SavedThread): boolean {
    const { id: tid, slot } = saved;
    const isLeader = tid === process.pid;
    const descriptor = isLeader ? -1 : this.#openTask(tid);
    const thread: Thread = { tid, process, slot, descriptor, word: noWord, isExecuting: false };
    const isKnown = isSame(saved) && (isLeader || descriptor >= 0);
    if (!isKnown || (!isLeader && !this.#threadsMustBePolled && !this.#watch(thread, descriptor))) {
      if (descriptor >= 0) close(descriptor);
      return false;
    }
    if (!isLeader && this.#threadsMustBePolled) this.#polled.add(thread);
    this.#enter(thread);
    return true;
  }

  #openTask(tid: number): number {
    return this.#threadsMustBePolled ? openDirectory(`/proc/${tid}`) : openThread(tid);
  }

  // ── Identity ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The present effective user and group of a thread, in our user namespace; undefined if it has ended. */
  credentials(thread: Thread): Identity | undefined {
    const descriptor = thread.descriptor >= 0 && !this.#threadsMustBePolled ? thread.descriptor : thread.process.pidfd;
    const isExact = this.#descriptorsIdentify && (thread.descriptor < 0 || !this.#threadsMustBePolled);
    if (isExact && readIdentity(descriptor, this.#identity)) return this.#identity;
    return readStatus(thread.tid, this.#identity) ? this.#identity : undefined;
  }

  #identify(tid: number, descriptor: number, identity: Identity): boolean {
    const asks = this.#descriptorsIdentify && !this.#threadsMustBePolled && descriptor >= 0;
    if (asks && readIdentity(descriptor, identity)) return true;
    return readStatus(tid, identity);
  }

  #enter(thread: Thread): void {
    // Before Linux 6.9 a child can have the id of a thread whose end has not been seen.
    const former = this.#threads.get(thread.tid);
    if (former !== undefined) this.#loseId(former);
    this.#threads.set(thread.tid, thread);
    thread.process.threads.add(thread);
  }

  /** Gives the slot back on failure. */
  #addProcess(pid: number, slot: number, opened?: Pick<Process, "pidfd" | "isBorrowed">): Process | undefined {
    let pidfd = opened?.pidfd ?? openProcess(pid);
    if ((pidfd === -errno.EMFILE || pidfd === -errno.ENFILE) && this.#freesDescriptor()) pidfd = openProcess(pid);
    const isBorrowed = opened?.isBorrowed === true;
    const word = this.#takeWord();
    if (pidfd < 0 || watch(this.#epoll, pidfd, word) < 0) {
      if (pidfd >= 0 && !isBorrowed) close(pidfd);
      this.#freeWord(word);
      this.#slots.giveBack("process", slot);
      return undefined;
    }
    const process: Process = { pid, slot, pidfd, isBorrowed, threads: new Set(), word, isRestricted: false };
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
    this.#polled.delete(thread);
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

/** The process of the task that has this id now; undefined if there is none, or it cannot be examined. */
export function processOf(tid: number): number | undefined {
  const identity: Identity = { process: 0, uid: 0, gid: 0 };
  return readStatus(tid, identity) ? identity.process : undefined;
}

/** Reads /proc/TID/status, with the ids of our own namespaces. False if the thread does not exist or is hidden. */
export function readStatus(tid: number, identity: Identity): boolean {
  const text = readProc(`${tid}/status`);
  if (text === undefined) return false;
  const match = /^Tgid:\t(\d+)$[\s\S]*^Uid:\t\d+\t(\d+)\t.*\nGid:\t\d+\t(\d+)\t/m.exec(text);
  if (match === null) return false;
  identity.process = Number(match[1]);
  identity.uid = Number(match[2]);
  identity.gid = Number(match[3]);
  return true;
}
