/** Descriptors: poll, epoll, and passing them over a socket. */
import { callNumber } from "./call-numbers.ts";
import { native, required } from "./native.ts";

/** include/uapi/asm-generic/poll.h, include/uapi/linux/eventpoll.h; the two share their bits. */
export const pollBits = { in: 0x1, error: 0x8, hangUp: 0x10 } as const;

export function close(descriptor: number): void {
  native().syscall(callNumber("close"), descriptor);
}

/**
 * poll(2) for reading: the bits that are set, for each descriptor in its order. Waits at most so many milliseconds, for
 * ever where there is no limit; a signal ends the wait early (all bits 0).
 */
export function pollFor(descriptors: readonly number[], milliseconds?: number): readonly number[] {
  const entries = new Int32Array(2 * descriptors.length); // int fd; short events; short revents
  descriptors.forEach((descriptor, index) => {
    entries[2 * index] = descriptor;
    entries[2 * index + 1] = pollBits.in;
  });
  const limit =
    milliseconds === undefined
      ? null
      : new BigInt64Array([BigInt(Math.floor(milliseconds / 1000)), BigInt(Math.round((milliseconds % 1000) * 1e6))]);
  const result = native().syscall(callNumber("ppoll"), entries, descriptors.length, limit, null, 0);
  return descriptors.map((_, index) => (result > 0 ? (entries[2 * index + 1]! >>> 16) & 0xffff : 0));
}

const closeOnExec = 0o2000000;
const atWorkingDirectory = -100; // AT_FDCWD

export function createEpoll(): number {
  return required("epoll_create1", native().syscall(callNumber("epoll_create1"), closeOnExec));
}

/** Watches a descriptor for readability; `word` comes back with the event. 0 or a negative errno. */
export function watch(epoll: number, descriptor: number, word: number): number {
  // struct epoll_event is packed on x86-64 only.
  const packed = process.arch === "x64";
  const event = new DataView(new ArrayBuffer(16));
  event.setUint32(0, pollBits.in, true);
  event.setUint32(packed ? 4 : 8, word, true);
  return native().syscall(callNumber("epoll_ctl"), epoll, 1, descriptor, event);
}

/** A connected pair of Unix stream sockets, neither of which a new program inherits. */
export function socketPair(): readonly [number, number] {
  const pair = new Int32Array(2);
  required("socketpair", native().syscall(callNumber("socketpair"), 1, 1 | closeOnExec, 0, pair));
  return [pair[0]!, pair[1]!];
}

export interface Received {
  /** Bytes received; 0 at the end, negative errno on failure. */
  readonly count: number;
  readonly descriptors: readonly number[];
}

/** recvmsg(2) of bytes and the descriptors that travel with them (at most 8). Waits. */
export function receiveWithDescriptors(socket: number, into: Uint8Array): Received {
  const { addressOf, syscall } = native();
  const control = new DataView(new ArrayBuffer(64));
  const vector = new BigUint64Array([addressOf(into), BigInt(into.byteLength)]);
  // struct msghdr: name, its length, iovec, how many, control, its length, flags
  const header = new BigUint64Array([0n, 0n, addressOf(vector), 1n, addressOf(control), 64n, 0n]);
  let count: number;
  do count = syscall(callNumber("recvmsg"), socket, header, 0x4000_0000 /* MSG_CMSG_CLOEXEC */);
  while (count === -4 /* EINTR */);
  const descriptors: number[] = [];
  const length = Number(control.getBigUint64(0, true));
  const isRights = header[5]! >= 16n && control.getUint32(8, true) === 1 && control.getUint32(12, true) === 1;
  if (count > 0 && isRights) {
    for (let at = 16; at + 4 <= length; at += 4) descriptors.push(control.getInt32(at, true));
  }
  return { count, descriptors };
}

/** Opens a folder; a negative errno where it cannot be. */
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

/** Whether the folder has this entry (now). */
export function stillHas(directory: number, name: string): boolean {
  return native().syscall(callNumber("faccessat"), directory, Buffer.from(`${name}\0`), 0, 0) === 0;
}
