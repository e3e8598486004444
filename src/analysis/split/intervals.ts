/**
 * Sets of unsigned 64-bit values under a mask, as sorted lists of closed intervals.
 *
 * A list stands for values of `word & mask`. Its normal form is unique: both ends of each interval are values that the mask
 * permits, and between two intervals lies a permitted value that belongs to neither. So equal sets have equal lists, and
 * `w & 0xf0 in [0, 0x1f]` and `w & 0xf0 in [0, 0x10]` are one test.
 */

import { maximumWord } from "../../abi/word.ts";
import { larger, smaller } from "../../ir/arithmetic.ts";
import type { Interval } from "../../ir/program.ts";
import { firstEndingAt } from "./binary-search.ts";

export type Intervals = readonly Interval[];

/** The number of bits of the value: 0 for 0, 64 for 2^63 and above. */
export function bitLength(value: bigint): number {
  const high = Number(value >> 32n);
  return high !== 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(Number(value & 0xffff_ffffn));
}

/** The `width` low bits set. */
export function lowMask(width: number): bigint {
  return width >= 64 ? maximumWord : (1n << BigInt(width)) - 1n;
}

/** The least value under the mask that is at least `value`; undefined above the mask. */
export function ceilingUnder(value: bigint, mask: bigint): bigint | undefined {
  const outside = value & ~mask;
  if (outside === 0n) return value;
  // All bits below the highest foreign bit become 1, so adding 1 carries to the next permitted value.
  const filled = value | lowMask(bitLength(outside)) | (maximumWord ^ mask);
  const next = filled + 1n;
  return next > maximumWord ? undefined : next & mask;
}

/** The greatest value under the mask that is at most `value`. */
export function floorUnder(value: bigint, mask: bigint): bigint {
  const outside = value & ~mask;
  if (outside === 0n) return value;
  const length = bitLength(outside);
  return (value & ~lowMask(length)) | (mask & lowMask(length - 1));
}

/** The next value after `value` (a value under the mask); undefined if there is none. */
function successor(value: bigint, mask: bigint): bigint | undefined {
  return value === mask ? undefined : ceilingUnder(value + 1n, mask);
}

/** The normal form of any list of intervals (unsorted, overlapping, with impossible ends) under a mask. */
export function normalise(intervals: Intervals, mask: bigint): Intervals {
  const trimmed: Interval[] = [];
  for (const { from, to } of intervals) {
    const first = ceilingUnder(from, mask);
    if (first === undefined || first > to) continue;
    trimmed.push({ from: first, to: floorUnder(to, mask) });
  }
  if (trimmed.length < 2) return trimmed;
  trimmed.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  const merged: Interval[] = [];
  let current = trimmed[0]!;
  for (let i = 1; i < trimmed.length; i++) {
    const next = trimmed[i]!;
    const after = successor(current.to, mask);
    if (after === undefined) break;
    if (next.from <= after) {
      if (next.to > current.to) current = { from: current.from, to: next.to };
    } else {
      merged.push(current);
      current = next;
    }
  }
  merged.push(current);
  return merged;
}

export function isEverything(intervals: Intervals, mask: bigint): boolean {
  return intervals.length === 1 && intervals[0]!.from === 0n && intervals[0]!.to === mask;
}

/** The values under the mask that a normal list does not contain, in normal form. */
export function complement(intervals: Intervals, mask: bigint): Intervals {
  const result: Interval[] = [];
  let from: bigint | undefined = 0n;
  for (const interval of intervals) {
    if (from !== undefined && interval.from > from) result.push({ from, to: floorUnder(interval.from - 1n, mask) });
    from = successor(interval.to, mask);
  }
  if (from !== undefined) result.push({ from, to: mask });
  return result;
}

/** The intersection of two normal lists under one mask, in normal form. */
export function intersect(left: Intervals, right: Intervals): Intervals {
  const few = left.length <= right.length ? left : right;
  const many = few === left ? right : left;
  const result: Interval[] = [];
  for (const { from, to } of few) {
    for (let i = firstEndingAt(many, from); i < many.length && many[i]!.from <= to; i++) {
      const other = many[i]!;
      if (other.from >= from && other.to <= to) result.push(other);
      else result.push({ from: larger(other.from, from), to: smaller(other.to, to) });
    }
  }
  return result;
}

export function contains(intervals: Intervals, value: bigint): boolean {
  const found = intervals[firstEndingAt(intervals, value)];
  return found !== undefined && found.from <= value;
}

/** Whether `inner` is a subset of `outer`. Both are normal, under one mask. */
export function isSubset(inner: Intervals, outer: Intervals): boolean {
  return inner.every(({ from, to }) => {
    const found = outer[firstEndingAt(outer, from)];
    return found !== undefined && found.from <= from && to <= found.to;
  });
}

export function overlaps(left: Intervals, right: Intervals): boolean {
  const few = left.length <= right.length ? left : right;
  const many = few === left ? right : left;
  return few.some(({ from, to }) => {
    const found = many[firstEndingAt(many, from)];
    return found !== undefined && found.from <= to;
  });
}

/** The value of a list with exactly one; else undefined. */
export function onlyValue(intervals: Intervals): bigint | undefined {
  const [first] = intervals;
  return intervals.length === 1 && first !== undefined && first.from === first.to ? first.from : undefined;
}

/** All values of a normal list under its mask, ascending; undefined if there are more than `most`. */
export function enumerate(intervals: Intervals, mask: bigint, most: number): bigint[] | undefined {
  const values: bigint[] = [];
  for (const { from, to } of intervals) {
    let value: bigint | undefined = from;
    while (value !== undefined && value <= to) {
      if (values.length === most) return undefined;
      values.push(value);
      value = successor(value, mask);
    }
  }
  return values;
}

/**
 * The set { z under `wide` : z & mask in intervals }, where `mask` is a part of `wide`: the same condition on more
 * bits. Undefined if it needs very many intervals.
 */
export function widen(intervals: Intervals, mask: bigint, wide: bigint): Intervals | undefined {
  const free = wide & ~mask;
  if (free === 0n) return intervals;
  const lowest = mask & -mask;
  if (mask === 0n || free < lowest) {
    // All free bits are below: each value becomes a run.
    return normalise(
      intervals.map(({ from, to }) => ({ from, to: to | free })),
      wide,
    );
  }
  const lowFree = free & (lowest - 1n);
  const values = enumerate(intervals, mask, 64);
  const others = enumerate([{ from: 0n, to: free & ~lowFree }], free & ~lowFree, 64);
  if (values === undefined || others === undefined || values.length * others.length > 256) return undefined;
  return normalise(
    values.flatMap((value) => others.map((other) => ({ from: value | other, to: value | other | lowFree }))),
    wide,
  );
}

/** Flips the bits of `flip` (a part of the mask) in every value. Exact: cuts each interval into aligned blocks. */
export function exclusiveOr(intervals: Intervals, mask: bigint, flip: bigint): Intervals {
  const blocks: Interval[] = [];
  for (const interval of intervals) {
    let from = interval.from;
    while (from <= interval.to) {
      let size = from === 0n ? 1n << 64n : from & -from;
      while (from + size - 1n > interval.to) size >>= 1n;
      const start = (from ^ flip) & ~(size - 1n);
      blocks.push({ from: start & maximumWord, to: (start + size - 1n) & maximumWord });
      from += size;
    }
  }
  return normalise(blocks, mask);
}

/** Adds a constant modulo mask + 1; the mask is a low mask. */
export function rotate(intervals: Intervals, mask: bigint, add: bigint): Intervals {
  const result: Interval[] = [];
  for (const { from, to } of intervals) {
    const start = (from + add) & mask;
    const end = (to + add) & mask;
    if (start <= end) result.push({ from: start, to: end });
    else result.push({ from: start, to: mask }, { from: 0n, to: end });
  }
  return normalise(result, mask);
}

/** Whether the complement is shorter to write than the list. */
export function prefersComplement(intervals: Intervals, opposite: Intervals): boolean {
  if (intervals.length !== opposite.length) return opposite.length < intervals.length;
  const single = onlyValue(intervals);
  const oppositeSingle = onlyValue(opposite);
  if ((single === undefined) !== (oppositeSingle === undefined)) return single === undefined;
  return intervals[0]!.from === 0n && opposite[0]!.from !== 0n;
}
