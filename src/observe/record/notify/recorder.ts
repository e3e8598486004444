/**
 * Records by seccomp's notifications: a filter notifies the recorder of every call, and the recorder answers with
 * CONTINUE. It needs Linux 5.9 and no privilege. It sees calls before they are made, so it knows no results.
 */
import { existsSync } from "node:fs";
import { release } from "node:os";
import { auditArchitecture } from "../../../abi/architecture.ts";
import { callByNumber, numberOf } from "../../../abi/calls.ts";
import { kernelAtLeast } from "../../../abi/kernel-version.ts";
import { launch } from "../../../engines/notify/launch.ts";
import { close } from "../../../machine/descriptors.ts";
import type { TraceAssembler } from "../assembler.ts";
import { MemoryPrinter } from "../memory-json.ts";
import { memoryReads } from "../memory-reads.ts";
import type { Recorder, RecorderOptions, StartedRecording } from "../recorder.ts";
import { Family } from "./family.ts";
import { neverNotified, recordingFilter, withoutIoUring } from "./filter.ts";
import { type Notification, readsOf, type SeenTask } from "./notifications.ts";
import { Notifier } from "./notifier.ts";

/** Nanoseconds between searches for tasks that a signal has ended. */
const sweepInterval = 1e9;

/** Nanoseconds within which no new task gets the id of one that has ended. */
const reuse = 1e9;

export const notifierRecorder: Recorder<"notifier"> = {
  name: "notifier",
  summary: "a filter that reports every call to portcullis; no privilege, Linux 5.9",
  probe: () =>
    kernelAtLeast(release(), 5, 9) ? { works: true } : { works: false, why: "the kernel is older than Linux 5.9" },
  unknown: ({ memory }) => [
    "the results of calls",
    `calls that nothing may interrupt: ${neverNotified.join(", ")}`,
    "which of several creating calls in flight made a task, and tasks that made no call",
    "when a signal ended a task, to within a second",
    ...(memory
      ? ["whether another thread changed memory behind a pointer before the kernel read it", withoutIoUring]
      : ["memory behind pointers", withoutIoUring]),
    "the effect of no_new_privs: programs gained no privileges by being executed",
  ],
  start: async (command, options) => {
    const notifier = await Notifier.start(options.architecture, true);
    try {
      const filter = recordingFilter(options.architecture, "all");
      const { listener, ...started } = launch(command, { filter, fallback: undefined, tree: {}, busy });
      notifier.listen(listener!);
      return new NotifierRecording(started, notifier, options);
    } catch (error) {
      await notifier.close();
      throw error;
    }
  },
};

const busy = {
  message: "another supervisor already listens here, and the recorder notifier needs a listener of its own",
  help: "record from outside of portcullis, or as root with --recorder tracefs",
};

class NotifierRecording implements StartedRecording {
  readonly started: StartedRecording["started"];
  readonly #notifier: Notifier;
  readonly #options: RecorderOptions;
  readonly #assembler: TraceAssembler;
  readonly #family: Family;
  readonly #memory: MemoryPrinter | undefined;
  readonly #nativeAbi: number;
  readonly #exit: number;
  readonly #exitGroup: number;
  #time = 0;
  #sweepAt = sweepInterval;
  /** Tasks that the last read has found. */
  readonly #begun = new Set<number>();
  /** Processes that exit_group has ended, and their threads, with the time. */
  readonly #ended = new Map<number, number>();
  /** Threads of these with calls that were in flight at that time. */
  readonly #ending = new Set<number>();

  constructor(started: StartedRecording["started"], notifier: Notifier, options: RecorderOptions) {
    const { architecture, assembler, memory } = options;
    this.started = started;
    this.#notifier = notifier;
    this.#options = options;
    this.#assembler = assembler;
    this.#family = new Family(architecture);
    this.#family.add({ tid: started.pid, process: started.pid });
    const nameOf = (number: number) => callByNumber(architecture, number)?.name ?? "";
    this.#memory = memory ? new MemoryPrinter(memoryReads(architecture), nameOf) : undefined;
    this.#nativeAbi = auditArchitecture[architecture];
    this.#exit = numberOf("exit", architecture)!;
    this.#exitGroup = numberOf("exit_group", architecture)!;
  }

  poll(isOver: boolean): number {
    const now = Number(process.hrtime.bigint() - this.#options.base);
    const isDue = now >= this.#sweepAt;
    // Before the notifications are read: what has ended by now makes no call later.
    const ended = isDue ? [...this.#family.tasks].filter((tid) => !existsSync(`/proc/${tid}`)) : [];
    this.#begun.clear();
    this.#notifier.read(this.#options.base, {
      call: (notification) => this.#call(notification),
      task: (task) => this.#task(task),
      exec: (tid, former) => this.#executed(tid, former),
    });
    if (isDue) this.#sweepAt = now + sweepInterval;
    for (const [tid, time] of this.#ended) if (now - time > 2 * reuse) this.#ended.delete(tid);
    for (const tid of ended) {
      // A new task can have the id of one that has ended.
      if (!this.#family.has(tid) || this.#begun.has(tid)) continue;
      this.#notifier.forget(tid);
      this.#exited(tid);
    }
    if (isOver) for (const tid of [...this.#family.tasks]) this.#exited(tid);
    return Number.POSITIVE_INFINITY;
  }

  lost(): number {
    return 0;
  }

  ended(): Promise<void> {
    return this.#notifier.finished;
  }

  close(): void {
    void this.#notifier.close();
    close(this.started.pidfd);
  }

  #call(notification: Notification): void {
    const { tid, time, number, architecture, registers, instructionPointer } = notification;
    if (this.#ending.has(tid)) return;
    this.#time = time;
    const isNative = architecture === this.#nativeAbi;
    const line = this.#assembler.call({
      tid,
      time,
      number,
      registers,
      foreignAbi: isNative ? undefined : architecture,
      instructionPointer,
      memory:
        notification.reads === 0
          ? undefined
          : this.#memory?.membersOf(number, notification.memory, () => readsOf(notification)),
    });
    if (!isNative) return;
    this.#family.called(notification, line);
    if (number === this.#exit) this.#exited(tid);
    if (number === this.#exitGroup) {
      const process = this.#family.processOf(tid);
      for (const one of [process, ...this.#family.threadsOf(process)]) this.#ended.set(one, time);
      for (const one of this.#family.threadsOf(process)) this.#exited(one);
    }
  }

  /** Whether the task is of a process that has ended, rather than a new one with the id. */
  #isEnding({ tid, process }: SeenTask): boolean {
    const time = this.#ended.get(tid) ?? this.#ended.get(process);
    return time !== undefined && this.#time - time < reuse;
  }

  #task(task: SeenTask): void {
    const { tid } = task;
    if (this.#isEnding(task)) {
      this.#ending.add(tid);
      return;
    }
    this.#ending.delete(tid);
    if (tid === this.started.pid && this.#family.has(tid)) return;
    // A signal has ended its former owner.
    if (this.#family.has(tid)) this.#exited(tid);
    const parent = this.#family.parentOf(task, this.#time);
    this.#family.add(task);
    this.#begun.add(tid);
    this.#assembler.birth(tid === task.process ? "fork" : "thread", parent.tid, tid, parent.line);
  }

  #executed(process: number, former: number): void {
    for (const tid of this.#family.threadsOf(process)) {
      if (tid !== former && tid !== process) this.#exited(tid);
    }
    if (former !== process) this.#family.delete(former);
    this.#assembler.exec(process, former === process ? undefined : former, this.#time);
  }

  #exited(tid: number): void {
    this.#family.delete(tid);
    this.#assembler.exit(tid, this.#time);
  }
}
