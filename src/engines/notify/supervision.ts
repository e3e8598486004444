/**
 * The supervisor's thread, from the side of the process that gives it trees: orders go there, records, snapshots and
 * questions come back.
 */
import { close, signalEvent } from "../../linux/descriptors.ts";
import { nativeFile } from "../../linux/native.ts";
import { notificationIsValid } from "../../linux/seccomp.ts";
import { answerWords } from "../approval.ts";
import type { RunOptions } from "../run.ts";
import { SupervisingThread } from "../thread.ts";
import { closeDescriptors, openDescriptors, type SupervisorDescriptors } from "./descriptors.ts";
import type { ArmedFilter, NotifyPolicy } from "./policy.ts";
import type { PostedQuestion } from "./questions.ts";
import type { KernelFeatures } from "./supervisor-options.ts";
import type { WorkerData, WorkerMessage, WorkerOrder, WorkerPreparation } from "./worker.ts";

/** A tree whose filter is installed. */
export interface TreeOrder extends Pick<RunOptions, "onEvent" | "status" | "approvals"> {
  readonly policy: NotifyPolicy;
  /** The whole filter of the tree, with what precedes the policy's. */
  readonly filter: ArmedFilter;
  /** The thread closes it. */
  readonly listener: number;
  /** The first process; the pidfd stays the caller's. */
  readonly command: { readonly pid: number; readonly pidfd: number };
  /** Opened before the command started; by default they are opened now, and closed when the tree has ended. */
  readonly descriptors?: SupervisorDescriptors | undefined;
  /** See NotifyRunOptions. */
  readonly kernel?: KernelFeatures | undefined;
  readonly interruptsForks?: boolean | undefined;
}

export interface SupervisedTree {
  /**
   * Resolves when no task is left under the filter, or with a sentence when the thread has failed: without a listener the
   * kernel denies the calls that the filter reports (ENOSYS).
   */
  readonly ended: Promise<string | undefined>;
}

/** One thread, which supervises one tree at a time. */
export class Supervision {
  readonly #counters = new Int32Array(new SharedArrayBuffer(8));
  readonly #thread: SupervisingThread;

  /** `source`: the text of dist/supervisor.cjs, read before a command could change the file. */
  constructor(source: string, addon: string = nativeFile("portcullis.node")) {
    this.#thread = new SupervisingThread(source, { addon, counters: this.#counters } satisfies WorkerData);
  }

  /** Allocates the policy's memory in advance. Rejects with the thread's error. */
  prepare(step: NotifyPolicy["step"]): Promise<void> {
    const { worker } = this.#thread;
    worker.postMessage({ prepare: step } satisfies WorkerPreparation);
    return new Promise((resolve, reject) => {
      worker.once("error", reject);
      worker.once("message", () => {
        worker.off("error", reject);
        resolve();
      });
    });
  }

  supervise(order: TreeOrder): SupervisedTree {
    const { worker } = this.#thread;
    const { policy, listener, filter, command, onEvent, status, approvals } = order;
    const descriptors = order.descriptors ?? openDescriptors();
    const work: WorkerOrder = {
      policy: judgedPart(policy),
      listener,
      filter: filter.instructions,
      descriptors,
      command: { pid: command.pid, pidfd: command.pidfd },
      kernel: order.kernel ?? "present",
      interruptsForks: order.interruptsForks ?? false,
      status: status?.words,
      answers: approvals?.words,
    };
    worker.postMessage(work);
    const ask = ({ place, id, record, isRepeatable }: PostedQuestion): void => {
      const { onQuestion, words } = approvals!;
      const isWaiting = () => notificationIsValid(listener, BigUint64Array.of(id));
      onQuestion({ place, record, isRepeatable, isWaiting }, (answer, seconds = 0) => {
        Atomics.store(words, 2 * place + 1, seconds);
        Atomics.store(words, 2 * place, answerWords[answer]);
        signalEvent(descriptors.answers);
      });
    };
    const ended = new Promise<string | undefined>((resolve) => {
      let isOver = false;
      const over = (why?: string): void => {
        if (isOver) return;
        isOver = true;
        if (why !== undefined) close(listener);
        if (order.descriptors === undefined) closeDescriptors(descriptors);
        resolve(why);
      };
      worker.on("message", (message: WorkerMessage) => {
        if (message.kind === "finished") over();
        if (message.kind === "snapshot") status?.onSnapshot(message.snapshot);
        if (message.kind === "question") ask(message.question);
        if (message.kind !== "record") return;
        Atomics.sub(this.#counters, 0, 1);
        onEvent(message.record);
      });
      worker.on("error", (error) => over(error.message));
      worker.on("exit", () => over("its thread has ended"));
    });
    return { ended };
  }

  /** Only without a tree. */
  end(): Promise<void> {
    return this.#thread.end();
  }
}

/** Without the parts that the thread does not use. */
function judgedPart(policy: NotifyPolicy): WorkerOrder["policy"] {
  const { mode, needs, calls, countingCalls, askingCalls, memoryIsFree, memory, rooms } = policy;
  const { description, step, textFilter, catching, allowsHandlers, readOnlyProc, objects } = policy;
  return {
    ...{ mode, needs, calls, countingCalls, askingCalls, memoryIsFree, memory, rooms },
    ...{ description, step, textFilter, catching, allowsHandlers, readOnlyProc, objects },
  };
}
