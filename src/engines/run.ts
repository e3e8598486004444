/** What every engine that enforces does with the process that waits for the command. */
import type { EventRecord } from "../events/record.ts";
import { callNumber } from "../linux/call-numbers.ts";
import { reservePolling } from "../linux/descriptors.ts";
import { native } from "../linux/native.ts";
import { StartError } from "./command.ts";

export interface RunOptions {
  /** Called in the thread of the caller, later than the judgement. Must not throw. */
  readonly onEvent: (record: EventRecord) => void;
  /** Milliseconds; then SIGTERM to the command, and two seconds later SIGKILL to all of its tree. */
  readonly timeout?: number | undefined;
  /** End what is left of the tree when the command has ended, instead of waiting for it. */
  readonly killTree?: boolean | undefined;
  /** End the tree when portcullis is gone. */
  readonly dieWithParent?: boolean | undefined;
}

export interface RunResult {
  /** The command's own, or 128 + n where signal n ended it; 125 where the launcher was killed and nobody knows. */
  readonly status: number;
  readonly timedOut: boolean;
}

/** Milliseconds between SIGTERM and SIGKILL at the time limit. */
export const grace = 2000;

export const signals = { kill: 9, terminate: 15 } as const;
/**
 * SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM; and SIGTSTP, SIGTTIN, SIGTTOU: this process stops when the
 * launcher stops it, after the command. Did it stop by itself, the shell could continue the job before the launcher has
 * come to that, and would see it stop once more.
 */
const forwarded = [1, 2, 3, 10, 12, 14, signals.terminate, 20, 21, 22] as const;
const setDumpable = 4; // PR_SET_DUMPABLE

/** From now on what is sent to this process goes to the command. */
export function forwardSignals(pidfd: number): void {
  native().forwardSignals(pidfd, forwarded);
}

/**
 * No process of the same user may look into this one, make Node open its debugger's port, or keep it from waiting. Throws a
 * StartError.
 */
export function hideFromCommand(): void {
  reservePolling();
  forwardSignals(-1);
  if (native().syscall(callNumber("prctl"), setDumpable, 0, 0, 0, 0) !== 0) {
    throw new StartError(125, "this process cannot be hidden from the command (PR_SET_DUMPABLE)");
  }
}
