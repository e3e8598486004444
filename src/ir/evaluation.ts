/** What goes into one evaluation of a policy, and what comes out: the words that every engine shares. */

/** One entry into the kernel, as `struct seccomp_data` has it (include/uapi/linux/seccomp.h). */
export interface SystemCallEvent {
  readonly number: number;
  /** The caller's `AUDIT_ARCH_…`. */
  readonly architecture: number;
  readonly instructionPointer: bigint;
  /** Six registers, 0 … 2^64 − 1 each. */
  readonly arguments: readonly [bigint, bigint, bigint, bigint, bigint, bigint];
}

/** Who calls and when; see `Input` in program.ts. */
export interface Circumstances {
  readonly now: bigint;
  readonly pid: number;
  readonly tid: number;
  readonly uid: number;
  readonly gid: number;
  readonly alive: bigint;
}

/** The state of one holder: a thread, a process or the tree. Indexed as `Program.cells` and `Program.tables` are; */
/** entries of other scopes are unused. */
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
   * The evaluation wrote state: a cell (even the same word), an entry that was present or found room, or deleted one
   * that was present.
   */
  readonly changedState: boolean;
}
