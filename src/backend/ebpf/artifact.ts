/** Compiles a policy for a target by its name, with all data that a loader or an object file needs. */

import { programTypes } from "../../abi/bpf-numbers.ts";
import { seccompData, seccompDataSize } from "../../abi/seccomp-data.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Program } from "../../ir/program.ts";
import { compileForSeccomp, type SeccompProgram } from "./seccomp.ts";
import type { MapField } from "./targets/storage.ts";

/**
 * | target | runs on |
 * | --- | --- |
 * | seccomp | a patched kernel, loaded with CAP_BPF |
 * | unprivileged | the same kernel without a capability, if its administrator permits: no functions, no loops, 4,096 instructions |
 */
export const ebpfTargets = ["seccomp", "unprivileged"] as const;
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

export interface EbpfArtifact extends SeccompProgram {
  /** `trial` is the target of tests (testing/trial-target.ts). */
  readonly target: EbpfTargetName | "trial";
  readonly kind: ProgramKind;
  readonly program: Program;
}

export interface ArtifactCompilation {
  /** Undefined if and only if a diagnostic is an error. */
  readonly artifact: EbpfArtifact | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** `struct seccomp_data`, with the kernel's names. */
export const callFields: readonly MapField[] = [
  { name: "nr", ...seccompData.number },
  { name: "arch", ...seccompData.architecture },
  { name: "instruction_pointer", ...seccompData.instructionPointer },
  { name: "args", ...seccompData.arguments },
];

const seccompKind: ProgramKind = {
  type: programTypes.seccomp,
  flags: 0,
  section: "seccomp",
  context: { name: "seccomp_data", size: seccompDataSize, fields: callFields },
};

export interface ArtifactOptions {
  /** Whether verdicts that are not a plain allow become records in the ring buffer. */
  readonly reportsVerdicts: boolean;
}

export function compileArtifact(
  program: Program,
  target: EbpfTargetName,
  { reportsVerdicts }: ArtifactOptions,
): ArtifactCompilation {
  const { compiled, diagnostics } = compileForSeccomp(program, {
    unprivileged: target === "unprivileged",
    reportsVerdicts,
  });
  if (compiled === undefined) return { artifact: undefined, diagnostics };
  return { artifact: { target, kind: seccompKind, program, ...compiled }, diagnostics };
}
