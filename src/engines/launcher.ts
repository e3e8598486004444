/** The conversation with the launcher (native/launcher): its orders, one start, one status. All engines that enforce share it. */
import { callNumber } from "../linux/call-numbers.ts";
import { close, receiveWithDescriptors, socketPair } from "../linux/descriptors.ts";
import { errnoName } from "../linux/errno.ts";
import { native, nativeFile } from "../linux/native.ts";
import { StartError } from "./command.ts";

export type LauncherMessage =
  /** `status` as wait(2) gives it. */
  | { readonly kind: "ended"; readonly status: number }
  | { readonly kind: "stopped"; readonly signal: number }
  | { readonly kind: "tree-ended" }
  /** The launcher is gone. */
  | { readonly kind: "closed" };

export interface LauncherOrders {
  /** Bits of `launcherFlag`. */
  readonly flags: number;
  /** Classic instructions; with `extended` the bytes of the bundle. */
  readonly filterLength: number;
  /** Classic instructions; with `extended` the words of open parameters behind the bundle. */
  readonly fallbackLength: number;
  /** 16 bytes; zeros with `extended`. */
  readonly token: Uint8Array;
  /** What follows. */
  readonly payload: readonly Uint8Array[];
}

export const launcherFlag = { wantListener: 1, ownTheTree: 2, endTree: 4, dieWithParent: 8, extended: 16 } as const;

/** `enum stage` of native/launcher/extended.h: where something went wrong. */
export const launcherStage = {
  clone: 2,
  noNewPrivileges: 3,
  install: 4,
  execve: 5,
  readBundle: 6,
  capabilities: 7,
  makeMaps: 8,
  findFunctions: 9,
  loadProgram: 10,
  attach: 11,
} as const;

export interface Started {
  /** The conversation goes on here: `readMessage`. */
  readonly socket: number;
  readonly launcher: number;
  /** The command's first process. */
  readonly pid: number;
  readonly pidfd: number;
  /** What else the launcher hands over. */
  readonly descriptors: readonly number[];
  readonly detail: number;
}

/** Nothing was started, and where that was found out. */
export class LauncherFault extends Error {
  readonly stage: number;
  readonly errno: number;
  /** More, where the launcher knows it: the verifier's log behind the first line. */
  readonly text: string;
  constructor(stage: number, errno: number, text: string) {
    super(`stage ${stage}: ${errnoText(errno)}`);
    this.stage = stage;
    this.errno = errno;
    this.text = text;
  }
}

const magic = 0x7063_7632;
const headerSize = 32;
const messageSize = 16;
const messageKind = { started: 1, failed: 2, stopped: 3, ended: 4, treeEnded: 5 } as const;
/** A verifier's log is at most this long. */
const mostText = 1 << 20;

/**
 * Starts a command under what the orders say. `argv` is the command's own; strings, or bytes that end with a NUL.
 * Throws a LauncherFault where the launcher says why not, a StartError where it cannot even say.
 */
export function startLauncher(file: string, argv: readonly (string | Uint8Array)[], orders: LauncherOrders): Started {
  const [ours, theirs] = socketPair();
  const launcher = native().spawn(nativeFile("launcher"), ["portcullis-launcher", file, ...argv], [theirs]);
  close(theirs);
  if (launcher < 0) {
    close(ours);
    throw new StartError(125, `the launcher cannot be started (errno ${-launcher})`);
  }
  // Where it has ended already, what it said tells more than that it cannot be written to.
  writeOrders(ours, orders);
  const message = new DataView(new ArrayBuffer(messageSize));
  const { count, descriptors } = receiveWithDescriptors(ours, new Uint8Array(message.buffer));
  if (count !== messageSize) throw new StartError(125, "the launcher ended before it had started the command");
  if (message.getUint32(0, true) === messageKind.failed) {
    const text = readText(ours);
    close(ours);
    throw new LauncherFault(message.getUint32(12, true), message.getInt32(4, true), text);
  }
  const [pidfd, ...rest] = descriptors;
  if (message.getUint32(0, true) !== messageKind.started || pidfd === undefined) {
    throw new StartError(125, "the launcher and portcullis are of different versions", "run `make build`");
  }
  return {
    socket: ours,
    launcher,
    pid: message.getInt32(8, true),
    pidfd,
    descriptors: rest,
    detail: message.getUint32(12, true),
  };
}

/** The bytes of orders, as the launcher reads them. */
export function encodeOrders({ flags, filterLength, fallbackLength, token, payload }: LauncherOrders): Uint8Array {
  const bytes = new Uint8Array(payload.reduce((size, one) => size + one.length, headerSize));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, flags, true);
  view.setUint32(8, filterLength, true);
  view.setUint32(12, fallbackLength, true);
  bytes.set(token, 16);
  let at = headerSize;
  for (const one of payload) {
    bytes.set(one, at);
    at += one.length;
  }
  return bytes;
}

function writeOrders(socket: number, orders: LauncherOrders): void {
  const bytes = encodeOrders(orders);
  for (let at = 0; at < bytes.length; ) {
    const count = native().syscall(callNumber("write"), socket, bytes.subarray(at), bytes.length - at);
    if (count <= 0) return;
    at += count;
  }
}

function readText(socket: number): string {
  const parts: Uint8Array[] = [];
  for (let size = 0; size < mostText; ) {
    const part = new Uint8Array(1 << 16);
    const { count } = receiveWithDescriptors(socket, part);
    if (count <= 0) break;
    parts.push(part.subarray(0, count));
    size += count;
  }
  return Buffer.concat(parts).toString("utf8");
}

/** The next message of a launcher, from the bytes that it wrote. */
export function readMessage(socket: number): LauncherMessage {
  const message = new DataView(new ArrayBuffer(messageSize));
  const { count } = receiveWithDescriptors(socket, new Uint8Array(message.buffer));
  return count === messageSize ? parseMessage(message) : { kind: "closed" };
}

export function parseMessage(message: DataView): LauncherMessage {
  const value = message.getInt32(4, true);
  switch (message.getUint32(0, true)) {
    case messageKind.ended:
      return { kind: "ended", status: value };
    case messageKind.stopped:
      return { kind: "stopped", signal: value };
    case messageKind.treeEnded:
      return { kind: "tree-ended" };
    default:
      return { kind: "closed" };
  }
}

/** Asks the launcher to end the whole tree, which it must own. */
export function endTree(socket: number): void {
  native().syscall(callNumber("write"), socket, new Uint8Array([0x6b /* k */]), 1);
}

/** The exit status of portcullis for a command's, as wait(2) gives it; 125 where nobody knows. */
export function exitStatus(status: number | undefined): number {
  if (status === undefined) return 125;
  const bySignal = status & 0x7f;
  return bySignal === 0 ? (status >> 8) & 0xff : 128 + bySignal;
}

// ── What is said of a fault ─────────────────────────────────────────────────────────────────────────────────────────

const explained: Readonly<Record<string, string>> = {
  E2BIG: "E2BIG: the arguments are too long",
  ENOEXEC: "ENOEXEC: no program and no script with a #! line",
  EACCES: "EACCES: permission denied",
  ETXTBSY: "ETXTBSY: it is being written",
  ELOOP: "ELOOP: too many symbolic links",
};

export function errnoText(errno: number): string {
  const name = errnoName(errno) ?? `errno ${errno}`;
  return explained[name] ?? name;
}

/** The fault of a stage that all engines have; undefined for the others. */
export function commonFault(file: string, { stage, errno }: LauncherFault): StartError | undefined {
  switch (stage) {
    case launcherStage.execve:
      if (errnoName(errno) === "ENOENT") {
        return new StartError(127, `${file}: no such file, or its interpreter is missing`);
      }
      return new StartError(126, `${file}: cannot be run (${errnoText(errno)})`);
    case launcherStage.noNewPrivileges:
      return new StartError(125, `no_new_privs cannot be set (${errnoText(errno)})`);
    case launcherStage.clone:
      return new StartError(125, `the launcher cannot make a process (${errnoText(errno)})`);
    default:
      return undefined;
  }
}
