/**
 * Makes the classic filter of an engine. Every part of portcullis that installs, writes, lists or explains the filter gets
 * it here, so that users see the filter that the kernel runs.
 */

import { callNumber } from "../../abi/call-numbers.ts";
import { errno } from "../../abi/errno-numbers.ts";
import { type ReturnAction, returnWord, splitReturnWord } from "../../abi/return-word.ts";
import { type DecisionLeaf, isStateful, type SplitPolicy } from "../../analysis/decision.ts";
import { leavesOf } from "../../analysis/explain/paths.ts";
import { type SplitOptions, splitPolicy } from "../../analysis/split/split.ts";
import { type ClassicProgram, type ClassicTarget, compileClassic } from "../../backend/classic/compile.ts";
import { opcode } from "../../backend/classic/instruction.ts";
import { verdictWord } from "../../backend/classic/verdict-word.ts";
import { isExpectedRefusal } from "../../events/expected.ts";
import type { Program } from "../../ir/program.ts";
import type { Action } from "../../ir/verdicts.ts";

/** The calls that an engine must see although no state decides their verdict. */
export type Supervision = Pick<
  SplitOptions,
  "superviseProcessCreation" | "superviseExecution" | "superviseRestriction" | "superviseRights"
>;

/** The properties that determine an engine's classic filter. */
export interface FilterProfile {
  supervision(program: Program): Supervision;
  /**
   * Whether the classic filter notifies the engine (`SECCOMP_RET_USER_NOTIF`) if a verdict needs state. A filter that does not
   * notify returns the weakest verdict that any state could give, because a second filter has the state.
   */
  readonly notifies: boolean;
  /**
   * Whether the filter of a plain `run` notifies the engine of an action although the classic filter knows the verdict, so
   * that it becomes an event. Absent: it notifies of none.
   */
  readonly reportsStatically?: (action: Action) => boolean;
  /** The calls that the launcher makes under the filter, with its token in their unused arguments. */
  readonly launcherCalls: readonly ("execve" | "seccomp")[];
}

export interface StaticFilter {
  readonly split: SplitPolicy;
  readonly target: ClassicTarget;
  readonly classic: ClassicProgram;
  /** The verdict that is never an event, and the positions of its returns. */
  readonly expected: { readonly verdict: number | undefined; readonly returns: ReadonlySet<number> };
}

export interface StaticFilterOptions {
  /** With a token of zeroes, which `rearmClassic` and the launcher replace; for a filter that the launcher installs. */
  readonly armed: boolean;
  /** Never notify, even if the engine's profile notifies: for a start without the engine. */
  readonly alone?: boolean;
  /** The filter's return word for a verdict, by the verdict's index. Default: the kernel's word for the action. */
  readonly word?: (verdict: number) => number;
}

const notify = returnWord("USER_NOTIF");
/** Not an errno. It gives the expected refusal returns of its own, which other refusals with ENOSYS do not share. */
const mark = returnWord("ERRNO", 0xffff);

/** Throws a FilterTooLargeError where the filter would have more than 4096 instructions. */
export function staticFilter(profile: FilterProfile, program: Program, options: StaticFilterOptions): StaticFilter {
  const split = splitPolicy(program, profile.supervision(program));
  const word = options.word ?? ((verdict) => verdictWord(program.verdicts[verdict]!));
  const notifies = profile.notifies && options.alone !== true;
  const verdict = notifies ? expectedVerdict(program, split) : undefined;
  const wordOf = (leaf: DecisionLeaf, expected: number) => {
    if (notifies && isStateful(leaf)) return notify;
    return leaf.weakest === verdict ? expected : word(leaf.weakest);
  };
  const plain = verdict === undefined ? 0 : word(verdict);
  const target: ClassicTarget = {
    leaf: (leaf) => wordOf(leaf, plain),
    unknown: returnWord("ERRNO", errno.ENOSYS),
    foreign: returnWord("ERRNO", errno.ENOSYS),
    always: returnWord("ALLOW"),
    launcherToken: options.armed ? [0, 0, 0, 0] : undefined,
    launcherInstalls: profile.launcherCalls.includes("seccomp"),
  };
  const classic = compileClassic(program, split, { ...target, leaf: (leaf) => wordOf(leaf, mark) });
  const returns = new Set<number>();
  const instructions = classic.instructions.map((instruction, position) => {
    if (instruction.code !== opcode.return || instruction.k !== mark) return instruction;
    returns.add(position);
    return { ...instruction, k: plain };
  });
  return { split, target, classic: { ...classic, instructions }, expected: { verdict, returns } };
}

/**
 * The verdict of clone3 if it is refused as C libraries expect, and no other call has this verdict. The kernel gives it
 * itself: no supervisor has to answer, and no signal can make it EINTR, after which C libraries do not try clone.
 */
function expectedVerdict(program: Program, split: SplitPolicy): number | undefined {
  const clone3 = callNumber("clone3", program.architecture);
  const decision = split.get(clone3);
  if (decision?.kind !== "leaf" || isStateful(decision)) return undefined;
  const verdict = decision.weakest;
  if (!isExpectedRefusal("clone3", program.verdicts[verdict]!)) return undefined;
  const others = [...split].flatMap(([number, other]) => (number === clone3 ? [] : [other]));
  return leavesOf(...others).some(({ weakest }) => weakest === verdict) ? undefined : verdict;
}

/** The same filter, but it notifies the engine instead of giving one of these actions. Cheaper than a second compilation. */
export function notifyingOf(
  { split, target, classic, expected }: StaticFilter,
  actions: ReadonlySet<ReturnAction>,
): StaticFilter {
  const changed = (word: number): number => {
    const { action } = splitReturnWord(word);
    return action !== undefined && actions.has(action) ? notify : word;
  };
  const instructions = classic.instructions.map((instruction, position) =>
    instruction.code === opcode.return && !expected.returns.has(position)
      ? { ...instruction, k: changed(instruction.k) }
      : instruction,
  );
  return {
    split,
    target: {
      ...target,
      leaf: (leaf) =>
        leaf.weakest === expected.verdict && !isStateful(leaf) ? target.leaf(leaf) : changed(target.leaf(leaf)),
      unknown: changed(target.unknown),
      foreign: changed(target.foreign),
    },
    classic: { ...classic, instructions },
    expected,
  };
}

/** Whether the filter notifies the engine in some case. Without a listener the kernel answers such a call with ENOSYS. */
export function isAsking({ instructions }: ClassicProgram): boolean {
  return instructions.some(({ code, k }) => code === opcode.return && k === notify);
}

/** The options of `explainPolicy` and `why`. */
export function explainOptions(
  profile: FilterProfile,
  program: Program,
): Supervision & Pick<FilterProfile, "launcherCalls"> & { readonly isReported: (verdict: number) => boolean } {
  const supervision = profile.supervision(program);
  // Splitting the whole policy takes long, and few policies have such a verdict.
  let expected: { readonly verdict: number | undefined } | undefined;
  const isReported = (index: number): boolean => {
    const verdict = program.verdicts[index]!;
    if (profile.reportsStatically?.(verdict.action) !== true) return false;
    if (!isExpectedRefusal("clone3", verdict)) return true;
    expected ??= { verdict: expectedVerdict(program, splitPolicy(program, supervision)) };
    return expected.verdict !== index;
  };
  return { ...supervision, launcherCalls: profile.launcherCalls, isReported };
}
