/**
 * Measured servers, with their supervisors, have one processor and the load another. So a filter's work takes from the
 * server only, all servers have the same, and none moves to where the load has left the caches cold. This needs a quiet
 * machine: beside busy processes each request would wait for two processors in turn, so --smoke does without.
 */
import { availableParallelism } from "node:os";
import { isSmoke } from "../support/amount.ts";

/** The words before a command; none on a machine with one processor. */
export function onProcessor(of: "server" | "load"): readonly string[] {
  return isSmoke || availableParallelism() < 2 ? [] : ["taskset", "-c", of === "server" ? "0" : "1"];
}
