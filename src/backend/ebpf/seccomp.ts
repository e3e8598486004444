/**
 * Compiles a policy to a program of type BPF_PROG_TYPE_SECCOMP, with a description of its maps and state.
 *
 * To load and attach it: create `storage.maps` in order; write the token to the launch map (the launcher's execve carries
 * it in argument registers 4 and 5; neither word is 0) and freeze the map before loading; load the program with the maps'
 * descriptors and a GPL-compatible licence; attach it with `storage.states` and `declared`, with the flag
 * SECCOMP_EBPF_LOCK if `locked` and SECCOMP_EBPF_MATCH if a map holds constants, and with the ring buffer as open map.
 * targets/records.ts describes the records of the ring buffer.
 */

import { auditArchitecture } from "../../abi/architecture.ts";
import type { DeclaredArgument } from "../../abi/declared-arguments.ts";
import { splitPolicy } from "../../analysis/split/split.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { spanOf } from "../../ir/location.ts";
import { isStructure } from "../../ir/observation.ts";
import type { Program } from "../../ir/program.ts";
import { asks } from "../../ir/verdicts.ts";
import { compileEbpf, type EbpfProgram } from "./compile.ts";
import { isConstantAllow } from "./constant-allow.ts";
import { type EbpfTarget, TargetError } from "./lower/target.ts";
import { countsAlive } from "./lower/uses.ts";
import { type SeccompTargetOptions, seccompTarget } from "./targets/seccomp.ts";
import type { TargetStorage } from "./targets/storage.ts";

export interface SeccompProgram {
  readonly object: EbpfProgram;
  readonly storage: TargetStorage;
  /** Whether the kernel must hold the state's locks while the program runs (SECCOMP_EBPF_LOCK). */
  readonly locked: boolean;
  /** The calls of the policy's architecture that the kernel can prove to be always allowed, ascending. */
  readonly constantAllow: readonly number[];
  /** The arguments that the kernel copies before the program runs (`args` of the attachment), by number and argument. */
  readonly declared: readonly DeclaredArgument[];
}

export interface SeccompCompilation {
  /** Undefined if and only if a diagnostic is an error. */
  readonly compiled: SeccompProgram | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

export function compileForSeccomp(program: Program, options: SeccompTargetOptions): SeccompCompilation {
  try {
    const target = seccompTarget(program, options);
    refuseQuestions(program, target);
    refuseCountedClone3(program, target);
    const split = splitPolicy(program, { superviseProcessCreation: target.followsForks });
    const object = compileEbpf(program, split, target);
    const constantAllow = provable(program, object);
    const declared = target.declared();
    const compiled = { object, storage: target.storage(), locked: object.locked, constantAllow, declared };
    return { compiled, diagnostics: [] };
  } catch (error) {
    if (!(error instanceof TargetError)) throw error;
    return { compiled: undefined, diagnostics: [cannotExpress(program, error)] };
  }
}

function refuseQuestions({ verdicts }: Program, target: EbpfTarget): void {
  const asking = verdicts.find(asks);
  if (asking === undefined) return;
  throw new TargetError(target, "`ask`", "a program in the kernel waits for no person", { at: asking.at });
}

/** A program reserves a place for the child of a call before it knows whether the child is a thread (body-kinds.ts). */
function refuseCountedClone3(program: Program, target: EbpfTarget): void {
  const observed = program.observations.find(({ shape }) => isStructure(shape, "clone_args"));
  if (observed === undefined || !countsAlive(program)) return;
  const reason = "a thread that clone3 makes would count as a process";
  const change = "deny clone3 with ENOSYS, and C libraries use clone";
  throw new TargetError(target, `\`tree.alive()\` beside \`${observed.name}\``, reason, { change, at: observed.at });
}

function provable({ admission, architecture }: Program, { instructions }: EbpfProgram): number[] {
  const numbers = [...admission.always, ...admission.judged].flatMap(({ from, to }) =>
    Array.from({ length: Number(to - from) + 1 }, (_, index) => Number(from) + index),
  );
  const code = auditArchitecture[architecture];
  return numbers.filter((number) => isConstantAllow(instructions, number, code)).sort((a, b) => a - b);
}

/** A construct that a target cannot express, as a diagnostic. */
function cannotExpress(program: Program, { target, what, reason, change, at }: TargetError): Diagnostic {
  const help = [change, "run the policy under --engine notify"].filter((way) => way !== undefined).join("; or ");
  return diagnostic("P0606", `the target ${target} cannot express ${what}: ${reason}`, {
    span: spanOf(program, at),
    help,
  });
}
