/** Ends the processes of a test that wait for each other: a synchronous call without a time limit stops its whole worker. */
import { readdirSync, readFileSync } from "node:fs";

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  /** The processor time of the process and of its children that have ended, in ticks of 1/100 s. */
  readonly ticks: number;
}

/** Of `name` in /proc; of `thread-self` the ticks are those of this thread, and of children that the process has waited for. */
export function statOf(name: string): Pick<Process, "parent" | "ticks"> {
  const stat = readFileSync(`/proc/${name}/stat`, "latin1");
  // The name in parentheses can contain any character. proc_pid_stat(5): ppid is field 4, utime to cstime are 14 to 17.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { parent: Number(fields[1]), ticks: fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) };
}

/** All processes of this machine. */
export function processes(): Process[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      return [{ pid: Number(name), command, ...statOf(name) }];
    } catch {
      return []; // It has ended.
    }
  });
}

/** `root` and its descendants, parents first. */
function treeOf(root: Process, all: readonly Process[]): Process[] {
  return [root, ...all.filter(({ parent }) => parent === root.pid).flatMap((child) => treeOf(child, all))];
}

/** Milliseconds without progress. */
export const patienceWithoutProgress = 900_000;

/**
 * Ticks in that time: a hundredth of a processor. Beside ten busy processes a test gets more. So does a virtual machine that
 * stands still (9 % of a processor), but kernel/vm has time limits for it.
 */
const leastTicks = (patienceWithoutProgress / 10) * 0.01;

/** Whether `command` is that of a worker of vitest. */
export const isWorker = (command: string): boolean => command.includes("workers/forks");

interface Seen {
  readonly pids: string;
  readonly ticks: number;
  readonly time: number;
}

/**
 * Looks at the trees of vitest's workers, which are children of `vitest`. A tree has progressed if its processes are others
 * than at an earlier look, or have used processor time.
 */
export class Stalled {
  readonly #seen = new Map<number, Seen>();
  readonly #vitest: number;

  constructor(vitest: number) {
    this.#vitest = vitest;
  }

  /** Returns the trees that have not progressed for `patienceWithoutProgress`, workers first. `time` is in milliseconds. */
  look(all: readonly Process[], time: number): Process[][] {
    const workers = all.filter(({ parent, command }) => parent === this.#vitest && isWorker(command));
    return workers.flatMap((worker) => {
      const tree = treeOf(worker, all);
      const pids = tree.map(({ pid }) => pid).join(" ");
      const ticks = tree.reduce((sum, process) => sum + process.ticks, 0);
      const seen = this.#seen.get(worker.pid);
      if (seen === undefined || seen.pids !== pids || ticks - seen.ticks >= leastTicks) {
        this.#seen.set(worker.pid, { pids, ticks, time });
        return [];
      }
      return time - seen.time >= patienceWithoutProgress ? [tree] : [];
    });
  }
}
