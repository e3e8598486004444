/**
 * Intervals of masked values. Under a mask not every number can occur: under 0x6 only 0, 2, 4 and 6 do. An interval can
 * therefore be widened or narrowed to the values that occur, and one that holds none of them is nothing.
 */
import type { Interval } from "../../ir/program.ts";
import { ceilingUnder, floorUnder } from "../split/intervals.ts";

/** A part of the line of all masked values, and where it leads. */
export interface Piece<Target> {
  readonly from: bigint;
  readonly to: bigint;
  readonly target: Target;
}

/** Drops what cannot occur under the mask, narrows the rest to values that occur, and joins neighbours with one target. */
export function normalisePieces<Target>(pieces: readonly Piece<Target>[], mask: bigint): Piece<Target>[] {
  const result: Piece<Target>[] = [];
  for (const piece of pieces) {
    const from = ceilingUnder(piece.from, mask);
    if (from === undefined || from > piece.to) continue;
    const to = floorUnder(piece.to, mask);
    const last = result.at(-1);
    if (last !== undefined && last.target === piece.target) {
      result[result.length - 1] = { from: last.from, to, target: piece.target };
    } else result.push({ from, to, target: piece.target });
  }
  return result;
}

/** `inside` where one of the intervals holds the value, `outside` elsewhere. Both cover everything; so does the result. */
export function choosePieces<Target>(
  intervals: readonly Interval[],
  inside: readonly Piece<Target>[],
  outside: readonly Piece<Target>[],
  end: bigint,
): Piece<Target>[] {
  const result: Piece<Target>[] = [];
  let at = 0n;
  for (const interval of intervals) {
    if (interval.from > at) copyRange(outside, at, interval.from - 1n, result);
    copyRange(inside, interval.from, interval.to < end ? interval.to : end, result);
    at = interval.to + 1n;
    if (at > end) return result;
  }
  copyRange(outside, at, end, result);
  return result;
}

function copyRange<Target>(pieces: readonly Piece<Target>[], from: bigint, to: bigint, result: Piece<Target>[]): void {
  for (let index = firstThatEndsFrom(pieces, from); index < pieces.length; index++) {
    const piece = pieces[index]!;
    if (piece.from > to) return;
    const start = piece.from > from ? piece.from : from;
    const end = piece.to < to ? piece.to : to;
    const last = result.at(-1);
    if (last !== undefined && last.target === piece.target) {
      result[result.length - 1] = { from: last.from, to: end, target: last.target };
    } else result.push({ from: start, to: end, target: piece.target });
  }
}

function firstThatEndsFrom<Target>(pieces: readonly Piece<Target>[], from: bigint): number {
  let low = 0;
  let high = pieces.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (pieces[middle]!.to < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
