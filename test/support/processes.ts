/** Whether processes still run, for tests that end them, and how they have ended. */
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { until } from "./patience.ts";

/**
 * Words before a command that chooses the ids of tasks (ns_last_pid), or signals every process. Otherwise a new process of
 * the machine can get the id of one that has just ended, and be taken for it. Only root can make the namespace.
 */
export const pidNamespace = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] as const;

/** A zombie counts as ended. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
}

/** Waits, because a process may still run for a moment after the signal that kills it was sent. */
export async function ends(pid: number): Promise<void> {
  await until(`process ${pid} ends`, () => !isAlive(pid));
}

/** What a shell has in `$?` after this end of a process: 128 + n if signal n has ended it. */
export function statusInShell({ status, signal }: { status: number | null; signal: NodeJS.Signals | null }): number {
  return status ?? 128 + constants.signals[signal!];
}
