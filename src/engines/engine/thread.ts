/**
 * Threads that supervise: each blocks in the kernel until the tree has ended, and then ends by itself. One that gets no
 * tree is told to end.
 *
 * Nothing terminates a thread from outside. `Worker.terminate` makes V8 throw into whatever the thread executes, and where
 * that is Node's own start, Node takes the exception for a failure and aborts the process (v8::ToLocalChecked). It also
 * waits for a system call that blocks. `process.exit` terminates all threads; a process with threads leaves by `exitAtOnce`.
 */
import type { Worker } from "node:worker_threads";

/** The order that a thread gets instead of a tree. It answers by closing its port. */
export const endOrder = "end";
export type EndOrder = typeof endOrder;

export class SupervisingThread {
  readonly worker: Worker;
  readonly #ended: Promise<void>;

  /** `source` is the thread's bundle, as text. */
  constructor(source: string, workerData: object) {
    // Loaded only if a thread is needed, because it takes 2 ms.
    const { Worker } = process.getBuiltinModule("node:worker_threads");
    // With its own streams the thread does not touch this process's, which would make them non-blocking for all their users.
    this.worker = new Worker(source, { eval: true, workerData, execArgv: [], stdout: true, stderr: true });
    this.#ended = new Promise((resolve) => {
      this.worker.once("exit", () => resolve());
    });
  }

  /**
   * Tells a thread that has no tree to end, also one that still starts. Resolves when it has ended or failed.
   */
  end(): Promise<void> {
    // One that does not get its descriptors or memory fails meanwhile.
    this.worker.on("error", () => undefined);
    this.worker.postMessage(endOrder satisfies EndOrder);
    return this.#ended;
  }
}
