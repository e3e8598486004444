/**
 * The types of events. `--events` writes one JSON object per line; readers ignore unknown members, and `v` changes when
 * the meaning of a member does.
 */
import type { Action } from "../ir/verdicts.ts";
export type PolicyEvent = DecisionEvent | ReportEvent | NoticeEvent | EndEvent;

interface Common {
  readonly v: 1;
  /** Seconds since the epoch, with a fraction. */
  readonly time: number;
}

/** The actions that become events. */
export type ReportedAction = Exclude<Action, "allow">;

/** An evaluation whose verdict was not a plain allow. */
export interface DecisionEvent extends Common {
  readonly kind: "decision";
  readonly pid: number;
  readonly tid: number;
  readonly command: string;
  readonly call: string;
  readonly number: number;
  /** Decoded without reading the caller's memory, in the kernel's order. */
  readonly arguments: readonly { readonly name: string; readonly text: string }[];
  readonly verdict: ReportedAction;
  readonly errno?: string;
  /** With errno "0": the value that the call returns without being made. */
  readonly returns?: 0;
  /** The phase, or each declared phase's name, before the evaluation. */
  readonly phases?: Readonly<Record<string, string>>;
  readonly reason?: string;
  /** A remedy, if it depends on more than the call. */
  readonly advice?: string;
  /** "policies/nginx.ts:29:7". Absent if portcullis itself refuses (a foreign ABI, an unknown number). */
  readonly rule?: string;
  readonly policy: string;
  /** The verdict was only recorded (`run --audit`). */
  readonly audit?: true;
}

/** `report("text", { … })` in a policy. */
export interface ReportEvent extends Common {
  readonly kind: "report";
  readonly pid: number;
  readonly tid: number;
  readonly call: string;
  readonly text: string;
  readonly values: Readonly<Record<string, string | boolean>>;
  readonly rule?: string;
  readonly policy: string;
}

/** A message about the run itself: dropped events, a filter without users, an engine's warning. */
export interface NoticeEvent extends Common {
  readonly kind: "notice";
  readonly text: string;
  readonly dropped?: number;
}

/** SIGSYS has ended the command: a static kill or trap, about which the kernel gives no other information. */
export interface EndEvent extends Common {
  readonly kind: "end";
  /** The command's first process. */
  readonly pid: number;
  /** portcullis's exit status. */
  readonly status: number;
  /** Absent if that process exited by itself, with the status that a shell gives for a child that SIGSYS has killed. */
  readonly signal?: "SIGSYS";
  /** The call, if the kernel's audit records it. */
  readonly call?: string;
  readonly number?: number;
  readonly text: string;
  readonly policy: string;
}
