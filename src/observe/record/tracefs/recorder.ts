/**
 * Records by the kernel's tracepoints for system calls, in an instance of tracefs of its own (instance.ts). It needs
 * root. Calls do not wait for the recorder, except those whose memory it reads: a filter notifies the recorder of
 * these.
 */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { auditArchitecture } from "../../../abi/architecture.ts";
import { callByNumber } from "../../../abi/calls.ts";
import { cloneFlag } from "../../../abi/process-calls.ts";
import { starterProcess } from "../../../engines/launcher/launcher.ts";
import { StartError } from "../../../engines/launcher/start-error.ts";
import { launch } from "../../../engines/notify/launch.ts";
import { close } from "../../../machine/descriptors.ts";
import { NativeUnavailableError } from "../../../machine/native.ts";
import { MemoryPrinter } from "../memory-json.ts";
import { memoryReads } from "../memory-reads.ts";
import { passing, recordingFilter, withoutIoUring } from "../notify/filter.ts";
import { type Notification, type NotificationTaker, readsOf } from "../notify/notifications.ts";
import { Notifier } from "../notify/notifier.ts";
import type {
  AttachedRecording,
  AttachTarget,
  FoundTask,
  Recorder,
  RecorderOptions,
  StartedRecording,
} from "../recorder.ts";
import { EventStream, eventKind, type HeldEvents } from "./event-stream.ts";
import { Tracefs, TracefsError, TraceInstance } from "./instance.ts";
import { isPresent, type PresentTask, presentTasks, TargetError } from "./present.ts";

/**
 * KiB of each processor's buffer, and of all together: a second of the busiest server, unless the machine has very many
 * processors.
 */
const bufferSize = { each: 32 << 10, all: 512 << 10 } as const;
/** Looks for tasks that a task created before it was traced. */
const mostTurns = 8;
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
      ? ["whether another thread changed memory behind a pointer before the kernel read it", withoutIoUring]
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
      instance = new TraceInstance(tracefs, bufferSizeOfEach());
      notifier = options.memory ? await Notifier.start(options.architecture, false) : undefined;
      instance.trace([starter]);
      const { architecture } = options;
      const { listener, ...started } = launch(command, {
        // Without a listener, and with its privileges left, the command gets no filter at all.
        filter: notifier === undefined ? passing : recordingFilter(architecture, memoryReads(architecture).keys()),
        fallback: notifier === undefined ? undefined : passing,
        tree: {},
        keepsPrivileges: true,
      });
      if (listener !== undefined) notifier!.listen(listener);
      return new TracefsCommand(started, { tracefs, instance, notifier }, options);
    } catch (error) {
      instance?.remove();
      await notifier?.close();
      tracefs.close();
      throw error;
    }
  },
  attach: (target, options) => {
    const tracefs = Tracefs.open();
    let instance: TraceInstance | undefined;
    try {
      instance = new TraceInstance(tracefs, bufferSizeOfEach());
      const present = follow(instance, target);
      if (present.length === 0) throw new TargetError("no process is left to record");
      return new TracefsAttached(present, { tracefs, instance, notifier: undefined }, options);
    } catch (error) {
      instance?.remove();
      tracefs.close();
      if (error instanceof TargetError) throw new StartError(125, error.message);
      throw error;
    }
  },
};

function bufferSizeOfEach(): number {
  return Math.min(bufferSize.each, Math.max(1024, Math.floor(bufferSize.all / availableParallelism())));
}

/**
 * Traces the tasks of the target, and returns those that were there when their ids were traced: the id of a task that ended
 * before can belong to another one. The kernel follows the tasks that traced ones create, so that a turn that finds no
 * other task has found all. A server that forks all the time has another one at each turn, which is traced already.
 */
function follow(instance: TraceInstance, target: AttachTarget): readonly PresentTask[] {
  const traced = new Map<number, string>();
  const found: PresentTask[] = [];
  for (let turn = 0; turn < mostTurns; turn++) {
    const fresh = presentTasks(target).filter(({ tid, began }) => traced.get(tid) !== began);
    if (fresh.length === 0) break;
    const ids = fresh.map(({ tid }) => tid);
    if (traced.size === 0) instance.trace(ids);
    else instance.add(ids);
    for (const { tid, began } of fresh) traced.set(tid, began);
    found.push(...fresh.filter(isPresent));
  }
  return found;
}

interface Parts {
  readonly tracefs: Tracefs;
  readonly instance: TraceInstance;
  readonly notifier: Notifier | undefined;
}

abstract class TracefsRecording {
  readonly #parts: Parts;
  readonly #options: RecorderOptions;
  readonly #stream: EventStream;
  readonly #nativeAbi: number;
  readonly #printer: MemoryPrinter;
  /** The notified calls of the native ABI; notified calls of another ABI may have any number. */
  readonly #withMemory: ReadonlySet<number>;
  #hasForeign = false;
  /** Notified calls whose tracepoint has not been read, by thread. */
  readonly #notified = new Map<number, NotifiedCalls>();
  /** Living tasks of the command. Until it has executed its program, its thread is the starter's. */
  readonly #tasks = new Set<number>();
  #hasStopped = false;
  #wasSwitchedOff = false;

  constructor(parts: Parts, options: RecorderOptions) {
    const { architecture, base } = options;
    this.#parts = parts;
    this.#options = options;
    this.#stream = new EventStream(parts.instance, base);
    this.#nativeAbi = auditArchitecture[architecture];
    const reads = memoryReads(architecture);
    this.#withMemory = new Set(reads.keys());
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
    if (isOver && until === Number.POSITIVE_INFINITY) this.over();
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
  }

  protected get tasks(): ReadonlySet<number> {
    return this.#tasks;
  }

  /** Records the task from now on. */
  protected add(tid: number): void {
    this.#tasks.add(tid);
  }

  /** All events have been read. */
  protected abstract over(): void;

  /** The task has executed a program. False if the execution is not part of the recording. */
  protected abstract executes(tid: number): boolean;

  /** Whether a task that is created now was found before. */
  protected abstract wasFound(tid: number): boolean;

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
        if (this.wasFound(child)) return;
        this.#tasks.add(child);
        assembler.birth((events.second(slot) & Number(cloneFlag.thread)) === 0 ? "fork" : "thread", tid, child);
        return;
      }
      case eventKind.death:
        this.exited(tid, time);
        return;
      default:
    }
  }

  #entered(tid: number, time: number, number: number, registers: Uint32Array): void {
    const mayBeNotified = this.#withMemory.has(number) || this.#hasForeign;
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
    if (!this.executes(tid)) return;
    if (!this.#tasks.has(former)) return;
    if (former !== tid) this.#tasks.delete(former);
    this.#tasks.add(tid);
    this.#options.assembler.exec(tid, former === tid ? undefined : former, time);
  }

  protected exited(tid: number, time: number): void {
    this.#tasks.delete(tid);
    this.#notified.delete(tid);
    this.#options.assembler.exit(tid, time);
  }
}

class TracefsCommand extends TracefsRecording implements StartedRecording {
  readonly started: StartedRecording["started"];
  #hasStarted = false;

  constructor(started: StartedRecording["started"], parts: Parts, options: RecorderOptions) {
    super(parts, options);
    this.started = started;
  }

  /** After the launcher was killed, no process reports the end of the tree. */
  async ended(treeHasEnded: boolean): Promise<void> {
    const isRunning = (pid: number) => existsSync(`/proc/${pid}`);
    while (!treeHasEnded && (isRunning(this.started.pid) || [...this.tasks].some(isRunning))) await pause();
  }

  override close(): void {
    super.close();
    close(this.started.pidfd);
  }

  protected override over(): void {
    for (const tid of [...this.tasks]) this.exited(tid, 0);
  }

  protected override executes(tid: number): boolean {
    if (this.#hasStarted) return true;
    this.#hasStarted = tid === this.started.pid;
    if (this.#hasStarted) this.add(tid);
    return false;
  }

  protected override wasFound(): boolean {
    return false;
  }
}

class TracefsAttached extends TracefsRecording implements AttachedRecording {
  readonly found: readonly FoundTask[];
  /** By thread. */
  readonly #present: ReadonlyMap<number, PresentTask>;
  /** Tasks that were found, and whose end no event has reported. */
  readonly #remaining: Set<number>;

  constructor(present: readonly PresentTask[], parts: Parts, options: RecorderOptions) {
    super(parts, options);
    this.#present = new Map(present.map((task) => [task.tid, task]));
    this.#remaining = new Set(this.#present.keys());
    this.found = foundTasks(present);
    for (const { tid } of present) this.add(tid);
  }

  /** A lost event can be that of an end, so the tasks are looked at as well. */
  async ended(): Promise<void> {
    const isAlive = (tid: number): boolean => {
      const found = this.#remaining.has(tid) ? this.#present.get(tid) : undefined;
      return found === undefined ? existsSync(`/proc/${tid}`) : isPresent(found);
    };
    while ([...this.tasks].some(isAlive)) await pause();
  }

  /** The tasks go on. */
  protected override over(): void {}

  protected override executes(): boolean {
    return true;
  }

  protected override wasFound(tid: number): boolean {
    return this.#remaining.has(tid);
  }

  protected override exited(tid: number, time: number): void {
    this.#remaining.delete(tid);
    super.exited(tid, time);
  }
}

/** The first process stands for parents that are not recorded. The leader of a process may have ended before its threads. */
function foundTasks(present: readonly PresentTask[]): FoundTask[] {
  const first = new Map<number, number>();
  return present.map(({ tid, process, parent }, index): FoundTask => {
    const known = first.get(process);
    if (known !== undefined) return { tid, is: "thread", by: known };
    first.set(process, tid);
    return index === 0 ? { tid, is: "start", by: tid } : { tid, is: "fork", by: first.get(parent) ?? present[0]!.tid };
  });
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, lookInterval).unref());
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
