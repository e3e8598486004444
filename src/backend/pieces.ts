/**
 * Intervals of masked values. Under a mask not every number can occur: under 0x6 only 0, 2, 4 and 6. So an interval can
 * be widened or narrowed to the values that occur, and one without any is empty.
 */

import { firstEndingAt } from "../analysis/split/binary-search.ts";
import { ceilingUnder, floorUnder } from "../analysis/split/intervals.ts";
import { larger, smaller } from "../ir/arithmetic.ts";
import type { Interval } from "../ir/program.ts";

/** A part of the line of all masked values, with its target. */
export interface Piece<Target> {
  readonly from: bigint;
  readonly to: bigint;
  readonly target: Target;
}

/** Drops values that cannot occur under the mask, narrows the pieces, and joins neighbours with one target. */
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

/**
 * Replaces the targets of `base` by those of `pieces` in each of the intervals (sorted, disjoint, within the line).
 * Both lists cover the whole line. Modifies `base`, so that thousands of small changes are cheap. May leave neighbours
 * with one target, which `normalisePieces` joins.
 */
export function overlayPieces<Target>(
  base: Piece<Target>[],
  intervals: readonly Interval[],
  pieces: readonly Piece<Target>[],
): void {
  for (const { from, to } of intervals) {
    const first = firstEndingAt(base, from);
    const last = firstEndingAt(base, to);
    const [before, after] = [base[first]!, base[last]!];
    const replacement: Piece<Target>[] = [];
    if (before.from < from) replacement.push({ from: before.from, to: from - 1n, target: before.target });
    for (let index = firstEndingAt(pieces, from); index < pieces.length; index++) {
      const piece = pieces[index]!;
      if (piece.from > to) break;
      replacement.push({ from: larger(piece.from, from), to: smaller(piece.to, to), target: piece.target });
    }
    if (after.to > to) replacement.push({ from: to + 1n, to: after.to, target: after.target });
    base.splice(first, last - first + 1, ...replacement);
  }
}
