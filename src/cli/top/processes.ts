/** The processes of a running tree for `portcullis top`, from their status and /proc. */
import { readdirSync } from "node:fs";
import { readProc, taskName } from "../../machine/proc.ts";
import { isConfinedMore } from "../../observe/status/peer.ts";
import type { NamedState, Status } from "../../observe/status/status.ts";

export interface ShownProcess {
  readonly pid: number;
  /** 0 if it is not known. */
  readonly parent: number;
  readonly threads: number;
  readonly name: string;
  /** Undefined if the policy has no state of processes. */
  readonly state: NamedState | undefined;
}

/** A process with the lines that lead to it in a drawing of the tree. */
export interface PlacedProcess extends ShownProcess {
  readonly lead: string;
}

/** Files of /proc that are read in search of the tree. */
const mostReads = 2_000;

/**
 * Those of the status. The server does not read their names, because that would take time. A policy without state of
 * processes lists none: then those are found that descend from portcullis and are confined.
 */
export function readProcesses({ state, pid }: Status): readonly ShownProcess[] {
  const listed = state?.processes ?? [];
  if (listed.length > 0) return listed.map((one) => ({ ...readProcess(one.pid), threads: one.threads, state: one }));
  return descendants(pid)
    .filter((one) => isConfinedMore(one))
    .map((one) => ({ ...readProcess(one), state: undefined }));
}

function readProcess(pid: number): Omit<ShownProcess, "state"> {
  const status = readProc(`${pid}/status`) ?? "";
  const field = (name: string) => Number(new RegExp(`^${name}:\\t(\\d+)$`, "m").exec(status)?.[1] ?? 0);
  return { pid, parent: field("PPid"), threads: field("Threads"), name: taskName(pid) ?? "?" };
}

/** Empty on a kernel without CONFIG_PROC_CHILDREN. */
function descendants(root: number): readonly number[] {
  const found = [root];
  let reads = 0;
  for (const pid of found) {
    for (const thread of threadsOf(pid)) {
      if (++reads > mostReads) return found.slice(1);
      const children = readProc(`${pid}/task/${thread}/children`)?.match(/\d+/g) ?? [];
      found.push(...children.map(Number));
    }
  }
  return found.slice(1);
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** Children follow their parents; the roots are those whose parent is not in the list. */
export function placeInTree(processes: readonly ShownProcess[]): readonly PlacedProcess[] {
  const children = new Map<number, ShownProcess[]>();
  const known = new Set(processes.map(({ pid }) => pid));
  const roots: ShownProcess[] = [];
  for (const process of processes) {
    if (!known.has(process.parent)) roots.push(process);
    else children.set(process.parent, [...(children.get(process.parent) ?? []), process]);
  }
  const placed = new Map<number, PlacedProcess>();
  const place = (process: ShownProcess, lead: string, below: string): void => {
    placed.set(process.pid, { ...process, lead });
    const own = children.get(process.pid) ?? [];
    own.forEach((child, index) => {
      const isLast = index === own.length - 1;
      place(child, `${below}${isLast ? "└ " : "├ "}`, `${below}${isLast ? "  " : "│ "}`);
    });
  };
  for (const root of roots) place(root, "", "");
  // Ids that are used again while they are read can make a circle.
  for (const process of processes) if (!placed.has(process.pid)) placed.set(process.pid, { ...process, lead: "" });
  return [...placed.values()];
}
