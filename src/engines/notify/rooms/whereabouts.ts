/**
 * Where a thread is that was let into a call: whether the call has ended. The thread notices nothing of the question.
 *
 * `/proc/TID/syscall` shows the call that a sleeping thread is in, and says "running" of any other (lib/syscall.c). The same
 * number, registers and instruction are that call: were it made again, the filter would have asked about it.
 */
import { callNumber } from "../../../linux/call-numbers.ts";
import { errno } from "../../../linux/errno-numbers.ts";
import { native } from "../../../linux/native.ts";
import { dataLayout } from "../../../linux/pinned-calls.ts";

export type Whereabouts =
  /** It is in the call. */
  | "in-call"
  /** The call has ended. */
  | "elsewhere"
  /** It runs, in the call or not. */
  | "running"
  /** It may not be looked at (ptrace(2), hidepid of proc(5)), or no descriptor is left for it. */
  | "hidden";

const readOnly = 0o2000000; // O_CLOEXEC
const workingDirectory = -100; // AT_FDCWD
const buffer = new Uint8Array(512);
const latin1 = new TextDecoder("latin1");

/** The text, or a negative errno. */
function read(path: string): string | number {
  const { syscall } = native();
  const name = Buffer.from(`/proc/${path}\0`);
  const file = syscall(callNumber("openat"), workingDirectory, name, readOnly, 0);
  if (file < 0) return file;
  const length = syscall(callNumber("read"), file, buffer, buffer.length);
  syscall(callNumber("close"), file);
  return length < 0 ? length : latin1.decode(buffer.subarray(0, length));
}

/** An interrupted call goes on by this one (kernel/signal.c); the registers are as they were. */
const restart = { x64: "219", arm64: "128" } as const;

/** `call` is a `struct seccomp_data`, as of the call's notification. */
export function whereabouts(tid: number, call: Uint8Array): Whereabouts {
  const text = read(`${tid}/syscall`);
  // What /proc hides looks as if it had ended.
  if (typeof text === "number") return hasEnded(tid) ? "elsewhere" : "hidden";
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
  // A thread that has been stopped by a signal has come back from its call, and makes it again.
  return isStopped(tid) ? "elsewhere" : "in-call";
}

const hasEnded = (tid: number): boolean => native().syscall(callNumber("tkill"), tid, 0) === -errno.ESRCH;

function isStopped(tid: number): boolean {
  const text = read(`${tid}/stat`);
  return typeof text === "string" && text.slice(text.lastIndexOf(")") + 2).startsWith("T");
}

/** Whether a signal waits that the thread does not block: `own` is for this thread, `shared` for one of its process. */
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
  const file = syscall(callNumber("openat"), workingDirectory, Buffer.from(`/proc/${tid}/status\0`), readOnly, 0);
  if (file < 0) return "";
  const length = syscall(callNumber("read"), file, statusBuffer, statusBuffer.length);
  syscall(callNumber("close"), file);
  return length <= 0 ? "" : latin1.decode(statusBuffer.subarray(0, length));
}
