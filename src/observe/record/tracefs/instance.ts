/**
 * An instance of tracefs (Documentation/trace/ftrace.rst) for this recording: it shares its ring buffers, filters and
 * options with no other tracer, and traces only the tasks whose ids are written to it and their descendants.
 *
 * An instance outlives the process that created it. If that process is killed, the kernel stops the tracing and frees
 * the buffers when it closes `free_buffer`; an empty folder remains, which the next recording removes.
 */
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { callNumber } from "../../../abi/call-numbers.ts";
import { errnoName } from "../../../abi/errno.ts";
import { close } from "../../../machine/descriptors.ts";
import { native } from "../../../machine/native.ts";
import { readProc } from "../../../machine/proc.ts";
import { type EventFormat, parseEventFormat } from "./event-format.ts";

/** Flags of include/uapi/linux/mount.h. */
const mountFlag = { closeOnExec: 1, create: 6 } as const;
/** `PROC_PID_INIT_INO` of include/linux/proc_ns.h. tracefs has the ids of the first pid namespace. */
const firstPidNamespace = "pid:[4026531836]";
const prefix = "portcullis-";

/** tracefs cannot be used on this machine. The message gives the reason. */
export class TracefsError extends Error {}

/** The folder of tracefs: its mount point, or that of a mount that no other process sees. */
export class Tracefs {
  readonly folder: string;
  readonly #mount: number | undefined;

  private constructor(folder: string, mount: number | undefined) {
    this.folder = folder;
    this.#mount = mount;
  }

  /** @throws TracefsError, NativeUnavailableError */
  static open(): Tracefs {
    if (process.geteuid?.() !== 0) throw new TracefsError("only root may use it");
    if (pidNamespace() !== firstPidNamespace) throw new TracefsError("this process is in a pid namespace of its own");
    const mounted = mountPoint();
    const found = mounted === undefined ? Tracefs.#mountDetached() : new Tracefs(mounted, undefined);
    if (!existsSync(`${found.folder}/instances`) || !existsSync(`${found.folder}/events/raw_syscalls`)) {
      found.close();
      throw new TracefsError("the kernel has no instances of it, or no events for system calls");
    }
    return found;
  }

  static #mountDetached(): Tracefs {
    const { syscall } = native();
    const context = syscall(callNumber("fsopen"), Buffer.from("tracefs\0"), mountFlag.closeOnExec);
    if (context < 0) throw new TracefsError(`the kernel has no tracefs (${errnoName(-context) ?? -context})`);
    const created = syscall(callNumber("fsconfig"), context, mountFlag.create, null, null, 0);
    const mount = created < 0 ? created : syscall(callNumber("fsmount"), context, mountFlag.closeOnExec, 0);
    close(context);
    if (mount < 0) throw new TracefsError(`it cannot be mounted (${errnoName(-mount) ?? -mount})`);
    return new Tracefs(`/proc/self/fd/${mount}`, mount);
  }

  close(): void {
    if (this.#mount !== undefined) close(this.#mount);
  }
}

/** Undefined if /proc is not mounted. */
function pidNamespace(): string | undefined {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return undefined;
  }
}

/** The first writable mount of the whole of tracefs. */
function mountPoint(): string | undefined {
  for (const line of (readProc("self/mountinfo") ?? "").split("\n")) {
    const [, root, point, options] = /^\d+ \d+ \S+ (\S+) (\S+) (\S+) .*- tracefs /.exec(line) ?? [];
    if (root === "/" && point !== undefined && /^rw\b/.test(options!) && !point.includes("\\")) return point;
  }
  return undefined;
}

/** The events that a recording needs, by their folder. */
const events = {
  enter: "raw_syscalls/sys_enter",
  exit: "raw_syscalls/sys_exit",
  birth: "task/task_newtask",
  exec: "sched/sched_process_exec",
  death: "sched/sched_process_exit",
} as const;
export type EventName = keyof typeof events;

export class TraceInstance {
  readonly folder: string;
  readonly formats: { readonly [E in EventName]: EventFormat };
  /** Descriptors of trace_pipe_raw, one for each processor. */
  readonly pipes: readonly number[];
  readonly pageSize: number;
  readonly #keeper: number | undefined;
  /** Their folders. */
  readonly #processors: readonly string[];

  /**
   * Creates an instance that traces nothing yet.
   *
   * @param bufferSize of each processor, in KiB
   * @throws Error if a file of it cannot be written
   */
  constructor(tracefs: Tracefs, bufferSize: number) {
    removeAbandoned(tracefs);
    this.folder = `${tracefs.folder}/instances/${prefix}${process.pid}-${startTime(process.pid)}`;
    mkdirSync(this.folder, { mode: 0o700 });
    try {
      this.#keeper = this.#keep();
      this.#set("trace_clock", "mono");
      this.#set("options/event-fork", "1");
      // Turns off a cache of task names that all tracers share.
      if (existsSync(`${this.folder}/options/record-cmd`)) this.#set("options/record-cmd", "0");
      this.#set("buffer_size_kb", String(bufferSize));
      this.formats = Object.fromEntries(
        Object.entries(events).map(([name, event]) => [
          name,
          parseEventFormat(readFileSync(`${this.folder}/events/${event}/format`, "latin1")),
        ]),
      ) as { [E in EventName]: EventFormat };
      this.#processors = readdirSync(`${this.folder}/per_cpu`);
      this.pipes = this.#processors.map((name) =>
        openSync(`${this.folder}/per_cpu/${name}/trace_pipe_raw`, constants.O_RDONLY | constants.O_NONBLOCK),
      );
      this.pageSize = this.#pageSize();
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** Traces the tasks, at least one, and those that they create from now on. */
  trace(pids: readonly number[]): void {
    this.add(pids);
    for (const event of Object.values(events)) this.#set(`events/${event}/enable`, "1");
  }

  /** Traces these tasks as well. */
  add(pids: readonly number[]): void {
    writeFileSync(`${this.folder}/set_event_pid`, `${pids.join("\n")}\n`, { flag: "a" });
  }

  /** False if another process of root has switched off the instance or one of its events. */
  isTracing(): boolean {
    const switches = ["tracing_on", ...Object.values(events).map((event) => `events/${event}/enable`)];
    return switches.every((name) => readFileSync(`${this.folder}/${name}`, "latin1").startsWith("1"));
  }

  /** Events that were overwritten before they were read. */
  lostEvents(): number {
    return this.#processors.reduce((sum, name) => {
      const stats = readFileSync(`${this.folder}/per_cpu/${name}/stats`, "latin1");
      return sum + Number(/^overrun: (\d+)$/m.exec(stats)?.[1] ?? 0);
    }, 0);
  }

  /** Ends the tracing; the buffers can still be read. */
  stop(): void {
    for (const event of Object.values(events)) this.#set(`events/${event}/enable`, "0");
  }

  remove(): void {
    for (const pipe of this.pipes ?? []) closeSync(pipe);
    if (this.#keeper !== undefined) closeSync(this.#keeper);
    try {
      rmdirSync(this.folder);
    } catch {
      // Another process has one of its files open: the next recording removes it.
    }
  }

  /** The file, among those that this object has opened, whose closing frees the buffers. */
  #keep(): number | undefined {
    if (!existsSync(`${this.folder}/free_buffer`)) return undefined;
    this.#set("options/disable_on_free", "1");
    return openSync(`${this.folder}/free_buffer`, constants.O_WRONLY);
  }

  #pageSize(): number {
    const file = `${this.folder}/buffer_subbuf_size_kb`;
    return existsSync(file) ? 1024 * Number(readFileSync(file, "latin1")) : 4096;
  }

  #set(file: string, text: string): void {
    writeFileSync(`${this.folder}/${file}`, text);
  }
}

/**
 * The start time of a process, in clock ticks since the boot: with the id it identifies the process. Undefined if the
 * process has ended, whether its parent has waited for it or not.
 */
function startTime(pid: number): string | undefined {
  const stat = readProc(`${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields?.[0] === "Z" ? undefined : fields?.[19];
}

/** Removes the instances of recorders that were killed. */
function removeAbandoned({ folder }: Tracefs): void {
  for (const name of readdirSync(`${folder}/instances`)) {
    const [, pid, time] = /^portcullis-(\d+)-(\d+)$/.exec(name) ?? [];
    if (pid === undefined || startTime(Number(pid)) === time) continue;
    try {
      rmdirSync(`${folder}/instances/${name}`);
    } catch {
      // A process still reads from it.
    }
  }
}
