/** Descriptors: poll, epoll, and passing descriptors over a socket. */

import { readlinkSync } from "node:fs";
import { callNumber } from "../abi/call-numbers.ts";
import { errno } from "../abi/errno-numbers.ts";
import { atWorkingDirectory, closeOnExec } from "../abi/open-numbers.ts";
import { native, required } from "./native.ts";

/** include/uapi/asm-generic/poll.h, include/uapi/linux/eventpoll.h; the bits are the same in both. */
export const pollBits = { in: 0x1, out: 0x4, error: 0x8, hangUp: 0x10 } as const;

export function close(descriptor: number): void {
  native().syscall(callNumber("close"), descriptor);
}

/** The kernel's name of the open object, for which it asks no file system. Undefined if the descriptor is closed. */
export function nameOf(descriptor: number): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return undefined;
  }
}

/** The size of `struct epoll_event`, which is packed only on x86-64, and the offset of the caller's word. */
export const eventLayout = process.arch === "x64" ? { size: 12, word: 4 } : { size: 16, word: 8 };
const notBlocking = 0o4000; // EFD_NONBLOCK
const ctl = { add: 1, delete: 2 } as const;

/** An epoll descriptor of this thread, for `pollFor`. */
let spareEpoll: number | undefined;

/**
 * Makes `pollFor` independent of RLIMIT_NOFILE: poll(2) fails with EINVAL if the limit is below the number of
 * descriptors (fs/select.c), and any process of the same user can set it to 0 (prlimit(2)). Each thread that polls must
 * call it before a confined command runs. Creates an epoll descriptor if none is given; throws a SystemCallError if
 * that fails.
 */
export function reservePolling(epoll?: number): void {
  spareEpoll ??= epoll ?? createEpoll();
}

/**
 * Waits until one of the descriptors is readable. Returns the set bits for each descriptor, in order; skips negative
 * descriptors. Waits at most `milliseconds`, without a limit if undefined; a signal ends the wait early (all bits 0).
 */
export function pollFor(descriptors: readonly number[], milliseconds?: number): readonly number[] {
  const { length } = descriptors;
  // int fd; short events; short revents
  const entries = length <= reused.length >> 1 ? reused : new Int32Array(2 * length);
  for (let index = 0; index < length; index++) {
    entries[2 * index] = descriptors[index]!;
    entries[2 * index + 1] = pollBits.in;
  }
  const result = native().syscall(callNumber("ppoll"), entries, length, timespec(milliseconds), null, 0);
  if (result === -errno.EINVAL) return pollBySpareEpoll(descriptors, milliseconds);
  return descriptors.map((_, index) => (result > 0 ? (entries[2 * index + 1]! >>> 16) & 0xffff : 0));
}

/** Reused, because allocating memory outside of JavaScript's heap takes longer than a poll with a ready descriptor. */
const reused = new Int32Array(16);
const keptTime = new BigInt64Array(2);

function timespec(milliseconds: number | undefined): BigInt64Array | null {
  if (milliseconds === undefined) return null;
  keptTime[0] = BigInt(Math.floor(milliseconds / 1000));
  keptTime[1] = BigInt(Math.round((milliseconds % 1000) * 1e6));
  return keptTime;
}

/** Milliseconds between polls when no wait is possible: slow, but not a busy loop. */
const blindInterval = 50;

function pollBySpareEpoll(descriptors: readonly number[], milliseconds?: number): readonly number[] {
  const { syscall } = native();
  const bits = descriptors.map(() => 0);
  const watched = descriptors.filter(
    (descriptor, index) => descriptor >= 0 && spareEpoll !== undefined && watch(spareEpoll, descriptor, index) === 0,
  );
  if (watched.length === 0) {
    syscall(callNumber("ppoll"), null, 0, timespec(Math.min(milliseconds ?? blindInterval, blindInterval)), null, 0);
    return bits;
  }
  const room = Math.max(1, descriptors.length);
  const events = new DataView(new ArrayBuffer(room * eventLayout.size));
  const limit = milliseconds === undefined ? -1 : Math.ceil(milliseconds);
  const count = syscall(callNumber("epoll_pwait"), spareEpoll!, events, room, limit, null, 8);
  for (let at = 0; at < count * eventLayout.size; at += eventLayout.size) {
    bits[events.getUint32(at + eventLayout.word, true)] = events.getUint32(at, true);
  }
  for (const descriptor of watched) unwatch(spareEpoll!, descriptor);
  return bits;
}

/** Whether a write would not block, or would fail at once, according to poll(2). */
export function hasRoom(descriptor: number): boolean {
  const entry = new Int32Array([descriptor, pollBits.out]);
  return native().syscall(callNumber("ppoll"), entry, 1, new BigInt64Array(2), null, 0) > 0;
}

const getStatusFlags = 3; // F_GETFL of fcntl(2)
const accessMode = 3; // O_ACCMODE

/** Whether the descriptor was opened for reading only, or as a place (O_PATH): no write to it can succeed. */
export function isForReadingOnly(descriptor: number): boolean {
  const flags = native().syscall(callNumber("fcntl"), descriptor, getStatusFlags);
  return flags >= 0 && (flags & accessMode) === 0;
}

/** F_SETFD of fcntl(2). */
export const setDescriptorFlags = 2;
/** FD_CLOEXEC */
export const closeOnExecFlag = 1;

export function createEpoll(): number {
  return required("epoll_create1", native().syscall(callNumber("epoll_create1"), closeOnExec));
}

/** A counter that does not block (eventfd(2)), and is readable if it is not 0. */
export function createEvent(): number {
  return required("eventfd2", native().syscall(callNumber("eventfd2"), 0, closeOnExec | notBlocking));
}

/** Makes an eventfd readable. */
export function signalEvent(event: number): void {
  native().syscall(callNumber("write"), event, BigUint64Array.of(1n), 8);
}

/** Makes an eventfd not readable. */
export function clearEvent(event: number): void {
  native().syscall(callNumber("read"), event, new BigUint64Array(1), 8);
}

/** Watches a descriptor for readability; the event has `word`. Returns 0 or a negative errno. */
export function watch(epoll: number, descriptor: number, word: number): number {
  const event = new DataView(new ArrayBuffer(16));
  event.setUint32(0, pollBits.in, true);
  event.setUint32(eventLayout.word, word, true);
  return native().syscall(callNumber("epoll_ctl"), epoll, ctl.add, descriptor, event);
}

/** Stops watching a descriptor that stays open. Closing one also stops it. */
export function unwatch(epoll: number, descriptor: number): void {
  native().syscall(callNumber("epoll_ctl"), epoll, ctl.delete, descriptor, new Uint8Array(16));
}

/** A connected pair of Unix stream sockets with close-on-exec. */
export function socketPair(): readonly [number, number] {
  const pair = new Int32Array(2);
  required("socketpair", native().syscall(callNumber("socketpair"), 1, 1 | closeOnExec, 0, pair));
  return [pair[0]!, pair[1]!];
}

export interface Received {
  /** Bytes received; 0 at the end, a negative errno on failure. */
  readonly count: number;
  readonly descriptors: readonly number[];
  /** There were more descriptors, or this process can have no more: the kernel has closed the others. */
  readonly isCut: boolean;
}

const receiveFlags = { closeOnExec: 0x4000_0000, doNotWait: 0x40 } as const; // MSG_CMSG_CLOEXEC, MSG_DONTWAIT
const controlCut = 0x8n; // MSG_CTRUNC

/** recvmsg(2) of bytes with at most 8 descriptors. Blocks, unless `waits` is false: then EAGAIN if there are no bytes yet. */
export function receiveWithDescriptors(socket: number, into: Uint8Array, waits = true): Received {
  const { addressOf, syscall } = native();
  const control = new DataView(new ArrayBuffer(64));
  const vector = new BigUint64Array([addressOf(into), BigInt(into.byteLength)]);
  // struct msghdr: name, its length, iovec, how many, control, its length, flags
  const header = new BigUint64Array([0n, 0n, addressOf(vector), 1n, addressOf(control), 64n, 0n]);
  let count: number;
  const flags = receiveFlags.closeOnExec | (waits ? 0 : receiveFlags.doNotWait);
  do count = syscall(callNumber("recvmsg"), socket, header, flags);
  while (count === -errno.EINTR);
  const descriptors: number[] = [];
  const length = Number(control.getBigUint64(0, true));
  const isRights = header[5]! >= 16n && control.getUint32(8, true) === 1 && control.getUint32(12, true) === 1;
  if (count > 0 && isRights) {
    for (let at = 16; at + 4 <= length; at += 4) descriptors.push(control.getInt32(at, true));
  }
  return { count, descriptors, isCut: count > 0 && (header[6]! & controlCut) !== 0n };
}

/** Descriptors of one message (SCM_MAX_FD of include/net/scm.h). */
const mostSent = 253;

/** sendmsg(2) to an address, with at most 253 descriptors. Returns the number of bytes, or a negative errno. */
export function sendWithDescriptors(
  socket: number,
  bytes: Uint8Array,
  descriptors: readonly number[],
  { address, flags }: { readonly address: Uint8Array; readonly flags: number },
): number {
  if (descriptors.length > mostSent) return -errno.EINVAL;
  const { addressOf, syscall } = native();
  // struct cmsghdr: length, SOL_SOCKET, SCM_RIGHTS, the descriptors
  const length = 16 + 4 * descriptors.length;
  const control = new DataView(new ArrayBuffer((length + 7) & ~7));
  control.setBigUint64(0, BigInt(length), true);
  control.setInt32(8, 1, true);
  control.setInt32(12, 1, true);
  descriptors.forEach((descriptor, index) => {
    control.setInt32(16 + 4 * index, descriptor, true);
  });
  const vector = new BigUint64Array([addressOf(bytes), BigInt(bytes.length)]);
  const rights = descriptors.length === 0 ? [0n, 0n] : [addressOf(control), BigInt(control.byteLength)];
  const named = [addressOf(address), BigInt(address.length)];
  // struct msghdr, as in `receiveWithDescriptors`; the length of the name has 32 bits
  const header = new BigUint64Array([...named, addressOf(vector), 1n, ...rights, 0n]);
  let result: number;
  do result = syscall(callNumber("sendmsg"), socket, header, flags);
  while (result === -errno.EINTR);
  return result;
}

/** Opens a directory; returns a negative errno on failure. */
export function openDirectory(path: string): number {
  // O_DIRECTORY differs between architectures (arch/arm64/include/uapi/asm/fcntl.h).
  const directory = process.arch === "arm64" ? 0o40000 : 0o200000;
  return native().syscall(
    callNumber("openat"),
    atWorkingDirectory,
    Buffer.from(`${path}\0`),
    directory | closeOnExec,
    0,
  );
}

/** Whether the directory has this entry now. */
export function stillHas(directory: number, name: string): boolean {
  return native().syscall(callNumber("faccessat"), directory, Buffer.from(`${name}\0`), 0, 0) === 0;
}
