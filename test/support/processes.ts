/** Whether processes still run, for tests that end them. */
import { readFileSync } from "node:fs";
import { until } from "./patience.ts";

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
