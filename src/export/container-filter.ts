/**
 * The classic filter of a container: that of the engine `notify`, without the exception for portcullis's launcher, which
 * starts no container.
 *
 * If the filter notifies an agent at all, it reports every execution, because the agent passes the runtime's own calls
 * until the container's first task executes the command.
 *
 * The rules that protect the window of pinned calls where the kernel has no mseal(2) (window-rules.ts) are not part of it:
 * the agent refuses a container whose policy reads memory on such a kernel.
 */

import { executingCalls, numbersOf } from "../abi/process-calls.ts";
import { splitReturnWord } from "../abi/return-word.ts";
import { leavesOf } from "../analysis/explain/paths.ts";
import { type ClassicInstruction, encodeInstructions } from "../backend/classic/instruction.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import type { Mode } from "../engines/engine/engine.ts";
import { isAsking, type StaticFilter } from "../engines/engine/static-filter.ts";
import { compileForNotify } from "../engines/notify/compile.ts";
import { notifyFilter } from "../engines/notify/filter.ts";
import { ownCallRules, reportedCalls } from "../engines/notify/pin/own-calls.ts";
import type { NotifyPolicy } from "../engines/notify/policy/policy.ts";
import type { NotifiedCall } from "../engines/notify/policy/tested-calls.ts";
import { ownCallsOf } from "../engines/notify/tree-filter.ts";
import type { Program } from "../ir/program.ts";

export interface ContainerFilter {
  readonly program: Program;
  readonly policy: NotifyPolicy;
  /** The policy's decisions, which hold for all calls that are not `reported`. */
  readonly decided: StaticFilter;
  /** Calls that are reported whatever the decisions are. */
  readonly reported: readonly NotifiedCall[];
  /** Both as instructions. */
  readonly instructions: readonly ClassicInstruction[];
  readonly needsAgent: boolean;
}

export interface ContainerCompilation {
  /** Undefined if and only if the diagnostics contain an error. */
  readonly filter: ContainerFilter | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** `forcesAgent`: a part of the filter cannot be said without one. Throws as `compileForNotify`. */
export function containerFilter(
  program: Program,
  mode: Exclude<Mode, "audit">,
  forcesAgent = false,
): ContainerCompilation {
  const { policy, diagnostics } = compileForNotify(program, mode);
  if (policy === undefined) return { filter: undefined, diagnostics };
  const decided = notifyFilter(program, { mode, armed: false });
  const own = ownCallsOf(policy);
  const { architecture } = program;
  const executions = numbersOf(executingCalls, architecture);
  const needsAgent =
    forcesAgent ||
    isAsking(decided.classic) ||
    reportedCalls(architecture, own).length > 0 ||
    !alwaysPass(executions, decided);
  const all = needsAgent ? { ...own, stalling: [...own.stalling, ...executions] } : own;
  const instructions = [...ownCallRules(architecture, all), ...decided.classic.instructions];
  const reported = reportedCalls(architecture, all);
  return { filter: { program, policy, decided, reported, instructions, needsAgent }, diagnostics };
}

export function encodeContainerFilter({ instructions }: ContainerFilter): Uint8Array {
  return encodeInstructions(instructions);
}

function alwaysPass(numbers: readonly number[], { split, target }: StaticFilter): boolean {
  return numbers.every((number) => {
    const decision = split.get(number);
    if (decision === undefined) return false;
    return leavesOf(decision).every((leaf) => {
      const { action } = splitReturnWord(target.leaf(leaf));
      return action === "ALLOW" || action === "LOG";
    });
  });
}
