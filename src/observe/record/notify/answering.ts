/**
 * Answers every notification with CONTINUE, after it has been written to the ring. The addon does that
 * (native/addon/record/recording.c); this file prepares its plan, and follows the begin and end of tasks. A recording enforces
 * nothing, so the memory that it reads behind pointers needs no protection (docs/traces.md, "The limits of a recording").
 */

import { type ArchitectureName, auditArchitecture } from "../../../abi/architecture.ts";
import { numberOf } from "../../../abi/calls.ts";
import { kernelAtLeast } from "../../../abi/kernel-version.ts";
import { pathBytes, structures } from "../../../abi/pointees.ts";
import { executingCalls, numbersOf } from "../../../abi/process-calls.ts";
import { native } from "../../../machine/native.ts";
import { readProc } from "../../../machine/proc.ts";
import { useSynchronousWakeUp } from "../../../machine/seccomp.ts";
import { memoryReads } from "../memory-reads.ts";
import { callLayout, recordKind } from "./notifications.ts";
import type { RingWriter } from "./ring.ts";

/** A list of texts with the bounds of native/addon/record/recording.c, and every other read. */
export const mostContent = 1 << 18;
/** Where the addon's answering begins, and why it returns. */
export const stage = { receive: 0, record: 1, send: 2 } as const;
export const reason = { task: 1, full: 2, made: 3 } as const;
/** Words of the state that both sides change: the notification's id, the room that a record needs, threads that are gone. */
export const stateAt = { room: 2, gone: 3 } as const;
export const stateWords = 4;
/** Numbers of calls below this one have a place in the plan. */
export const mostCalls = 1024;
/** The number of threads that the kernel can have (PID_MAX_LIMIT). */
const mostThreads = 1 << 22;

export interface AnsweringOptions {
  readonly listener: number;
  readonly ring: RingWriter;
  readonly architecture: ArchitectureName;
  /** Record each thread's process; otherwise another source does. */
  readonly follows: boolean;
  /** Threads that have ended without a call, from the other thread: word 0 counts them. */
  readonly gone: Int32Array;
}

/** Returns when no task is left under the filter. */
export function answerAll(options: AnsweringOptions, release: string): void {
  const { listener, ring, architecture, follows, gone } = options;
  const content = new Uint8Array(mostContent);
  const words = new DataView(content.buffer);
  const state = new Uint32Array(stateWords);
  const plan = readingPlan(architecture);
  const known = new KnownThreads(follows ? mostThreads : 0);
  const tasks = follows ? new Tasks(options, known) : undefined;
  const makes = new Uint8Array(mostCalls);
  for (const number of tasks?.made ?? []) makes[number] = 1;
  const nativeAbi = auditArchitecture[architecture];
  const outlives = !kernelAtLeast(release, 6, 11);
  useSynchronousWakeUp(listener);
  const { control, bytes } = ring.memory;
  const answer = (from: number): number =>
    native().answerCalls(
      ...([from, listener, nativeAbi, outlives] as const),
      ...([control, bytes, plan, known.bits, makes, gone, state, content] as const),
    );
  for (let from: number = stage.receive; ; ) {
    switch (answer(from)) {
      case reason.task:
        state[stateAt.gone] = tasks!.forgetGone();
        tasks!.calls(words.getUint32(callLayout.tid, true));
        from = stage.record;
        break;
      case reason.full:
        ring.await(state[stateAt.room]!);
        from = stage.record;
        break;
      case reason.made:
        tasks!.called(words.getUint32(callLayout.tid, true), words.getInt32(callLayout.number, true));
        from = stage.send;
        break;
      default:
        return;
    }
  }
}

/** `KIND` of native/addon/record/recording.c. */
export const readKinds = { path: 0, string: 0, strings: 1, address: 2, message: 3, structure: 4 } as const;
const noRegister = 0xffff_ffff;

/** The addon's plan: at each call number the offset of its reads; there, their number, and five words for each. */
function readingPlan(architecture: ArchitectureName): Uint32Array {
  const plan: number[] = new Array(mostCalls).fill(0);
  for (const [number, reads] of memoryReads(architecture)) {
    if (number >= mostCalls) throw new Error(`call ${number} has no place in the plan`);
    plan[number] = plan.length;
    plan.push(reads.length);
    for (const { pointee, register, lengthRegister = noRegister } of reads) {
      const structure = pointee.is === "structure" ? structures[pointee.structure] : undefined;
      const most = structure?.size ?? (pointee.is === "string" ? pointee.bytes : pathBytes);
      plan.push(readKinds[pointee.is], register, lengthRegister, structure?.minimum ?? 0, most);
    }
  }
  return Uint32Array.from(plan);
}

/** Threads whose next call says nothing new about tasks: a bit for each, which the addon reads. */
class KnownThreads {
  readonly bits: Uint8Array;

  /** @param most 0: all are known */
  constructor(most: number) {
    this.bits = new Uint8Array(most / 8);
  }

  add(tid: number): void {
    this.bits[tid >> 3]! |= 1 << (tid & 7);
  }

  delete(tid: number): void {
    this.bits[tid >> 3]! &= ~(1 << (tid & 7));
  }
}

/** Finds the process of each thread, while its first call waits, and follows executions. */
class Tasks {
  readonly #ring: RingWriter;
  readonly #gone: Int32Array;
  #goneCount = 0;
  readonly #processOf = new Map<number, number>();
  /** Processes whose last call executes a program: where their stack was, and which thread called. */
  readonly #executing = new Map<number, { readonly tid: number; readonly image: string }>();
  readonly #exit: number;
  readonly #exitGroup: number;
  readonly #executes: ReadonlySet<number>;
  readonly #known: KnownThreads;

  constructor({ ring, gone, architecture }: AnsweringOptions, known: KnownThreads) {
    this.#known = known;
    this.#ring = ring;
    this.#gone = gone;
    this.#exit = numberOf("exit", architecture)!;
    this.#exitGroup = numberOf("exit_group", architecture)!;
    this.#executes = new Set(numbersOf(executingCalls, architecture));
  }

  /** The calls for which there is `called`. */
  get made(): Iterable<number> {
    return [...this.#executes, this.#exit, this.#exitGroup];
  }

  /** Runs before the call of an unknown thread is written. */
  calls(tid: number): void {
    this.#known.add(tid);
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
    for (const [other, of] of this.#processOf) if (of === process && other !== process) this.#forget(other);
    this.#put(recordKind.exec, [process, execution.tid]);
  }

  /** Runs after a call of `made` is written and before it is made. */
  called(tid: number, number: number): void {
    const process = this.#processOf.get(tid) ?? tid;
    if (this.#executes.has(number)) {
      this.#executing.set(process, { tid, image: imageOf(process) });
      // Their next calls tell whether it succeeded.
      this.#known.delete(tid);
      this.#known.delete(process);
    } else if (number === this.#exit) this.#forget(tid);
    else if (number === this.#exitGroup) {
      for (const [other, of] of this.#processOf) if (of === process) this.#forget(other);
    }
  }

  /** How many there have been, modulo 2^32. */
  forgetGone(): number {
    const count = Atomics.load(this.#gone, 0);
    for (; this.#goneCount !== count; this.#goneCount = (this.#goneCount + 1) | 0) {
      this.#forget(this.#gone[1 + ((this.#goneCount >>> 0) % (this.#gone.length - 1))]!);
    }
    return count >>> 0;
  }

  #forget(tid: number): void {
    this.#processOf.delete(tid);
    this.#known.delete(tid);
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
