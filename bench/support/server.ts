/** A server that a benchmark measures. It has the first core; its load has the second. */
import type { ChildProcess } from "node:child_process";
import { availableParallelism } from "node:os";

if (availableParallelism() < 2) throw new Error("the server and its load need one core each");

/** Options of taskset. */
export const coreOfServer = ["-c", "0"] as const;
export const coreOfLoad = ["-c", "1"] as const;

/** Attempts to reach a server that starts, one every 50 ms. In the machine a recorder takes 15 seconds to start. */
export const mostAttempts = 2400;

export interface Server {
  /** The first process: the server's, or of the words before it. */
  readonly process: ChildProcess;
  /** Loads the server for about a second. */
  requestsPerSecond(): number;
  /** Loads the server for about a second, and returns the number of requests. */
  requests(): number;
  stop(): Promise<void>;
}
