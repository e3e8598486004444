/**
 * Identifies the other side of a status socket by the kernel's data. A confined process can connect to a status socket of
 * its own user, and can make a socket that looks like one, so server and client check each other first.
 */
import { callNumber } from "../../abi/call-numbers.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { close, pollBits, pollFor } from "../../machine/descriptors.ts";
import { commonFilterCount, filterCount } from "../../machine/filter-count.ts";
import { native } from "../../machine/native.ts";
import { readProc } from "../../machine/proc.ts";

const socketLevel = 1; // SOL_SOCKET
const peerCredentials = 17; // SO_PEERCRED

export interface Peer {
  /** 0 if it is in another pid namespace. */
  readonly pid: number;
  readonly uid: number;
}

/** The process that connected or that listens. Undefined if the socket has no peer. */
export function peerOf(descriptor: number): Peer | undefined {
  const credentials = new Int32Array(3);
  const length = new Uint32Array([12]);
  const result = native().syscall(
    callNumber("getsockopt"),
    descriptor,
    socketLevel,
    peerCredentials,
    credentials,
    length,
  );
  return result < 0 ? undefined : { pid: credentials[0]!, uid: credentials[1]! >>> 0 };
}

const peerProcess = 77; // SO_PEERPIDFD, Linux 6.5

const socketDomain = 39; // SO_DOMAIN
const unixDomain = 1; // AF_UNIX

/** False for a file of any other kind. Never waits, as fstat(2) can for a file of FUSE. */
export function isUnixSocket(descriptor: number): boolean {
  const found = new Int32Array([-1]);
  const size = new Uint32Array([4]);
  const { syscall } = native();
  const result = syscall(callNumber("getsockopt"), descriptor, socketLevel, socketDomain, found, size);
  return result === 0 && found[0] === unixDomain;
}

/** A pidfd of the process that connected, or a negative errno: ENOPROTOOPT before Linux 6.5, where only its id is known. */
export function openPeer(descriptor: number): number {
  const found = new Int32Array([-1]);
  const size = new Uint32Array([4]);
  const result = native().syscall(callNumber("getsockopt"), descriptor, socketLevel, peerProcess, found, size);
  return result < 0 ? result : found[0]!;
}

/** False if the process that connected has ended. True before Linux 6.5. */
export function peerStillRuns(descriptor: number): boolean {
  const pidfd = openPeer(descriptor);
  if (pidfd === -errno.ENOPROTOOPT) return true;
  if (pidfd < 0) return false;
  const runs = stillRuns(pidfd);
  close(pidfd);
  return runs;
}

export function stillRuns(pidfd: number): boolean {
  const [ended = pollBits.in] = pollFor([pidfd], 0);
  return ended === 0;
}

/** Whether the process that connected has ended. Before Linux 6.5 another process may have its id. */
export function peerHasEnded(descriptor: number, { pid }: Peer): boolean {
  return pid !== 0 && (readProc(`${pid}/status`) === undefined || !peerStillRuns(descriptor));
}

/** Whether the process is this one or a descendant. A process that has ended, or is not visible, counts as one. */
export function isOurs(pid: number): boolean {
  const seen = new Set<number>();
  for (let one = pid; one !== 1; ) {
    if (one <= 0 || one === process.pid || seen.has(one)) return true;
    seen.add(one);
    const parent = /^PPid:\t(\d+)$/m.exec(readProc(`${one}/status`) ?? "")?.[1];
    if (parent === undefined) return true;
    if (Number(parent) === 0) return false; // the first process of this namespace, or its parent is outside
    one = Number(parent);
  }
  return false;
}

/** Whether more filters are on the process than on this one, as on each process that portcullis confines. */
export function isConfinedMore(pid: number): boolean {
  const theirs = filterCount(String(pid));
  return theirs === undefined || theirs > (filterCount("self") ?? 0);
}

/**
 * The same for a process that does not descend from this one, which may be under filters of its own (a service, a pod):
 * whether more filters are on it than on the first process.
 */
export function isConfined(pid: number): boolean {
  const theirs = filterCount(String(pid));
  return theirs === undefined || theirs > commonFilterCount();
}
