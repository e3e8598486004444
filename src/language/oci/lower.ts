/** From a profile's decisions to statements of the IR. */

import { normalise } from "../../ir/intervals.ts";
import type { Location } from "../../ir/location.ts";
import type { BooleanExpression, Statement, VerdictExpression } from "../../ir/program.ts";
import type { Action } from "../../ir/verdicts.ts";
import type { SourceFile } from "../source/file.ts";
import { conditionOf } from "./comparisons.ts";
import type { Alternative, CallDecision } from "./decisions.ts";
import type { OciAction } from "./profile.ts";

/** Where the profile's verdicts go: the whole program's table, and what stands for "this is the verdict". */
export interface OciTarget {
  /** An entry of the program's table; the same place asked twice may be the same entry. `ProgramBuilder.verdict` is one. */
  verdict(action: Action, errno: number, reason: string | undefined, at: Location | undefined): VerdictExpression;
  /** Ends the profile's part with this verdict: a `return`, or a `set-verdict` and a `leave`. */
  give(verdict: VerdictExpression, at: Location): readonly Statement[];
}

export interface OciPart {
  readonly file: SourceFile;
  readonly defaultAction: OciAction;
  readonly calls: readonly CallDecision[];
  /** Names that the profile itself says, for io_uring's admission. */
  readonly names: ReadonlySet<string>;
}

/** One switch over the number, one arm for all calls that the same rules decide. Every path ends by `give`. */
export function lowerOciProfile(part: OciPart, target: OciTarget): readonly Statement[] {
  const give = (action: OciAction, reason: string | undefined) => {
    const at = part.file.location(action.at);
    return target.give(target.verdict(action.action, action.errno, reason, at), at);
  };
  const arms = groupsOf(part.calls).map(({ numbers, alternatives }) => ({
    intervals: normalise(numbers.map((number) => ({ from: BigInt(number), to: BigInt(number) }))),
    body: alternatives.flatMap(({ rule, comparisons }): readonly Statement[] => {
      const ends = give(rule.action, rule.reason);
      if (comparisons.length === 0) return ends;
      const at = part.file.location(rule.action.at);
      return [{ kind: "if", condition: conjunction(comparisons.map(conditionOf)), then: ends, otherwise: [], at }];
    }),
  }));
  const ends = give(part.defaultAction, undefined);
  // Calls without a rule that counts come to the default action like all others.
  const decided = arms.filter((arm) => arm.body.length > 0);
  if (decided.length === 0) return ends;
  return [{ kind: "switch", value: { kind: "input", input: "number" }, arms: decided, otherwise: [] }, ...ends];
}

function conjunction(of: readonly BooleanExpression[]): BooleanExpression {
  return of.length === 1 ? of[0]! : { kind: "all", of };
}

interface Group {
  readonly numbers: number[];
  readonly alternatives: readonly Alternative[];
}

function groupsOf(calls: readonly CallDecision[]): Group[] {
  const groups = new Map<string, Group>();
  for (const { number, alternatives } of calls) {
    const key = alternatives
      .map(({ rule, comparisons }) => [rule.at.start, ...comparisons.map(({ at }) => at.start)].join())
      .join(";");
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { numbers: [number], alternatives });
    else group.numbers.push(number);
  }
  return [...groups.values()];
}
