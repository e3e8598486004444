/** Options and results of a run, for all engines; and the protection of the process that waits for the command. */

import { callNumber } from "../../abi/call-numbers.ts";
import { signals } from "../../abi/signals.ts";
import type { EventRecord } from "../../events/record.ts";
import { reservePolling } from "../../machine/descriptors.ts";
import { native } from "../../machine/native.ts";
import type { TreeOptions } from "../launcher/launcher.ts";
import { StartError } from "../launcher/start-error.ts";
import type { EngineApprovals } from "./approval.ts";
import type { EngineStatus } from "./status.ts";

export interface RunOptions extends TreeOptions {
  /** Called in the thread of the caller, later than the judgement. Must not throw. */
  readonly onEvent: (record: EventRecord) => void;
  /** Undefined unless requested. */
  readonly status?: EngineStatus | undefined;
  /** Undefined if the policy asks nothing. */
  readonly approvals?: EngineApprovals | undefined;
  /** Without Landlock the command starts nevertheless, and may write files of proc file systems. */
  readonly bestEffort?: boolean | undefined;
}

export interface RunResult {
  /**
   * The command's own, or 128 + n if signal n ended it. 137 if the launcher was killed, because this process then kills
   * the command; 125 if the status is unknown.
   */
  readonly status: number;
  readonly timedOut: boolean;
}

/**
 * Signals that must not end or stop the supervising process when they are sent to the command's process group or cgroup
 * (`systemctl kill`), or at a soft limit (SIGXCPU); and SIGUSR1, at which Node opens its debugger's port. Not SIGCHLD,
 * the signals of a thread's own faults, and 32 and 33, which the C library uses. Threads that use another one install
 * their handlers later.
 */
const ignored = [
  ...[signals.SIGHUP, signals.SIGINT, signals.SIGQUIT, signals.SIGUSR1, signals.SIGUSR2, signals.SIGPIPE],
  ...[signals.SIGALRM, signals.SIGTERM, signals.SIGSTKFLT, signals.SIGTSTP, signals.SIGTTIN, signals.SIGTTOU],
  ...[signals.SIGXCPU, signals.SIGXFSZ, signals.SIGVTALRM, signals.SIGPROF, signals.SIGIO, signals.SIGPWR],
  ...Array.from({ length: 31 }, (_, index) => 34 + index),
];
/** `struct sigaction` of the kernel with SIG_IGN. */
const ignoring = new BigUint64Array([1n, 0n, 0n, 0n]);
const signalSetSize = 8;
const setDumpable = 4; // PR_SET_DUMPABLE

/**
 * Makes this process not dumpable, so that processes of the same user can neither read nor trace it, and makes it ignore
 * the signals above. Throws a StartError.
 */
export function hideFromCommand(): void {
  reservePolling();
  const { syscall } = native();
  for (const signal of ignored) syscall(callNumber("rt_sigaction"), signal, ignoring, null, signalSetSize);
  if (!preventTracing()) {
    throw new StartError(125, "this process cannot be hidden from the command (PR_SET_DUMPABLE)");
  }
}

/** Makes this process not dumpable. False if the kernel refuses it. */
export function preventTracing(): boolean {
  return native().syscall(callNumber("prctl"), setDumpable, 0, 0, 0, 0) === 0;
}
