/**
 * The characters that a set of patterns distinguishes, as a small alphabet of symbols: characters with the same symbol are in
 * the same sets. A byte that is in no valid UTF-8 sequence has a symbol too.
 */
import { type CharacterSet, lastCode } from "./glob.ts";
import type { Work } from "./work.ts";

export interface Symbols {
  readonly count: number;
  /** The symbols in each set. */
  readonly members: readonly (readonly number[])[];
  /** The symbol of a byte outside valid sequences. */
  readonly invalid: number;
  /** The symbol of a code point. */
  of(code: number): number;
  /** The symbol of all code points of this range, or undefined if they have several. */
  ofRange(from: number, to: number): number | undefined;
}

/** Boundaries of symbols for all patterns: ASCII characters are one byte, others are several. */
const firstLong = 0x80;

export function symbolsOf(sets: readonly CharacterSet[], work: Work): Symbols {
  const cuts = new Set([0, firstLong]);
  for (const { intervals } of sets)
    for (const { from, to } of intervals) {
      cuts.add(from);
      if (to < lastCode) cuts.add(to + 1);
    }
  /** The first code point of each range with one symbol. */
  const starts = Uint32Array.from(cuts).sort();
  const inSets: number[][] = Array.from(starts, () => []);
  for (const [set, { intervals }] of sets.entries())
    for (const { from, to } of intervals) {
      const last = stretchOf(starts, to);
      const first = stretchOf(starts, from);
      work.spend(last - first + 1);
      for (let stretch = first; stretch <= last; stretch++) inSets[stretch]!.push(set);
    }

  const symbols = new Map<string, number>();
  const members: number[][] = sets.map(() => []);
  const symbol = (key: string, of: readonly number[]): number => {
    const known = symbols.get(key);
    if (known !== undefined) return known;
    const added = symbols.size;
    symbols.set(key, added);
    for (const set of of) members[set]!.push(added);
    return added;
  };
  const ofStretch = Array.from(starts, (start, index) =>
    symbol(`${start < firstLong ? "ascii" : "long"} ${inSets[index]}`, inSets[index]!),
  );
  const invalid = symbol(
    "invalid",
    sets.flatMap((set, index) => (set.invalid ? [index] : [])),
  );
  return {
    count: symbols.size,
    members,
    invalid,
    of: (code) => ofStretch[stretchOf(starts, code)]!,
    ofRange(from, to) {
      const [first, last] = [stretchOf(starts, from), stretchOf(starts, to)];
      const found = ofStretch[first]!;
      for (let stretch = first + 1; stretch <= last; stretch++) if (ofStretch[stretch] !== found) return undefined;
      return found;
    },
  };
}

/** The last stretch that starts at or before a code point. */
function stretchOf(starts: Uint32Array, code: number): number {
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (starts[middle]! <= code) low = middle;
    else high = middle - 1;
  }
  return low;
}
