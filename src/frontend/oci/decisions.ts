/**
 * The decision for each call: the rules as libseccomp reads them after runc or crun has passed them on.
 *
 * - A rule with the default action is dropped (runc, libcontainer/seccomp matchCall; crun does the same).
 * - A rule that compares one argument twice becomes one rule for each comparison, so any of them suffices (runc and crun,
 *   for profiles that predate libseccomp's own handling).
 * - In any other rule all comparisons must hold.
 * - A rule without comparisons matches every call of its names and replaces all other rules of that name, before and
 *   after it; of two such rules the first wins (libseccomp, src/db.c, db_rule_add).
 * - A rule that may or may not apply to the kernel is added to the others: it hides none, and none hides it.
 * - If two rules match one call with different actions, libseccomp uses an internal order or refuses the second. Here the
 *   strictest wins, as between two filters in the kernel, and a warning names each pair.
 */

import type { ArchitectureName } from "../../abi/architecture.ts";
import { allCallNames, callByName } from "../../abi/calls.ts";
import { nearestName } from "../../diagnostics/suggest.ts";
import { strictness } from "../../ir/verdicts.ts";
import { canBothHold, isAlwaysTrue } from "./comparisons.ts";
import { foreignCalls } from "./foreign-calls.ts";
import type { OciAction, OciComparison, OciName, OciRule } from "./profile.ts";
import type { OciReader } from "./reader.ts";
import type { SelectedRule } from "./select.ts";

/** One way for a call to match a rule. */
export interface Alternative {
  readonly rule: OciRule;
  /** All must hold; an empty list matches every call. */
  readonly comparisons: readonly OciComparison[];
  readonly isCertain: boolean;
}

export interface CallDecision {
  readonly name: string;
  readonly number: number;
  /** The first place in the profile that names it. */
  readonly at: OciName["at"];
  /** The first alternative whose comparisons all hold decides, else the default action. */
  readonly alternatives: readonly Alternative[];
}

/** Decides each call that a rule names and this architecture has, in the order of the text. */
export function decideCalls(
  rules: readonly SelectedRule[],
  defaultAction: OciAction,
  architecture: ArchitectureName,
  reader: OciReader,
): CallDecision[] {
  const calls = new Map<string, { readonly number: number; readonly at: OciName["at"]; readonly all: Alternative[] }>();
  const passedOver = new Set<string>();
  for (const { rule, isCertain } of rules) {
    noteReading(rule, reader);
    const alternatives = alternativesOf(rule, isCertain);
    const seen = new Set<string>();
    for (const { name, at } of rule.names) {
      if (seen.has(name)) continue;
      seen.add(name);
      const number = callByName(name)?.number[architecture];
      if (number === undefined) {
        if (!passedOver.has(name)) noteUnknown(name, at, reader);
        passedOver.add(name);
        continue;
      }
      const call = calls.get(name) ?? { number, at, all: [] };
      calls.set(name, call);
      call.all.push(...alternatives);
    }
  }
  const noted = new Set<string>();
  const budget = { pairs: mostPairs };
  const decisions = [...calls].map(([name, { number, at, all }]) => ({
    name,
    number,
    at,
    alternatives: effective(all, defaultAction, budget, (code, first, second) => {
      // One report for two rules, however many calls they share.
      const pair = `${code} ${first.at.start} ${second.at.start}`;
      if (noted.has(pair)) return;
      noted.add(pair);
      noteConflict(reader, code, name, first, second);
    }),
  }));
  if (budget.pairs < 0) {
    reader.report("P0708", defaultAction.at, "one call has too many rules to compare with each other");
  }
  return decisions;
}

function alternativesOf(rule: OciRule, isCertain: boolean): Alternative[] {
  const groups =
    comparedTwice(rule) === undefined ? [rule.comparisons] : rule.comparisons.map((comparison) => [comparison]);
  return groups.map((group) => ({
    rule,
    comparisons: group.filter((comparison) => !isAlwaysTrue(comparison)),
    isCertain,
  }));
}

/** The first comparison of an argument that an earlier comparison of the rule already tests. */
function comparedTwice({ comparisons }: OciRule): OciComparison | undefined {
  return comparisons.find(
    ({ argument }, index) => comparisons.findIndex((earlier) => earlier.argument === argument) < index,
  );
}

/** Warns where container runtimes read a rule differently from how it looks. */
function noteReading(rule: OciRule, reader: OciReader): void {
  const twice = comparedTwice(rule);
  if (twice !== undefined) {
    reader.report(
      "P0710",
      twice.at,
      `this rule compares argument ${twice.argument} more than once: it matches if any one of them holds`,
      "container runtimes do the same; compare each argument once if all must hold",
    );
  }
  for (const comparison of rule.comparisons.filter(isAlwaysTrue)) {
    reader.report(
      "P0710",
      comparison.at,
      "a mask of 0 compares nothing: this matches every value",
      "with SCMP_CMP_MASKED_EQ `value` is the mask and `valueTwo` the value to compare with",
    );
  }
}

/** Takes a few tenths of a second. Real profiles have about a dozen rules for a call. */
const mostPairs = 500_000;

type Note = (code: "P0705" | "P0709", first: OciRule, second: OciRule) => void;

function effective(
  all: readonly Alternative[],
  defaultAction: OciAction,
  budget: { pairs: number },
  note: Note,
): readonly Alternative[] {
  const different = all.filter(({ rule }) => !sameAction(rule.action, defaultAction));
  const certain = different.filter(({ isCertain }) => isCertain);
  const whole = certain.find(({ comparisons }) => comparisons.length === 0);
  if (whole !== undefined) {
    for (const { rule } of certain) {
      if (!sameAction(rule.action, whole.rule.action)) note("P0709", rule, whole.rule);
    }
    return byStrictness([...different.filter(({ isCertain }) => !isCertain), whole]);
  }
  for (const [index, later] of different.entries()) {
    for (const earlier of different.slice(0, index)) {
      if (--budget.pairs < 0) return [];
      if (!sameAction(earlier.rule.action, later.rule.action) && overlap(earlier, later)) {
        note("P0705", earlier.rule, later.rule);
      }
    }
  }
  return byStrictness(different);
}

/** Sorts the strictest first, equally strict ones in the order of the text. */
function byStrictness(alternatives: readonly Alternative[]): readonly Alternative[] {
  return alternatives.toSorted((a, b) => strictness[b.rule.action.action] - strictness[a.rule.action.action]);
}

/** Equality for the runtime: TRACE and NOTIFY are not denials there. */
function sameAction(left: OciAction, right: OciAction): boolean {
  return left.name === right.name && left.errno === right.errno;
}

function overlap(left: Alternative, right: Alternative): boolean {
  return left.comparisons.every((one) =>
    right.comparisons.every((other) => one.argument !== other.argument || canBothHold(one, other)),
  );
}

function noteConflict(reader: OciReader, code: "P0705" | "P0709", name: string, first: OciRule, second: OciRule): void {
  if (code === "P0709") {
    reader.report(
      code,
      first.action.at,
      `this has no effect on ${name}: another rule matches every ${name}, with any arguments`,
      "leave one of the two out",
      { at: second.action.at, message: "for every call" },
    );
    return;
  }
  reader.report(
    code,
    second.action.at,
    `a ${name} can match both this rule and another one with a different action; the stricter of the two applies here`,
    "make their comparisons exclude each other: libseccomp decides by an order of its own",
    { at: first.action.at, message: "the other rule" },
  );
}

function noteUnknown(name: string, at: OciName["at"], reader: OciReader): void {
  // Profiles name calls of other architectures, for other machines.
  if (foreignCalls.has(name) || callByName(name) !== undefined) return;
  const near = reader.isFull ? undefined : nearestName(name, allCallNames());
  reader.report(
    "P0704",
    at,
    `no system call is named ${JSON.stringify(name.slice(0, 80))}: it is ignored, as in container runtimes`,
    near === undefined ? undefined : `write "${near}"`,
  );
}
