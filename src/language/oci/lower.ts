/** From a profile's decisions to statements of the IR. */

import { normalise } from "../../ir/intervals.ts";
import type { Location } from "../../ir/location.ts";
import type { BooleanExpression, Interval, Statement, VerdictExpression } from "../../ir/program.ts";
import { type Action, passes } from "../../ir/verdicts.ts";
import type { ArchitectureName } from "../../linux/architecture.ts";
import { callByName, highestNumber } from "../../linux/calls.ts";
import { errnoByName } from "../../linux/errno.ts";
import type { SourceFile } from "../source/file.ts";
import { conditionOf } from "./comparisons.ts";
import type { Alternative, CallDecision } from "./decisions.ts";
import type { OciAction, OciRule } from "./profile.ts";

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
  /** The calls that are newer than the profile (`newerCalls`), if there are any. */
  readonly newer: Interval | undefined;
}

/** One switch over the number, one arm for all calls that the same rules decide. Every path ends by `give`. */
export function lowerOciProfile(part: OciPart, target: OciTarget): readonly Statement[] {
  const give = (action: OciAction, reason: string | undefined) => {
    const at = part.file.location(action.at);
    return target.give(target.verdict(action.action, action.errno, reason, at), at);
  };
  const arms = groupsOf(part.calls).map(
    ({ numbers, alternatives }): SwitchArm => ({
      intervals: normalise(numbers.map((number) => ({ from: BigInt(number), to: BigInt(number) }))),
      body: alternatives.flatMap(({ rule, comparisons }): readonly Statement[] => {
        const ends = give(rule.action, rule.reason);
        if (comparisons.length === 0) return ends;
        const at = part.file.location(rule.action.at);
        return [{ kind: "if", condition: conjunction(comparisons.map(conditionOf)), then: ends, otherwise: [], at }];
      }),
    }),
  );
  const ends = give(part.defaultAction, undefined);
  if (part.newer !== undefined) {
    const at = part.file.location(part.defaultAction.at);
    const reason = "the call is newer than the profile";
    arms.push({ intervals: [part.newer], body: target.give(target.verdict("deny", enosys, reason, at), at) });
  }
  // Calls without a rule that counts come to the default action like all others.
  const decided = arms.filter((arm) => arm.body.length > 0);
  if (decided.length === 0) return ends;
  return [{ kind: "switch", value: { kind: "input", input: "number" }, arms: decided, otherwise: [] }, ...ends];
}

const enosys = errnoByName("ENOSYS")!;

/**
 * Numbers above the newest call that a profile names, unless the default action lets them pass: programs take ENOSYS for
 * an old kernel and fall back to older calls, as pthread_create does from clone3 to clone, and take every other errno for
 * a failure. runc puts the same answer before its filter (libcontainer/seccomp/patchbpf).
 */
export function newerCalls(
  rules: readonly OciRule[],
  defaultAction: OciAction,
  architecture: ArchitectureName,
): Interval | undefined {
  if (passes(defaultAction) || defaultAction.name === "SCMP_ACT_TRACE") return undefined;
  const named = rules.flatMap(({ names }) => names.map(({ name }) => callByName(name)?.number[architecture] ?? -1));
  const newest = named.reduce((most, number) => Math.max(most, number), -1);
  const highest = highestNumber(architecture);
  return newest < 0 || newest >= highest ? undefined : { from: BigInt(newest + 1), to: BigInt(highest) };
}

function conjunction(of: readonly BooleanExpression[]): BooleanExpression {
  return of.length === 1 ? of[0]! : { kind: "all", of };
}

type SwitchArm = Extract<Statement, { kind: "switch" }>["arms"][number];

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
