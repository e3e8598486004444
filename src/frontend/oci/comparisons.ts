/**
 * The seven operators of libseccomp, as conditions of the IR and as sets of register values, which show what a rule
 * matches.
 */

import { maximumWord } from "../../abi/word.ts";
import {
  complement,
  emptySet,
  fullSet,
  type IntervalSet,
  intersection,
  preimageOfMask,
  single,
  span,
  union,
} from "../../ir/intervals.ts";
import type { BooleanExpression, CompareOperator, IntegerExpression } from "../../ir/program.ts";
import { satisfying, satisfyingFromLeft } from "../../ir/simplify/booleans.ts";
import type { OciComparison, OperatorName } from "./profile.ts";

/**
 * libseccomp drops such a comparison when it builds the filter; a rule without another one matches every call of its
 * names.
 */
export function isAlwaysTrue({ operator, mask }: OciComparison): boolean {
  return operator === "SCMP_CMP_MASKED_EQ" && mask === 0n;
}

const operators: {
  readonly [O in Exclude<OperatorName, "SCMP_CMP_MASKED_EQ">]: { operator: CompareOperator; swapped: boolean };
} = {
  SCMP_CMP_EQ: { operator: "equal", swapped: false },
  SCMP_CMP_NE: { operator: "not-equal", swapped: false },
  SCMP_CMP_LT: { operator: "less-unsigned", swapped: false },
  SCMP_CMP_LE: { operator: "less-or-equal-unsigned", swapped: false },
  SCMP_CMP_GT: { operator: "less-unsigned", swapped: true },
  SCMP_CMP_GE: { operator: "less-or-equal-unsigned", swapped: true },
};

/** Compares the whole register, unsigned. */
export function conditionOf({ argument, operator, mask, value }: OciComparison): BooleanExpression {
  const input: IntegerExpression = { kind: "input", input: `argument${argument}` };
  const wanted: IntegerExpression = { kind: "constant", value };
  if (operator === "SCMP_CMP_MASKED_EQ") {
    const bits: IntegerExpression = { kind: "constant", value: mask };
    const masked: IntegerExpression = { kind: "binary", operator: "and", left: input, right: bits };
    return { kind: "compare", operator: "equal", left: masked, right: wanted };
  }
  const { operator: compare, swapped } = operators[operator];
  return swapped
    ? { kind: "compare", operator: compare, left: wanted, right: input }
    : { kind: "compare", operator: compare, left: input, right: wanted };
}

/** With more intervals, the mask makes the set useless for reasoning about the rule. */
const mostIntervals = 64;

/** The registers that satisfy the comparison; undefined if the set has too many intervals. */
function setOf({ operator, mask, value }: OciComparison): IntervalSet | undefined {
  if (operator === "SCMP_CMP_MASKED_EQ") return preimageOfMask(single(value), mask, mostIntervals);
  const { operator: compare, swapped } = operators[operator];
  return swapped ? satisfyingFromLeft(compare, value) : satisfying(compare, value);
}

/** Whether one register can satisfy both. True if that is undecided. */
export function canBothHold(left: OciComparison, right: OciComparison): boolean {
  // Both require some shared bit, with different values.
  if (exact(left) && exact(right) && (left.mask & right.mask & (left.value ^ right.value)) !== 0n) return false;
  const [leftSet, rightSet] = [setOf(left), setOf(right)];
  return leftSet === undefined || rightSet === undefined || intersection(leftSet, rightSet).length > 0;
}

/** The comparison fixes certain bits. */
function exact({ operator }: OciComparison): boolean {
  return operator === "SCMP_CMP_EQ" || operator === "SCMP_CMP_MASKED_EQ";
}

/**
 * Whether a caller can bypass the comparison. The kernel uses only the low `width` bits of some arguments, so a caller may
 * set the others to change the result of the comparison for the same argument.
 *
 * | the rule | it is bypassed if |
 * | --- | --- |
 * | permits more than the default | some register satisfies it, whose low bits alone do not |
 * | permits less | some register does not satisfy it, whose low bits alone do |
 *
 * Low bits alone: zero- or sign-extended, either suffices. `16 | 1 << 32` bypasses a rule that permits `socket` with
 * `args[0] NE 16`.
 */
export function isBypassed(comparison: OciComparison, width: number, permitsMore: boolean): boolean {
  const low = (1n << BigInt(width)) - 1n;
  if (comparison.operator === "SCMP_CMP_MASKED_EQ" && (comparison.mask & ~low) === 0n) return false;
  const set = setOf(comparison);
  // Undecided: a mask with many holes that covers unused bits.
  if (set === undefined) return !permitsMore;
  const lows = lowBitsOf(set, low);
  const plain = intersection(set, span(0n, low));
  const negative = intersection(set, span(maximumWord - (low >> 1n), maximumWord));
  const alone = union(plain, lowBitsOf(negative, low));
  if (permitsMore) return intersection(lows, complement(alone)).length > 0;
  // Low bits that satisfy it alone, but not with other high bits.
  return intersection(alone, lowBitsOf(complement(set), low)).length > 0;
}

/** The low bits of all members of the set. `low` is 2^n − 1. */
function lowBitsOf(set: IntervalSet, low: bigint): IntervalSet {
  let result: IntervalSet = emptySet;
  for (const { from, to } of set) {
    if (to - from >= low) return intersection(fullSet, span(0n, low));
    const [first, last] = [from & low, to & low];
    result = union(result, first <= last ? span(first, last) : union(span(first, low), span(0n, last)));
  }
  return result;
}
