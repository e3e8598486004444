/** Explains why ptrace(2) refused a task, by the conditions of `__ptrace_may_access` (kernel/ptrace.c) and Yama, in their order. */

import { readlinkSync, statSync } from "node:fs";
import type { FollowObstacle } from "../../../events/record.ts";
import { noDescriptorsLeft } from "../../../machine/pidfd.ts";
import { readProc, sysctl, taskName } from "../../../machine/proc.ts";
import { processOf } from "./tasks.ts";

/** The relevant fields of /proc/TID/status. */
export interface TaskStatus {
  readonly parent: number;
  readonly tracer: number;
  /** Real, effective, saved. */
  readonly users: readonly number[];
  readonly groups: readonly number[];
  /** CapPrm and CapEff. */
  readonly permitted: bigint;
  readonly effective: bigint;
}

/** `CAP_SYS_PTRACE` (include/uapi/linux/capability.h). */
const ptraceCapability = 1n << 19n;

export function parseStatus(text: string): TaskStatus | undefined {
  const field = (name: string): readonly string[] => {
    const line = new RegExp(`^${name}:\\t(.*)$`, "m").exec(text);
    return line === null ? [] : line[1]!.trim().split(/\s+/);
  };
  const [parent] = field("PPid");
  if (parent === undefined) return undefined;
  const [permitted = "0"] = field("CapPrm");
  const [effective = "0"] = field("CapEff");
  return {
    parent: Number(parent),
    tracer: Number(field("TracerPid")[0] ?? 0),
    users: field("Uid").slice(0, 3).map(Number),
    groups: field("Gid").slice(0, 3).map(Number),
    permitted: BigInt(`0x${permitted}`),
    effective: BigInt(`0x${effective}`),
  };
}

export interface PtraceCircumstances {
  readonly errno: number;
  readonly own: TaskStatus;
  readonly task: TaskStatus;
  readonly tracerName: string | undefined;
  /** Undefined if unknown. */
  readonly isDumpable: boolean | undefined;
  readonly isInOurUserNamespace: boolean | undefined;
  /** `kernel.yama.ptrace_scope`; 0 where Yama is absent. */
  readonly yama: number;
  readonly isDescendant: boolean;
}

/** The first condition that explains the refusal. */
export function explainRefusal(found: PtraceCircumstances): FollowObstacle {
  const { own, task } = found;
  if (task.tracer !== 0) return { why: "traced", by: task.tracer, command: found.tracerName };
  const mayTrace = (own.effective & ptraceCapability) !== 0n;
  if (!mayTrace) {
    const [user, group] = [own.users[0], own.groups[0]];
    const other = task.users.find((one) => one !== user);
    if (other !== undefined) return { why: "other-user", uid: other };
    if (task.groups.some((one) => one !== group)) return { why: "other-group" };
    if (found.isDumpable === false) return { why: "not-dumpable" };
  }
  if (found.isInOurUserNamespace === false) return { why: "user-namespace" };
  if (!mayTrace && (task.permitted & ~own.permitted) !== 0n) return { why: "more-capabilities" };
  if (found.yama >= 3 || (!mayTrace && (found.yama === 2 || (found.yama === 1 && !found.isDescendant)))) {
    return { why: "yama", level: found.yama };
  }
  return { why: "refused", errno: found.errno };
}

/** Whether we may trace every process, except those of other user namespaces or by the rules of a security module. */
export function mayTraceAll(): boolean {
  const own = statusOf("thread-self");
  return own !== undefined && (own.effective & ptraceCapability) !== 0n;
}

/** Examines the caller while it waits for its answer. `errno` is PTRACE_SEIZE's, positive. */
export function whyPtraceRefused(tid: number, errno: number): FollowObstacle {
  const own = statusOf("thread-self");
  const task = withoutUs(statusOf(tid));
  if (own === undefined || task === undefined) {
    return noDescriptorsLeft() ? { why: "no-descriptors" } : { why: "refused", errno };
  }
  return explainRefusal({
    errno,
    own,
    task,
    tracerName: task.tracer === 0 ? undefined : taskName(task.tracer),
    // The kernel gives the files of a process that is not dumpable to root (task_dump_owner, fs/proc/base.c).
    isDumpable: orUndefined(() => statSync(`/proc/${tid}/status`).uid === task.users[1]),
    isInOurUserNamespace: orUndefined(
      () => readlinkSync(`/proc/${tid}/ns/user`) === readlinkSync("/proc/thread-self/ns/user"),
    ),
    yama: sysctl("kernel/yama/ptrace_scope") ?? 0,
    isDescendant: isDescendant(tid),
  });
}

/** Our own tracers prevent nothing. */
function withoutUs(task: TaskStatus | undefined): TaskStatus | undefined {
  if (task === undefined || task.tracer === 0) return task;
  return processOf(task.tracer) === process.pid ? { ...task, tracer: 0 } : task;
}

function isDescendant(tid: number): boolean {
  // Ids are reused during the walk up the tree, so it could go in a circle.
  for (let pid = tid, steps = 0; pid > 1 && steps < 1000; steps++) {
    if (pid === process.pid) return true;
    pid = statusOf(pid)?.parent ?? 0;
  }
  return false;
}

const statusOf = (task: number | string) => parseStatus(readProc(`${task}/status`) ?? "");

function orUndefined<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
