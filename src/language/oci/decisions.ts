/**
 * What becomes of each call: libseccomp's reading of the rules, as runc and crun hand them over.
 *
 * - A rule whose action is the default's is left out (runc, libcontainer/seccomp matchCall; crun, the same).
 * - A rule that compares one argument twice is taken as one rule a comparison: any of them is enough (runc and crun, for
 *   profiles that are older than libseccomp's own handling).
 * - Else all comparisons of a rule must hold.
 * - A rule without a comparison is for every call of its names, and all others of the same name fall away, whether they
 *   come before or after; of two such rules the first holds (libseccomp, src/db.c, db_rule_add).
 * - A rule of which it is not known whether it is for this kernel counts beside all others: it hides none, and none that
 *   holds for every call hides it.
 * - Rules that can both hold and differ in their action: libseccomp answers by the order of its own tree, or refuses the
 *   second. Here the strictest holds, as the kernel has it between two filters; a warning tells of each pair.
 */

import { nearestName } from "../../diagnostics/suggest.ts";
import { strictness } from "../../ir/verdicts.ts";
import type { ArchitectureName } from "../../linux/architecture.ts";
import { allCallNames, callByName } from "../../linux/calls.ts";
import { canBothHold, isAlwaysTrue } from "./comparisons.ts";
import { foreignCalls } from "./foreign-calls.ts";
import type { OciAction, OciComparison, OciName, OciRule } from "./profile.ts";
import type { OciReader } from "./reader.ts";
import type { SelectedRule } from "./select.ts";

/** One way for a call to meet a rule. */
export interface Alternative {
  readonly rule: OciRule;
  /** All must hold; none for every call. */
  readonly comparisons: readonly OciComparison[];
  readonly isCertain: boolean;
}

export interface CallDecision {
  readonly name: string;
  readonly number: number;
  /** Where the profile first names it. */
  readonly at: OciName["at"];
  /** The first whose comparisons all hold; else the default action. */
  readonly alternatives: readonly Alternative[];
}

/** For each call that a rule names and this architecture has, in the order of the text. */
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
      // Once for two rules, however many calls they have in common.
      const pair = `${code} ${first.at.start} ${second.at.start}`;
      if (noted.has(pair)) return;
      noted.add(pair);
      noteConflict(reader, code, name, first, second);
    }),
  }));
  if (budget.pairs < 0) {
    reader.report("P0708", defaultAction.at, "too many rules for one call to be compared with each other");
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

/** The first comparison of an argument that an earlier one of the rule compares already. */
function comparedTwice({ comparisons }: OciRule): OciComparison | undefined {
  return comparisons.find(
    ({ argument }, index) => comparisons.findIndex((earlier) => earlier.argument === argument) < index,
  );
}

/** Where container runtimes read a rule otherwise than it looks. */
function noteReading(rule: OciRule, reader: OciReader): void {
  const twice = comparedTwice(rule);
  if (twice !== undefined) {
    reader.report(
      "P0710",
      twice.at,
      `this rule compares argument ${twice.argument} more than once: it holds where any one of its comparisons does`,
      "container runtimes read it so; compare each argument once where all must hold",
    );
  }
  for (const comparison of rule.comparisons.filter(isAlwaysTrue)) {
    reader.report(
      "P0710",
      comparison.at,
      "a mask of 0 compares nothing: this holds for every value",
      "with SCMP_CMP_MASKED_EQ `value` is the mask and `valueTwo` what is compared",
    );
  }
}

/** Some tenths of a second. The profiles that people use have a dozen rules a call. */
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

/** The strictest first; between equally strict ones, the order of the text. */
function byStrictness(alternatives: readonly Alternative[]): readonly Alternative[] {
  return alternatives.toSorted((a, b) => strictness[b.rule.action.action] - strictness[a.rule.action.action]);
}

/** To the runtime: TRACE and NOTIFY are no denials there. */
export function sameAction(left: OciAction, right: OciAction): boolean {
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
      `this has no effect on ${name}: another rule is for every ${name}, whatever its arguments`,
      "leave one of the two out",
      { at: second.action.at, message: "for every call" },
    );
    return;
  }
  reader.report(
    code,
    second.action.at,
    `a ${name} can meet both this rule and another one that says otherwise; the stricter of the two holds here`,
    "make their comparisons exclude each other: libseccomp decides by an order of its own",
    { at: first.action.at, message: "the other rule" },
  );
}

function noteUnknown(name: string, at: OciName["at"], reader: OciReader): void {
  // Other architectures' calls are there for other machines.
  if (foreignCalls.has(name) || callByName(name) !== undefined) return;
  const near = reader.isFull ? undefined : nearestName(name, allCallNames());
  reader.report(
    "P0704",
    at,
    `no system call is named ${JSON.stringify(name.slice(0, 80))}: it is passed over, as container runtimes do`,
    near === undefined ? undefined : `write "${near}"`,
  );
}
