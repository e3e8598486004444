/** How many seccomp filters are on a task. An ancestor's filters are counted in each descendant. */
import { readProc } from "./proc.ts";

/** Undefined if there is no such task. */
export function filterCount(task: string): number | undefined {
  const status = readProc(`${task}/status`);
  if (status === undefined) return undefined;
  // Linux 5.9 and later count them.
  const count = /^Seccomp_filters:\t(\d+)$/m.exec(status)?.[1] ?? /^Seccomp:\t(\d+)$/m.exec(status)?.[1];
  return count === undefined ? 0 : Number(count);
}

/** The most filters on a process that does not descend from this one and that portcullis has not confined. */
export function commonFilterCount(): number {
  return Math.min(filterCount("1") ?? 0, filterCount("self") ?? 0);
}
