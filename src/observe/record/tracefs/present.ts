/** Tasks that are there when a recording of running processes begins: of a process with its descendants, or of a cgroup. */
import { existsSync, readdirSync, readFileSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { readProc } from "../../../machine/proc.ts";
import type { AttachTarget } from "../recorder.ts";

/** The target cannot be recorded. The message gives the reason, without a full stop. */
export class TargetError extends Error {}

export interface PresentTask {
  readonly tid: number;
  readonly process: number;
  /** The process that has created the task's process, or has inherited it. */
  readonly parent: number;
  /** In clock ticks since the boot: with the id it identifies the task. */
  readonly began: string;
}

/** Fields of proc_pid_stat(5) behind the name, from the state on. */
const field = { state: 0, parent: 1, flags: 6, began: 19 } as const;
/** `PF_KTHREAD` of include/linux/sched.h. */
const kernelThread = 0x0020_0000;
/** `CGROUP2_SUPER_MAGIC` of include/uapi/linux/magic.h. */
const cgroupMagic = 0x6367_7270;

function statOf(task: string): readonly string[] | undefined {
  const stat = readProc(`${task}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Whether it runs, and is the task that began then. */
export function isPresent({ tid, began }: Pick<PresentTask, "tid" | "began">): boolean {
  const stat = statOf(String(tid));
  return stat?.[field.began] === began && stat[field.state] !== "Z" && stat[field.state] !== "X";
}

/**
 * The living tasks, processes behind their parents.
 *
 * @throws TargetError
 */
export function presentTasks(target: AttachTarget): readonly PresentTask[] {
  const processes = target.is === "process" ? descendants(target.pid) : processesIn(target.folder);
  if (processes.includes(process.pid)) {
    throw new TargetError("this process of portcullis is among those to be recorded, and would record itself");
  }
  const tasks = processes.flatMap((one) => tasksOf(one));
  const parents = new Map(tasks.map(({ process: one, parent }) => [one, parent]));
  const depths = new Map<number, number>();
  const depthOf = (one: number): number => {
    const parent = parents.get(one);
    const depth = depths.get(one) ?? (parent === undefined ? 0 : 1 + depthOf(parent));
    depths.set(one, depth);
    return depth;
  };
  const ordered = tasks.map((task) => ({ task, depth: depthOf(task.process) }));
  return ordered
    .sort((a, b) => a.depth - b.depth || Number(a.task.began) - Number(b.task.began))
    .map(({ task }) => task);
}

function tasksOf(pid: number): PresentTask[] {
  let names: string[];
  try {
    names = readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // it has ended
  }
  return names.flatMap((name) => {
    const stat = statOf(`${pid}/task/${name}`);
    if (stat === undefined) return [];
    return [{ tid: Number(name), process: pid, parent: Number(stat[field.parent]), began: stat[field.began]! }];
  });
}

/** @throws TargetError */
function descendants(first: number): readonly number[] {
  const stat = statOf(String(first));
  if (stat === undefined) throw new TargetError(`there is no process ${first}`);
  if ((Number(stat[field.flags]) & kernelThread) !== 0) {
    throw new TargetError(`${first} is a thread of the kernel, which makes no system calls`);
  }
  if (stat[field.state] === "Z" && readdirSync(`/proc/${first}/task`).length < 2) {
    throw new TargetError(`process ${first} has ended`);
  }
  const leader = Number(/^Tgid:\t(\d+)$/m.exec(readProc(`${first}/status`) ?? "")?.[1] ?? first);
  if (leader !== first) throw new TargetError(`${first} is a thread of process ${leader}`);
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const parent = /^\d+$/.test(name) ? Number(statOf(name)?.[field.parent]) : Number.NaN;
    if (!Number.isNaN(parent)) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = new Set([first]);
  for (const one of found) for (const child of children.get(one) ?? []) found.add(child);
  return [...found];
}

/** The processes of a cgroup and of those below it. @throws TargetError */
function processesIn(folder: string): readonly number[] {
  let ids: string;
  try {
    ids = readFileSync(join(folder, "cgroup.procs"), "latin1");
  } catch {
    throw new TargetError(`the processes of the cgroup ${folder} cannot be read`);
  }
  const below = readdirSync(folder, { withFileTypes: true }).filter((one) => one.isDirectory());
  // 0 is a process of another pid namespace.
  const own = ids.split("\n").flatMap((line) => (Number(line) > 0 ? [Number(line)] : []));
  return [...own, ...below.flatMap(({ name }) => processesIn(join(folder, name)))];
}

/** The mount points of cgroup v2. */
export function cgroupMounts(): readonly string[] {
  return (readProc("self/mountinfo") ?? "").split("\n").flatMap((line) => {
    const [, point] = /^\d+ \d+ \S+ \/ (\S+) .*- cgroup2 /.exec(line) ?? [];
    return point === undefined ? [] : [point];
  });
}

/**
 * The folder of a cgroup, by its path, or by the path below the mount point, as /proc/PID/cgroup has it.
 *
 * @throws TargetError
 */
export function cgroupFolder(path: string): string {
  const mounts = cgroupMounts();
  if (mounts.length === 0) throw new TargetError("cgroup v2 is not mounted here");
  const found = [path, ...mounts.map((mount) => join(mount, path))].find((one) => isCgroup(one));
  if (found === undefined) throw new TargetError(`${path} is no cgroup of version 2`);
  return found;
}

export function isCgroup(folder: string): boolean {
  return existsSync(join(folder, "cgroup.procs")) && statfsSync(folder).type === cgroupMagic;
}

/**
 * The cgroups below the folder that are named by the id of a container, or the beginning of it: docker-ID.scope,
 * libpod-ID.scope, crio-ID.scope, cri-containerd-ID.scope, or ID.
 */
export function containerCgroups(folder: string, id: string): readonly string[] {
  let entries: readonly string[];
  try {
    entries = readdirSync(folder, { withFileTypes: true }).flatMap((one) => (one.isDirectory() ? [one.name] : []));
  } catch {
    return []; // it was removed
  }
  return entries.flatMap((name) => {
    // Podman's monitor of the container has a cgroup beside it.
    const isOther = name.startsWith("libpod-conmon-");
    const isNamed = name.startsWith(id) || name.replace(/^[a-z]+(?:-[a-z]+)*-/, "").startsWith(id);
    return isNamed && !isOther ? [join(folder, name)] : containerCgroups(join(folder, name), id);
  });
}
