/**
 * Finds a running container by its id, the beginning of it, or its name: in the files that engines and runtimes keep about
 * root's containers, and by the names of cgroups. It asks no daemon, and reads no file that another user can write.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { processStart, readProc } from "../../../machine/proc.ts";
import type { AttachTarget } from "../recorder.ts";
import { cgroupMounts, containerCgroups, isCgroup, TargetError } from "./present.ts";

/** The folders of root's engines and runtimes. A star stands for each namespace. */
export interface ContainerPlaces {
  /** Folders whose entries are named by ids, with the state of runc (`state.json`), crun (`status`) or a shim (`init.pid`). */
  readonly states: readonly string[];
  /** Folders with the ids and names of podman and CRI-O. */
  readonly storages: readonly string[];
  /** Folders whose entries are docker's containers. */
  readonly docker: readonly string[];
}

const usualPlaces: ContainerPlaces = {
  states: [
    ...["/run/crun", "/run/runc", "/run/containerd/runc/*", "/run/docker/runtime-runc/*"],
    ...[
      "/run/containerd/io.containerd.runtime.v2.task/*",
      "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/*",
    ],
  ],
  storages: ["/var/lib/containers/storage", "/run/containers/storage"],
  docker: ["/var/lib/docker/containers"],
};

interface Container {
  readonly id: string;
  readonly names: Set<string>;
  /** First processes, as far as they run. */
  readonly processes: Set<number>;
}

/** The beginning of an id must have as many characters. */
const shortestBeginning = 4;
const mostShown = 5;
const mostBytes = 8 << 20;

/**
 * The cgroup of the container, or its first process with what that has created where the container has no cgroup of version
 * 2 of its own.
 *
 * @throws TargetError
 */
export function containerTarget(wanted: string, places: ContainerPlaces = usualPlaces): AttachTarget {
  if (!/^[A-Za-z0-9][\w.-]*$/.test(wanted))
    throw new TargetError(`${wanted} is neither an id nor a name of a container`);
  const known = containersIn(places);
  const found = matching(known, wanted);
  const [container, ...others] = found;
  if (container !== undefined && others.length > 0) {
    const isName = container.names.has(wanted);
    const which = isName ? `several containers have the name ${wanted}` : `${wanted} is the beginning of several ids`;
    throw new TargetError(`${which}: ${shortList(found.map(({ id }) => id).sort())}`);
  }
  if (container === undefined) return cgroupOf(wanted, wanted);
  const [pid] = container.processes;
  if (pid === undefined) {
    const name = [...container.names, container.id.slice(0, 12)].join(", ");
    return cgroupOf(container.id, wanted, `the container ${name} does not run`);
  }
  return ownCgroup(pid, container.id) ?? { is: "process", pid };
}

/** @throws TargetError with `otherwise`, if it is given */
function cgroupOf(id: string, wanted: string, otherwise?: string): AttachTarget {
  const mounts = cgroupMounts();
  const folders = id.length < shortestBeginning ? [] : mounts.flatMap((mount) => containerCgroups(mount, id));
  const [folder, second] = folders;
  if (second !== undefined)
    throw new TargetError(`${wanted} is the beginning of several containers: ${shortList(folders)}`);
  if (folder !== undefined) return { is: "cgroup", folder };
  if (otherwise !== undefined) throw new TargetError(otherwise);
  const cgroups = mounts.length === 0 ? "" : `, and no cgroup below ${mounts.join(", ")} is named so`;
  const short =
    wanted.length < shortestBeginning ? `; the beginning of an id has ${shortestBeginning} characters or more` : "";
  throw new TargetError(
    `no container of root's docker, podman, containerd, CRI-O, crun or runc has the id or the name ${wanted}${cgroups}${short}`,
  );
}

function matching(known: ReadonlyMap<string, Container>, wanted: string): readonly Container[] {
  const whole = known.get(wanted);
  if (whole !== undefined) return [whole];
  const all = [...known.values()];
  const named = all.filter(({ names }) => names.has(wanted));
  if (named.length > 0) return named;
  return wanted.length < shortestBeginning ? [] : all.filter(({ id }) => id.startsWith(wanted));
}

function shortList(items: readonly string[]): string {
  const shown = items.slice(0, mostShown).join(", ");
  return items.length > mostShown ? `${shown}, …` : shown;
}

/** The cgroup of version 2 above the process that is named by the id. */
function ownCgroup(pid: number, id: string): AttachTarget | undefined {
  const path = /^0::(\/.*)$/m.exec(readProc(`${pid}/cgroup`) ?? "")?.[1];
  const parts = path?.split("/") ?? [];
  const last = parts.findLastIndex((part) => part.includes(id));
  if (last < 0) return undefined;
  const folder = cgroupMounts()
    .map((mount) => join(mount, ...parts.slice(0, last + 1)))
    .find(isCgroup);
  return folder === undefined ? undefined : { is: "cgroup", folder };
}

// ── Files of engines and runtimes ───────────────────────────────────────────────────────────────────────────────────

function containersIn({ states, storages, docker }: ContainerPlaces): ReadonlyMap<string, Container> {
  const found = new Map<string, Container>();
  const entry = (id: string): Container => {
    const known = found.get(id) ?? { id, names: new Set<string>(), processes: new Set<number>() };
    found.set(id, known);
    return known;
  };
  for (const folder of states.flatMap(expanded)) {
    for (const id of entriesOf(folder)) {
      const pid = processOf(join(folder, id), id);
      if (pid === undefined) continue;
      const container = entry(id);
      if (pid !== "none") container.processes.add(pid);
    }
  }
  for (const storage of storages) {
    for (const folder of entriesOf(storage).filter((name) => name.endsWith("-containers"))) {
      for (const file of ["containers.json", "volatile-containers.json"]) {
        const list = jsonIn(join(storage, folder, file));
        for (const one of Array.isArray(list) ? list : []) {
          const [id, names] = [textOf(one, "id"), member(one, "names")];
          if (id === undefined) continue;
          const container = entry(id);
          for (const name of Array.isArray(names) ? names : []) if (typeof name === "string") container.names.add(name);
        }
      }
    }
  }
  for (const folder of docker) {
    for (const id of entriesOf(folder)) {
      const configuration = jsonIn(join(folder, id, "config.v2.json"));
      if (textOf(configuration, "ID") !== id) continue;
      const container = entry(id);
      const name = textOf(configuration, "Name")?.replace(/^\//, "");
      if (name !== undefined) container.names.add(name);
      const pid = member(member(configuration, "State"), "Pid");
      if (isRunning(pid, undefined, id)) container.processes.add(pid);
    }
  }
  return found;
}

/** The first process of a runtime's state; `none` if it does not run; undefined if the folder is of no container. */
function processOf(folder: string, id: string): number | "none" | undefined {
  const runc = jsonIn(join(folder, "state.json"));
  const crun = runc === undefined ? jsonIn(join(folder, "status")) : undefined;
  const shim = textIn(join(folder, "init.pid"));
  if (runc === undefined && crun === undefined && shim === undefined) return undefined;
  const pid = member(runc, "init_process_pid") ?? member(crun, "pid") ?? Number(shim);
  const began = member(runc, "init_process_start") ?? member(crun, "process-start-time");
  return isRunning(pid, began, id) ? pid : "none";
}

/**
 * Whether the process runs and is the one that has begun then. Where that is not known, it must show that it is in a
 * container: a file can be older than the machine's last start, or than the process that has the number now.
 */
function isRunning(pid: unknown, began: unknown, id: string): pid is number {
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid < 1) return false;
  const start = processStart(pid);
  if (start === undefined) return false;
  if (typeof began === "number" && began > 0) return start === String(began);
  if (readProc(`${pid}/cgroup`)?.includes(id)) return true;
  const parent = /^PPid:\t(\d+)$/m.exec(readProc(`${pid}/status`) ?? "")?.[1];
  return parent !== undefined && (readProc(`${parent}/cmdline`) ?? "").includes(id);
}

/** The path, or those of the entries that its last part, a star, stands for. */
function expanded(path: string): readonly string[] {
  if (basename(path) !== "*") return [path];
  const folder = path.slice(0, -2);
  return entriesOf(folder).map((name) => join(folder, name));
}

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((one) => (one.isDirectory() ? [one.name] : []));
  } catch {
    return []; // such containers are not used here
  }
}

function textIn(file: string): string | undefined {
  try {
    const bytes = readFileSync(file);
    return bytes.length > mostBytes ? undefined : bytes.toString("utf8");
  } catch {
    return undefined;
  }
}

function jsonIn(file: string): unknown {
  const text = textIn(file);
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined; // it is being written
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function textOf(value: unknown, name: string): string | undefined {
  const text = member(value, name);
  return typeof text === "string" && text !== "" ? text : undefined;
}
