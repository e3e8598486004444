/**
 * The output of `explain` as plain data: no bigint and no reference to the program, so it can be printed as JSON.
 * Version 1; later versions only add members.
 */
export interface Explanation {
  readonly v: 1;
  readonly policy: string;
  readonly architecture: string;
  /** The verdicts of a call that no rule names. */
  readonly otherwise: readonly Outcome[];
  readonly rows: readonly ExplanationRow[];
  readonly state: readonly StateDescription[];
  readonly rooms: readonly RoomDescription[];
  readonly memory: readonly MemoryDescription[];
  /** The tree opens files of proc file systems for reading only. */
  readonly readOnlyProc: boolean;
  /** The lists of hosts, with their lines: the tree reaches a host that all permit. */
  readonly hosts: readonly { readonly at: string; readonly items: readonly string[] }[];
  /** What each of the combined policies permits. */
  readonly objects: readonly ObjectsDescription[];
  readonly warnings: readonly Warning[];
}

/** Calls with equal treatment. */
export interface ExplanationRow {
  readonly calls: readonly string[];
  /** The calls in short form, with whole groups by name. */
  readonly compact: readonly string[];
  /** No rule names these calls. */
  readonly isOtherwise: boolean;
  /** The first case whose condition holds decides. */
  readonly cases: readonly Case[];
}

export interface Case {
  /** All must hold; empty for the remaining calls. Undefined if the conditions are too many to list. */
  readonly conditions: readonly string[] | undefined;
  readonly outcomes: readonly Outcome[];
  readonly decided: WhereDecided;
  /** The state that the case reads: cells and tables by name, `tree.alive()`, `now()`; memory as `args.path`. */
  readonly reads: readonly string[];
  readonly changes: readonly string[];
  /** The sides of rooms that the call takes if it is made: "mapping.write". */
  readonly enters: readonly string[];
  readonly reports: readonly string[];
  /** Why the stateful part sees it although its verdict does not depend on state. */
  readonly because: readonly string[];
}

/**
 * | where       | decided by |
 * | --- | --- |
 * | bitmap      | the kernel, from its table of always allowed calls (Linux 5.11, kernel/seccomp.c) |
 * | filter      | the kernel, by running the classic filter |
 * | event       | the supervisor, although the filter knows the verdict: so it becomes an event. With `run --no-denial-events`, the filter |
 * | supervisor  | the stateful part: the supervisor, or the extended filter in a kernel that has it |
 */
export type WhereDecided = "bitmap" | "filter" | "event" | "supervisor";

export interface Outcome {
  /** The phases of this outcome, if a single set of phases decides. */
  readonly phases?: readonly string[];
  /** The possible verdicts, the weakest first; several if other state decides. */
  readonly verdicts: readonly PlacedVerdict[];
}

export interface PlacedVerdict {
  /** "allow", "deny EPERM", "kill process". */
  readonly verdict: string;
  /** With "deny 0": its effect, "returns 0 without being made". */
  readonly does?: string;
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

export interface RoomDescription {
  readonly name: string;
  /** "process", "memory", "tree". */
  readonly scope: string;
  /** The longest wait: "1s". */
  readonly timeout: string;
  /** The verdict after it: "deny EDEADLK". */
  readonly late: string;
  readonly sides: readonly {
    readonly name: string;
    /** It admits one call at a time. */
    readonly exclusive: boolean;
    readonly calls: readonly string[];
    /** The sides whose calls one of this side waits for. */
    readonly waitsFor: readonly string[];
  }[];
  readonly at?: string;
}

/** The policy's questions about the memory behind one argument. */
export interface MemoryDescription {
  /** `args.path` */
  readonly argument: string;
  /** The calls with the same comparisons. */
  readonly calls: readonly string[];
  /** In the policy's words: `args.path.text.under("/etc")`, `args.addr.port = 443`. */
  readonly asks: readonly string[];
}

export interface Warning {
  /** A stable identifier for scripts. */
  readonly kind:
    | "hot-call"
    | "copied-limit"
    | "process-creation"
    | "execution"
    | "in-its-stead"
    | "one-user"
    | "kill-thread"
    | "static-kill"
    | "stateful-trap"
    | "ask"
    | "reads-memory"
    | "path-text"
    | "list-bound"
    | "resolved"
    | "too-complex"
    | "not-expressible";
  readonly text: string;
  readonly calls: readonly string[];
}

/** The files, ports and scopes of one policy, which the kernel enforces without the filter (Landlock). */
export interface ObjectsDescription {
  /** The line of the declarations. */
  readonly at: string;
  /** `files.read`, `tcp.connect` and so on, with paths, ports or names. */
  readonly lists: readonly { readonly name: string; readonly items: readonly string[] }[];
  /** Directories can be listed also if they lead to an exception. */
  readonly names: boolean;
  /** The first kernel that can restrict all of it. */
  readonly linux: string;
  /** What the kernel of this machine cannot restrict, with the first kernel that can; empty on another machine. */
  readonly missing: readonly { readonly what: string; readonly linux: string }[];
}
