/** A policy compiled for the engine `notify`: it goes to the supervisor's thread and into the cache. */
import { deserialize, serialize } from "node:v8";
import type { RefusingPatterns } from "../../../analysis/refused-entries.ts";
import type { CompiledStep } from "../../../backend/wasm/compile.ts";
import type { Matchers } from "../../../ir/observe.ts";
import type { Program } from "../../../ir/program.ts";
import type { Action } from "../../../ir/verdicts.ts";
import type { EnginePolicy, Mode } from "../../engine/engine.ts";
import type { StateDescription } from "../../engine/status.ts";
import type { NotifiedCall } from "./tested-calls.ts";

/**
 * The modes on this engine:
 *
 * | mode | a static denial | every other verdict |
 * | --- | --- | --- |
 * | reported | goes to the supervisor, so that it becomes an event | is enforced |
 * | quiet | is given by the filter, without an event | is enforced |
 * | audit | goes to the supervisor, becomes an event and passes | likewise |
 *
 * With kill events, a static kill goes to the supervisor in every mode and becomes an event; the supervisor kills.
 */
export interface NotifyPolicy extends EnginePolicy {
  readonly state: StateDescription;
  readonly mode: Mode;
  readonly filter: ArmedFilter;
  /** The same static part without a supervisor, in case no listener can be installed. Undefined for a policy with state. */
  readonly fallback: ArmedFilter | undefined;
  /** Whether the verdict of some call needs the supervisor. */
  readonly stateful: boolean;
  readonly step: CompiledStep;
  /** The memory behind pointers that a judgement reads. */
  readonly memory: Pick<Program, "observations" | "words"> & { readonly matchers: Matchers } & {
    /** The patterns of variables that lead to a verdict. */
    readonly refusing: RefusingPatterns;
  };
  readonly rooms: Program["rooms"];
  /** Calls that a pinned call's caller makes for the supervisor, and that the filter could refuse (pin/own-calls.ts). */
  readonly hinderedOwnCalls: readonly string[];
  /** Allowed calls with which the tree can get memory whose reads never end (pin/stalling.ts): the filter reports them. */
  readonly stallingCalls: readonly number[];
  /** Whether each process is free to make its memory writable and executable, unless it gives that up (PR_SET_MDWE). */
  readonly memoryIsFree: boolean;
  /** If it is: the allowed calls with which a process gives that up. The filter reports them. */
  readonly protections: readonly NotifiedCall[];
  /** In a policy with rooms: the allowed calls that can hide their process from the supervisor. The filter reports them. */
  readonly hidingCalls: readonly NotifiedCall[];
  /**
   * The allowed calls of signal-stops.ts that the filter reports; none if only refused calls are supervised.
   */
  readonly catching: readonly NotifiedCall[];
  /** Whether each rt_sigaction(2) is allowed, whatever the state. */
  readonly allowsHandlers: boolean;
  readonly needs: Needs;
  /** Indexed by call number: bits of `callTrait`; 0 for a number that the policy does not judge. */
  readonly calls: Uint8Array;
  /** Indexed likewise: 1 if the judgement can depend on the number of living processes. */
  readonly countingCalls: Uint8Array;
  /** Indexed likewise: 1 if the verdict can be `ask`. Empty if that is the verdict of no call. */
  readonly askingCalls: Uint8Array;
  /** Undefined if the policy's step judges every call. */
  readonly textFilter: TextFilter | undefined;
}

const judgedMembers = [
  ...(["mode", "needs", "calls", "countingCalls", "askingCalls", "memoryIsFree", "memory", "rooms"] as const),
  ...(["description", "step", "textFilter", "catching", "allowsHandlers", "readOnlyProc", "objects"] as const),
] as const;

/** The parts of a policy that the supervisor's thread uses. */
export type JudgedPolicy = Pick<NotifyPolicy, (typeof judgedMembers)[number]>;

export function judgedPart(policy: NotifyPolicy): JudgedPolicy {
  return Object.fromEntries(judgedMembers.map((member) => [member, policy[member]])) as unknown as JudgedPolicy;
}

export interface ArmedFilter {
  /** `struct sock_filter[]`. */
  readonly instructions: Uint8Array;
  /** The instructions whose `k` is a word of the launcher's token. */
  readonly tokenPositions: readonly number[];
  /** Whether it notifies the supervisor in some case. */
  readonly notifies: boolean;
  /** Whether the filter itself kills in some case; `traps` likewise. */
  readonly kills: boolean;
  readonly traps: boolean;
}

/** Judges calls by the text of their path (text-filter.ts). */
export interface TextFilter {
  /** Indexed by call number: the register of the path plus one; 0 for calls that the filter does not judge. */
  readonly registers: Uint8Array;
  /** Indexed likewise: the index of the path's observation. */
  readonly observations: Uint16Array;
  /** `struct sock_filter[]`. */
  readonly instructions: Uint8Array;
}

/** The tasks and ids that the supervisor must follow. Those that the policy does not need cost nothing. */
export interface Needs {
  readonly threads: boolean;
  readonly processes: boolean;
  /** Every new process must be followed from its fork on, because state is copied or living processes are counted. */
  readonly births: boolean;
  readonly alive: boolean;
  /** The id of the caller's process. */
  readonly processId: boolean;
  /** Effective user and group. */
  readonly credentials: boolean;
  /** The time. */
  readonly clock: boolean;
}

export const callTrait = {
  judged: 1,
  creates: 2,
  executes: 4,
  changesCredentials: 8,
  changesRoot: 16,
  mayStall: 32,
} as const;

/** Not compatible between versions of Node or of portcullis: a cache names both in its key. */
export function encodePolicy(policy: NotifyPolicy): Uint8Array {
  return serialize(policy);
}

/** Throws if the bytes are not a policy. */
export function decodePolicy(bytes: Uint8Array): NotifyPolicy {
  return deserialize(bytes) as NotifyPolicy;
}

/** The supervisor's answer to a verdict. compile.ts refuses traps; "kill thread" kills the process. */
export const answers: { readonly [A in Action]: "pass" | "ask" | "fail" | "kill" } = {
  allow: "pass",
  log: "pass",
  ask: "ask",
  deny: "fail",
  trap: "kill",
  "kill-thread": "kill",
  "kill-process": "kill",
};
