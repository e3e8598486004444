/** seccomp(2): user notification (seccomp_unotify(2)), and extended filters. Numbers of include/uapi/linux/seccomp.h. */
import { callNumber } from "../abi/call-numbers.ts";
import { errno } from "../abi/errno-numbers.ts";
import { nameOf } from "./descriptors.ts";
import { native } from "./native.ts";

/** `_IOWR('!', 0, struct seccomp_notif)` and its siblings. */
export const notifyRequest = {
  receive: 0xc050_2100,
  send: 0xc018_2101,
  idValid: 0x4008_2102,
  setFlags: 0x4008_2104,
} as const;

/** `seccomp_notif_resp.flags`: lets the kernel execute the call. */
export const continueFlag = 1;

/** `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`. */
const synchronousWakeUp = 1;

/**
 * Makes the kernel switch to the target with each answer (Linux 6.6: about nine times faster). False if it is not
 * supported.
 */
export function useSynchronousWakeUp(listener: number): boolean {
  return native().syscall(callNumber("ioctl"), listener, notifyRequest.setFlags, synchronousWakeUp) === 0;
}

/** `SECCOMP_SET_MODE_FILTER`, and of its flags `SECCOMP_FILTER_FLAG_EXTENDED` (kernel/patches). */
const setModeFilter = 1;
const extendedFlag = 1 << 6;

/**
 * Requests an extended filter without naming one, so nothing is installed: -EFAULT from a kernel that has them, because
 * it looks for the argument; -EINVAL from others.
 */
export function tryExtendedFilter(): number {
  return native().syscall(callNumber("seccomp"), setModeFilter, extendedFlag, null);
}

/** `struct seccomp_ebpf_attach`: a flag of a later patch than the structure's last member. */
const attachment = { size: 80, flags: 8, match: 1 << 3 } as const;

/**
 * The same for a filter that reads memory: attaches nothing, because it names no program. Returns -EINVAL or -E2BIG from a
 * kernel whose filters do not copy and match arguments (kernel/patches), another error from others.
 */
export function tryMatchingFilter(): number {
  const bytes = new Uint32Array(attachment.size / 4);
  bytes[0] = attachment.size;
  bytes[1] = -1;
  bytes[attachment.flags / 4] = attachment.match;
  return native().syscall(callNumber("seccomp"), setModeFilter, extendedFlag, bytes);
}

/** Repeats a request that a signal of ours has ended before it did anything (native/addon/base/listener.h). */
function ask(listener: number, request: number, bytes: BigUint64Array | Uint8Array | DataView): number {
  let result: number;
  do result = native().syscall(callNumber("ioctl"), listener, request, bytes);
  while (result === -errno.EINTR);
  return result;
}

/** Whether the task of a notification still waits for the answer, so that its id still refers to that task. */
export function notificationIsValid(listener: number, id: BigUint64Array): boolean {
  return ask(listener, notifyRequest.idValid, id) === 0;
}

/**
 * Whether the descriptor is a listener: only one knows the request, and no notification has the id 0. Its name is examined
 * first, because a file of FUSE could let a request wait.
 */
export function isListener(descriptor: number): boolean {
  if (nameOf(descriptor) !== "anon_inode:seccomp notify") return false;
  return ask(descriptor, notifyRequest.idValid, new BigUint64Array(1)) === -errno.ENOENT;
}

/** Sends a `struct seccomp_notif_resp`. False if the task no longer waits. */
export function sendResponse(listener: number, response: Uint8Array | DataView): boolean {
  return ask(listener, notifyRequest.send, response) === 0;
}
