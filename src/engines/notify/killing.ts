/** Kills the process that waits for its answer: the supervisor's verdict `kill`, beside its answer. */

import { errno } from "../../abi/errno-numbers.ts";
import { signals } from "../../abi/signals.ts";
import { close } from "../../machine/descriptors.ts";
import { killByThread, signalProcess } from "../../machine/pidfd.ts";
import { notificationIsValid } from "../../machine/seccomp.ts";
import type { ForkTracer } from "./fork-tracer.ts";
import type { JudgementMemory } from "./policy/memory.ts";
import type { Records } from "./records/records.ts";
import { openCaller } from "./tasks/caller.ts";
import type { Thread } from "./tasks/tasks.ts";

export interface Killing {
  readonly listener: number;
  readonly memory: JudgementMemory;
  readonly tracer: ForkTracer;
  readonly records: Records;
}

/**
 * Kills the process of the caller, whose notification is in the memory and who waits for its answer. Returns undefined if
 * the signal is sent or the process has ended, else the kernel's errno.
 */
export function killCaller(caller: Thread | undefined, killing: Killing): number | undefined {
  const result = caller === undefined ? killUnknown(killing) : signalProcess(caller.process.pidfd, signals.SIGKILL);
  return result >= 0 || result === -errno.ESRCH ? undefined : -result;
}

function killUnknown(killing: Killing): number {
  const pidfd = openCaller(killing.memory.tid);
  if (pidfd < 0) return killWithoutDescriptor(killing);
  // A pidfd never changes its process. If the caller still waits, the pidfd is of the caller's process.
  const result = callerWaits(killing) ? signalProcess(pidfd, signals.SIGKILL) : -errno.ESRCH;
  close(pidfd);
  return result;
}

/**
 * Any process of the same user can set our RLIMIT_NOFILE to 0. A tracee is not reaped before we detach it, so its id stays
 * its own. If the task cannot be traced either, its id is checked at the last moment.
 */
function killWithoutDescriptor(killing: Killing): number {
  const { tracer, records, memory } = killing;
  const { tid } = memory;
  records.reportDescriptors();
  const isTraced = tracer.seizeAtOnce(tid) === 0;
  const result = callerWaits(killing) ? killByThread(tid) : -errno.ESRCH;
  if (isTraced) tracer.release(tid);
  return result;
}

function callerWaits({ listener, memory }: Killing): boolean {
  return notificationIsValid(listener, memory.idBytes());
}
