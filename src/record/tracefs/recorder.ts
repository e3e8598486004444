/**
 * Records by the kernel's tracepoints for system calls, in an instance of tracefs of its own (instance.ts). It needs
 * root. Calls do not wait for the recorder, except those whose memory it reads: a filter notifies the recorder of
 * these.
 */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { starterProcess } from "../../engines/launcher.ts";
import { launch } from "../../engines/notify/launch.ts";
import { StartError } from "../../engines/start-error.ts";
import { auditArchitecture } from "../../linux/architecture.ts";
import { callByNumber } from "../../linux/calls.ts";
import { close } from "../../linux/descriptors.ts";
import { NativeUnavailableError } from "../../linux/native.ts";
import { cloneFlag } from "../../linux/process-calls.ts";
import { MemoryPrinter } from "../memory-json.ts";
import { memoryReads } from "../memory-reads.ts";
import { passing, recordingFilter } from "../notify/filter.ts";
import { type Notification, type NotificationTaker, readsOf } from "../notify/notifications.ts";
import { Notifier } from "../notify/notifier.ts";
import type { Recorder, RecorderOptions, Recording } from "../recorder.ts";
import { EventStream, eventKind, type HeldEvents } from "./event-stream.ts";
import { Tracefs, TracefsError, TraceInstance } from "./instance.ts";

/**
 * KiB of each processor's buffer, and of all together: a second of the busiest server, unless the machine has very many
 * processors.
 */
const bufferSize = { each: 32 << 10, all: 512 << 10 } as const;
/** Milliseconds between checks for remaining tasks, once the launcher has ended. */
const lookInterval = 100;

export const tracefsRecorder: Recorder<"tracefs"> = {
  name: "tracefs",
  summary: "the kernel's tracepoints; root, the cheapest",
  probe: () => {
    try {
      Tracefs.open().close();
      return { works: true };
    } catch (error) {
      if (error instanceof TracefsError) return { works: false, why: `tracefs: ${error.message}` };
      if (error instanceof NativeUnavailableError) return { works: false, why: error.message };
      throw error;
    }
  },
  unknown: ({ memory }) => [
    "the instruction pointer",
    ...(memory
      ? ["whether another thread changed memory behind a pointer before the kernel read it"]
      : ["memory behind pointers", "the ABI of a call: a 32-bit call has its number alone"]),
  ],
  start: async (command, options) => {
    const starter = starterProcess();
    if (starter === undefined) {
      throw new StartError(125, "portcullis was not started by its launcher", "bin/portcullis record");
    }
    const tracefs = Tracefs.open();
    let instance: TraceInstance | undefined;
    let notifier: Notifier | undefined;
    try {
      const each = Math.min(bufferSize.each, Math.max(1024, Math.floor(bufferSize.all / availableParallelism())));
      instance = new TraceInstance(tracefs, each);
      notifier = options.memory ? await Notifier.start(options.architecture, false) : undefined;
      instance.trace(starter);
      const { architecture } = options;
      const { listener, ...started } = launch(command, {
        // Without a listener, and with its privileges left, the command gets no filter at all.
        filter: notifier === undefined ? passing : recordingFilter(architecture, memoryReads(architecture).keys()),
        fallback: notifier === undefined ? undefined : passing,
        tree: {},
        keepsPrivileges: true,
      });
      if (listener !== undefined) notifier!.listen(listener);
      return new TracefsRecording(started, { tracefs, instance, notifier }, options);
    } catch (error) {
      instance?.remove();
      await notifier?.close();
      tracefs.close();
      throw error;
    }
  },
};

interface Parts {
  readonly tracefs: Tracefs;
  readonly instance: TraceInstance;
  readonly notifier: Notifier | undefined;
}

class TracefsRecording implements Recording {
  readonly started: Recording["started"];
  readonly #parts: Parts;
  readonly #options: RecorderOptions;
  readonly #stream: EventStream;
  readonly #nativeAbi: number;
  readonly #printer: MemoryPrinter;
  /** The notified calls of the native ABI; notified calls of another ABI may have any number. */
  readonly #asked: ReadonlySet<number>;
  #hasForeign = false;
  /** Notified calls whose tracepoint has not been read, by thread. */
  readonly #notified = new Map<number, NotifiedCalls>();
  /** Living tasks of the command. Until it has executed its program, its thread is the starter's. */
  readonly #tasks = new Set<number>();
  #hasStarted = false;
  #hasStopped = false;
  #wasSwitchedOff = false;

  constructor(started: Recording["started"], parts: Parts, options: RecorderOptions) {
    const { architecture, base } = options;
    this.started = started;
    this.#parts = parts;
    this.#options = options;
    this.#stream = new EventStream(parts.instance, base);
    this.#nativeAbi = auditArchitecture[architecture];
    const reads = memoryReads(architecture);
    this.#asked = new Set(reads.keys());
    this.#printer = new MemoryPrinter(reads, (number) => callByNumber(architecture, number)?.name ?? "");
  }

  poll(isOver: boolean): number {
    if (isOver) this.#stop();
    const until = this.#stream.read(
      isOver,
      // A call is notified before its tracepoint, so the notification of each event has arrived by now.
      () => this.#parts.notifier?.read(this.#options.base, this.#notifications),
      (events, slot) => this.#take(events, slot),
    );
    if (isOver && until === Number.POSITIVE_INFINITY) for (const tid of [...this.#tasks]) this.#exited(tid, 0);
    return until;
  }

  lost(): number | undefined {
    return this.#wasSwitchedOff ? undefined : this.#parts.instance.lostEvents();
  }

  #stop(): void {
    if (this.#hasStopped) return;
    this.#hasStopped = true;
    const { instance } = this.#parts;
    const { assembler, base } = this.#options;
    this.#wasSwitchedOff = !instance.isTracing();
    if (this.#wasSwitchedOff) assembler.lost(undefined, Number(process.hrtime.bigint() - base));
    instance.stop();
  }

  close(): void {
    const { instance, notifier, tracefs } = this.#parts;
    instance.remove();
    void notifier?.close();
    tracefs.close();
    close(this.started.pidfd);
  }

  readonly #notifications: NotificationTaker = {
    call: (notification) => {
      this.#hasForeign ||= notification.architecture !== this.#nativeAbi;
      const known = this.#notified.get(notification.tid);
      if (known === undefined) this.#notified.set(notification.tid, new NotifiedCalls(notification));
      else known.push(notification);
    },
    task: () => {},
    exec: () => {},
  };

  #take(events: HeldEvents, slot: number): void {
    const { assembler } = this.#options;
    const time = events.time(slot);
    const tid = events.tid(slot);
    const kind = events.kind(slot);
    if (kind === eventKind.lost) assembler.lost(events.first(slot) || undefined, time);
    else if (kind === eventKind.exec) this.#executed(tid, events.first(slot), time);
    if (!this.#tasks.has(tid)) return;
    switch (kind) {
      case eventKind.enter:
        this.#entered(tid, time, events.first(slot) | 0, events.registers(slot));
        return;
      case eventKind.exit:
        assembler.returned(tid, time, events.first(slot), events.second(slot));
        return;
      case eventKind.birth: {
        const child = events.first(slot);
        this.#tasks.add(child);
        assembler.birth((events.second(slot) & Number(cloneFlag.thread)) === 0 ? "fork" : "thread", tid, child);
        return;
      }
      case eventKind.death:
        this.#exited(tid, time);
        return;
      default:
    }
  }

  #entered(tid: number, time: number, number: number, registers: Uint32Array): void {
    const mayBeNotified = this.#asked.has(number) || this.#hasForeign;
    const notification = mayBeNotified ? this.#notificationOf(tid, number, registers) : undefined;
    const isForeign = notification !== undefined && notification.architecture !== this.#nativeAbi;
    const hasMemory = notification !== undefined && !isForeign && notification.reads !== 0;
    this.#options.assembler.call({
      tid,
      time,
      number,
      registers,
      foreignAbi: isForeign ? notification.architecture : undefined,
      memory: hasMemory ? this.#printer.membersOf(number, notification.memory, () => readsOf(notification)) : undefined,
    });
  }

  /** Returns the thread's oldest notification of this call. Earlier ones were interrupted and not made. */
  #notificationOf(tid: number, number: number, registers: Uint32Array): Notification | undefined {
    const known = this.#notified.get(tid);
    const found = known?.take(number, registers);
    if (known?.isEmpty === true) this.#notified.delete(tid);
    return found;
  }

  #executed(tid: number, former: number, time: number): void {
    if (!this.#hasStarted) {
      this.#hasStarted = tid === this.started.pid;
      if (this.#hasStarted) this.#tasks.add(tid);
      return;
    }
    if (!this.#tasks.has(former)) return;
    if (former !== tid) this.#tasks.delete(former);
    this.#tasks.add(tid);
    this.#options.assembler.exec(tid, former === tid ? undefined : former, time);
  }

  #exited(tid: number, time: number): void {
    this.#tasks.delete(tid);
    this.#notified.delete(tid);
    this.#options.assembler.exit(tid, time);
  }

  /** After the launcher was killed, no process reports the end of the tree. */
  async ended(treeHasEnded: boolean): Promise<void> {
    const isRunning = (pid: number) => existsSync(`/proc/${pid}`);
    while (!treeHasEnded && (isRunning(this.started.pid) || [...this.#tasks].some(isRunning))) {
      await new Promise((resolve) => setTimeout(resolve, lookInterval).unref());
    }
  }
}

/** Notifications of one thread, in order. */
class NotifiedCalls {
  readonly #calls: Notification[];
  #first = 0;

  constructor(first: Notification) {
    this.#calls = [first];
  }

  get isEmpty(): boolean {
    return this.#first === this.#calls.length;
  }

  push(notification: Notification): void {
    // Removes taken notifications when they are half of all.
    if (this.#first > 64 && 2 * this.#first > this.#calls.length) {
      this.#calls.splice(0, this.#first);
      this.#first = 0;
    }
    this.#calls.push(notification);
  }

  /** Returns the oldest notification of this call and drops earlier ones, which were interrupted and not made. */
  take(number: number, registers: Uint32Array): Notification | undefined {
    for (let at = this.#first; at < this.#calls.length; at++) {
      const call = this.#calls[at]!;
      if (call.number !== number || !hasRegisters(call, registers)) continue;
      this.#first = at + 1;
      return call;
    }
    return undefined;
  }
}

function hasRegisters({ registers }: Notification, expected: Uint32Array): boolean {
  for (let index = 0; index < registers.length; index++) if (registers[index] !== expected[index]) return false;
  return true;
}
