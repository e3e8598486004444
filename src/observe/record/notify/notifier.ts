/** Starts and stops the thread that answers notifications. It starts before the command and gets the listener after. */
import { readFileSync } from "node:fs";
import type { ArchitectureName } from "../../../abi/architecture.ts";
import { SupervisingThread } from "../../../engines/engine/thread.ts";
import { close } from "../../../machine/descriptors.ts";
import { nativeFile } from "../../../machine/native.ts";
import { packageFile } from "../../../machine/package.ts";
import { type NotificationTaker, readNotifications } from "./notifications.ts";
import { makeRing, RingReader } from "./ring.ts";
import type { AnsweringData, AnsweringMessage } from "./worker.ts";

/** Bytes for half a second of a busy server. */
const ringSize = 1 << 23;
const goneSize = 1024;

export class Notifier {
  readonly #thread: SupervisingThread;
  readonly #reader: RingReader;
  readonly #gone: Int32Array;
  /** Resolves when no task is left under the filter; rejects if the thread has failed. */
  readonly finished: Promise<void>;
  #listener: number | undefined;

  private constructor(thread: SupervisingThread, ring: ReturnType<typeof makeRing>, gone: Int32Array) {
    this.#thread = thread;
    this.#reader = new RingReader(ring);
    this.#gone = gone;
    this.finished = new Promise((resolve, reject) => {
      thread.worker.on("message", (message: AnsweringMessage) => {
        if (message === "finished") resolve();
      });
      thread.worker.on("error", reject);
    });
  }

  /** Resolves when the thread can receive the listener. */
  static async start(architecture: ArchitectureName, follows: boolean): Promise<Notifier> {
    const ring = makeRing(ringSize);
    const gone = new Int32Array(new SharedArrayBuffer(4 * (1 + goneSize)));
    const workerData: AnsweringData = { addon: nativeFile("portcullis.node"), ring, architecture, follows, gone };
    const thread = new SupervisingThread(readFileSync(packageFile("dist/recorder.cjs"), "utf8"), workerData);
    const notifier = new Notifier(thread, ring, gone);
    await new Promise<void>((resolve, reject) => {
      thread.worker.once("message", () => resolve());
      thread.worker.once("error", reject);
    });
    return notifier;
  }

  /** Answers the listener's notifications from now on. */
  listen(listener: number): void {
    this.#listener = listener;
    this.#thread.worker.postMessage(listener);
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

  /** Resolves when a thread without a listener has ended. One with a listener ends by itself, after the last task. */
  async close(): Promise<void> {
    const listener = this.#listener;
    if (listener === undefined) return await this.#thread.end();
    // Until then the thread uses the descriptor.
    void this.finished.then(
      () => close(listener),
      () => close(listener),
    );
  }
}
