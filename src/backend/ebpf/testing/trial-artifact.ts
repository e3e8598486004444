/** Compiles a policy for the target of tests (trial-target.ts), with all data that a loader or an object file needs. */

import { programFlags, programTypes } from "../../../abi/bpf-numbers.ts";
import { splitPolicy } from "../../../analysis/split/split.ts";
import type { Program } from "../../../ir/program.ts";
import { callFields, type EbpfArtifact, type ProgramKind } from "../artifact.ts";
import { compileEbpf } from "../compile.ts";
import type { MapField } from "../targets/storage.ts";
import { circumstanceContext, trialContext, trialContextSize, trialStorage, trialTarget } from "./trial-target.ts";

/** @throws TargetError if the target cannot express the policy */
export function compileTrial(program: Program): EbpfArtifact {
  const object = compileEbpf(program, splitPolicy(program, { superviseProcessCreation: false }), trialTarget);
  const own = { target: "trial", kind: trialKind(program), constantAllow: [], declared: [], locked: false } as const;
  return { ...own, program, object, storage: trialStorage(program) };
}

/** The fields of the context after the call. */
const trialFields: readonly MapField[] = [
  ...Object.entries(circumstanceContext).map(([name, field]) => ({ name, ...field })),
  { name: "thread", offset: trialContext.threadSlot, size: 4 },
  { name: "process", offset: trialContext.processSlot, size: 4 },
  { name: "reports", offset: trialContext.reportCount, size: 4 },
];

/** The kernel requires BPF_F_SLEEPABLE for programs of this type. */
function trialKind(program: Program): ProgramKind {
  const context = { name: "trial_context", size: trialContextSize(program), fields: [...callFields, ...trialFields] };
  return { type: programTypes.systemCall, flags: programFlags.sleepable, section: "syscall", context };
}
