/** Single values from /proc (proc(5)), where they can be read. */
import { readFileSync } from "node:fs";

/** The text of a file below /proc ("self/status"); undefined where it is absent, hidden, or of a task that is gone. */
export function readProc(name: string): string | undefined {
  try {
    return readFileSync(`/proc/${name}`, "latin1");
  } catch {
    return undefined;
  }
}

/** A task's name now, at most 15 bytes; undefined where it cannot be read. */
export function taskName(tid: number): string | undefined {
  try {
    return readFileSync(`/proc/${tid}/comm`, "utf8").replace(/\n$/, "");
  } catch {
    return undefined;
  }
}

/** A number below /proc/sys ("kernel/yama/ptrace_scope"); undefined where the kernel lacks it. */
export function sysctl(name: string): number | undefined {
  const text = readProc(`sys/${name}`);
  return text === undefined ? undefined : Number(text);
}
