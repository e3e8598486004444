/** The types of a validated OCI seccomp profile, with checked names, numbers and shapes. */
import type { Action } from "../../ir/verdicts.ts";
import type { Range } from "../source/file.ts";

export interface OciAction {
  /** The runtime's name. `SCMP_ACT_KILL` is `SCMP_ACT_KILL_THREAD`. */
  readonly name: ActionName;
  /** The action that implements it. */
  readonly action: Action;
  /** 0 … 4095 with deny, else 0. */
  readonly errno: number;
  readonly at: Range;
}

export type ActionName = (typeof actionNames)[number];

/** Actions of the OCI runtime specification, "seccomp"; KILL is the old name of KILL_THREAD. */
export const actionNames = [
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
  "SCMP_ACT_NOTIFY",
] as const;

export interface OciRule {
  readonly names: readonly OciName[];
  readonly action: OciAction;
  /** The rule's `comment`. */
  readonly reason: string | undefined;
  /** All must hold. An empty list matches every call of these names. */
  readonly comparisons: readonly OciComparison[];
  readonly includes: OciFilter;
  readonly excludes: OciFilter;
  /** The range of the whole rule. */
  readonly at: Range;
}

export interface OciName {
  readonly name: string;
  readonly at: Range;
}

/** Conditions of Docker's and Podman's profiles on the machine and the container. */
export interface OciFilter {
  /** Go's names: amd64, arm64. */
  readonly arches: readonly string[];
  /** Such as "CAP_SYS_ADMIN". */
  readonly caps: readonly string[];
  readonly minKernel: { readonly version: KernelVersion; readonly at: Range } | undefined;
}

export interface KernelVersion {
  readonly major: number;
  readonly minor: number;
}

export const operatorNames = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
] as const;
export type OperatorName = (typeof operatorNames)[number];

/** A comparison of a whole register, unsigned, as in libseccomp. */
export interface OciComparison {
  readonly argument: 0 | 1 | 2 | 3 | 4 | 5;
  readonly operator: OperatorName;
  /** With MASKED_EQ the mask; 2^64 − 1 for the other operators. */
  readonly mask: bigint;
  readonly value: bigint;
  readonly at: Range;
}

/** The host for which the profile is read. */
export interface OciHost {
  readonly architecture: "x86_64" | "aarch64";
  /** The command's capabilities. Default: none, with a warning if a rule tests one. */
  readonly capabilities?: ReadonlySet<string> | undefined;
  /**
   * The kernel that runs the policy, such as "6.12". Default: any kernel that an engine supports; a rule whose
   * `minKernel` only some of them have is read strictly (select.ts).
   */
  readonly kernelVersion?: string | undefined;
}
