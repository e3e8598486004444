/** Converts a flat profile to the result of a split, for profiles that are not files. */

import { splitReturnWord } from "../../src/abi/return-word.ts";
import type { Decision, DecisionLeaf, SplitPolicy } from "../../src/analysis/decision.ts";
import type { ClassicTarget } from "../../src/backend/classic/compile.ts";
import type { CallWord } from "../../src/ir/inputs.ts";
import type { Interval, Program } from "../../src/ir/program.ts";
import { emptyLists } from "../../src/ir/testing/parts.ts";
import type { Verdict } from "../../src/ir/verdicts.ts";
import type { Comparison, FlatProfile } from "./profile.ts";

const everything = 0xffff_ffff_ffff_ffffn;
const enosys = 0x0005_0000 + 38;

export interface Decided {
  readonly program: Program;
  readonly split: SplitPolicy;
  readonly target: ClassicTarget;
}

/** `judged` are the numbers that the policy decides, ascending. The first rule whose comparisons all hold wins. */
export function decide(profile: FlatProfile, judged: readonly number[], always: readonly number[] = []): Decided {
  const words: number[] = [0x7fff_0000];
  const leaves = new Map<number, DecisionLeaf>();
  const leafOf = (word: number): DecisionLeaf => {
    const known = leaves.get(word);
    if (known !== undefined) return known;
    let index = words.indexOf(word);
    if (index < 0) index = words.push(word) - 1;
    const leaf: DecisionLeaf = { kind: "leaf", weakest: index, possible: [index], stateful: [] };
    leaves.set(word, leaf);
    return leaf;
  };
  const split = new Map<number, Decision>();
  for (const number of judged) {
    const rules = profile.rules.filter((rule) => rule.number === number);
    const decision = rules.reduceRight<Decision>(
      (otherwise, rule) =>
        rule.comparisons.reduceRight<Decision>(
          (then, comparison) => test(comparison, then, otherwise),
          leafOf(rule.action),
        ),
      leafOf(profile.defaultAction),
    );
    split.set(number, decision);
  }
  const verdicts = words.map((word): Verdict => {
    const { action, data } = splitReturnWord(word);
    const isDenial = action === "ERRNO";
    return {
      action: isDenial ? "deny" : action === "ALLOW" ? "allow" : action === "LOG" ? "log" : "kill-process",
      errno: isDenial ? data : 0,
      reason: undefined,
      at: undefined,
    };
  });
  const program: Program = {
    architecture: profile.architecture,
    name: "profile",
    files: [],
    admission: { always: intervalsOf(always), judged: intervalsOf(judged) },
    verdicts,
    ...emptyLists,
  };
  return {
    program,
    split,
    target: {
      leaf: (leaf) => words[leaf.weakest]!,
      unknown: enosys,
      foreign: enosys,
      always: 0x7fff_0000,
      launcherToken: undefined,
    },
  };
}

function intervalsOf(numbers: readonly number[]): Interval[] {
  const result: { from: bigint; to: bigint }[] = [];
  for (const number of numbers) {
    const last = result.at(-1);
    if (last !== undefined && last.to + 1n === BigInt(number)) last.to += 1n;
    else result.push({ from: BigInt(number), to: BigInt(number) });
  }
  return result;
}

/** All comparisons of libseccomp are unsigned and have 64 bits. */
function test(comparison: Comparison, then: Decision, otherwise: Decision): Decision {
  const { a, b, operator } = comparison;
  const word = `argument${comparison.index}` as CallWord;
  const mask = operator === "masked_eq" ? a : everything;
  const inside: { readonly [O in typeof operator]: readonly [bigint, bigint] } = {
    eq: [a, a],
    ne: [a, a],
    lt: [0n, a - 1n],
    le: [0n, a],
    ge: [a, everything],
    gt: [a + 1n, everything],
    masked_eq: [b & a, b & a],
  };
  const [from, to] = inside[operator];
  const [holds, fails] = operator === "ne" ? [otherwise, then] : [then, otherwise];
  if (mask === 0n || (from === 0n && to === mask)) return holds;
  if (from > to) return fails;
  return { kind: "test", test: { word, mask, intervals: [{ from, to }] }, then: holds, otherwise: fails };
}
