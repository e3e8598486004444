/**
 * What `explain` says, as plain data: no bigint, no reference to the program, so that it can be printed as JSON as it
 * is. Version 1; members are only ever added.
 */
export interface Explanation {
  readonly v: 1;
  readonly policy: string;
  readonly architecture: string;
  /** The verdicts of a call that no rule names. */
  readonly otherwise: readonly Outcome[];
  readonly rows: readonly ExplanationRow[];
  readonly state: readonly StateDescription[];
  readonly warnings: readonly Warning[];
}

/** Calls that are all treated alike. */
export interface ExplanationRow {
  readonly calls: readonly string[];
  /** The same in few words: whole groups by name. */
  readonly compact: readonly string[];
  /** No rule names these calls. */
  readonly isOtherwise: boolean;
  /** The first case whose condition holds counts. */
  readonly cases: readonly Case[];
}

export interface Case {
  /** All hold; empty for whatever is left. Undefined where the conditions are too many to be listed. */
  readonly conditions: readonly string[] | undefined;
  readonly outcomes: readonly Outcome[];
  readonly decided: WhereDecided;
  /** What a stateful case reads: cells and tables by name, `tree.alive()`, `now()`. */
  readonly reads: readonly string[];
  readonly changes: readonly string[];
  readonly reports: readonly string[];
  /** Why the stateful part sees it although its verdict depends on no state. */
  readonly because: readonly string[];
}

/**
 * | where       | by whom |
 * | --- | --- |
 * | bitmap      | the kernel, from a table of the calls that are always allowed (Linux 5.11, kernel/seccomp.c) |
 * | filter      | the kernel, by running the classic filter |
 * | supervisor  | the stateful part: the supervisor, or the extended filter where the kernel has it |
 */
export type WhereDecided = "bitmap" | "filter" | "supervisor";

export interface Outcome {
  /** In these phases only, where a single set of phases decides. */
  readonly phases?: readonly string[];
  /** What may come of it; more than one where the state decides. The weakest first. */
  readonly verdicts: readonly PlacedVerdict[];
}

export interface PlacedVerdict {
  /** "allow", "deny EPERM", "kill process". */
  readonly verdict: string;
  readonly reason?: string;
  /** "nginx.ts:40:3". */
  readonly at?: string;
}

export interface StateDescription {
  readonly name: string;
  readonly scope: string;
  /** "flag", "counter", "value", "phases", "table", "set". */
  readonly kind: string;
  readonly starts: string;
  readonly onFork: string;
  readonly changedBy: readonly string[];
  readonly readBy: readonly string[];
  readonly at?: string;
}

export interface Warning {
  /** A stable word for scripts. */
  readonly kind:
    | "hot-call"
    | "copied-limit"
    | "process-creation"
    | "execution"
    | "interrupted"
    | "one-user"
    | "kill-thread"
    | "static-kill"
    | "stateful-trap"
    | "too-complex"
    | "not-expressible";
  readonly text: string;
  readonly calls: readonly string[];
}
