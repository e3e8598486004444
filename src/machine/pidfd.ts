/** Descriptors of processes and threads (pidfd_open(2)): unlike ids, they are never reused for another task. */
import { callNumber } from "../abi/call-numbers.ts";
import { errno } from "../abi/errno-numbers.ts";
import { signals } from "../abi/signals.ts";
import { native } from "./native.ts";

/** `PIDFD_THREAD` is O_EXCL (include/uapi/linux/pidfd.h), from Linux 6.9. */
const threadFlag = 0o200;

/**
 * A descriptor of a process, by the id of its leader, or a negative errno. It is readable when all threads have ended.
 */
export function openProcess(pid: number): number {
  return native().syscall(callNumber("pidfd_open"), pid, 0);
}

/** A descriptor of one thread, readable when the thread has ended; -EINVAL before Linux 6.9. */
export function openThread(tid: number): number {
  return native().syscall(callNumber("pidfd_open"), tid, threadFlag);
}

/** Whether this process can open no more descriptors (RLIMIT_NOFILE, or the system's limit). */
export function noDescriptorsLeft(): boolean {
  const descriptor = openProcess(process.pid);
  if (descriptor >= 0) native().syscall(callNumber("close"), descriptor);
  return descriptor === -errno.EMFILE || descriptor === -errno.ENFILE;
}

/** Returns 0 or a negative errno. */
export function signalProcess(pidfd: number, signal: number): number {
  return native().syscall(callNumber("pidfd_send_signal"), pidfd, signal, null, 0);
}

/**
 * Kills the process of a thread, by the thread's id, for use when no descriptor is available. The caller must know that
 * the id still belongs to that thread. SIGKILL ends the whole process.
 */
export function killByThread(tid: number): number {
  return native().syscall(callNumber("tkill"), tid, signals.SIGKILL);
}

/** `PIDFD_GET_INFO`: `_IOWR(0xff, 11, struct pidfd_info)`; the first version has 64 bytes. From Linux 6.13. */
const getInfo = 0xc040_ff0b;
const withCredentials = 1n << 1n;
const infoSize = 64;
/** Offsets in `struct pidfd_info`. */
const at = { mask: 0, tgid: 20, effectiveUid: 36, effectiveGid: 40 } as const;
const alwaysGiven = 1n << 0n; // PIDFD_INFO_PID

const info = new DataView(new ArrayBuffer(infoSize));

export interface Identity {
  /** The id of the process (thread group). */
  process: number;
  /** Effective ids, in the user namespace of the caller. */
  uid: number;
  gid: number;
}

/**
 * Reads the identity of a descriptor's task into `identity`. False if the kernel does not support it (before 6.13) or
 * the task is gone.
 */
export function readIdentity(pidfd: number, identity: Identity): boolean {
  info.setBigUint64(at.mask, alwaysGiven | withCredentials, true);
  if (native().syscall(callNumber("ioctl"), pidfd, getInfo, info) !== 0) return false;
  if ((info.getBigUint64(at.mask, true) & withCredentials) === 0n) return false;
  identity.process = info.getUint32(at.tgid, true);
  identity.uid = info.getUint32(at.effectiveUid, true);
  identity.gid = info.getUint32(at.effectiveGid, true);
  return true;
}
