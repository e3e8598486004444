/** Starts and stops the thread that answers notifications. It starts before the command and gets the listener after. */
import { readFileSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import type { ArchitectureName } from "../../linux/architecture.ts";
import { close } from "../../linux/descriptors.ts";
import { nativeFile } from "../../linux/native.ts";
import { packageFile } from "../../linux/package.ts";
import { type NotificationTaker, readNotifications } from "./notifications.ts";
import { makeRing, RingReader } from "./ring.ts";
import type { AnsweringData, AnsweringMessage } from "./worker.ts";

/** Bytes for half a second of a busy server. */
const ringSize = 1 << 23;
const goneSize = 1024;

export class Notifier {
  readonly #worker: Worker;
  readonly #reader: RingReader;
  readonly #gone: Int32Array;
  /** Resolves when no task is left under the filter; rejects if the thread has failed. */
  readonly finished: Promise<void>;
  #listener: number | undefined;

  private constructor(worker: Worker, ring: ReturnType<typeof makeRing>, gone: Int32Array) {
    this.#worker = worker;
    this.#reader = new RingReader(ring);
    this.#gone = gone;
    this.finished = new Promise((resolve, reject) => {
      worker.on("message", (message: AnsweringMessage) => {
        if (message === "finished") resolve();
      });
      worker.on("error", reject);
    });
  }

  /** Resolves when the thread can receive the listener. */
  static async start(architecture: ArchitectureName, follows: boolean): Promise<Notifier> {
    const ring = makeRing(ringSize);
    const gone = new Int32Array(new SharedArrayBuffer(4 * (1 + goneSize)));
    const workerData: AnsweringData = { addon: nativeFile("portcullis.node"), ring, architecture, follows, gone };
    const { Worker } = process.getBuiltinModule("node:worker_threads");
    const source = readFileSync(packageFile("dist/recorder.cjs"), "utf8");
    // With streams of its own it touches none of this process's.
    const worker = new Worker(source, { eval: true, workerData, execArgv: [], stdout: true, stderr: true });
    const notifier = new Notifier(worker, ring, gone);
    await new Promise<void>((resolve, reject) => {
      worker.once("message", () => resolve());
      worker.once("error", reject);
    });
    return notifier;
  }

  /** Answers the listener's notifications from now on. */
  listen(listener: number): void {
    this.#listener = listener;
    this.#worker.postMessage(listener);
  }

  read(base: bigint, taker: NotificationTaker): void {
    readNotifications(this.#reader, base, taker);
  }

  /** Reports that the thread has ended without a call, so that a later thread with its id is identified anew. */
  forget(tid: number): void {
    const count = Atomics.load(this.#gone, 0);
    this.#gone[1 + ((count >>> 0) % goneSize)] = tid;
    Atomics.add(this.#gone, 0, 1);
  }

  async close(): Promise<void> {
    if (this.#listener !== undefined) close(this.#listener);
    await this.#worker.terminate();
  }
}
