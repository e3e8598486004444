/** An OCI seccomp profile as it is understood: what is left when names, numbers and shapes are known to be right. */
import type { Action } from "../../ir/verdicts.ts";
import type { Range, SourceFile } from "../source/file.ts";

export interface OciProfile {
  readonly file: SourceFile;
  readonly defaultAction: OciAction;
  /** In the order of the text; those that do not apply here are left out already (`select.ts`). */
  readonly rules: readonly OciRule[];
}

export interface OciAction {
  /** As the runtime knows it. `SCMP_ACT_KILL` is `SCMP_ACT_KILL_THREAD`. */
  readonly name: ActionName;
  /** What portcullis does for it. */
  readonly action: Action;
  /** With deny: 1 … 4095. Else 0. */
  readonly errno: number;
  readonly at: Range;
}

export type ActionName = (typeof actionNames)[number];

/** Of the OCI runtime specification, "seccomp"; KILL is the old name of KILL_THREAD. */
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
  /** All must hold. Empty: the rule is for every call of these names. */
  readonly comparisons: readonly OciComparison[];
  readonly includes: OciFilter;
  readonly excludes: OciFilter;
  /** The whole rule. */
  readonly at: Range;
}

export interface OciName {
  readonly name: string;
  readonly at: Range;
}

/** What Docker's and Podman's profiles say of the machines and containers that a rule is for. */
export interface OciFilter {
  /** Go's names: amd64, arm64. */
  readonly arches: readonly string[];
  /** "CAP_SYS_ADMIN". */
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

/** One test of a whole register, unsigned, as libseccomp makes it. */
export interface OciComparison {
  readonly argument: 0 | 1 | 2 | 3 | 4 | 5;
  readonly operator: OperatorName;
  /** With MASKED_EQ the bits that are looked at: 2^64 − 1 for the other operators. */
  readonly mask: bigint;
  readonly value: bigint;
  readonly at: Range;
}

/** What the profile is read for. */
export interface OciHost {
  readonly architecture: "x86_64" | "aarch64";
  /** Those that the command will have. Without it none, which the reader tells of where a rule asks. */
  readonly capabilities?: ReadonlySet<string> | undefined;
  /**
   * "6.12": the kernel that will run the policy. Without it, any that an engine runs on: a rule whose `minKernel` only
   * some of them have is read strictly (select.ts).
   */
  readonly kernelVersion?: string | undefined;
}
