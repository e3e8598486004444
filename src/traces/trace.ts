/** The type of a trace: the actions of the tasks of a command, in the order in which the kernel saw them. */

import type { ArchitectureName } from "../abi/architecture.ts";
import { maximumWord } from "../abi/word.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { GivenMemories } from "../engines/simulate/given-memory.ts";

/**
 * A register that a recording may know in part: the bits of `value` under `known` are known, the others are unknown and
 * 0 here.
 */
export interface Word {
  readonly value: bigint;
  readonly known: bigint;
}

export const unknownWord: Word = { value: 0n, known: 0n };

export function knownWord(value: bigint): Word {
  return { value: BigInt.asUintN(64, value), known: maximumWord };
}

/** The low `width` bits are known. */
export function lowWord(value: bigint, width: number): Word {
  return { value: BigInt.asUintN(width, value), known: BigInt.asUintN(width, maximumWord) };
}

/** The signed value of a known word. */
export function signedValue(word: Word): bigint | undefined {
  return isKnown(word) ? BigInt.asIntN(64, word.value) : undefined;
}

export function isKnown(word: Word): boolean {
  return word.known === maximumWord;
}

/** A place in the file: line and column from 1, the length in UTF-16 units. */
export interface Place {
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

interface Common {
  /** The thread. Unique among living threads; may be reused after it ended. */
  readonly tid: number;
  /** Nanoseconds of one monotonic clock, if the recording has times. */
  readonly time: bigint | undefined;
  readonly place: Place;
}

/** A call without its thread, its time and its result. */
export interface CallContent {
  /** The caller's `AUDIT_ARCH_…`. */
  readonly architecture: number;
  readonly number: number;
  /** Six. */
  readonly arguments: readonly Word[];
  readonly instructionPointer: Word;
  /** Behind pointers; an omitted one is not known. */
  readonly memory: GivenMemories;
}

export interface CallEvent extends Common, CallContent {
  readonly kind: "call";
  /** Unknown if the recording lacks it, or if an event `return` follows. No verdict depends on it. */
  readonly result: Word;
  /**
   * The same object for calls of equal content, so that work on one need not be repeated; absent if the reader does not
   * compare them. It has this event's content.
   */
  readonly content?: CallContent | undefined;
}

/** The last call of `tid` returned, after lines of others. A call without this line is over when the next line begins. */
export interface ReturnEvent extends Common {
  readonly kind: "return";
  readonly result: Word;
}

/** A task was created by the preceding call of `tid`. */
export interface BirthEvent extends Common {
  /** "thread" shares its parent's process; "fork" is a process of its own. */
  readonly kind: "fork" | "thread";
  readonly child: number;
}

/** A thread ended; a process ends with its last thread. */
export interface ExitEvent extends Common {
  readonly kind: "exit";
}

/**
 * `tid` executes another program. If the caller was not the leader of its process, it becomes the leader, and
 * `former` is its previous number.
 */
export interface ExecEvent extends Common {
  readonly kind: "exec";
  readonly former: number | undefined;
}

/** Time passed without a call. */
export interface ClockEvent {
  readonly kind: "clock";
  readonly time: bigint;
  readonly place: Place;
}

export type TraceEvent = CallEvent | ReturnEvent | BirthEvent | ExitEvent | ExecEvent | ClockEvent;

/** The data of a run before its first call. */
export interface TraceHead {
  /** The words of the command, if the recording has them. */
  readonly words?: readonly string[] | undefined;
  /** The name of the processes that ran already when the recording began; undefined for a recording of a command. */
  readonly attached?: string | undefined;
  /** The command's first thread; undefined before the first line. */
  readonly command: number | undefined;
  /** Effective ids at the start, if the recording has them. */
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  /** The command's working directory, absolute, if the recording has it. */
  readonly directory?: string | undefined;
  /** Every call until now has a time. */
  readonly timed: boolean;
}

export interface Trace extends TraceHead {
  readonly architecture: ArchitectureName;
  readonly command: number;
  readonly events: readonly TraceEvent[];
}

export interface TraceReading {
  /** Each a command with its descendants; a file can have several. Empty exactly if there is an error. */
  readonly runs: readonly Trace[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Ids of tasks are positive 31-bit integers (include/linux/threads.h allows 2^22). */
export function isTaskNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value < 0x8000_0000;
}
