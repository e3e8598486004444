/** The calls that create processes or replace programs, and the flags of clone(2) that matter for this. */
import type { ArchitectureName } from "./architecture.ts";
import { callNumber } from "./call-numbers.ts";

/** Each creates a task. clone's flags are its first argument; clone3's are behind a pointer. */
export const creatingCalls = ["fork", "vfork", "clone", "clone3"] as const;
export type CreatingCall = (typeof creatingCalls)[number];

export const executingCalls = ["execve", "execveat"] as const;
type ExecutingCall = (typeof executingCalls)[number];

export function isCreatingCall(name: string): name is CreatingCall {
  return (creatingCalls as readonly string[]).includes(name);
}

export function isExecutingCall(name: string): name is ExecutingCall {
  return (executingCalls as readonly string[]).includes(name);
}

/** include/uapi/linux/sched.h */
export const cloneFlag = {
  /** CLONE_VM: the task shares its creator's memory. */
  vm: 0x0000_0100n,
  /** CLONE_THREAD: the task is a thread of the caller's process. */
  thread: 0x0001_0000n,
  /** CLONE_UNTRACED: the caller's tracer does not trace the new task. */
  untraced: 0x0080_0000n,
} as const;

/** The calls' numbers, without those that the architecture lacks. */
export function numbersOf(
  names: readonly (CreatingCall | ExecutingCall)[],
  architecture: ArchitectureName,
): readonly number[] {
  return names.map((name) => callNumber(name, architecture)).filter((number) => number >= 0);
}
