/**
 * Finds whether a thread is still in a call that was allowed, without an effect on the thread.
 *
 * `/proc/TID/syscall` shows the call of a sleeping thread, and "running" for any other (lib/syscall.c). If number,
 * registers and instruction are equal, it is the same call, because the filter reports each new one.
 */

import { callNumber } from "../../../abi/call-numbers.ts";
import { errno } from "../../../abi/errno-numbers.ts";
import { atWorkingDirectory, closeOnExec } from "../../../abi/open-numbers.ts";
import { native } from "../../../machine/native.ts";
import { dataLayout } from "../../../machine/pinned-calls.ts";

export type Whereabouts =
  /** It is in the call. */
  | "in-call"
  /** The call has ended. */
  | "elsewhere"
  /** It runs, in the call or not. */
  | "running"
  /** We may not look at it (ptrace(2), hidepid of proc(5)). */
  | "hidden"
  /** We have no descriptor or no memory left to look. */
  | "unseen";

const buffer = new Uint8Array(512);
const latin1 = new TextDecoder("latin1");

/** The text, or a negative errno. */
function read(path: string): string | number {
  const { syscall } = native();
  const name = Buffer.from(`/proc/${path}\0`);
  const file = syscall(callNumber("openat"), atWorkingDirectory, name, closeOnExec, 0);
  if (file < 0) return file;
  const length = syscall(callNumber("read"), file, buffer, buffer.length);
  syscall(callNumber("close"), file);
  return length < 0 ? length : latin1.decode(buffer.subarray(0, length));
}

const exhausted: ReadonlySet<number> = new Set([errno.EMFILE, errno.ENFILE, errno.ENOMEM]);

/** restart_syscall(2), by which an interrupted call continues (kernel/signal.c) with the same registers. */
const restart = { x64: "219", arm64: "128" } as const;

/** `call` is the `struct seccomp_data` of the call's notification. */
export function whereabouts(tid: number, call: Uint8Array): Whereabouts {
  const text = read(`${tid}/syscall`);
  if (typeof text === "number") {
    // A thread that /proc hides looks as if it had ended. Its state is shown to everyone.
    if (hasEnded(tid) || isStopped(tid)) return "elsewhere";
    return exhausted.has(-text) ? "unseen" : "hidden";
  }
  if (text === "") return "hidden";
  if (text.startsWith("running")) return "running";
  const [number, ...values] = text.trim().split(" ");
  const view = new DataView(call.buffer, call.byteOffset, call.byteLength);
  const isNumber =
    number === String(view.getInt32(dataLayout.number, true)) ||
    number === restart[process.arch as keyof typeof restart];
  if (!isNumber || values.length !== 8) return "elsewhere";
  const hex = (offset: number): string => `0x${view.getBigUint64(offset, true).toString(16)}`;
  for (let index = 0; index < 6; index++) {
    if (values[index] !== hex(dataLayout.arguments + 8 * index)) return "elsewhere";
  }
  if (values[7] !== hex(dataLayout.instructionPointer)) return "elsewhere";
  return hasReturned(tid) ? "elsewhere" : "in-call";
}

/** A process's first thread that ends before the others keeps its id, and the kernel hides its files from ordinary users. */
const hasEnded = (tid: number): boolean =>
  native().syscall(callNumber("tkill"), tid, 0) === -errno.ESRCH || /^[ZX]/.test(stateOf(tid));

/**
 * Whether the thread sleeps behind its call, where its registers are still those of the call. A signal (T) stops a thread
 * that then makes its call again. A tracer (t) stops it at the end of a call or when it dies, and within no call that can
 * hold a room.
 */
function hasReturned(tid: number): boolean {
  if (isStopped(tid)) return true;
  const place = read(`${tid}/wchan`);
  return typeof place === "string" && behindCalls.test(place);
}

const isStopped = (tid: number): boolean => /^[Tt]/.test(stateOf(tid));

/** The letter of proc(5) first; "" where it cannot be read. */
function stateOf(tid: number): string {
  const text = read(`${tid}/stat`);
  return typeof text === "string" ? text.slice(text.lastIndexOf(")") + 2) : "";
}

/**
 * Functions in which such a thread sleeps (kernel/signal.c, kernel/exit.c): it is frozen by its cgroup, or killed while its
 * process's memory is dumped. The compiler inlines two of them into get_signal() and do_exit(). Without CONFIG_KALLSYMS there
 * are no names.
 */
const behindCalls = /^(?:do_freezer_trap|get_signal|coredump_task_exit|do_exit)\b/;

/** Whether signals are pending that the thread does not block: `own` for this thread, `shared` for its process. */
export function waitingSignals(tid: number): { readonly own: boolean; readonly shared: boolean } {
  const text = status(tid);
  const mask = (name: string): bigint =>
    BigInt(`0x${new RegExp(`^${name}:\\t([0-9a-f]+)$`, "m").exec(text)?.[1] ?? "0"}`);
  const blocked = mask("SigBlk");
  return { own: (mask("SigPnd") & ~blocked) !== 0n, shared: (mask("ShdPnd") & ~blocked) !== 0n };
}

const statusBuffer = new Uint8Array(8192);
function status(tid: number): string {
  const { syscall } = native();
  const file = syscall(callNumber("openat"), atWorkingDirectory, Buffer.from(`/proc/${tid}/status\0`), closeOnExec, 0);
  if (file < 0) return "";
  const length = syscall(callNumber("read"), file, statusBuffer, statusBuffer.length);
  syscall(callNumber("close"), file);
  return length <= 0 ? "" : latin1.decode(statusBuffer.subarray(0, length));
}
