/** Whether a call may pass by the decision about it: with any arguments, or if some bits of one argument are known. */
import type { Interval, Program } from "../ir/program.ts";
import { mayPass } from "../ir/verdicts.ts";
import type { ArgumentTest, Decision } from "./decision.ts";

/** Bits of an argument: those of `mask` are those of `value`, which has no others. */
export interface KnownBits {
  readonly mask: bigint;
  readonly value: bigint;
}

/** An argument by its word ("argument0"), and what is known of it. */
export interface KnownArgument extends KnownBits {
  readonly word: string;
}

/** `sometimes`: state or memory decides. */
export type Chance = "never" | "sometimes" | "always";

/** Each test is asked alone, so "never" is certain, and the others are upper bounds. */
export function chanceOf({ verdicts }: Program, decision: Decision, known?: KnownArgument): Chance {
  const reached = new Set([decision]);
  for (const node of reached) {
    if (node.kind === "leaf") continue;
    const isAbout = known !== undefined && node.test.word === known.word;
    if (!isAbout || canHold(node.test, known, true)) reached.add(node.then);
    if (!isAbout || canHold(node.test, known, false)) reached.add(node.otherwise);
  }
  const passes = (verdict: number) => mayPass(verdicts[verdict]!);
  const leaves = [...reached].filter((node) => node.kind === "leaf");
  if (leaves.some(({ possible }) => possible.every(passes))) return "always";
  return leaves.some(({ possible }) => possible.some(passes)) ? "sometimes" : "never";
}

/** Whether the test can have this outcome for an argument with these bits. */
export function canHold({ mask, intervals }: ArgumentTest, known: KnownBits, outcome: boolean): boolean {
  return (outcome ? intervals : outside(intervals, mask)).some((one) => meets(one, mask, known));
}

function outside(intervals: readonly Interval[], most: bigint): Interval[] {
  const found: Interval[] = [];
  let next = 0n;
  for (const { from, to } of intervals) {
    if (from > next) found.push({ from: next, to: from - 1n });
    next = to + 1n;
  }
  if (next <= most) found.push({ from: next, to: most });
  return found;
}

/** Whether a number that has only bits of the mask, with the known ones, lies in the interval. */
function meets({ from, to }: Interval, mask: bigint, known: KnownBits): boolean {
  // From the highest bit on; `low` and `high`: the bits until now are those of the interval's end.
  const search = (bit: bigint, low: boolean, high: boolean): boolean => {
    if (bit < 0n || !(low || high)) return true;
    const at = (value: bigint) => (value >> bit) & 1n;
    const choices = at(mask) === 0n ? [0n] : at(known.mask) === 1n ? [at(known.value)] : [0n, 1n];
    return choices.some((choice) => {
      if ((low && choice < at(from)) || (high && choice > at(to))) return false;
      return search(bit - 1n, low && choice === at(from), high && choice === at(to));
    });
  };
  return search(63n, true, true);
}
