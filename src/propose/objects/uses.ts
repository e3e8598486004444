/**
 * Collects what recorded calls did to files, ports and Unix sockets, as Landlock judges it. A call counts if it succeeded,
 * or if it failed after Landlock's decision: under a policy that does not permit the object it would fail in another way.
 */

import { type ArchitectureName, auditArchitecture } from "../../abi/architecture.ts";
import { callByNumber, registerOf } from "../../abi/calls.ts";
import { errnoName } from "../../abi/errno.ts";
import { atWorkingDirectory, closeOnExec } from "../../abi/open-numbers.ts";
import { socketFamily } from "../../abi/socket-address.ts";
import { readSocketAddress } from "../../ir/observe.ts";
import { type CallEvent, signedValue, type TraceEvent, type TraceHead, unknownWord } from "../../traces/trace.ts";
import { fieldOf, utf8 } from "../aspects.ts";
import type { Machine } from "./machine.ts";
import { absolutePath, changeDescriptors, childOf, executed, firstTask, sharing, type Task, unshare } from "./tasks.ts";

/**
 * `create`: open(2) with O_CREAT, which makes the file only if it is missing. `make`: the name was certainly made.
 * `remove`: it was removed, or renamed, or another file got it.
 */
export type Use = "read" | "write" | "execute" | "create" | "make" | "remove";

/** What the recordings do not show, or Landlock does not permit to anyone. */
export type Gap =
  /** The memory with the path or the address is not recorded, or it is no UTF-8. */
  | "memory"
  /** The flags of an open: strace prints them by name, or without paths. */
  | "flags"
  /** A relative path, of an unknown directory. */
  | "directory"
  /** The recording has no result of the call. */
  | "result"
  /** The command's program is unknown. */
  | "command"
  /** A confined process may not change the mounts (security/landlock/fs.c, hook_sb_mount() and its neighbours). */
  | "mount";

export interface GapCount {
  count: number;
  readonly example: string;
}

/** What is opened, by the low bits of the flags (O_ACCMODE). */
const openUses: readonly (readonly Use[])[] = [["read"], ["write"], ["read", "write"], []];

/** fs/namei.c and fs/exec.c decide these errors behind Landlock's hooks (Linux 6.18). */
const openErrors = ["EINTR", "ENXIO", "ENODEV", "EBUSY", "EWOULDBLOCK"];
const removeErrors = ["EISDIR", "ENOTEMPTY", "EBUSY"];
const socketErrors = [
  ...[
    "EINPROGRESS",
    "EINTR",
    "EALREADY",
    "EISCONN",
    "EAGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "ETIMEDOUT",
    "ENETUNREACH",
  ],
  ...["EHOSTUNREACH", "EADDRINUSE", "EADDRNOTAVAIL", "EPROTOTYPE"],
];
const executeErrors = ["ENOEXEC", "ETXTBSY"];

/** Calls that follow a link at the end of their path. */
const following = new Set(["open", "openat", "creat", "truncate", "execve", "execveat"]);

const mounting = new Set(["mount", "umount2", "pivot_root", "move_mount"]);

const openFlag = { create: 0o100, exclusive: 0o200, path: 0o10000000, temporary: 0o20000000 } as const;
/** O_DIRECTORY and O_NOFOLLOW, which differ (asm/fcntl.h). */
const directoryFlag = { x86_64: 0o200000, aarch64: 0o40000 } as const;
const noFollowFlag = { x86_64: 0o400000, aarch64: 0o100000 } as const;
/** SOCK_TYPE_MASK, SOCK_STREAM; the protocols TCP, and MPTCP, in whose place a policy with `tcp` permits TCP. */
const socketType = { mask: 0xf, stream: 1 } as const;
const tcpProtocols = [0, 6, 262];
/** AT_SYMLINK_FOLLOW and AT_SYMLINK_NOFOLLOW. */
const atFlag = { noFollow: 0x100, follow: 0x400 } as const;
const mostInterpreters = 5;

interface Waiting {
  readonly event: CallEvent;
  readonly name: string;
}

/** A call that is over. */
interface Call extends Waiting {
  readonly task: Task;
  /** Undefined if it is unknown. */
  readonly result: bigint | undefined;
}

export class ObjectUses {
  /** By real path. */
  readonly files = new Map<string, Set<Use>>();
  /** Directories among these. */
  readonly directories = new Set<string>();
  /** Files that were moved or linked to another name: real paths. */
  readonly moves: (readonly [from: string, to: string])[] = [];
  /** Ports, with the number of calls. */
  readonly bind = new Map<number, number>();
  readonly connect = new Map<number, number>();
  /** Unix sockets by real path, with the number of calls. */
  readonly sockets = new Map<string, number>();
  /** Datagrams to Unix sockets, and sendmmsg(2), which no policy permits before Linux 7.1 beside `unix.connect`. */
  hasDatagrams = false;
  readonly gaps = new Map<Gap, GapCount>();
  readonly #architecture: ArchitectureName;
  readonly #machine: Machine;
  readonly #moved = new Set<string>();
  /** The real paths of sockets, by the texts of their addresses. */
  readonly #socketTexts = new Map<string, string>();
  #tasks: Map<number, Task> | undefined;
  /** Calls whose result a later line may have. */
  #waiting = new Map<number, Waiting>();
  /** CLONE_… of a task's last call. */
  #cloned = new Map<number, bigint>();

  constructor(architecture: ArchitectureName, machine: Machine) {
    this.#architecture = architecture;
    this.#machine = machine;
  }

  /** The event with the objects behind links, which the simulation of declarations does not know. */
  withObjects(event: TraceEvent): TraceEvent {
    const name = event.kind === "call" ? this.#nameOf(event) : undefined;
    if (event.kind !== "call" || name === undefined) return event;
    if (name === "connect") {
      const addr = event.memory.get("addr");
      const { kind, name: text } = readSocketAddress(addr?.is === "address" ? addr.bytes : new Uint8Array());
      const path = utf8(text);
      if (addr?.is !== "address" || kind !== "unix" || path === undefined) return event;
      const resolved = this.#socketTexts.get(path) ?? (path.startsWith("/") ? this.#machine.real(path) : undefined);
      return { ...event, memory: new Map([...event.memory, ["addr", { ...addr, resolved }]]), content: undefined };
    }
    const memory = event.memory.get("path");
    if (!following.has(name) || memory?.is !== "text" || memory.isCut) return event;
    const path = utf8(memory.bytes);
    if (path === undefined || !path.startsWith("/") || isNumbered(path)) return event;
    const resolved = this.#machine.real(path);
    if (resolved === path) return event;
    return { ...event, memory: new Map([...event.memory, ["path", { ...memory, resolved }]]), content: undefined };
  }

  /** A recording has ended. */
  end(): void {
    for (const tid of [...this.#waiting.keys()]) this.#settle(tid, undefined);
    this.#tasks = undefined;
    this.#cloned = new Map();
  }

  event(event: TraceEvent, head: Pick<TraceHead, "command" | "directory" | "words">): void {
    this.#tasks ??= this.#begin(head);
    const tasks = this.#tasks;
    switch (event.kind) {
      case "clock":
        return;
      case "call":
        this.#settle(event.tid, undefined);
        this.#call(event);
        return;
      case "return":
        this.#settle(event.tid, signedValue(event.result));
        return;
      case "fork":
      case "thread": {
        const parent = tasks.get(event.tid);
        if (parent === undefined) return;
        const flags = this.#cloned.get(event.tid);
        const usual = event.kind === "thread" ? sharing.place | sharing.descriptors : 0n;
        tasks.set(event.child, childOf(parent, flags ?? usual));
        return;
      }
      case "exec": {
        const former = event.former ?? event.tid;
        const task = tasks.get(former);
        if (task === undefined) return;
        this.#settle(former, 0n);
        executed(task);
        tasks.delete(former);
        tasks.set(event.tid, task);
        return;
      }
      case "exit":
        this.#settle(event.tid, undefined);
        tasks.delete(event.tid);
        return;
    }
  }

  #begin({ command = 1, directory, words }: Pick<TraceHead, "command" | "directory" | "words">): Map<number, Task> {
    const task = firstTask(directory === undefined ? undefined : this.#machine.real(directory));
    const [word] = words ?? [];
    const program =
      word === undefined
        ? undefined
        : word.includes("/")
          ? absolutePath(task, "working", word)
          : this.#machine.program(word);
    if (program === undefined) this.#gap("command", word ?? "?");
    else this.#execute(task, program);
    return new Map([[command, task]]);
  }

  /** The call is over; its result is unknown without a value. */
  #settle(tid: number, result: bigint | undefined): void {
    const waiting = this.#waiting.get(tid);
    if (waiting === undefined) return;
    this.#waiting.delete(tid);
    this.#apply(waiting, result);
  }

  #call(event: CallEvent): void {
    const name = this.#nameOf(event);
    if (name === undefined) return;
    this.#cloned.delete(event.tid);
    if (name === "clone" || name === "clone3") {
      const flags = name === "clone" ? this.#low(event, "flags") : structureFlags("clone3", "uargs", event);
      if (flags !== undefined) this.#cloned.set(event.tid, BigInt(flags));
      return;
    }
    const result = signedValue(event.result);
    if (result === undefined) this.#waiting.set(event.tid, { event, name });
    else this.#apply({ event, name }, result);
  }

  #apply({ event, name }: Waiting, result: bigint | undefined): void {
    const task = this.#tasks?.get(event.tid);
    if (task === undefined) return;
    const call: Call = { event, name, task, result };
    const number = (parameter: string) => this.#low(event, parameter) ?? -1;
    switch (name) {
      case "open":
      case "openat":
        this.#open(call, this.#low(event, "flags"));
        return;
      case "creat":
        this.#open(call, openFlag.create | 1);
        return;
      case "openat2": {
        const flags = structureFlags(name, "how", event);
        this.#open(call, flags === undefined ? undefined : Number(BigInt.asIntN(32, flags)));
        return;
      }
      case "truncate":
        if (this.#counts(call, [])) this.#use(this.#path(call, "path"), ["write"]);
        return;
      case "mkdir":
      case "mkdirat":
      case "mknod":
      case "mknodat":
        if (this.#counts(call, [])) this.#use(this.#path(call, "path"), ["make"], false);
        return;
      case "symlink":
      case "symlinkat":
        if (this.#counts(call, [])) this.#use(this.#path(call, "newpath", "newdirfd"), ["make"], false);
        return;
      case "unlink":
      case "unlinkat":
      case "rmdir":
        if (this.#counts(call, removeErrors)) this.#use(this.#path(call, "path"), ["remove"], false);
        return;
      case "rename":
      case "renameat":
      case "renameat2":
        if (this.#counts(call, removeErrors)) this.#move(call, ["remove"], false);
        return;
      case "link":
      case "linkat":
        if (this.#counts(call, [])) this.#move(call, [], (number("flags") & atFlag.follow) !== 0 && name === "linkat");
        return;
      case "execve":
      case "execveat": {
        if (!this.#counts(call, executeErrors)) return;
        const path = this.#path(call, "path");
        if (path === undefined) return;
        const isFollowed = name === "execve" || (number("flags") & atFlag.noFollow) === 0;
        const program = isFollowed ? path : this.#real(path, false);
        if (result === undefined && this.#machine.kind(program) === undefined) return;
        this.#execute(task, program);
        return;
      }
      case "chdir":
        if (result !== 0n) return;
        task.place.directory = this.#directory(this.#path(call, "path"));
        return;
      case "fchdir":
        if (result === 0n) task.place.directory = this.#directory(task.descriptors.get(number("fd"))?.path);
        return;
      case "chroot": {
        if (result !== 0n) return;
        const root = this.#path(call, "path");
        if (root !== undefined) task.place.root = this.#machine.real(root).replace(/^\/$/, "");
        return;
      }
      case "unshare":
        if (result === 0n) unshare(task, BigInt(number("flags")));
        return;
      case "socket": {
        if (result === undefined || result < 0n) return;
        const [family, type, protocol] = [number("family"), number("type"), number("protocol")];
        const isTcp =
          (family === socketFamily.inet || family === socketFamily.inet6) &&
          (type & socketType.mask) === socketType.stream &&
          tcpProtocols.includes(protocol);
        const closesOnExec = (type & closeOnExec) !== 0;
        task.descriptors.set(Number(result), { path: undefined, isTcp, closesOnExec });
        return;
      }
      case "bind":
      case "connect":
      case "sendto":
      case "sendmsg":
        this.#address(call, name);
        return;
      case "sendmmsg":
        this.hasDatagrams = true;
        return;
      case "close":
      case "dup":
      case "dup2":
      case "dup3":
      case "fcntl":
      case "close_range": {
        // close(2) closes also if it fails with EINTR or EIO.
        if (result === undefined || (result < 0n && name !== "close")) return;
        const words = event.arguments.map(({ value }) => Number(BigInt.asIntN(32, value)));
        changeDescriptors(task, name, words, Number(result));
        return;
      }
      default:
        if (mounting.has(name) && result === 0n) this.#gap("mount", name);
    }
  }

  #directory(path: string | undefined): string | undefined {
    return path === undefined ? undefined : path.startsWith("/proc/") ? path : this.#machine.real(path);
  }

  #open(call: Call, flags: number | undefined): void {
    if (flags === undefined) {
      if (this.#counts(call, openErrors)) this.#gap("flags", call.name);
      return;
    }
    const isTemporary = (flags & openFlag.temporary) !== 0 && (flags & 3) !== 0;
    if ((flags & openFlag.path) !== 0 ? !this.#counts(call, []) : !this.#counts(call, openErrors)) return;
    const path = this.#path(call, "path");
    if (path === undefined) return;
    const { task, result } = call;
    if (result !== undefined && result >= 0n) {
      task.descriptors.set(Number(result), { path, isTcp: false, closesOnExec: (flags & closeOnExec) !== 0 });
    }
    if ((flags & openFlag.path) !== 0) return;
    const uses = openUses[flags & 3]!;
    const isNew = (flags & openFlag.create) !== 0 && (flags & openFlag.exclusive) !== 0;
    const isFollowed = !isNew && (flags & noFollowFlag[this.#architecture]) === 0;
    const making: readonly Use[] = isNew ? ["make"] : (flags & openFlag.create) !== 0 ? ["create"] : [];
    // Without results, an attempt counts if it can succeed here.
    if (result === undefined && making.length === 0 && this.#machine.kind(path) === undefined) return;
    const used = this.#use(path, [...uses, ...making], isFollowed);
    const isDirectory = isTemporary || (flags & directoryFlag[this.#architecture]) !== 0;
    if (used !== undefined && (isDirectory || (making.length === 0 && this.#machine.kind(used) === "directory")))
      this.directories.add(used);
  }

  /** Also link(2), which leaves the old name. */
  #move(call: Call, old: readonly Use[], isFollowed: boolean): void {
    const from = this.#use(this.#path(call, "oldpath", "olddirfd"), old, isFollowed);
    const to = this.#use(this.#path(call, "newpath", "newdirfd"), ["make", ...old], false);
    if (from === undefined || to === undefined || this.#moved.has(`${from}\0${to}`)) return;
    this.#moved.add(`${from}\0${to}`);
    this.moves.push([from, to]);
  }

  /** The program, and the interpreters that start it: of scripts, and the dynamic linker. The kernel also reads them. */
  #execute(task: Task, path: string): void {
    let program = this.#use(path, ["execute", "read"]);
    task.program = program;
    for (let depth = 0; program !== undefined && depth < mostInterpreters; depth++) {
      const next = this.#machine.interpreter(program);
      const at: string | undefined = next === undefined ? undefined : absolutePath(task, "working", next);
      program = at === undefined ? undefined : this.#use(at, ["execute", "read"]);
    }
  }

  #address(call: Call, name: "bind" | "connect" | "sendto" | "sendmsg"): void {
    const descriptor = call.task.descriptors.get(this.#low(call.event, "fd") ?? -1);
    const memory = call.event.memory.get(name === "sendmsg" ? "msg" : "addr");
    if (memory?.is !== "address") {
      const isMissing = (memory === undefined || memory.is === "unknown") && (name === "bind" || name === "connect");
      if (isMissing && this.#counts(call, socketErrors)) this.#gap("memory", name);
      return;
    }
    if (memory.bytes.length === 0 || !this.#counts(call, socketErrors)) return;
    const { kind, port, name: socket } = readSocketAddress(memory.bytes);
    if (kind === "ip" && (name === "bind" || name === "connect") && descriptor?.isTcp !== false) {
      const ports = this[name];
      ports.set(Number(port), (ports.get(Number(port)) ?? 0) + 1);
      return;
    }
    if (kind !== "unix") return;
    const text = utf8(socket);
    const path = text === undefined ? undefined : absolutePath(call.task, "working", text);
    if (path === undefined) {
      this.#gap(text === undefined ? "memory" : "directory", text ?? name);
      return;
    }
    if (name === "bind") {
      this.#use(path, ["make"], false);
      return;
    }
    if (name !== "connect") this.hasDatagrams = true;
    const real = this.#machine.real(path);
    if (call.result === undefined && this.#machine.kind(real) === undefined) return;
    this.sockets.set(real, (this.sockets.get(real) ?? 0) + 1);
    this.#socketTexts.set(text!, real);
  }

  /** The real path. */
  #use(path: string | undefined, uses: readonly Use[], isFollowed = true): string | undefined {
    if (path === undefined) return undefined;
    const real = this.#real(path, isFollowed);
    const known = this.files.get(real) ?? new Set();
    if (uses.length > 0) this.files.set(real, known);
    for (const use of uses) known.add(use);
    return real;
  }

  #real(path: string, isFollowed: boolean): string {
    if (isNumbered(path)) {
      this.directories.add("/proc");
      return "/proc";
    }
    if (isFollowed) return this.#machine.real(path);
    const whole = path.replace(/\/+$/, "");
    const end = whole.lastIndexOf("/");
    const name = whole.slice(end + 1);
    if (name === "" || name === "." || name === "..") return this.#machine.real(path);
    const above = this.#machine.real(end <= 0 ? "/" : whole.slice(0, end));
    return above === "/" ? `/${name}` : `${above}/${name}`;
  }

  /** Whether Landlock has decided about the call, and not refused it. */
  #counts({ name, result }: Call, errors: readonly string[]): boolean {
    if (result === undefined) this.#gap("result", name);
    return result === undefined || result >= 0n || errors.includes(errnoName(Number(-result)) ?? "");
  }

  /** The absolute path of the argument; undefined if it is unknown, or an object without a path. */
  #path({ event, name, task }: Call, parameter: string, base = "dirfd"): string | undefined {
    const memory = event.memory.get(parameter);
    if (memory?.is === "absent" || memory?.is === "failed") return undefined;
    const text = memory?.is === "text" && !memory.isCut ? utf8(memory.bytes) : undefined;
    if (text === undefined) {
      this.#gap("memory", name);
      return undefined;
    }
    const isRelative = this.#position(event, base) !== undefined;
    const directory = isRelative ? this.#low(event, base) : atWorkingDirectory;
    const path = absolutePath(task, directory === atWorkingDirectory ? "working" : (directory ?? -1), text);
    if (path === undefined) {
      this.#gap("directory", text);
      return undefined;
    }
    return this.#throughProc(task, path);
  }

  /** Where links of /proc lead: another object in each process. */
  #throughProc(task: Task, path: string): string | undefined {
    const match =
      /^(?:\/proc\/(self|thread-self|\d+)\/(?:task\/\d+\/)?|\/dev\/)(?:fd\/(\d+)|(exe|cwd|root)|(std(?:in|out|err)))(\/.*)?$/.exec(
        path,
      );
    if (match === null) return path;
    const [, process, descriptor, link, , rest = ""] = match;
    const owner = process !== undefined && /^\d/.test(process) ? this.#tasks?.get(Number(process)) : task;
    if (link === "exe") return owner?.program;
    const base =
      link === undefined
        ? owner?.descriptors.get(Number(descriptor ?? -1))?.path
        : link === "cwd"
          ? owner?.place.directory
          : owner?.place.root;
    return base === undefined ? undefined : `${base}${rest}` || "/";
  }

  #position(event: CallEvent, parameter: string): number | undefined {
    const position = callByNumber(this.#architecture, event.number)!.parameters.findIndex(
      ({ name }) => name === parameter,
    );
    return position < 0 ? undefined : position;
  }

  #nameOf({ architecture, number }: CallEvent): string | undefined {
    if (architecture >>> 0 !== auditArchitecture[this.#architecture]) return undefined;
    return callByNumber(this.#architecture, number)?.name;
  }

  /** The low 32 bits of an argument, signed. */
  #low(event: CallEvent, parameter: string): number | undefined {
    const call = callByNumber(this.#architecture, event.number)!;
    const position = this.#position(event, parameter);
    if (position === undefined) return undefined;
    const { value, known } = event.arguments[registerOf(call, position, this.#architecture)] ?? unknownWord;
    return (known & 0xffff_ffffn) === 0xffff_ffffn ? Number(BigInt.asIntN(32, value)) : undefined;
  }

  #gap(gap: Gap, example: string): void {
    const known = this.gaps.get(gap);
    if (known === undefined) this.gaps.set(gap, { count: 1, example });
    else known.count++;
  }
}

function structureFlags(call: string, parameter: string, { memory }: CallEvent): bigint | undefined {
  const value = fieldOf(call, { parameter, field: "flags" }, memory.get(parameter));
  return typeof value === "bigint" ? value : undefined;
}

/** Paths below the directory of a process, which has another number in each start. */
function isNumbered(path: string): boolean {
  return /^\/proc\/(?:self|thread-self|\d+)(?:\/|$)/.test(path);
}
