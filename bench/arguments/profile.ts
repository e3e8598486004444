/** Makes an allow-list of recorded arguments as a profile for libseccomp, which allows and logs all other calls. */

import type { ArchitectureName } from "../../src/abi/architecture.ts";
import { callByNumber, registerOf } from "../../src/abi/calls.ts";
import { returnWord } from "../../src/abi/return-word.ts";
import { rewritesOf } from "../../src/abi/rewrites.ts";
import { alwaysAllowed, uringCalls } from "../../src/frontend/program/call-names.ts";
import { type CallEvent, isKnown, type Trace } from "../../src/traces/trace.ts";
import type { Comparison, FlatProfile, Rule } from "../../test/classic/profile.ts";

/** A policy does not see these, or decides about them only where it reads their memory. */
const undecided: ReadonlySet<string> = new Set([...alwaysAllowed, ...uringCalls, "clone3"]);

export interface ArgumentProfile {
  readonly profile: FlatProfile;
  /** The calls of the recordings that the profile allows. */
  readonly calls: readonly CallEvent[];
  /** Calls of the recordings in all. */
  readonly total: number;
}

/** Sizes, places, times and values of futexes have as many values as there are calls: no list allows them one by one. */
const unlisted = /size|count|len|addr|start|offset|pos|brk|nr|vlen|timeout|^n$|^val$/;

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
      const key = `${rule.number} ${rule.comparisons.map(demanded).join(" ")}`;
      const list = lists.get(key) ?? { rule, calls: [] };
      lists.set(key, list);
      list.calls.push(event);
    }
  }
  const chosen = [...lists.values()].sort((a, b) => b.calls.length - a.calls.length).slice(0, most);
  const rules = chosen.map(({ rule }) => rule);
  return {
    profile: { architecture, defaultAction: returnWord("LOG"), rules },
    calls: chosen.flatMap(({ calls }) => calls),
    total,
  };
}

/** Undefined for calls that no list can have. */
export function ruleFor(event: CallEvent, architecture: ArchitectureName): Rule | undefined {
  const call = callByNumber(architecture, event.number);
  if (call === undefined || undecided.has(call.name)) return undefined;
  // Which descriptors come together, as those of sendfile, differs from run to run.
  const descriptor = call.parameters.findIndex(({ name }) => name.endsWith("fd"));
  const comparisons = call.parameters.flatMap((parameter, index): Comparison[] => {
    const { type, name, width } = parameter;
    const word = event.arguments[registerOf(call, index, architecture)]!;
    if (type.endsWith("*") || unlisted.test(name) || !isKnown(word)) return [];
    if (name.endsWith("fd") && index !== descriptor) return [];
    // A policy judges the value that the kernel uses, a filter the one that the caller passed.
    if (rewritesOf(call.name, name, architecture).length > 0) return [];
    const register = registerOf(call, index, architecture);
    if (width === 64) return [{ index: register, operator: "eq", a: word.value, b: 0n }];
    const mask = (1n << BigInt(width)) - 1n;
    return [{ index: register, operator: "masked_eq", a: mask, b: word.value & mask }];
  });
  return { action: returnWord("ALLOW"), name: call.name, number: event.number, comparisons };
}

/** The value that a comparison demands of its register's bits. */
export function demanded({ operator, a, b }: Comparison): bigint {
  return operator === "eq" ? a : b;
}
