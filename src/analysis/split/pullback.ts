/**
 * Turns a condition on a computed value into a condition on the words from which it is computed.
 *
 * `pullback(t, mask, S)` is the formula for `t & mask in S`. An operation with a constant has an inverse image that is again
 * a set of intervals, of the operand under another mask:
 *
 *   extend signed 32 of argument0, in [0, 4] or above 2^63 (`int fd < 5`)
 *     becomes argument0 & 0xffffffff in [0, 4] or [0x80000000, 0xffffffff]
 *
 * An operation without one (arithmetic between arguments, a product that may wrap) is tested as an opaque value, which only
 * the stateful part can do.
 */

import { maximumWord } from "../../abi/word.ts";
import { binaryOperations, compareOperations, smaller } from "../../ir/arithmetic.ts";
import type { BinaryOperator, CompareOperator } from "../../ir/program.ts";
import { satisfying, satisfyingFromLeft } from "../../ir/simplify/booleans.ts";
import {
  bitLength,
  ceilingUnder,
  exclusiveOr,
  floorUnder,
  type Intervals,
  isEverything,
  lowMask,
  normalise,
  rotate,
  widen,
} from "./intervals.ts";
import type { Formula, Term, TermPool } from "./terms.ts";

/** The depth to which selects on both sides of a comparison are expanded. */
const deepestComparison = 6;

/** More intervals are not useful in a classic filter. */
const mostIntervals = 4096;

export function pullback(pool: TermPool, term: Term, mask: bigint, intervals: Intervals): Formula {
  const { shape } = term;
  if (shape.kind !== "extend" && shape.kind !== "select" && shape.kind !== "binary")
    return pool.test(term, mask, intervals);
  const tested = mask & term.bits;
  const set = normalise(intervals, tested);
  if (set.length === 0) return pool.no;
  if (isEverything(set, tested)) return pool.yes;
  // If the term's range decides the test, or its inverse image would be too long, the term is tested directly.
  const full = tested === term.bits;
  if (full && (set.at(-1)!.to < term.range.from || set[0]!.from > term.range.to)) return pool.no;
  const plain = (): Formula => pool.test(term, tested, set);
  if (set.length > mostIntervals) return plain();
  switch (shape.kind) {
    case "extend":
      if (!shape.signed) return pullback(pool, shape.value, tested & lowMask(shape.width), set);
      return signExtended(pool, shape.value, shape.width, tested, set);
    case "select":
      if (term.size > 2000) return plain();
      return pool.either(
        shape.condition,
        pullback(pool, shape.then, tested, set),
        pullback(pool, shape.otherwise, tested, set),
      );
    case "binary": {
      const { operator, left, right } = shape;
      if (right.shape.kind === "constant")
        return withConstant(pool, operator, left, right.shape.value, tested, set, term.bits) ?? plain();
      if (left.shape.kind === "constant" && operator === "subtract") {
        const wide = widen(set, tested, lowMask(bitLength(tested)));
        if (wide === undefined) return plain();
        // c − x in [a, b] is x in [c − b, c − a].
        const { value } = left.shape;
        const low = lowMask(bitLength(tested));
        const mirrored = exclusiveOr(wide, low, low);
        return pullback(pool, right, low, rotate(mirrored, low, value + 1n));
      }
      return plain();
    }
  }
}

function signExtended(pool: TermPool, value: Term, width: number, mask: bigint, set: Intervals): Formula {
  const low = lowMask(width - 1);
  const sign = 1n << BigInt(width - 1);
  if ((mask & ~low) === 0n) return pullback(pool, value, mask, set);
  const high = mask & ~low;
  const result = [...set.filter((interval) => interval.from <= low)].map(({ from, to }) => ({
    from,
    to: smaller(to, low),
  }));
  for (const image of withBitsSet(set, mask, high)) result.push({ from: image.from | sign, to: image.to | sign });
  return pullback(pool, value, (mask & low) | sign, result);
}

/** The values v under the mask without the bits `ones` for which v | ones is in the set. */
function withBitsSet(set: Intervals, mask: bigint, ones: bigint): Intervals {
  const rest = mask & ~ones;
  const result = [];
  for (const { from, to } of set) {
    // v → v | ones is monotonic, so the image of an interval is an interval.
    const first = leastAbove(from, rest, ones);
    const last = greatestBelow(to, rest, ones);
    if (first !== undefined && last !== undefined && first <= last) result.push({ from: first, to: last });
  }
  return result;
}

/** The least value v under `rest` with (v | ones) >= bound. */
function leastAbove(bound: bigint, rest: bigint, ones: bigint): bigint | undefined {
  let value = 0n;
  if ((rest | ones) < bound) return undefined;
  // From the top bit down: omits a bit if the remaining bits can still reach the bound.
  for (let bits = rest; bits !== 0n; ) {
    const bit = 1n << BigInt(bitLength(bits) - 1);
    bits &= ~bit;
    if ((value | bits | ones) < bound) value |= bit;
  }
  return value;
}

/** The greatest value v under `rest` with (v | ones) <= bound. */
function greatestBelow(bound: bigint, rest: bigint, ones: bigint): bigint | undefined {
  if (ones > bound) return undefined;
  let value = 0n;
  for (let bits = rest; bits !== 0n; ) {
    const bit = 1n << BigInt(bitLength(bits) - 1);
    bits &= ~bit;
    if ((value | bit | ones) <= bound) value |= bit;
  }
  return value;
}

function withConstant(
  pool: TermPool,
  operator: BinaryOperator,
  value: Term,
  constant: bigint,
  mask: bigint,
  set: Intervals,
  bits: bigint,
): Formula | undefined {
  switch (operator) {
    case "and":
      return pullback(pool, value, mask & constant, set);
    case "or":
      return pullback(pool, value, mask & ~constant, withBitsSet(set, mask, mask & constant));
    case "xor":
      return pullback(pool, value, mask, exclusiveOr(set, mask, constant & mask));
    case "add":
    case "subtract": {
      const low = lowMask(bitLength(mask));
      const wide = widen(set, mask, low);
      if (wide === undefined) return undefined;
      return pullback(pool, value, low, rotate(wide, low, operator === "add" ? -constant & low : constant));
    }
    case "shift-left": {
      const shift = constant & 63n;
      const unit = 1n << shift;
      return pullback(
        pool,
        value,
        mask >> shift,
        set.map(({ from, to }) => ({ from: (from + unit - 1n) >> shift, to: to >> shift })),
      );
    }
    case "shift-right-unsigned":
      return shiftedRight(pool, value, constant & 63n, mask, set);
    case "shift-right-signed": {
      const shift = constant & 63n;
      if (shift === 0n) return pullback(pool, value, mask, set);
      const width = 64 - Number(shift);
      const low = lowMask(width - 1);
      const sign = 1n << BigInt(width - 1);
      const high = mask & ~low;
      if (high === 0n) return shiftedRight(pool, value, shift, mask, set);
      const result = set.filter(({ from }) => from <= low).map(({ from, to }) => ({ from, to: smaller(to, low) }));
      for (const image of withBitsSet(set, mask, high)) result.push({ from: image.from | sign, to: image.to | sign });
      return shiftedRight(pool, value, shift, (mask & low) | sign, result);
    }
    case "multiply": {
      // Without wrapping, x · c in [a, b] is x in [⌈a / c⌉, ⌊b / c⌋].
      if (constant === 0n || value.range.to * constant > maximumWord) return undefined;
      const wide = widen(set, mask, lowMask(bitLength(bits)));
      if (wide === undefined) return undefined;
      return pullback(
        pool,
        value,
        maximumWord,
        wide.map(({ from, to }) => ({ from: (from + constant - 1n) / constant, to: to / constant })),
      );
    }
    case "divide-unsigned":
      return divided(pool, value, constant, mask, set, bits);
    case "divide-signed":
      // Signed and unsigned results are equal if neither operand can be negative.
      if (value.range.to >> 63n !== 0n || constant >> 63n !== 0n) return undefined;
      return divided(pool, value, constant, mask, set, bits);
    case "remainder-unsigned":
    case "remainder-signed":
      if (operator === "remainder-signed" && (value.range.to >> 63n !== 0n || constant >> 63n !== 0n)) return undefined;
      if (constant === 0n || value.range.to < constant) return pullback(pool, value, mask, set);
      if ((constant & (constant - 1n)) !== 0n) return undefined;
      return pullback(pool, value, mask & (constant - 1n), set);
  }
}

function shiftedRight(pool: TermPool, value: Term, shift: bigint, mask: bigint, set: Intervals): Formula {
  const under = (mask << shift) & maximumWord;
  const rest = under >> shift;
  const result = [];
  for (const { from, to } of set) {
    const first = ceilingUnder(from, rest);
    if (first !== undefined && first <= to) result.push({ from: first << shift, to: floorUnder(to, rest) << shift });
  }
  return pullback(pool, value, under, result);
}

function divided(
  pool: TermPool,
  value: Term,
  constant: bigint,
  mask: bigint,
  set: Intervals,
  bits: bigint,
): Formula | undefined {
  if (constant === 0n) return undefined;
  const wide = widen(set, mask, lowMask(bitLength(bits)));
  if (wide === undefined) return undefined;
  const result = [];
  for (const { from, to } of wide) {
    const first = from * constant;
    const last = to * constant + constant - 1n;
    if (first <= maximumWord) result.push({ from: first, to: smaller(last, maximumWord) });
  }
  return pullback(pool, value, maximumWord, result);
}

/** Folds constants and moves them to the right of commutative operators. */
export function combine(pool: TermPool, operator: BinaryOperator, left: Term, right: Term): Term {
  const a = left.shape;
  const b = right.shape;
  if (a.kind === "constant" && b.kind === "constant")
    return pool.constant(binaryOperations[operator](a.value, b.value));
  const commutes =
    operator === "add" || operator === "multiply" || operator === "and" || operator === "or" || operator === "xor";
  if (commutes && (a.kind === "constant" || (b.kind !== "constant" && left.id > right.id)))
    return combine(pool, operator, right, left);
  if (b.kind === "constant") {
    const { value } = b;
    switch (operator) {
      case "add":
      case "subtract":
      case "or":
      case "xor":
      case "shift-left":
      case "shift-right-unsigned":
      case "shift-right-signed":
        if (value === 0n) return left;
        break;
      case "and":
        if ((left.bits & ~value) === 0n) return left;
        if ((left.bits & value) === 0n) return pool.constant(0n);
        break;
      case "multiply":
        if (value === 0n) return right;
        if (value === 1n) return left;
        if ((value & (value - 1n)) === 0n)
          return combine(pool, "shift-left", left, pool.constant(BigInt(bitLength(value) - 1)));
        break;
      case "divide-unsigned":
      case "divide-signed":
        if (value === 0n) return right;
        if (value === 1n) return left;
        break;
      case "remainder-unsigned":
      case "remainder-signed":
        if (value === 0n) return left;
        if (value === 1n) return pool.constant(0n);
        break;
    }
    return pool.binary(operator, left, right, possibleBits(operator, left, value), false);
  }
  if (left === right) {
    if (operator === "and" || operator === "or") return left;
    if (operator === "xor" || operator === "subtract") return pool.constant(0n);
  }
  const bits =
    operator === "and"
      ? left.bits & right.bits
      : operator === "or" || operator === "xor"
        ? left.bits | right.bits
        : operator === "add"
          ? lowMask(Math.min(64, Math.max(bitLength(left.bits), bitLength(right.bits)) + 1))
          : maximumWord;
  return pool.binary(operator, left, right, bits, !(a.kind === "constant" && operator === "subtract"));
}

function possibleBits(operator: BinaryOperator, value: Term, constant: bigint): bigint {
  switch (operator) {
    case "and":
      return value.bits & constant;
    case "or":
    case "xor":
      return value.bits | constant;
    case "shift-left":
      return (value.bits << (constant & 63n)) & maximumWord;
    case "shift-right-unsigned":
      return value.bits >> (constant & 63n);
    case "shift-right-signed":
      return value.bits >> 63n === 0n ? value.bits >> (constant & 63n) : maximumWord;
    case "add": {
      const most = value.range.to + constant;
      return most > maximumWord ? maximumWord : lowMask(bitLength(most));
    }
    case "multiply": {
      const most = value.range.to * constant;
      return most > maximumWord ? maximumWord : lowMask(bitLength(most));
    }
    case "divide-unsigned":
      return lowMask(bitLength(value.range.to / constant));
    case "remainder-unsigned":
      return lowMask(bitLength(constant - 1n));
    default:
      return maximumWord;
  }
}

/** The formula for a comparison of two terms. */
export function comparison(pool: TermPool, operator: CompareOperator, left: Term, right: Term, depth = 0): Formula {
  const a = left.shape;
  const b = right.shape;
  if (b.kind === "constant") {
    if (a.kind === "constant") return compareOperations[operator](a.value, b.value) ? pool.yes : pool.no;
    return pullback(pool, left, maximumWord, satisfying(operator, b.value));
  }
  if (a.kind === "constant") return pullback(pool, right, maximumWord, satisfyingFromLeft(operator, a.value));
  if (left === right) return compareOperations[operator](0n, 0n) ? pool.yes : pool.no;
  if (depth < deepestComparison) {
    if (a.kind === "select")
      return pool.either(
        a.condition,
        comparison(pool, operator, a.then, right, depth + 1),
        comparison(pool, operator, a.otherwise, right, depth + 1),
      );
    if (b.kind === "select")
      return pool.either(
        b.condition,
        comparison(pool, operator, left, b.then, depth + 1),
        comparison(pool, operator, left, b.otherwise, depth + 1),
      );
  }
  // Each test has one form: `a != b` is not `a = b`, `a <= b` is not `b < a`.
  switch (operator) {
    case "not-equal":
      return pool.not(comparison(pool, "equal", left, right, depth));
    case "less-or-equal-unsigned":
      return pool.not(comparison(pool, "less-unsigned", right, left, depth));
    case "less-or-equal-signed":
      return pool.not(comparison(pool, "less-signed", right, left, depth));
    case "less-unsigned":
      if (left.range.to < right.range.from) return pool.yes;
      if (left.range.from >= right.range.to) return pool.no;
      break;
    case "equal":
      if (left.range.to < right.range.from || right.range.to < left.range.from) return pool.no;
      if (left.id > right.id) return comparison(pool, operator, right, left, depth);
      break;
    case "less-signed":
      break;
  }
  return pool.test(pool.compare(operator, left, right), 1n, [{ from: 1n, to: 1n }]);
}
