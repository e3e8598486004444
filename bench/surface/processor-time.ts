/** The processor time of a process and of all its living descendants. */
import { readdirSync, readFileSync } from "node:fs";

/** In nanoseconds. */
export function processorTime(pid: number): number {
  let sum = 0;
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      // The time on a processor, the first of three numbers (Documentation/scheduler/sched-stats.rst).
      sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
      const children = readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean);
      sum += children.reduce((all, child) => all + processorTime(Number(child)), 0);
    }
  } catch {
    // The process or the thread has ended.
  }
  return sum;
}
