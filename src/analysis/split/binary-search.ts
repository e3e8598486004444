/** Binary searches in sorted lists, for the split and for the searches that the two compilers make of its result. */

/** The index of the first number that is not below `bound`; the length if there is none. */
export function firstNotBelow(sorted: readonly number[], bound: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The index of the first of disjoint, ascending intervals whose end is at least `value`; the length if there is none. */
export function firstEndingAt(intervals: readonly { readonly to: bigint }[], value: bigint): number {
  let low = 0;
  let high = intervals.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (intervals[middle]!.to < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
