/**
 * The part of ptrace(2) that follows one fork. To the kernel a tracer is a thread: the one that seizes a task, and the one
 * that traces its parent for a new task. The functions that take a tracer are about its own tracees only.
 */

import { readdirSync } from "node:fs";
import { callNumber } from "../abi/call-numbers.ts";
import { errno, kernelErrno } from "../abi/errno-numbers.ts";
import { native, type Register } from "./native.ts";
import { readProc } from "./proc.ts";

const request = {
  peekUser: 3,
  pokeUser: 6,
  cont: 7,
  detach: 17,
  eventMessage: 0x4201,
  interrupt: 0x4207,
} as const;

/** PTRACE_O_TRACEFORK | TRACEVFORK | TRACECLONE; PTRACE_O_TRACEEXEC. */
export const traceOptions = { creation: 0x2 | 0x4 | 0x8, exec: 0x10 } as const;

/** PTRACE_EVENT_… (include/uapi/linux/ptrace.h). */
export const traceEvent = { fork: 1, vfork: 2, clone: 3, exec: 4, stop: 128 } as const;

/** A thread that makes the calls of ptrace(2) and wait4(2). */
export interface Tracer {
  /** `Native.syscall`, in the tracer's thread. */
  call(number: number, ...registers: readonly Register[]): number;
  /**
   * PTRACE_SEIZE: 0 or a negative errno. EPERM: another tracer has the task, or Yama or credentials forbid it; ESRCH: it is
   * gone; EINTR after two milliseconds, while another thread of its process executes a program.
   */
  seize(tid: number, options: number): number;
  /** The same; -EINPROGRESS where the present tree has a thread: then it is work of the tree, with this result (`Native.endStep`). */
  beginSeize(tid: number, options: number): number;
  /**
   * Waits, likewise as work, until a tracee has stopped or ended, which `nextStop` then reports. 0 or a negative errno: EINTR
   * after two milliseconds; ECHILD: there is none.
   */
  beginAwait(): number;
  /**
   * Detaches from a stopped task, or continues one that is kept (native/addon/ptrace/kept.h), and delivers the signal for which it has
   * stopped (0: none). Returns 0 or a negative errno.
   */
  letGo(tid: number, signal: number): number;
}

/** The thread of the present tree (`Native.tracingCall`), whose tracees can be kept. */
export const ownThread: Tracer = {
  call: (number, ...registers) => native().tracingCall(number, ...registers),
  seize: (tid, options) => native().seize(tid, options),
  beginSeize: (tid, options) => native().beginSeize(tid, options),
  beginAwait: () => native().beginAwait(),
  letGo: (tid, signal) => native().letGo(tid, signal),
};

/** Starts a thread, which ends with the last reference to the tracer. Returns a negative errno on failure. */
export function startTracer(): Tracer | number {
  const { startTracer: start, tracerCall, tracerSeize, tracerBeginSeize, tracerBeginAwait } = native();
  const thread = start();
  if (typeof thread === "number") return thread;
  const call: Tracer["call"] = (number, ...registers) => tracerCall(thread, number, ...registers);
  return {
    call,
    seize: (tid, options) => tracerSeize(thread, tid, options),
    beginSeize: (tid, options) => tracerBeginSeize(thread, tid, options),
    beginAwait: () => tracerBeginAwait(thread),
    letGo: (tid, signal) => call(callNumber("ptrace"), request.detach, tid, 0, signal),
  };
}

/** Stops a seized task as soon as possible. */
export function interrupt(tracer: Tracer, tid: number): number {
  return tracer.call(callNumber("ptrace"), request.interrupt, tid, 0, 0);
}

/** Lets a stopped task continue; it stays a tracee. */
export function resume(tracer: Tracer, tid: number): number {
  return tracer.call(callNumber("ptrace"), request.cont, tid, 0, 0);
}

const word = new BigInt64Array(1);
/** Offsets of `struct user_regs_struct` (arch/x86/include/asm/user_64.h). */
const register = { rax: 80, orig_rax: 120, rip: 128 } as const;

export interface InterruptedCall {
  readonly number: number;
  /** The address behind the instruction that made the call, as `struct seccomp_data` has it. */
  readonly instructionPointer: bigint;
  /** Without the sign: one of the kernel's own errnos that a program never sees. */
  readonly error: number;
}

/**
 * The call that a stopped task has left because of the stop, before the kernel restarts it. Undefined if the task was not
 * in a call, and on arm64: there the kernel has reset the registers for the restart before the task stops
 * (arch/arm64/kernel/signal.c, do_signal(), Linux 6.12).
 */
export function interruptedCall(tracer: Tracer, tid: number): InterruptedCall | undefined {
  if (process.arch !== "x64") return undefined;
  const read = (offset: number): bigint | undefined =>
    tracer.call(callNumber("ptrace"), request.peekUser, tid, offset, word) < 0 ? undefined : word[0]!;
  const [result, number, instructionPointer] = [read(register.rax), read(register.orig_rax), read(register.rip)];
  if (result === undefined || number === undefined || instructionPointer === undefined) return undefined;
  if (number < 0n || result >= 0n) return undefined;
  return { number: Number(number), instructionPointer, error: Number(-result) };
}

/**
 * Calls of x86-64 that a stop ends with EINTR although the program gets no signal (signal(7), "Interruption of system calls
 * and library functions by stop signals"), and that have had no effect then. close(2) has closed its descriptor, and a FUSE
 * server can have written what write(2) has not reported.
 */
export const endedByStops = {
  ...{ read: 0, readv: 19, recvfrom: 45, recvmsg: 47, recvmmsg: 299, sendto: 44, sendmsg: 46, sendmmsg: 307 },
  ...{ accept: 43, accept4: 288, connect: 42, msgsnd: 69, msgrcv: 70, semop: 65, semtimedop: 220 },
  ...{
    epoll_wait: 232,
    epoll_pwait: 281,
    epoll_pwait2: 441,
    io_getevents: 208,
    io_pgetevents: 333,
    rt_sigtimedwait: 128,
  },
} as const;
const endsByStop: ReadonlySet<number> = new Set(Object.values(endedByStops));

/**
 * Has the kernel restart the call of a task that our own stop has interrupted, if the stop would end it with EINTR. A handler
 * that runs first ends it nevertheless: ERESTARTNOHAND (arch/x86/kernel/signal.c, Linux 6.12). A timeout begins again.
 */
export function restartEndedCall(tracer: Tracer, tid: number): void {
  const call = interruptedCall(tracer, tid);
  if (call?.error !== errno.EINTR || !endsByStop.has(call.number)) return;
  tracer.call(callNumber("ptrace"), request.pokeUser, tid, register.rax, BigInt(-kernelErrno.ERESTARTNOHAND));
}

const message = new BigUint64Array(1);

/**
 * The message of an event stop: the new task's id, or for an exec the caller's former id. A negative errno on failure.
 */
export function eventMessage(tracer: Tracer, tid: number): number {
  const result = tracer.call(callNumber("ptrace"), request.eventMessage, tid, 0, message);
  return result < 0 ? result : Number(message[0]);
}

const status = new Int32Array(1);

export interface TraceStop {
  readonly tid: number;
  /** The status of wait(2). */
  readonly status: number;
}

const waitAll = 0x4000_0000; // __WALL
const onlyOwn = 0x2000_0000; // __WNOTHREAD: only tracees of the thread that makes the call
const withoutWaiting = 1; // WNOHANG
const anyChange = 2 | 4; // WSTOPPED | WEXITED
const withoutReaping = 0x0100_0000; // WNOWAIT
const oneProcess = 1; // P_PID

/** A tracee that has stopped or ended; "none yet" if all are running; "no tracees" if there are none. */
export function nextStop(tracer: Tracer): TraceStop | "none yet" | "no tracees" {
  return stopOfOne(tracer, -1);
}

/** `nextStop`, for the tracee with this id only. */
export function stopOfOne(tracer: Tracer, id: number): TraceStop | "none yet" | "no tracees" {
  const tid = tracer.call(callNumber("wait4"), id, status, waitAll | onlyOwn | withoutWaiting, null);
  if (tid > 0) return { tid, status: status[0]! };
  return tid === -errno.ECHILD ? "no tracees" : "none yet";
}

/** Whether the task with this id is a tracee. A tracee that has ended is one until a wait reports its end. */
export function isTracee(tracer: Tracer, tid: number): boolean {
  const options = anyChange | waitAll | onlyOwn | withoutWaiting | withoutReaping;
  return tracer.call(callNumber("waitid"), oneProcess, tid, null, options, null) !== -errno.ECHILD;
}

/**
 * The processes that have this tracer, also those that have ended and that no wait has reported. Reads /proc, and finds none
 * that it hides.
 */
export function traceesOf(tracer: Tracer): readonly number[] {
  const field = `\nTracerPid:\t${tracer.call(callNumber("gettid"))}\n`;
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return processes.filter((name) => readProc(`${name}/status`)?.includes(field) === true).map(Number);
}

/** The signal or event of a stop. */
export function stopOf(waitStatus: number): {
  readonly stopped: boolean;
  readonly signal: number;
  readonly event: number;
} {
  return {
    stopped: (waitStatus & 0xff) === 0x7f,
    signal: (waitStatus >> 8) & 0xff,
    event: waitStatus >> 16,
  };
}
