/**
 * Sets of 64-bit patterns as sorted, disjoint, non-adjacent closed intervals. This form is unique: equal sets are equal
 * lists.
 */
import { maximumWord, signBit } from "../abi/word.ts";
import { larger, smaller } from "./arithmetic.ts";
import type { Interval } from "./program.ts";

export type IntervalSet = readonly Interval[];

export const emptySet: IntervalSet = [];
export const fullSet: IntervalSet = [{ from: 0n, to: maximumWord }];

/**
 * Returns the normal form of any intervals: sorts, merges overlapping and adjacent ones, drops empty ones (from > to).
 */
export function normalise(intervals: readonly Interval[]): IntervalSet {
  if (intervals.length < 2) return intervals.length === 0 || intervals[0]!.from <= intervals[0]!.to ? intervals : [];
  const sorted = intervals.filter((interval) => interval.from <= interval.to);
  sorted.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  const merged: Interval[] = [];
  for (let at = 0; at < sorted.length; at++) {
    const interval = sorted[at]!;
    const last = merged.at(-1);
    if (last === undefined || interval.from > last.to + 1n) merged.push(interval);
    else if (interval.to > last.to) merged[merged.length - 1] = { from: last.from, to: interval.to };
  }
  return merged;
}

/** Whether the intervals are the normal form of a set of patterns. */
export function isNormal(intervals: readonly Interval[]): boolean {
  return intervals.every((interval, index) => {
    const previous = intervals[index - 1];
    return (
      interval.from >= 0n &&
      interval.from <= interval.to &&
      interval.to <= maximumWord &&
      (previous === undefined || interval.from > previous.to + 1n)
    );
  });
}

export function single(value: bigint): IntervalSet {
  return [{ from: value, to: value }];
}

/** The interval from … to; empty if from > to. */
export function span(from: bigint, to: bigint): IntervalSet {
  return from <= to ? [{ from, to }] : emptySet;
}

/** The patterns of the integers from … to, read as signed (−2^63 … 2^63 − 1). */
export function signedSpan(from: bigint, to: bigint): IntervalSet {
  if (from > to) return emptySet;
  if (from >= 0n || to < 0n) return span(BigInt.asUintN(64, from), BigInt.asUintN(64, to));
  return normalise([
    { from: 0n, to },
    { from: BigInt.asUintN(64, from), to: maximumWord },
  ]);
}

export function union(left: IntervalSet, right: IntervalSet): IntervalSet {
  return normalise([...left, ...right]);
}

/** All patterns up to `top` that are not in the set. */
export function complement(set: IntervalSet, top: bigint = maximumWord): IntervalSet {
  const gaps: Interval[] = [];
  let next = 0n;
  for (let at = 0; at < set.length; at++) {
    const { from, to } = set[at]!;
    if (from > top) break;
    if (from > next) gaps.push({ from: next, to: from - 1n });
    next = to + 1n;
  }
  if (next <= top) gaps.push({ from: next, to: top });
  return gaps;
}

export function intersection(left: IntervalSet, right: IntervalSet): IntervalSet {
  const common: Interval[] = [];
  let i = 0;
  let j = 0;
  while (i < left.length && j < right.length) {
    const a = left[i]!;
    const b = right[j]!;
    const from = larger(a.from, b.from);
    const to = smaller(a.to, b.to);
    if (from <= to) common.push({ from, to });
    if (a.to < b.to) i++;
    else j++;
  }
  return common;
}

export function difference(left: IntervalSet, right: IntervalSet): IntervalSet {
  return intersection(left, complement(right));
}

export function equalSets(left: IntervalSet, right: IntervalSet): boolean {
  return (
    left.length === right.length &&
    left.every((interval, index) => interval.from === right[index]!.from && interval.to === right[index]!.to)
  );
}

export function isSubset(inner: IntervalSet, outer: IntervalSet): boolean {
  return equalSets(intersection(inner, outer), inner);
}

export function isFull(set: IntervalSet): boolean {
  return set.length === 1 && set[0]!.from === 0n && set[0]!.to === maximumWord;
}

/** The only member; undefined if the set is empty or has several. */
export function onlyMember(set: IntervalSet): bigint | undefined {
  return set.length === 1 && set[0]!.from === set[0]!.to ? set[0]!.from : undefined;
}

/** The number of patterns in the set. */
export function cardinality(set: IntervalSet): bigint {
  return set.reduce((sum, { from, to }) => sum + (to - from + 1n), 0n);
}

/** Membership by binary search: sets have hundreds of intervals. */
export function holds(set: IntervalSet, value: bigint): boolean {
  let low = 0;
  let high = set.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const { from, to } = set[middle]!;
    if (value < from) high = middle - 1;
    else if (value > to) low = middle + 1;
    else return true;
  }
  return false;
}

/** The set of `value + by` modulo 2^64 for all values in the set. */
export function translate(set: IntervalSet, by: bigint): IntervalSet {
  const shift = BigInt.asUintN(64, by);
  if (shift === 0n) return set;
  const moved: Interval[] = [];
  for (const interval of set) {
    const from = BigInt.asUintN(64, interval.from + shift);
    const to = BigInt.asUintN(64, interval.to + shift);
    if (from <= to) moved.push({ from, to });
    else moved.push({ from, to: maximumWord }, { from: 0n, to });
  }
  return normalise(moved);
}

/**
 * All x with `x & mask` in the set; undefined if they take more than `limit` intervals. A mask with holes in the
 * middle, such as 0x8001, makes one interval for each value of the bits above the lowest hole.
 */
export function preimageOfMask(set: IntervalSet, mask: bigint, limit: number): IntervalSet | undefined {
  if (mask === maximumWord) return set;
  if (mask === 0n) return holds(set, 0n) ? fullSet : emptySet;
  // Bits below the mask's lowest bit are free: they widen each interval. Only a contiguous mask that reaches bit 63 has
  // no free bits above.
  const low = mask & -mask;
  const contiguousHigh = (mask | (low - 1n)) === maximumWord;
  if (!contiguousHigh) return preimageOfLowMask(set, mask, limit);
  const widened: Interval[] = [];
  for (const { from, to } of set) {
    const first = (from + low - 1n) & ~(low - 1n);
    const last = to & ~(low - 1n);
    if (first <= last) widened.push({ from: first, to: last + low - 1n });
  }
  return normalise(widened);
}

/** Enumerates the values of the unmasked high bits if they are few enough. */
function preimageOfLowMask(set: IntervalSet, mask: bigint, limit: number): IntervalSet | undefined {
  const reachable = intersection(set, span(0n, mask));
  if (reachable.length === 0) return emptySet;
  const parts: Interval[] = [];
  // Splits [0, 2^64) by the top bit downwards, and splits again only halves that are not yet decided.
  const pending: { from: bigint; bit: bigint; image: bigint }[] = [{ from: 0n, bit: signBit, image: 0n }];
  let steps = 0;
  while (pending.length > 0) {
    if (++steps > limit * 130) return undefined;
    const { from, bit, image } = pending.pop()!;
    const rest = bit === 0n ? 0n : (bit << 1n) - 1n;
    // Images of from … from + rest lie in image … image + (mask & rest), but do not include every value between.
    const wanted = intersection(reachable, span(image, image + (mask & rest)));
    if (wanted.length === 0) continue;
    if (wanted.length === 1 && wanted[0]!.from === image && wanted[0]!.to === image + (mask & rest)) {
      parts.push({ from, to: from + rest });
      continue;
    }
    const high = { from: from + bit, bit: bit >> 1n, image: image + (bit & mask) };
    pending.push(high, { from, bit: bit >> 1n, image });
  }
  const result = normalise(parts);
  return result.length > limit ? undefined : result;
}
