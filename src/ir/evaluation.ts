/** Input and output of one evaluation of a policy: the types that every engine shares. */
import { maximumEnteredRooms } from "./limits.ts";

/** One system call, as `struct seccomp_data` describes it (include/uapi/linux/seccomp.h). */
export interface SystemCallEvent {
  readonly number: number;
  /** The caller's `AUDIT_ARCH_…`. */
  readonly architecture: number;
  readonly instructionPointer: bigint;
  /** Six registers, each 0 … 2^64 − 1. */
  readonly arguments: readonly [bigint, bigint, bigint, bigint, bigint, bigint];
}

/** The time and the calling task; see `Input` in program.ts for units and ranges. */
export interface Circumstances {
  readonly now: bigint;
  readonly pid: number;
  readonly tid: number;
  readonly uid: number;
  readonly gid: number;
  readonly alive: bigint;
  /** A word for each of `Program.words`. May be left out where the program has none. */
  readonly observed?: readonly bigint[] | undefined;
}

/**
 * The state of one thread, process or tree, indexed as `Program.cells` and `Program.tables`. Entries of other scopes
 * are unused.
 */
export interface ScopeState {
  readonly cells: BigUint64Array;
  readonly tables: readonly Map<bigint, bigint>[];
}

export interface EvaluationState {
  readonly thread: ScopeState;
  readonly process: ScopeState;
  readonly tree: ScopeState;
}

/** A side of a room that a call takes: indexes into `Program.rooms` and `Room.sides`. */
export interface EnteredRoom {
  readonly room: number;
  readonly side: number;
}

/** The list with one more room; undefined where it has another side of that room, or as many as a call can take. */
export function withEntered(entered: readonly EnteredRoom[], next: EnteredRoom): readonly EnteredRoom[] | undefined {
  const before = entered.find(({ room }) => room === next.room);
  if (before !== undefined) return before.side === next.side ? entered : undefined;
  if (entered.length === maximumEnteredRooms) return undefined;
  return [...entered, next].sort((a, b) => a.room - b.room);
}

export interface Evaluation {
  /** An index into `Program.verdicts`. */
  readonly verdict: number;
  /** At most `maximumEnteredRooms`, in ascending order. The engine takes them if the verdict lets the call run. */
  readonly entered: readonly EnteredRoom[];
  readonly reports: readonly { readonly report: number; readonly values: readonly bigint[] }[];
  /**
   * Whether the evaluation wrote a cell (even the same word), set a table entry, or deleted an entry that was present.
   */
  readonly changedState: boolean;
}
