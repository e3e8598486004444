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

/** The mount points of a mountinfo (proc_pid_mountinfo(5)): of other file systems, and of parts of the same one. */
export function mountPoints(mountinfo: string): ReadonlySet<string> {
  const points = new Set<string>();
  for (const line of mountinfo.split("\n")) {
    const [, point] = /^\d+ \d+ \S+ \S+ (\S+) /.exec(line) ?? [];
    if (point === undefined) continue;
    // Blanks, line ends and backslashes are octal: mangle_path() in fs/seq_file.c.
    const bytes = point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    points.add(Buffer.from(bytes, "latin1").toString("utf8"));
  }
  return points;
}

/** A task's name now, at most 15 bytes; undefined where it cannot be read. */
export function taskName(tid: number): string | undefined {
  try {
    return readFileSync(`/proc/${tid}/comm`, "utf8").replace(/\n$/, "");
  } catch {
    return undefined;
  }
}

/** When a task began, in ticks since the boot; undefined where it cannot be read. */
export const processStart = (tid: number): string | undefined => statField(tid, 22);

/** The session of a task; undefined where it cannot be read. */
export function sessionOf(tid: number): number | undefined {
  const field = statField(tid, 6);
  return field === undefined ? undefined : Number(field);
}

/** @param number of the field in proc_pid_stat(5), from 3 on */
function statField(tid: number, number: number): string | undefined {
  const stat = readProc(`${tid}/stat`);
  // The name, in parentheses, can contain blanks and parentheses.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[number - 3];
}

/** A number below /proc/sys ("kernel/yama/ptrace_scope"); undefined where the kernel lacks it. */
export function sysctl(name: string): number | undefined {
  const text = readProc(`sys/${name}`);
  return text === undefined ? undefined : Number(text);
}
