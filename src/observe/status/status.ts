/** The lines that the status socket of a running tree writes, one JSON object each (docs/events.md). */
import type { DecisionEvent } from "../../events/event.ts";

export interface VerdictCount {
  /** "deny EPERM" */
  readonly verdict: string;
  readonly rule: string | undefined;
  readonly reason: string | undefined;
  /** Calls that can get it, and the number of others; absent if the engine does not know them. */
  readonly names?: readonly string[];
  readonly moreNames?: number;
  readonly calls: number;
  /** Since the line before; 0 in the first. */
  readonly perSecond: number;
}

/** Refused calls of equal call, verdict, program, and phase. */
export interface RefusedGroup {
  readonly calls: number;
  /** Since the line before; 0 in the first. */
  readonly perSecond: number;
  /** The last one. */
  readonly event: DecisionEvent;
}

export interface TableFill {
  readonly name: string;
  readonly keys: number;
  readonly capacity: number;
}

/** The state of an owner: each phase, counter, flag and value by its name, and its tables. */
export interface NamedState {
  readonly phases: Readonly<Record<string, string>>;
  /** Integers in decimal, flags as booleans. */
  readonly values: Readonly<Record<string, string | boolean>>;
  readonly tables: readonly TableFill[];
}

export interface ProcessStatus extends NamedState {
  readonly pid: number;
  readonly threads: number;
}

export interface Status {
  readonly v: 1;
  readonly kind: "status";
  /** Seconds since the epoch; and since the start. */
  readonly time: number;
  readonly running: number;
  /** portcullis's process. */
  readonly pid: number;
  readonly policy: string;
  readonly command: readonly string[];
  readonly audit: boolean;
  readonly engine: string;
  /** The data that the engine cannot show, as sentences without a full stop. */
  readonly unknown: readonly string[];
  /**
   * Calls that the supervisor has judged, those that portcullis refused without a rule among them. Of `seccomp-ebpf`: those
   * that the kernel reported.
   */
  readonly calls: number;
  readonly perSecond: number;
  readonly refusedByPortcullis: number;
  /** The verdicts with a call, the most frequent first. */
  readonly verdicts: readonly VerdictCount[];
  /** Undefined before the first judgement. */
  readonly state:
    | {
        readonly time: number;
        /** Judgements since then, whose effects this state lacks. */
        readonly callsSince: number;
        readonly tree: NamedState;
        readonly processes: readonly ProcessStatus[];
        readonly more: number;
      }
    | undefined;
  /** The groups with the last refusals, at most 32, in the order of their last call. Dropped events are not counted. */
  readonly refused: readonly RefusedGroup[];
  /** Refused calls of groups that others have displaced. */
  readonly refusedBefore: number;
  /** The last refusals, the newest last. */
  readonly refusals: readonly DecisionEvent[];
}
