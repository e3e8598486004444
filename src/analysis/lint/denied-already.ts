/**
 * P0603: a rule on a call that an extended policy already denies. The strictest verdict wins, so a milder rule never
 * has an effect, which its author may not expect.
 */

import { callByName } from "../../abi/calls.ts";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { Location } from "../../ir/location.ts";
import { spanOf } from "../../ir/location.ts";
import type { Program } from "../../ir/program.ts";
import { strictness } from "../../ir/verdicts.ts";
import type { DecisionLeaf, StatefulReason } from "../decision.ts";
import { leavesOf } from "../explain/paths.ts";
import { splitPolicy } from "../split/split.ts";

/** From `loadPolicy`. */
export interface Extension {
  /** The step of the extending policy alone, and the strictest verdict of the policies that it extends. */
  readonly own: Program;
  readonly base: Program;
  /** The calls that the extending step names, with their locations. */
  readonly named: readonly { readonly name: string; readonly at: Location }[];
}

export function findDeniedAlready({ own, base, named }: Extension): Diagnostic[] {
  const numbers = new Map<string, number>();
  for (const { name } of named) {
    const number = callByName(name)?.number[own.architecture];
    if (number !== undefined) numbers.set(name, number);
  }
  const ofBase = leavesByNumber(base, numbers);
  const ofOwn = leavesByNumber(own, numbers);
  const found = new Map<string, Diagnostic>();
  for (const { name, at } of named) {
    const number = numbers.get(name);
    if (number === undefined || found.has(name)) continue;
    const denials = strictnessOf(base, ofBase.get(number));
    const verdicts = strictnessOf(own, ofOwn.get(number));
    // A rule that changes state or reports has an effect although its verdict has none.
    const hasEffect = ofOwn.get(number)?.some((leaf) => leaf.stateful.some(isEffect)) ?? true;
    if (hasEffect || denials.length === 0 || verdicts.length === 0) continue;
    const mildest = denials[0]!;
    if (mildest < strictness.deny || verdicts.at(-1)! >= mildest) continue;
    const verdict = ofBase.get(number)!.flatMap((leaf) => leaf.possible)[0]!;
    const denied = spanOf(base, base.verdicts[verdict]!.at);
    found.set(
      name,
      diagnostic("P0603", `${name} is already denied by a policy that this one extends: a rule here has no effect`, {
        span: spanOf(own, at),
        ...(denied === undefined ? {} : { related: { span: denied, message: "denied here" } }),
        help: "the strictest verdict wins: remove the rule, or extend a milder policy",
      }),
    );
  }
  return [...found.values()];
}

function leavesByNumber(program: Program, numbers: ReadonlyMap<string, number>): Map<number, readonly DecisionLeaf[]> {
  const judged = [...new Set(numbers.values())]
    .sort((a, b) => a - b)
    .map((number) => ({ from: BigInt(number), to: BigInt(number) }));
  const asked = { ...program, admission: { always: [], judged } };
  const split = splitPolicy(asked, { superviseProcessCreation: false });
  return new Map([...split].map(([number, decision]) => [number, leavesOf(decision)]));
}

/** The strictness of all verdicts that some argument and some state give, ascending. */
function strictnessOf(program: Program, leaves: readonly DecisionLeaf[] | undefined): number[] {
  return (leaves ?? [])
    .flatMap((leaf) => leaf.possible.map((verdict) => strictness[program.verdicts[verdict]!.action]))
    .sort((a, b) => a - b);
}

function isEffect(reason: StatefulReason): boolean {
  return (
    reason.because === "changes-state" ||
    reason.because === "changes-table" ||
    reason.because === "enters-room" ||
    reason.because === "reports" ||
    reason.because === "too-complex"
  );
}
