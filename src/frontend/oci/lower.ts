/** Lowers a profile's decisions to statements of the IR. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { callByName, highestNumber } from "../../abi/calls.ts";
import { errnoByName } from "../../abi/errno.ts";
import { normalise } from "../../ir/intervals.ts";
import type { Location } from "../../ir/location.ts";
import type { BooleanExpression, Interval, Statement, VerdictExpression } from "../../ir/program.ts";
import { type Action, mayPass } from "../../ir/verdicts.ts";
import type { SourceFile } from "../source/file.ts";
import { conditionOf } from "./comparisons.ts";
import type { Alternative, CallDecision } from "./decisions.ts";
import type { OciAction, OciRule } from "./profile.ts";

/** The destination of the profile's verdicts: the program's table, and the statements that return a verdict. */
export interface OciTarget {
  /**
   * Returns an index into the program's table; one place may get one entry for several requests.
   * `ProgramBuilder.verdict` implements it.
   */
  verdict(action: Action, errno: number, reason: string | undefined, at: Location | undefined): VerdictExpression;
  /** Ends the profile's part with this verdict: by a `return`, or by a `set-verdict` and a `leave`. */
  give(verdict: VerdictExpression, at: Location): readonly Statement[];
}

export interface OciPart {
  readonly file: SourceFile;
  readonly defaultAction: OciAction;
  readonly calls: readonly CallDecision[];
  /** Names in the profile itself, for the admission of io_uring. */
  readonly names: ReadonlySet<string>;
  /** The numbers of calls that are newer than the profile (`newerCalls`). */
  readonly newer: Interval | undefined;
}

/**
 * Lowers to one switch over the number, with one arm for all calls that the same rules decide. Every path ends in
 * `give`.
 */
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
    arms.push({
      intervals: [part.newer],
      body: target.give(target.verdict("deny", errnoByName("ENOSYS")!, reason, at), at),
    });
  }
  // Calls without an effective rule get the default action in the else arm.
  const decided = arms.filter((arm) => arm.body.length > 0);
  if (decided.length === 0) return ends;
  return [{ kind: "switch", value: { kind: "input", input: "number" }, arms: decided, otherwise: [] }, ...ends];
}

/**
 * Numbers above the newest call that a profile names, unless the default action lets them pass. Programs take ENOSYS
 * for an old kernel and fall back to older calls, as pthread_create does from clone3 to clone; other errnos are
 * failures. runc prepends the same rule to its filter (libcontainer/seccomp/patchbpf).
 */
export function newerCalls(
  rules: readonly OciRule[],
  defaultAction: OciAction,
  architecture: ArchitectureName,
): Interval | undefined {
  if (mayPass(defaultAction) || defaultAction.name === "SCMP_ACT_TRACE") return undefined;
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
