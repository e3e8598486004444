/**
 * Answers every notification with CONTINUE, after it has been written to the ring. A recording enforces nothing, so the
 * memory that it reads behind pointers needs no protection (docs/traces.md, "What a recording cannot know").
 */
import { type ArchitectureName, auditArchitecture } from "../../linux/architecture.ts";
import { callNumber } from "../../linux/call-numbers.ts";
import { numberOf } from "../../linux/calls.ts";
import { pollBits, pollFor } from "../../linux/descriptors.ts";
import { errno } from "../../linux/errno-numbers.ts";
import { kernelAtLeast } from "../../linux/kernel-version.ts";
import { native } from "../../linux/native.ts";
import { readProc } from "../../linux/proc.ts";
import { executingCalls, numbersOf } from "../../linux/process-calls.ts";
import { continueFlag, notifyRequest, useSynchronousWakeUp } from "../../linux/seccomp.ts";
import { memoryReads } from "../memory-reads.ts";
import { CallerMemory, type Sink } from "./caller-memory.ts";
import { callLayout, readState, recordKind } from "./notifications.ts";
import type { RingWriter } from "./ring.ts";

const notificationSize = 80;
/** A list of texts with the bounds of caller-memory.ts, and every other read. */
const mostContent = 1 << 18;

export interface AnsweringOptions {
  readonly listener: number;
  readonly ring: RingWriter;
  readonly architecture: ArchitectureName;
  /** Whether to record which process each thread belongs to; otherwise another source knows it. */
  readonly follows: boolean;
  /** Threads that have ended without a call, written by the other thread: word 0 counts them. */
  readonly gone: Int32Array;
}

/** Returns when no task is left under the filter. */
export function answerAll(options: AnsweringOptions, release: string): void {
  new Answering(options, release).run();
}

class Answering {
  readonly #options: AnsweringOptions;
  readonly #native = native();
  readonly #ioctl = callNumber("ioctl");
  readonly #endsWithoutUsers: boolean;
  readonly #reads: ReturnType<typeof memoryReads>;
  readonly #memory = new CallerMemory();
  readonly #content = new Uint8Array(mostContent);
  readonly #words = new DataView(this.#content.buffer);
  readonly #notification = this.#content.subarray(0, notificationSize);
  readonly #registers = new BigUint64Array(this.#content.buffer, callLayout.arguments, 6);
  readonly #response = new BigUint64Array(3);
  readonly #sink = new ContentSink(this.#words, this.#content);
  readonly #tasks: Tasks | undefined;
  readonly #nativeAbi: number;

  constructor(options: AnsweringOptions, release: string) {
    this.#options = options;
    this.#endsWithoutUsers = kernelAtLeast(release, 6, 11);
    this.#reads = memoryReads(options.architecture);
    this.#tasks = options.follows ? new Tasks(options) : undefined;
    this.#nativeAbi = auditArchitecture[options.architecture];
  }

  run(): void {
    const { listener } = this.#options;
    useSynchronousWakeUp(listener);
    // `struct seccomp_notif_resp`: id, val, error, flags.
    this.#response[2] = BigInt(continueFlag) << 32n;
    for (;;) {
      // Before Linux 6.11 RECV does not return when the last task has ended, but the listener hangs up.
      if (!this.#endsWithoutUsers && (pollFor([listener])[0]! & pollBits.in) === 0) {
        if (this.#isOver()) return;
        continue;
      }
      this.#notification.fill(0);
      const result = this.#native.syscall(this.#ioctl, listener, notifyRequest.receive, this.#notification);
      if (result === 0) this.#answer();
      else if (result !== -errno.EINTR && (result !== -errno.ENOENT || this.#isOver())) return;
    }
  }

  #isOver(): boolean {
    return (pollFor([this.#options.listener], 0)[0]! & pollBits.hangUp) !== 0;
  }

  #answer(): void {
    const words = this.#words;
    this.#response[0] = words.getBigUint64(0, true);
    const tid = words.getUint32(callLayout.tid, true);
    const number = words.getInt32(callLayout.number, true);
    this.#tasks?.calls(tid);
    const isNative = words.getUint32(callLayout.architecture, true) === this.#nativeAbi;
    const reads = isNative ? (this.#reads.get(number) ?? []) : [];
    this.#sink.reset(callLayout.memory);
    for (const read of reads) this.#memory.read(tid, read, this.#registers, this.#sink);
    words.setUint32(callLayout.reads, reads.length, true);
    words.setBigUint64(callLayout.time, process.hrtime.bigint(), true);
    this.#options.ring.put(recordKind.call, this.#content.subarray(0, this.#sink.end));
    if (isNative) this.#tasks?.called(tid, number);
    this.#native.syscall(this.#ioctl, this.#options.listener, notifyRequest.send, this.#response);
  }
}

class ContentSink implements Sink {
  readonly #words: DataView;
  readonly #content: Uint8Array;
  end = 0;

  constructor(words: DataView, content: Uint8Array) {
    this.#words = words;
    this.#content = content;
  }

  reset(at: number): void {
    this.end = at;
  }

  absent(): void {
    this.#word(readState.absent);
  }

  failed(number: number): void {
    this.#word(readState.failed);
    this.#word(number);
  }

  begin(isCut: boolean, count: number): void {
    this.#word(readState.texts);
    this.#word(isCut ? 1 : 0);
    this.#word(count);
  }

  entry(bytes: Uint8Array, isCut: boolean): void {
    this.#word(isCut ? 1 : 0);
    this.#word(bytes.length);
    this.#content.set(bytes, this.end);
    this.end += (bytes.length + 3) & ~3;
  }

  #word(value: number): void {
    this.#words.setUint32(this.end, value, true);
    this.end += 4;
  }
}

/** Determines which process each thread belongs to, while its first call waits, and which programs are executed. */
class Tasks {
  readonly #ring: RingWriter;
  readonly #gone: Int32Array;
  #goneCount = 0;
  readonly #processOf = new Map<number, number>();
  /** Processes whose last call executes a program: the location of their stack, and the thread that called. */
  readonly #executing = new Map<number, { readonly tid: number; readonly image: string }>();
  readonly #exit: number;
  readonly #exitGroup: number;
  readonly #executes: ReadonlySet<number>;

  constructor({ ring, gone, architecture }: AnsweringOptions) {
    this.#ring = ring;
    this.#gone = gone;
    this.#exit = numberOf("exit", architecture)!;
    this.#exitGroup = numberOf("exit_group", architecture)!;
    this.#executes = new Set(numbersOf(executingCalls, architecture));
  }

  /** Runs before the call is written. */
  calls(tid: number): void {
    this.#forgetGone();
    let process = this.#processOf.get(tid);
    if (process === undefined) {
      const status = readProc(`${tid}/status`) ?? "";
      process = Number(/^Tgid:\t(\d+)$/m.exec(status)?.[1] ?? tid);
      const parent = Number(/^PPid:\t(\d+)$/m.exec(status)?.[1] ?? 0);
      this.#processOf.set(tid, process);
      this.#put(recordKind.task, [tid, process, parent]);
    }
    const execution = this.#executing.get(process);
    if (execution === undefined || (tid !== execution.tid && tid !== process)) return;
    this.#executing.delete(process);
    if (imageOf(process) === execution.image) return;
    for (const [other, of] of this.#processOf) if (of === process && other !== process) this.#processOf.delete(other);
    this.#put(recordKind.exec, [process, execution.tid]);
  }

  /** Runs after the call is written and before it is made. */
  called(tid: number, number: number): void {
    const process = this.#processOf.get(tid) ?? tid;
    if (this.#executes.has(number)) this.#executing.set(process, { tid, image: imageOf(process) });
    else if (number === this.#exit) this.#processOf.delete(tid);
    else if (number === this.#exitGroup) {
      for (const [other, of] of this.#processOf) if (of === process) this.#processOf.delete(other);
    }
  }

  #forgetGone(): void {
    const count = Atomics.load(this.#gone, 0);
    for (; this.#goneCount !== count; this.#goneCount = (this.#goneCount + 1) | 0) {
      this.#processOf.delete(this.#gone[1 + ((this.#goneCount >>> 0) % (this.#gone.length - 1))]!);
    }
  }

  #put(kind: number, words: readonly number[]): void {
    this.#ring.put(kind, new Uint8Array(Uint32Array.from(words).buffer));
  }
}

/** Changes with each execution: the addresses of the program's code and stack (fields 26 to 28 of proc_pid_stat(5)). */
function imageOf(process: number): string {
  const stat = readProc(`${process}/stat`) ?? "";
  return stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(23, 26)
    .join(" ");
}
