/** A policy compiled for the engine `notify`: it goes to the supervisor's thread and into the cache. */
import { deserialize, serialize } from "node:v8";
import type { CompiledStep } from "../../compile/wasm/compile.ts";
import type { Automata } from "../../ir/observe.ts";
import type { Program } from "../../ir/program.ts";
import type { Action } from "../../ir/verdicts.ts";
import type { EnginePolicy, Mode } from "../engine.ts";
import type { StateDescription } from "../status.ts";

/**
 * What the modes mean on this engine:
 *
 * | mode | a static denial | every other verdict |
 * | --- | --- | --- |
 * | reported | goes to the supervisor, so that it becomes an event | is given |
 * | quiet | is the filter's own, without an event | is given |
 * | audit | goes to the supervisor, becomes an event and passes | likewise |
 *
 * With kill events, a static kill goes to the supervisor in every mode, becomes an event, and is the supervisor's.
 */
export interface NotifyPolicy extends EnginePolicy {
  readonly state: StateDescription;
  readonly mode: Mode;
  readonly filter: ArmedFilter;
  /** The same static part without a question to the supervisor, for where no listener can be had. Absent with state. */
  readonly fallback: ArmedFilter | undefined;
  /** Some call needs the supervisor to know its verdict. */
  readonly stateful: boolean;
  readonly step: CompiledStep;
  /** The memory behind pointers that is read before a call is judged. */
  readonly memory: Pick<Program, "observations" | "words"> & { readonly automata: Automata };
  readonly rooms: Program["rooms"];
  /** Calls that a pinned call's caller makes for the supervisor, and that the filter could refuse (pin/own-calls.ts). */
  readonly hinderedOwnCalls: readonly string[];
  /** Calls that may pass, and with which the tree can get memory that never comes (pin/stalling.ts): the filter asks about them. */
  readonly stallingCalls: readonly number[];
  readonly needs: Needs;
  /** Indexed by call number: bits of `callTrait`; 0 for a number that the policy does not judge. */
  readonly calls: Uint8Array;
}

export interface ArmedFilter {
  /** `struct sock_filter[]`. */
  readonly instructions: Uint8Array;
  /** Which instructions' `k` is a word of the launcher's token. */
  readonly tokenPositions: readonly number[];
  /** It asks the supervisor in some case. */
  readonly asks: boolean;
  /** It kills by itself in some case, and traps. */
  readonly kills: boolean;
  readonly traps: boolean;
}

/** Which tasks and ids the supervisor must follow; what the policy does not need costs nothing. */
export interface Needs {
  readonly threads: boolean;
  readonly processes: boolean;
  /** Every new process must be followed from its fork on: state is copied, or the living are counted. */
  readonly births: boolean;
  readonly alive: boolean;
  /** The id of the caller's process. */
  readonly processId: boolean;
  /** Effective user and group. */
  readonly credentials: boolean;
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

/** Throws where the bytes are no policy. */
export function decodePolicy(bytes: Uint8Array): NotifyPolicy {
  return deserialize(bytes) as NotifyPolicy;
}

/** What the supervisor does for a verdict. compile.ts refuses a trap; a killed thread takes its process along. */
export const answers: { readonly [A in Action]: "pass" | "fail" | "kill" } = {
  allow: "pass",
  log: "pass",
  deny: "fail",
  trap: "kill",
  "kill-thread": "kill",
  "kill-process": "kill",
};
