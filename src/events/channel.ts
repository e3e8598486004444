/** Opens the destination of events so that no write blocks: a file, a fifo or a borrowed descriptor. */
import { closeSync, constants, fstatSync, ftruncateSync, openSync } from "node:fs";
import { callNumber } from "../abi/call-numbers.ts";
import { errnoByName, errnoName } from "../abi/errno.ts";
import { hasRoom } from "../machine/descriptors.ts";
import { native } from "../machine/native.ts";
import type { Channel, WriteOutcome } from "./sink.ts";

export type Destination =
  | { readonly file: string }
  /** `name`: the user's word for it, if its number in this process is another. */
  | { readonly fd: number; readonly name?: string };

/** The destination cannot be opened; the message and the remedy are for people. */
export class DestinationError extends Error {
  readonly help: string | undefined;
  constructor(message: string, help: string | undefined) {
    super(message);
    this.help = help;
  }
}

/**
 * A file is appended to, or created with mode 0600 because arguments of calls may be secret. An open fd is borrowed: it
 * is not closed, and its flags do not change for the processes that share it.
 *
 * @throws DestinationError
 */
export function openChannel(destination: Destination): Channel {
  return "file" in destination ? openFile(destination.file) : borrow(destination);
}

function openFile(file: string): Channel {
  const { O_WRONLY, O_CREAT, O_APPEND, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    // O_NONBLOCK: opening a fifo without a reader fails (ENXIO) instead of blocking.
    const fd = openSync(file, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY, 0o600);
    return new FdChannel(fd, { isOwn: true, writeTo: writePlainly, isRegular: fstatSync(fd).isFile() });
  } catch (error) {
    const code = errnoCode(error);
    if (code === "EISDIR") throw new DestinationError(`${file} is a directory`, "name a file in it");
    if (code === "ENXIO") throw new DestinationError(`the fifo ${file} has no reader`, "start its reader first");
    throw new DestinationError(`${file} cannot be opened for events (${code})`, undefined);
  }
}

export function notOpen(fd: number, why: string): DestinationError {
  return new DestinationError(`file descriptor ${fd} is not open (${why})`, openForEvents(fd));
}

export function openForEvents(fd: number): string {
  // The shell's 0>file would take the command's standard input.
  const free = Math.max(fd, 3);
  return `open it in the shell: \`portcullis run --events fd:${free} … ${free}>events.jsonl\``;
}

function borrow({ fd, name = `file descriptor ${fd}` }: Extract<Destination, { fd: number }>): Channel {
  let stat: ReturnType<typeof fstatSync>;
  try {
    stat = fstatSync(fd);
  } catch (error) {
    throw notOpen(fd, errnoCode(error));
  }
  if (stat.isDirectory()) throw new DestinationError(`${name} is a directory`, undefined);
  if (stat.isSocket()) return new FdChannel(fd, { isOwn: false, writeTo: sendWithoutWaiting, isRegular: false });
  // Writes to a regular file do not wait for a reader.
  if (stat.isFile()) return new FdChannel(fd, { isOwn: false, writeTo: writePlainly, isRegular: true });
  // O_NONBLOCK on the fd itself would apply to every process that shares it, the command included. Opening it again
  // through /proc gives a description of our own.
  try {
    const own = openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    return new FdChannel(own, { isOwn: true, writeTo: writePlainly, isRegular: false });
  } catch {
    // The other end is gone, or the pipe or terminal belongs to another user.
    return new FdChannel(fd, { isOwn: false, writeTo: writeWhereThereIsRoom, isRegular: false });
  }
}

interface FdTraits {
  /** The descriptor to close with the channel. */
  readonly isOwn: boolean;
  readonly isRegular: boolean;
  /** The number of bytes written, or a negative errno. */
  readonly writeTo: (fd: number, bytes: Uint8Array) => number;
}

/** Space may be freed or a limit raised later; every other errno (EPIPE, EIO, EBADF) is final. */
const mayPass: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

class FdChannel implements Channel {
  readonly #fd: number;
  readonly #traits: FdTraits;
  constructor(fd: number, traits: FdTraits) {
    this.#fd = fd;
    this.#traits = traits;
  }

  write(bytes: Uint8Array): WriteOutcome {
    const taken = this.#traits.writeTo(this.#fd, bytes);
    if (taken >= 0) return taken;
    const code = errnoName(-taken) ?? `errno ${-taken}`;
    if (code === "EAGAIN" || code === "EINTR") return "full";
    return { code, isFinal: !mayPass.has(code) };
  }

  /** Only if no other process has appended since: the file ends with our last write. */
  retract(count: number): void {
    if (!this.#traits.isRegular) return;
    const { syscall } = native();
    const end = syscall(callNumber("lseek"), this.#fd, 0, fromHere);
    try {
      if (end < count || fstatSync(this.#fd).size !== end) return;
      ftruncateSync(this.#fd, end - count);
    } catch {
      return; // for example an append-only file: the cut line stays
    }
    syscall(callNumber("lseek"), this.#fd, end - count, fromStart);
  }

  close(): void {
    if (this.#traits.isOwn) closeSync(this.#fd);
  }
}

const fromStart = 0; // SEEK_SET
const fromHere = 1; // SEEK_CUR

function writePlainly(fd: number, bytes: Uint8Array): number {
  return native().syscall(callNumber("write"), fd, bytes, bytes.length);
}

const withoutWaiting = 0x40 | 0x4000; // MSG_DONTWAIT | MSG_NOSIGNAL

function sendWithoutWaiting(fd: number, bytes: Uint8Array): number {
  return native().syscall(callNumber("sendto"), fd, bytes, bytes.length, withoutWaiting, null, 0);
}

/** PIPE_BUF: a pipe with that much room takes a write whole. */
const pipeBuffer = 4096;
const noWait = 8; // RWF_NOWAIT

/**
 * A pipe or a terminal whose blocking description other processes share. poll(2) reports room; RWF_NOWAIT (for pipes
 * since Linux 6.4) prevents blocking if another writer takes that room first.
 */
function writeWhereThereIsRoom(fd: number, bytes: Uint8Array): number {
  if (!hasRoom(fd)) return -errnoByName("EAGAIN")!;
  const { syscall, addressOf } = native();
  const length = Math.min(bytes.length, pipeBuffer);
  const vector = new BigUint64Array([addressOf(bytes), BigInt(length)]);
  const taken = syscall(callNumber("pwritev2"), fd, vector, 1, -1, -1, noWait);
  const isUnknown = ["EOPNOTSUPP", "EINVAL", "ENOSYS"].some((name) => taken === -errnoByName(name)!);
  return isUnknown ? syscall(callNumber("write"), fd, bytes, length) : taken;
}

function errnoCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
