/** The contents of a bundle as values. `write.ts` encodes it, `read.ts` decodes it. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import type { DeclaredArgument } from "../../abi/declared-arguments.ts";
import type { Report, RoomScope } from "../../ir/program.ts";
import type { Action } from "../../ir/verdicts.ts";
import type { MapDescription } from "../ebpf/targets/storage.ts";
import type { Ruleset } from "../landlock/rulesets.ts";

export interface Bundle {
  readonly architecture: ArchitectureName;
  readonly name: string;
  /** The compiler: "portcullis 0.1.0". */
  readonly compiler: string;
  /** `seccomp` or `unprivileged`. */
  readonly target: string;
  /** The values of the parameters that are constants of this bundle. */
  readonly fixed: readonly (readonly [name: string, value: string])[];
  /** The other parameters, whose values are given at the start. At most 64, with different names. */
  readonly parameters: readonly BundleParameter[];
  readonly licence: string;
  readonly programType: number;
  readonly programFlags: number;
  /** Whether the kernel must hold the state's locks while the program runs. */
  readonly locked: boolean;
  /** Whether the kernel runs automata for the program. */
  readonly matches: boolean;
  /** The classic program is all of the policy. */
  readonly classicIsAll: boolean;
  readonly unprivileged: boolean;
  /** The launcher lets the tree open files of proc file systems for reading only. */
  readonly readOnlyProc: boolean;
  /** The files, ports and scopes to which the launcher restricts the tree. At most `mostLayers`. */
  readonly objects: readonly Ruleset[];
  /** `struct sock_filter[]`; empty if the static part does not fit a classic filter. */
  readonly classic: Uint8Array;
  /** Instructions of `classic` whose `k` is a word of the token: four for execve, then perhaps four for seccomp(2). */
  readonly classicToken: readonly number[];
  /** `struct bpf_insn[]`; fields to be relocated are 0. */
  readonly program: Uint8Array;
  readonly relocations: readonly Relocation[];
  readonly kernelFunctions: readonly string[];
  readonly maps: readonly BundleMap[];
  readonly states: readonly BundleState[];
  readonly rooms: readonly BundleRoom[];
  /** The arguments that the kernel copies before the program runs, by number and argument. At most 256. */
  readonly declared: readonly DeclaredArgument[];
  readonly launch: readonly LaunchWord[];
  /** The calls that are allowed with any arguments and any state. */
  readonly constantAllows: readonly { readonly architecture: number; readonly number: number }[];
  readonly types: Uint8Array;
  readonly functionInfo: Uint8Array;
  readonly lineInfo: Uint8Array;
  readonly verdicts: readonly BundleVerdict[];
  readonly reports: readonly BundleReport[];
  /** In ascending order of `instruction`; an entry is valid up to the next. */
  readonly sourceMap: readonly { readonly instruction: number; readonly at: Place | undefined }[];
}

export interface Relocation {
  readonly instruction: number;
  readonly kind: "map" | "kernel-function";
  readonly index: number;
}

export interface BundleMap
  extends Pick<MapDescription, "name" | "type" | "keySize" | "valueSize" | "capacity" | "holds"> {
  readonly lock: number | undefined;
  /** Ids of types in `types`; 0 for none. */
  readonly keyType: number;
  readonly valueType: number;
  /** The values of keys 0, 1, …; empty for zeros. */
  readonly initial: Uint8Array;
}

export interface BundleState {
  readonly name: string;
  readonly scope: "thread" | "process";
  readonly fork: "copy" | "fresh" | "share";
  readonly size: number;
}

export interface BundleRoom {
  readonly name: string;
  readonly scope: RoomScope;
  readonly sides: number;
  /** A bit for each side that admits one call at a time. */
  readonly exclusive: number;
  /** `SECCOMP_RET_…`, of a call that has waited too long. */
  readonly late: number;
  /** In nanoseconds. */
  readonly timeout: bigint;
}

export interface BundleParameter {
  readonly name: string;
  readonly kind: "integer" | "flag";
  readonly from: bigint;
  readonly to: bigint;
  /** Undefined if a value must be given. */
  readonly default: bigint | undefined;
  readonly at: Place | undefined;
}

/** The words of parameters are in the order of the parameters. */
export interface LaunchWord {
  readonly is: "token" | "secret" | "parameter";
  readonly map: number;
  readonly offset: number;
}

/** A place in a policy, with the displayed path of its file. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

/** A program in the kernel asks no person. */
export type BundledAction = Exclude<Action, "ask">;

export interface BundleVerdict {
  readonly action: BundledAction;
  readonly errno: number;
  readonly reason: string | undefined;
  readonly at: Place | undefined;
}

export interface BundleReport {
  readonly text: string;
  readonly values: Report["values"];
  readonly at: Place | undefined;
}

/** The file is not a bundle, or not of a known version. */
export class BundleError extends Error {
  override readonly name = "BundleError";
}
