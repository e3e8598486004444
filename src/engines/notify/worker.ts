/**
 * The supervisor's thread. It blocks in the kernel and never returns to its event loop until the last task under the
 * filter has ended; records of events leave it as messages, of which a bounded number is in transit.
 */
import { release } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import type { CompiledStep } from "../../compile/wasm/compile.ts";
import { instantiate, type PolicyInstance } from "../../compile/wasm/instance.ts";
import { EventLimit } from "../../events/limit.ts";
import type { EventRecord } from "../../events/record.ts";
import { native } from "../../linux/native.ts";
import type { StateSnapshot } from "../status.ts";
import { type EndOrder, endOrder } from "../thread.ts";
import type { PostedQuestion } from "./questions.ts";
import type { RecordSink } from "./records.ts";
import { Supervisor } from "./supervisor.ts";
import type { SupervisorOptions } from "./supervisor-options.ts";
import { runAlone } from "./waits.ts";

/** The data that the thread starts with. */
export interface WorkerData {
  /** The addon's path, because this file may come from memory and then cannot find the addon itself. */
  readonly addon: string;
  /** Word 0: the number of records in transit to the other thread. */
  readonly counters: Int32Array;
}

/** The order to supervise, sent once. */
export type WorkerOrder = Omit<SupervisorOptions, "sink" | "instance" | "status" | "questions"> & {
  /** Counts in shared memory (engines/status.ts). */
  readonly status: Uint32Array | undefined;
  /** Answers in shared memory (engines/approval.ts). */
  readonly answers: Int32Array | undefined;
};

/** An order that may precede it: allocate the policy's memory, and answer "ready". */
export interface WorkerPreparation {
  readonly prepare: CompiledStep;
}

/** Its messages. */
export type WorkerMessage =
  | { readonly kind: "record"; readonly record: EventRecord }
  | { readonly kind: "ready" }
  | { readonly kind: "snapshot"; readonly snapshot: StateSnapshot }
  | { readonly kind: "question"; readonly question: PostedQuestion }
  /** No task is left under the filter. */
  | { readonly kind: "finished" };

/** The most records in transit; further ones are dropped and counted. */
const mostUnderWay = 4096;

/** Limits of the records of one kind: so many at once, and then so many a second. */
const limits = { burst: 200, perSecond: 50, keys: 1024 } as const;

class MessageSink implements RecordSink {
  readonly #counters: Int32Array;
  readonly #limit = new EventLimit(limits);
  #dropped = 0;

  constructor(counters: Int32Array) {
    this.#counters = counters;
  }

  wants(key: string, now: number): boolean {
    const { passes, dropped } = this.#limit.admit(key, now);
    for (const { count } of dropped) this.#dropped += count;
    if (!passes) return false;
    if (Atomics.load(this.#counters, 0) >= mostUnderWay) {
      this.#dropped++;
      return false;
    }
    this.#reportDropped();
    return true;
  }

  put(record: EventRecord): void {
    Atomics.add(this.#counters, 0, 1);
    parentPort!.postMessage({ kind: "record", record } satisfies WorkerMessage);
  }

  finish(): void {
    for (const { count } of this.#limit.drain()) this.#dropped += count;
    this.#reportDropped();
  }

  #reportDropped(): void {
    if (this.#dropped === 0) return;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.put({ kind: "notice", time: Date.now(), text: "events were dropped, because too many came at once", dropped });
  }
}

const { addon, counters } = workerData as WorkerData;
native(addon);
let instance: PolicyInstance | undefined;
parentPort!.on("message", (message: WorkerOrder | WorkerPreparation | EndOrder) => {
  if (message === endOrder) return parentPort!.close();
  if ("prepare" in message) {
    instance = instantiate(message.prepare);
    parentPort!.postMessage({ kind: "ready" } satisfies WorkerMessage);
    return;
  }
  const sink = new MessageSink(counters);
  const { status: words } = message;
  const put = (snapshot: StateSnapshot) =>
    parentPort!.postMessage({ kind: "snapshot", snapshot } satisfies WorkerMessage);
  const status = words === undefined ? undefined : { words, put };
  const ask = (question: PostedQuestion) =>
    parentPort!.postMessage({ kind: "question", question } satisfies WorkerMessage);
  const questions = message.answers === undefined ? undefined : { words: message.answers, put: ask };
  runAlone(new Supervisor({ ...message, sink, instance, status, questions }, release()).run());
  sink.finish();
  parentPort!.postMessage({ kind: "finished" } satisfies WorkerMessage);
  parentPort!.close();
});
