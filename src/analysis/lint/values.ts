/**
 * Integers in the survey (survey.ts): a value is a constant, or a symbol under operations that map intervals to
 * intervals. A path stores for each symbol the facts about it and one witness that satisfies them.
 */
import { larger, pattern, smaller } from "../../ir/arithmetic.ts";
import { holds, type IntervalSet, intersection, normalise, translate } from "../../ir/intervals.ts";
import type { Interval } from "../../ir/program.ts";
import { maximumWord } from "../../linux/word.ts";

/**
 * A symbol: it has one value throughout an evaluation. It is an input, the initial word of a cell, or an expression
 * that has no simpler form.
 */
export interface Source {
  readonly id: number;
  /** 2^n − 1, an upper bound of its words. */
  readonly bits: bigint;
  readonly most: bigint;
  /** Its words are all of 0 … most, independently of other symbols. Otherwise nothing about it is certain. */
  readonly free: boolean;
  readonly isArgument: boolean;
}

/** `±extend(symbol & mask) + add`, modulo 2^64; without a symbol, the constant `add`. */
export interface Value {
  readonly symbol: Source | undefined;
  readonly mask: bigint;
  /** The width from which it is sign-extended, equal to the mask's; 0 if it is not. */
  readonly signed: number;
  readonly negated: boolean;
  readonly add: bigint;
}

export function constantValue(add: bigint): Value {
  return { symbol: undefined, mask: 0n, signed: 0, negated: false, add };
}

export function symbolValue(symbol: Source): Value {
  return { symbol, mask: symbol.bits, signed: 0, negated: false, add: 0n };
}

/** The low bits; undefined if they do not have this form. */
export function extended(value: Value, width: 8 | 16 | 32, isSigned: boolean): Value | undefined {
  if (value.symbol === undefined) {
    return constantValue(isSigned ? pattern(BigInt.asIntN(width, value.add)) : BigInt.asUintN(width, value.add));
  }
  if (value.add !== 0n || value.negated) return undefined;
  const low = widths[width];
  // A value that is sign-extended from more bits has those bits.
  if (value.signed !== 0 && value.signed < width) return undefined;
  const mask = value.mask & low;
  if (!isSigned || (mask & ((low >> 1n) + 1n)) === 0n) return { ...value, mask, signed: 0 };
  return mask === low ? { ...value, mask, signed: width } : undefined;
}

const widths = { 8: 0xffn, 16: 0xffffn, 32: 0xffff_ffffn } as const;

export function masked(value: Value, mask: bigint): Value | undefined {
  if (value.symbol === undefined) return constantValue(value.add & mask);
  if (value.add !== 0n || value.negated) return undefined;
  if (value.signed !== 0 && (mask & ~value.mask) !== 0n) return undefined;
  return { ...value, mask: value.mask & mask, signed: 0 };
}

export function sum(value: Value, by: bigint): Value {
  return { ...value, add: pattern(value.add + by) };
}

/** `from − value`. */
export function difference(from: bigint, value: Value): Value {
  return { ...value, negated: value.symbol !== undefined && !value.negated, add: pattern(from - value.add) };
}

export function sameValue(a: Value, b: Value): boolean {
  return (
    a.symbol === b.symbol && a.add === b.add && a.mask === b.mask && a.signed === b.signed && a.negated === b.negated
  );
}

/** The intervals of `symbol & mask` for which the value lies in the set. */
export function inverse(value: Value, set: IntervalSet): IntervalSet {
  const image = inverseOfWord(value, set);
  const { symbol, mask } = value;
  return symbol !== undefined && mask === symbol.bits ? within(image, symbol.most) : image;
}

function inverseOfWord(value: Value, set: IntervalSet): IntervalSet {
  let image = value.add === 0n ? set : translate(set, -value.add);
  if (value.negated) image = normalise(image.flatMap(mirrored));
  if (value.signed === 0) return within(image, value.mask);
  const low = value.mask >> 1n;
  const shift = maximumWord - value.mask;
  const result: Interval[] = [];
  for (const { from, to } of image) {
    if (from <= low) result.push({ from, to: smaller(to, low) });
  }
  for (const { from, to } of image) {
    if (to >= maximumWord - low) result.push({ from: larger(from, maximumWord - low) - shift, to: to - shift });
  }
  return result;
}

function within(set: IntervalSet, mask: bigint): IntervalSet {
  const last = set.at(-1);
  if (last === undefined || last.to <= mask) return set;
  return set.filter(({ from }) => from <= mask).map(({ from, to }) => (to > mask ? { from, to: mask } : { from, to }));
}

/** The set of −x for the x of an interval. */
function mirrored({ from, to }: Interval): Interval[] {
  if (from !== 0n) return [{ from: maximumWord - to + 1n, to: maximumWord - from + 1n }];
  const zero = { from: 0n, to: 0n };
  return to === 0n ? [zero] : [zero, { from: maximumWord - to + 1n, to: maximumWord }];
}

/** The facts about a symbol on a path, the latest first. */
export interface Facts {
  readonly symbol: Source;
  readonly mask: bigint;
  readonly set: IntervalSet;
  /** A word of the symbol that satisfies these facts; undefined if none was found. */
  readonly witness: bigint | undefined;
  readonly before: Facts | undefined;
}

/** Adds the fact that the bits under the mask lie in the set. */
export function learn(facts: Facts | undefined, symbol: Source, mask: bigint, set: IntervalSet): Facts | "impossible" {
  let image = set;
  if (image.length === 0) return "impossible";
  let latest: Facts | undefined;
  for (let fact = facts; fact !== undefined; fact = fact.before) {
    if (fact.symbol !== symbol) continue;
    latest ??= fact;
    if (fact.mask !== mask) continue;
    image = intersection(image, fact.set);
    if (image.length === 0) return "impossible";
    break;
  }
  const before = latest === undefined ? 0n : latest.witness;
  const witness = before === undefined ? undefined : findWitness(facts, symbol, mask, image, before);
  return { symbol, mask, set: image, witness, before: facts };
}

/** Enough for the tests that policies make of one word; beyond, the survey is not certain. */
const mostTried = 8;

function findWitness(
  facts: Facts | undefined,
  symbol: Source,
  mask: bigint,
  set: IntervalSet,
  before: bigint,
): bigint | undefined {
  if (holds(set, before & mask)) return before;
  const meets = (word: bigint): boolean => {
    if (word > symbol.most || !holds(set, word & mask)) return false;
    for (let fact = facts; fact !== undefined; fact = fact.before) {
      if (fact.symbol === symbol && !holds(fact.set, word & fact.mask)) return false;
    }
    return true;
  };
  // Bits without an earlier fact are satisfied by any word of the set.
  if (set.length > 0 && meets((before & ~mask) | (set[0]!.from & mask)))
    return (before & ~mask) | (set[0]!.from & mask);
  for (const { from, to } of set.slice(0, mostTried)) {
    for (const bound of from === to ? [from] : [from, to]) {
      const word = (before & ~mask) | (bound & mask);
      if (meets(word)) return word;
      for (let fact = facts; fact !== undefined; fact = fact.before) {
        if (fact.symbol !== symbol) continue;
        for (const other of fact.set.slice(0, mostTried)) {
          const low = (word & ~fact.mask) | (other.from & fact.mask);
          if (meets(low)) return low;
          const high = (word & ~fact.mask) | (other.to & fact.mask);
          if (meets(high)) return high;
        }
      }
    }
  }
  return undefined;
}
