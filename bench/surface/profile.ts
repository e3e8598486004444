/** An allow-list of the arguments that recordings have, as a profile for libseccomp and for the classic compiler. */

import type { Decision, SplitPolicy } from "../../src/analysis/decision.ts";
import type { CallWord } from "../../src/ir/inputs.ts";
import type { Interval } from "../../src/ir/program.ts";
import type { ArchitectureName } from "../../src/linux/architecture.ts";
import { callByNumber } from "../../src/linux/calls.ts";
import { returnWord } from "../../src/linux/return-word.ts";
import { type CallEvent, isKnown, type Trace } from "../../src/traces/trace.ts";
import type { FlatProfile, Rule } from "../../test/classic/profile.ts";

export interface ArgumentProfile {
  readonly profile: FlatProfile;
  /** The calls of the recordings that the profile allows. */
  readonly calls: readonly CallEvent[];
  /** Calls of the recordings in all. */
  readonly total: number;
}

/** Sizes, places and times have about as many values as calls: no list can allow them one by one. */
const unlisted = /size|count|len|addr|start|offset|pos|brk|nr|vlen|timeout|^n$/;
const eperm = 1;

/** @param most lists of values, the most frequent first: a filter has 4,096 instructions (BPF_MAXINSNS) */
export function argumentProfile(runs: readonly Trace[], architecture: ArchitectureName, most: number): ArgumentProfile {
  const lists = new Map<string, { rule: Rule; calls: CallEvent[] }>();
  let total = 0;
  for (const { events } of runs) {
    for (const event of events) {
      if (event.kind !== "call") continue;
      total += 1;
      const rule = ruleFor(event, architecture);
      if (rule === undefined) continue;
      const key = `${rule.number} ${rule.comparisons.map(({ a }) => a).join(" ")}`;
      const list = lists.get(key) ?? { rule, calls: [] };
      lists.set(key, list);
      list.calls.push(event);
    }
  }
  const chosen = [...lists.values()].sort((a, b) => b.calls.length - a.calls.length).slice(0, most);
  const rules = chosen.map(({ rule }) => rule);
  return {
    profile: { architecture, defaultAction: returnWord("ERRNO", eperm), rules },
    calls: chosen.flatMap(({ calls }) => calls),
    total,
  };
}

function ruleFor(event: CallEvent, architecture: ArchitectureName): Rule | undefined {
  const call = callByNumber(architecture, event.number);
  if (call === undefined) return undefined;
  const comparisons = call.parameters.flatMap(({ type, name }, index) => {
    const word = event.arguments[index]!;
    if (type.endsWith("*") || unlisted.test(name) || !isKnown(word)) return [];
    return [{ index, operator: "eq" as const, a: word.value, b: 0n }];
  });
  return { action: returnWord("ALLOW"), name: call.name, number: event.number, comparisons };
}

/**
 * The same list in the form of a policy that tests one argument after the other: for each call, the values of the first
 * argument, for each of them those of the second, and so on. Values with the same rest make one test.
 */
export function splitOf({ rules }: FlatProfile, numbers: readonly number[]): SplitPolicy {
  // The verdicts of test/classic/decide.ts: allow, then the profile's default.
  const [allowed, refused] = [0, 1].map(
    (index): Decision => ({ kind: "leaf", weakest: index, possible: [index], stateful: [] }),
  );
  const ofCall = (number: number) => rules.filter((rule) => rule.number === number);
  return new Map(numbers.map((number) => [number, decisionOf(ofCall(number), allowed!, refused!)] as const));
}

function decisionOf(rules: readonly Rule[], allowed: Decision, refused: Decision): Decision {
  if (rules.length === 0) return refused;
  const known = new Map<string, Decision>();
  const ask = (
    tuples: readonly (readonly bigint[])[],
    words: readonly CallWord[],
  ): { key: string; decision: Decision } => {
    const [word, ...rest] = words;
    if (word === undefined) return { key: "", decision: allowed };
    const byValue = new Map<bigint, bigint[][]>();
    for (const [value, ...others] of tuples) byValue.set(value!, [...(byValue.get(value!) ?? []), others]);
    const byRest = new Map<string, { values: bigint[]; decision: Decision }>();
    for (const [value, others] of [...byValue].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const { key, decision } = ask(others, rest);
      const same = byRest.get(key) ?? { values: [], decision };
      byRest.set(key, same);
      same.values.push(value);
    }
    const key = `${word}(${[...byRest].map(([of, { values }]) => `${values}:${of}`).join(";")})`;
    const decision =
      known.get(key) ??
      [...byRest.values()].reduceRight<Decision>(
        (otherwise, { values, decision: then }) => ({
          kind: "test",
          test: { word, mask: everything, intervals: intervalsOf(values) },
          then,
          otherwise,
        }),
        refused,
      );
    known.set(key, decision);
    return { key, decision };
  };
  const words = rules[0]?.comparisons.map(({ index }) => `argument${index}` as CallWord) ?? [];
  return ask(
    rules.map(({ comparisons }) => comparisons.map(({ a }) => a)),
    words,
  ).decision;
}

const everything = 0xffff_ffff_ffff_ffffn;

/** @param values ascending */
function intervalsOf(values: readonly bigint[]): Interval[] {
  const result: { from: bigint; to: bigint }[] = [];
  for (const value of values) {
    const last = result.at(-1);
    if (last !== undefined && last.to + 1n === value) last.to = value;
    else result.push({ from: value, to: value });
  }
  return result;
}
