/** The calls that make and replace processes, and the flags of clone(2) that matter for that. */
import type { ArchitectureName } from "./architecture.ts";
import { callNumber } from "./call-numbers.ts";

/** Each makes a task. clone3's flags lie behind a pointer; clone's are its first argument. */
export const creatingCalls = ["fork", "vfork", "clone", "clone3"] as const;
export type CreatingCall = (typeof creatingCalls)[number];

export const executingCalls = ["execve", "execveat"] as const;

/** include/uapi/linux/sched.h */
export const cloneFlag = {
  /** CLONE_THREAD: the task is a thread of the caller's process, not a process. */
  thread: 0x0001_0000n,
  /** CLONE_UNTRACED: a tracer of the caller does not get the new task. */
  untraced: 0x0080_0000n,
} as const;

/** Their numbers, without those that the architecture lacks. */
export function numbersOf(
  names: readonly (CreatingCall | (typeof executingCalls)[number])[],
  architecture: ArchitectureName,
): readonly number[] {
  return names.map((name) => callNumber(name, architecture)).filter((number) => number >= 0);
}
