/** Facts about a caller that need no registry of tasks: its pidfd, and its name for events. */

import { errno } from "../../../abi/errno-numbers.ts";
import { close } from "../../../machine/descriptors.ts";
import { openProcess, openThread } from "../../../machine/pidfd.ts";
import { taskName } from "../../../machine/proc.ts";
import { readStatus } from "./tasks.ts";

/** A pidfd of the thread or of its process, or a negative errno. */
export function openCaller(tid: number): number {
  const pidfd = openThread(tid);
  if (pidfd !== -errno.EINVAL) return pidfd; // From Linux 6.9 on
  const identity = { process: 0, uid: 0, gid: 0 };
  return readStatus(tid, identity) ? openProcess(identity.process) : -errno.ESRCH;
}

/** Whether the kernel has pidfds of single threads (Linux 6.9). */
export function hasThreadDescriptors(): boolean {
  const descriptor = openThread(process.pid);
  if (descriptor >= 0) close(descriptor);
  return descriptor >= 0;
}

/** Name and process of a task for messages, if /proc still has them. */
export function describeTask(tid: number): { readonly pid: number; readonly command: string | undefined } {
  const identity = { process: tid, uid: 0, gid: 0 };
  if (tid === 0 || !readStatus(tid, identity)) return { pid: tid, command: undefined };
  return { pid: identity.process, command: taskName(tid) };
}
