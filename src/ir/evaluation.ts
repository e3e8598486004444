/** Input and output of one evaluation of a policy: the types that every engine shares. */

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

export interface Evaluation {
  /** An index into `Program.verdicts`. */
  readonly verdict: number;
  readonly reports: readonly { readonly report: number; readonly values: readonly bigint[] }[];
  /**
   * Whether the evaluation wrote a cell (even the same word), set a table entry, or deleted an entry that was present.
   */
  readonly changedState: boolean;
}
