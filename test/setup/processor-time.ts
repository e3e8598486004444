/** Gives the reporter the processor time of each file: of its process and the children that it has waited for, or of its thread. */
import { isMainThread } from "node:worker_threads";
import { afterAll } from "vitest";
import { statOf } from "./stalled.ts";

declare module "vitest" {
  interface TaskMeta {
    /** Seconds. */
    processorTime?: number;
  }
}

const name = isMainThread ? "self" : "thread-self";
/** A thread executes several files. A process executes one, and its start counts. */
const before = isMainThread ? 0 : statOf(name).ticks;

// biome-ignore lint/correctness/noEmptyPattern: vitest demands a pattern, which names the fixtures that it is to create.
afterAll(({}, { meta }) => {
  meta.processorTime = (statOf(name).ticks - before) / 100;
});
