/** The thread that answers notifications: it blocks in the kernel until the last recorded task has ended. */
import { release } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { type EndOrder, endOrder } from "../../../engines/engine/thread.ts";
import { native } from "../../../machine/native.ts";
import { type AnsweringOptions, answerAll } from "./answering.ts";
import { type RingMemory, RingWriter } from "./ring.ts";

/** The data that the thread starts with. */
export interface AnsweringData extends Pick<AnsweringOptions, "architecture" | "follows" | "gone"> {
  /** The addon's path. This file may be loaded from memory, without a path of its own. */
  readonly addon: string;
  readonly ring: RingMemory;
}

/** "ready" when it can be given the listener, as a number; "finished" when no task is left. */
export type AnsweringMessage = "ready" | "finished";

const { addon, ring, ...options } = workerData as AnsweringData;
native(addon);
parentPort!.on("message", (order: number | EndOrder) => {
  if (order === endOrder) return parentPort!.close();
  answerAll({ ...options, listener: order, ring: new RingWriter(ring) }, release());
  parentPort!.postMessage("finished" satisfies AnsweringMessage);
  parentPort!.close();
});
parentPort!.postMessage("ready" satisfies AnsweringMessage);
