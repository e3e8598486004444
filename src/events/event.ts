/**
 * What happened, as typed records. One JSON object a line (`--events`); readers ignore members they do not know, and
 * `v` changes when a member's meaning does.
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

/** A judgement that was not a plain allow. */
export interface DecisionEvent extends Common {
  readonly kind: "decision";
  readonly pid: number;
  readonly tid: number;
  readonly command: string;
  readonly call: string;
  readonly number: number;
  /** Decoded as far as that needs no memory of the caller's, in the kernel's order. */
  readonly arguments: readonly { readonly name: string; readonly text: string }[];
  readonly verdict: ReportedAction;
  readonly errno?: string;
  /** With errno "0": what the call returns to its caller without being made. */
  readonly returns?: 0;
  /** The phase, or each declared phase's name, at the time of judgement. */
  readonly phases?: Readonly<Record<string, string>>;
  readonly reason?: string;
  /** What a person can do about it, where that depends on more than the call. */
  readonly advice?: string;
  /** "policies/nginx.ts:29:7". Absent where portcullis itself refuses (a foreign ABI, an unknown number). */
  readonly rule?: string;
  readonly policy: string;
  /** The verdict was only noted (`run --audit`). */
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

/** Something about the run itself: events dropped, the filter has no user left, an engine's warning. */
export interface NoticeEvent extends Common {
  readonly kind: "notice";
  readonly text: string;
  readonly dropped?: number;
}

/** SIGSYS has ended the command: a static kill or trap, of which the kernel tells nothing else. */
export interface EndEvent extends Common {
  readonly kind: "end";
  /** The command's first process. */
  readonly pid: number;
  /** portcullis's exit status. */
  readonly status: number;
  /** Absent where that process exited by itself, with the status that a shell gives for a child that SIGSYS has killed. */
  readonly signal?: "SIGSYS";
  /** The call, where the kernel's audit tells it. */
  readonly call?: string;
  readonly number?: number;
  readonly text: string;
  readonly policy: string;
}
