/**
 * Tracks the living tasks of a recording by their calls. A process's first record names the call that created it. The
 * kernel passes nothing from a thread to the thread that it creates (__seccomp_state_fork() in the series), so a new
 * thread is assigned to the oldest call of its process that creates a thread. An execution is certain if the calling
 * thread's id has changed; otherwise the next call shows it.
 */
import { existsSync } from "node:fs";
import type { ArchitectureName } from "../../linux/architecture.ts";
import { numberOf } from "../../linux/calls.ts";
import { type CreatingCall, cloneFlag, creatingCalls, executingCalls, numbersOf } from "../../linux/process-calls.ts";
import type { LineSerial, TraceAssembler } from "../assembler.ts";
import type { RecordedCall } from "./call-records.ts";

/** Nanoseconds after which a creating call without a task counts as failed. */
const patience = 10e9;
/** Bytes: code of one image is rarely farther apart, code of two images almost always is. */
const imageSpan = 2 ** 30;

type At = readonly [low: number, high: number];

/** A living thread. A later thread with the same id is another object. */
interface Task {
  readonly process: number;
}

/** A creating call without a known task. It may have failed. */
interface Creation {
  readonly tid: number;
  readonly process: number;
  /** Undefined if the flags are behind a pointer and were not recorded. */
  readonly makesThread: boolean | undefined;
  readonly line: LineSerial;
  readonly time: number;
}

/** The ids of tasks that have ended. */
type EndedTasks = ReadonlyMap<number, Task>;

export class Tasks {
  readonly #assembler: TraceAssembler;
  readonly #tasks = new Map<number, Task>();
  /** Creating calls by their serial numbers, in order. */
  readonly #creations = new Map<number, Creation>();
  /** Threads whose last call executes a program, and its code address. */
  readonly #executing = new Map<number, At>();
  readonly #creates: ReadonlyMap<number, CreatingCall>;
  readonly #executes: ReadonlySet<number>;
  readonly #exit: number;
  readonly #exitGroup: number;
  readonly #brk: number;

  constructor(architecture: ArchitectureName, assembler: TraceAssembler, first: number) {
    this.#assembler = assembler;
    this.#tasks.set(first, { process: first });
    this.#creates = new Map(
      creatingCalls.flatMap((name) => {
        const number = numberOf(name, architecture);
        return number === undefined ? [] : [[number, name] as const];
      }),
    );
    this.#executes = new Set(numbersOf(executingCalls, architecture));
    this.#exit = numberOf("exit", architecture)!;
    this.#exitGroup = numberOf("exit_group", architecture)!;
    this.#brk = numberOf("brk", architecture)!;
  }

  /** Runs before the line of the call. */
  calls(call: RecordedCall, isNative: boolean): void {
    const { tid, process, former, time } = call;
    if (former === 0) this.#begins(call);
    else if (former !== tid) this.#executed(former, tid, time);
    else {
      const from = this.#executing.get(tid);
      if (from !== undefined) {
        const isFirst = isNative && call.number === this.#brk && call.registers[0] === 0 && call.registers[1] === 0;
        if (isFirst || areApart(from, call.instructionPointer)) this.#executed(tid, tid, time);
      }
    }
    this.#executing.delete(tid);
    if (this.#tasks.get(tid)?.process !== process) this.#tasks.set(tid, { process });
  }

  /** Runs after the line of the call, for the native ABI. */
  called(call: RecordedCall, line: LineSerial): void {
    const { tid, process, number, serial, time } = call;
    const creating = this.#creates.get(number);
    if (creating !== undefined) {
      for (const [old, creation] of this.#creations) if (time - creation.time > patience) this.#creations.delete(old);
      this.#creations.set(serial, { tid, process, makesThread: makesThread(creating, call), line, time });
    } else if (this.#executes.has(number)) this.#executing.set(tid, call.instructionPointer);
    else if (number === this.#exit) this.#ends(tid, time);
    else if (number === this.#exitGroup) this.#endAll(process, time);
  }

  /** Finds tasks that have ended. Some of their calls may not have been read. */
  ended(): EndedTasks {
    return new Map([...this.#tasks].filter(([tid]) => !isLiving(tid)));
  }

  /** Ends tasks of which all calls have been read. Signals have ended them, or their last calls are missing. */
  end(ended: EndedTasks, time: number): void {
    for (const [tid, task] of ended) if (this.#tasks.get(tid) === task) this.#ends(tid, time);
  }

  endOfAll(time: number): void {
    for (const tid of [...this.#tasks.keys()]) this.#ends(tid, time);
  }

  get anyLives(): boolean {
    return [...this.#tasks.keys()].some(isLiving);
  }

  #begins(call: RecordedCall): void {
    const { tid, process, maker, creation: serial, time } = call;
    const isThread = tid !== process;
    // It is the command's first task.
    if (serial === 0 && !isThread) return;
    // A signal has ended its former owner.
    if (this.#tasks.has(tid)) this.#ends(tid, time);
    const [made, creation] = isThread ? this.#makerOf(process) : ([serial, this.#creations.get(serial)] as const);
    this.#creations.delete(made);
    const by = isThread ? (creation?.tid ?? process) : maker;
    const line = creation?.line;
    const isKnown = this.#tasks.has(by) || (line !== undefined && !this.#assembler.isPrinted(line));
    this.#assembler.birth(isThread ? "thread" : "fork", isKnown ? by : this.#standIn(by, process), tid, line);
  }

  /**
   * The parent to report if the real one has already ended in the trace or has no record: a sibling, or the oldest
   * task.
   */
  #standIn(maker: number, process: number): number {
    for (const [tid, task] of this.#tasks) if (task.process === process) return tid;
    return this.#tasks.keys().next().value ?? maker;
  }

  #makerOf(process: number): readonly [serial: number, creation: Creation | undefined] {
    const ofProcess = [...this.#creations].filter(([, creation]) => creation.process === process);
    return (
      ofProcess.find(([, creation]) => creation.makesThread === true) ??
      ofProcess.find(([, creation]) => creation.makesThread === undefined) ?? [0, undefined]
    );
  }

  #executed(former: number, tid: number, time: number): void {
    for (const [other, { process }] of this.#tasks) {
      if (process === tid && other !== tid && other !== former) this.#ends(other, time);
    }
    // It has ended under its former id, and the search may have found that.
    const isKnown = this.#tasks.has(former);
    if (former !== tid) this.#tasks.delete(former);
    this.#assembler.exec(tid, isKnown ? former : undefined, time);
  }

  #endAll(process: number, time: number): void {
    for (const [tid, task] of this.#tasks) if (task.process === process) this.#ends(tid, time);
  }

  #ends(tid: number, time: number): void {
    this.#tasks.delete(tid);
    this.#executing.delete(tid);
    this.#assembler.exit(tid, time);
  }
}

function makesThread(name: CreatingCall, { registers, memories }: RecordedCall): boolean | undefined {
  const isThread = (flags: number) => (flags & Number(cloneFlag.thread)) !== 0;
  if (name === "clone") return isThread(registers[0]!);
  if (name !== "clone3") return false;
  const bytes = memories[0]?.bytes;
  return bytes === undefined ? undefined : isThread(Buffer.from(bytes.slice(0, 4), "latin1").readUInt32LE());
}

function areApart(one: At, other: At): boolean {
  return Math.abs((one[1] - other[1]) * 2 ** 32 + (one[0] - other[0])) > imageSpan;
}

function isLiving(tid: number): boolean {
  return existsSync(`/proc/${tid}`);
}
