/** Compiles a policy for a target by its name, with all data that a loader or an object file needs. */

import { splitPolicy } from "../../analysis/split/split.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Program } from "../../ir/program.ts";
import { programFlags, programTypes } from "../../linux/bpf/numbers.ts";
import { seccompData, seccompDataSize } from "../../linux/seccomp-data.ts";
import { compileEbpf } from "./compile.ts";
import { TargetError } from "./lower/target.ts";
import { cannotExpress, compileForSeccomp, type SeccompProgram } from "./seccomp.ts";
import type { MapField } from "./targets/storage.ts";
import { circumstanceContext, trialContext, trialContextSize, trialStorage, trialTarget } from "./targets/trial.ts";

/**
 * | target | runs on |
 * | --- | --- |
 * | seccomp | a patched kernel, loaded with CAP_BPF |
 * | unprivileged | the same kernel without a capability, if its administrator permits: no functions, no loops, 4,096 instructions |
 * | trial | any kernel since 5.14, by BPF_PROG_TEST_RUN, for tests |
 */
export const ebpfTargets = ["seccomp", "unprivileged", "trial"] as const;
export type EbpfTargetName = (typeof ebpfTargets)[number];

/** The kernel's and libbpf's identification of a target's programs. */
export interface ProgramKind {
  /** `enum bpf_prog_type`. */
  readonly type: number;
  /** `BPF_F_…` of BPF_PROG_LOAD. */
  readonly flags: number;
  /**
   * The section name by which libbpf recognises the type. Upstream knows "syscall"; "seccomp" needs the kernel's
   * patches.
   */
  readonly section: "seccomp" | "syscall";
  /** The C type of the program's only argument. */
  readonly context: { readonly name: string; readonly size: number; readonly fields: readonly MapField[] };
}

/** `constantAllow` and `declared` are empty for the target `trial`. */
export interface EbpfArtifact extends Omit<SeccompProgram, "locked"> {
  readonly target: EbpfTargetName;
  readonly kind: ProgramKind;
  readonly program: Program;
}

export interface ArtifactCompilation {
  /** Undefined if and only if a diagnostic is an error. */
  readonly artifact: EbpfArtifact | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** `struct seccomp_data`, with the kernel's names. */
const callFields: readonly MapField[] = [
  { name: "nr", ...seccompData.number },
  { name: "arch", ...seccompData.architecture },
  { name: "instruction_pointer", ...seccompData.instructionPointer },
  { name: "args", ...seccompData.arguments },
];

/** The fields after the call in the context of the target `trial` (targets/trial.ts). */
const trialFields: readonly MapField[] = [
  ...Object.entries(circumstanceContext).map(([name, field]) => ({ name, ...field })),
  { name: "thread", offset: trialContext.threadSlot, size: 4 },
  { name: "process", offset: trialContext.processSlot, size: 4 },
  { name: "reports", offset: trialContext.reportCount, size: 4 },
];

const seccompKind: ProgramKind = {
  type: programTypes.seccomp,
  flags: 0,
  section: "seccomp",
  context: { name: "seccomp_data", size: seccompDataSize, fields: callFields },
};

/** The kernel requires BPF_F_SLEEPABLE for programs of this type. */
function trialKind(program: Program): ProgramKind {
  const context = { name: "trial_context", size: trialContextSize(program), fields: [...callFields, ...trialFields] };
  return { type: programTypes.systemCall, flags: programFlags.sleepable, section: "syscall", context };
}

export interface ArtifactOptions {
  /** Whether verdicts that are not a plain allow become records in the ring buffer (`trial` has none). */
  readonly reportsVerdicts: boolean;
}

export function compileArtifact(
  program: Program,
  target: EbpfTargetName,
  { reportsVerdicts }: ArtifactOptions,
): ArtifactCompilation {
  if (target === "trial") return compileTrial(program);
  const { compiled, diagnostics } = compileForSeccomp(program, {
    unprivileged: target === "unprivileged",
    reportsVerdicts,
  });
  if (compiled === undefined) return { artifact: undefined, diagnostics };
  const { object, storage, constantAllow, declared } = compiled;
  return { artifact: { target, kind: seccompKind, program, object, storage, constantAllow, declared }, diagnostics };
}

function compileTrial(program: Program): ArtifactCompilation {
  try {
    const object = compileEbpf(program, splitPolicy(program, { superviseProcessCreation: false }), trialTarget);
    const storage = trialStorage(program);
    const own = { target: "trial", kind: trialKind(program), constantAllow: [], declared: [] } as const;
    return { artifact: { ...own, program, object, storage }, diagnostics: [] };
  } catch (error) {
    if (!(error instanceof TargetError)) throw error;
    return { artifact: undefined, diagnostics: [cannotExpress(program, error)] };
  }
}
