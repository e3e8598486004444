/**
 * The number of tests that libseccomp 2.6 needs to find a call's number with its binary tree optimisation (src/gen_bpf.c).
 * Our search does not exceed it for any number.
 *
 * libseccomp has only calls with a rule, whose verdict is not the default. It sorts them by number, cuts the list into
 * buckets of four from the highest down, searches the bucket by a tree of comparisons, and compares with the numbers of the
 * bucket from the highest down. The tree has room for a power of two of buckets; a level is omitted if its right half is
 * empty.
 */

const bucketSize = 4;

interface Bucket {
  /** From the highest to the lowest. */
  readonly numbers: readonly number[];
  readonly levels: number;
}

/**
 * The number of tests as a function of the call's number. `ruled` are the calls with a rule, ascending; at least one.
 */
export function libseccompDepth(ruled: readonly number[]): (number: number) => number {
  const descending = ruled.toReversed();
  const count = Math.ceil(descending.length / bucketSize);
  const buckets: Bucket[] = [];
  const place = (first: number, used: number, places: number, levels: number): void => {
    if (used <= 0) return;
    const half = places / 2;
    if (used === 1) {
      buckets.push({ numbers: descending.slice(first * bucketSize, (first + 1) * bucketSize), levels });
    } else if (used <= half) place(first, used, half, levels);
    else {
      place(first, half, half, levels + 1);
      place(first + half, used - half, half, levels + 1);
    }
  };
  place(0, count, 2 ** Math.ceil(Math.log2(count)), 0);
  return (number) => {
    // The comparisons are "greater than the highest number of the next bucket".
    let index = 0;
    for (let end = buckets.length - 1; index < end; ) {
      const middle = (index + end) >> 1;
      if (number > buckets[middle + 1]!.numbers[0]!) end = middle;
      else index = middle + 1;
    }
    const { numbers, levels } = buckets[index]!;
    const position = numbers.indexOf(number);
    return levels + (position < 0 ? numbers.length : position + 1);
  };
}

/** The number of tests in the whole search. */
export function libseccompSize(ruled: readonly number[]): number {
  return ruled.length + Math.max(0, Math.ceil(ruled.length / bucketSize) - 1);
}
