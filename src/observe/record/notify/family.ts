/**
 * Infers parents from calls alone, because a notification has no result. A task that is seen for the first time was
 * created by a call that creates tasks of its kind, that was made in the process that /proc names as its own or as its
 * parent, and that has no task assigned yet.
 */
import type { ArchitectureName } from "../../../abi/architecture.ts";
import { numberOf } from "../../../abi/calls.ts";
import { type CreatingCall, cloneFlag, creatingCalls } from "../../../abi/process-calls.ts";
import type { LineSerial } from "../assembler.ts";
import { type Notification, readsOf, type SeenTask } from "./notifications.ts";

/** A creating call without a known task. It may have failed. */
interface Creation {
  readonly tid: number;
  readonly process: number;
  readonly makesThread: boolean;
  readonly line: LineSerial;
  readonly time: number;
}

/** Nanoseconds after which a creating call without a task counts as failed. */
const patience = 10e9;

export interface Parent {
  readonly tid: number;
  readonly line: LineSerial | undefined;
}

export class Family {
  readonly #numbers: ReadonlyMap<number, CreatingCall>;
  readonly #processOf = new Map<number, number>();
  #creations: Creation[] = [];

  constructor(architecture: ArchitectureName) {
    this.#numbers = new Map(
      creatingCalls.flatMap((name) => {
        const number = numberOf(name, architecture);
        return number === undefined ? [] : [[number, name] as const];
      }),
    );
  }

  get tasks(): Iterable<number> {
    return this.#processOf.keys();
  }

  has(tid: number): boolean {
    return this.#processOf.has(tid);
  }

  processOf(tid: number): number {
    return this.#processOf.get(tid) ?? tid;
  }

  add({ tid, process }: Pick<SeenTask, "tid" | "process">): void {
    this.#processOf.set(tid, process);
  }

  delete(tid: number): void {
    this.#processOf.delete(tid);
  }

  /** The threads of the process, itself included. */
  threadsOf(process: number): number[] {
    return [...this.#processOf].filter(([, of]) => of === process).map(([tid]) => tid);
  }

  called(notification: Notification, line: LineSerial): void {
    const call = this.#numbers.get(notification.number);
    if (call === undefined) return;
    const { tid, time } = notification;
    const makesThread = (flagsOf(call, notification) & cloneFlag.thread) !== 0n;
    this.#creations.push({ tid, process: this.processOf(tid), makesThread, line, time });
  }

  /** The task is the command's own first thread if nothing has been created. */
  parentOf({ tid, process, parent }: SeenTask, now: number): Parent {
    this.#creations = this.#creations.filter(({ time }) => now - time < patience);
    const isThread = tid !== process;
    const alike = this.#creations.filter(({ makesThread }) => makesThread === isThread);
    // A parent that has ended, or CLONE_PARENT, makes another process the parent.
    const found = alike.find((one) => one.process === (isThread ? process : parent)) ?? alike[0];
    if (found === undefined) return { tid: isThread ? process : parent, line: undefined };
    this.#creations = this.#creations.filter((one) => one !== found);
    return found;
  }
}

function flagsOf(call: CreatingCall, notification: Notification): bigint {
  switch (call) {
    case "fork":
    case "vfork":
      return 0n;
    case "clone":
      return BigInt(notification.registers[0]!);
    case "clone3": {
      const [read] = readsOf(notification);
      const [entry] = read?.is === "texts" ? read.entries : [];
      return entry === undefined ? 0n : new DataView(entry.bytes.buffer).getBigUint64(0, true);
    }
  }
}
