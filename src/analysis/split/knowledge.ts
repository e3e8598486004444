/**
 * Knowledge of one term on a path: its possible values under each tested mask, and its known bits. It may be
 * incomplete, which costs precision, but is always sound.
 */
import {
  bitLength,
  complement,
  enumerate,
  type Intervals,
  intersect,
  isSubset,
  lowMask,
  normalise,
  overlaps,
} from "./intervals.ts";
import type { Term, Test } from "./terms.ts";

export interface Knowledge {
  readonly id: number;
  readonly term: Term;
  /** Bits whose value is known, and their value. */
  readonly known: bigint;
  readonly value: bigint;
  /** The tested masks, the latest last. */
  readonly sets: readonly { readonly mask: bigint; readonly intervals: Intervals }[];
  readonly learnt: Map<number, Knowledge | "impossible">;
  readonly decided: Map<number, boolean | "open">;
}

/** Beyond these limits the oldest mask is dropped, and sets are not narrowed further. */
const mostMasks = 16;
const mostIntervals = 1024;

/** Up to this many values are tried one by one. */
const mostValues = 64;

export class KnowledgeBase {
  readonly #byContent = new Map<string, Knowledge>();
  /** The cost so far: intervals that were read. */
  work = 0;
  readonly #initial = new Map<Term, Knowledge>();
  #count = 0;

  /** The knowledge before any test on the path. */
  initial(term: Term): Knowledge {
    let knowledge = this.#initial.get(term);
    if (knowledge === undefined) {
      const { from, to } = term.range;
      const sets =
        from === 0n && to === term.bits ? [] : [{ mask: term.bits, intervals: normalise([{ from, to }], term.bits) }];
      knowledge = this.#make(term, ~term.bits & lowMask(64), 0n, sets);
      this.#initial.set(term, knowledge);
    }
    return knowledge;
  }

  /** Whether the test is true for all remaining values (true), for none (false), or undecided (undefined). */
  decide(knowledge: Knowledge, test: Test): boolean | undefined {
    if (knowledge.sets.length === 0) return undefined;
    let decided = knowledge.decided.get(test.id);
    if (decided === undefined) {
      decided = this.#decide(knowledge, test) ?? "open";
      knowledge.decided.set(test.id, decided);
    }
    return decided === "open" ? undefined : decided;
  }

  #decide(knowledge: Knowledge, test: Test): boolean | undefined {
    const { mask, intervals } = test;
    this.#spend(knowledge);
    for (const set of knowledge.sets) {
      if (set.mask === mask) {
        if (!overlaps(set.intervals, intervals)) return false;
        if (isSubset(set.intervals, intervals)) return true;
      } else if ((mask & ~set.mask) === 0n) {
        // The test reads a part of the known bits.
        const values = enumerate(set.intervals, set.mask, mostValues);
        const projected =
          values === undefined
            ? project(set.intervals, set.mask, mask)
            : normalise(
                values.map((value) => ({ from: value & mask, to: value & mask })),
                mask,
              );
        if (projected === undefined) continue;
        if (!overlaps(projected, intervals)) return false;
        if (isSubset(projected, intervals)) return true;
      }
    }
    if (knowledge.sets.length === 1 && knowledge.sets[0]!.mask === mask) return undefined;
    if (knowledge.known !== 0n) {
      const fixed = knowledge.known & mask;
      if (fixed !== 0n) {
        const free = mask & ~fixed;
        const base = knowledge.value & fixed;
        const values = enumerate([{ from: 0n, to: free }], free, mostValues);
        const reachable =
          values === undefined
            ? [{ from: base, to: base | free }]
            : values.map((value) => ({ from: value | base, to: value | base }));
        const list = normalise(reachable, mask);
        if (!overlaps(list, intervals)) return false;
        if (isSubset(list, intervals)) return true;
      }
    }
    // The values of the test that agree with the knowledge of narrower masks.
    return (
      this.#byValues(knowledge, mask, intervals, false) ??
      this.#byValues(knowledge, mask, complement(intervals, mask), true)
    );
  }

  #byValues(knowledge: Knowledge, mask: bigint, intervals: Intervals, outcome: boolean): boolean | undefined {
    if (intervals.length > mostValues || !knowledge.sets.some((set) => (set.mask & ~mask) === 0n)) return undefined;
    const values = enumerate(intervals, mask, mostValues);
    if (values === undefined) return undefined;
    const agrees = (value: bigint) =>
      ((value ^ knowledge.value) & knowledge.known & mask) === 0n &&
      knowledge.sets.every(
        (set) =>
          (set.mask & ~mask) !== 0n || overlaps(set.intervals, [{ from: value & set.mask, to: value & set.mask }]),
      );
    return values.some(agrees) ? undefined : outcome;
  }

  /** The knowledge after the test has this outcome; undefined if it cannot. */
  learn(knowledge: Knowledge, test: Test, outcome: boolean): Knowledge | undefined {
    const key = test.id * 2 + (outcome ? 1 : 0);
    let result = knowledge.learnt.get(key);
    if (result === undefined) {
      result = this.#learn(knowledge, test, outcome) ?? "impossible";
      knowledge.learnt.set(key, result);
    }
    return result === "impossible" ? undefined : result;
  }

  #learn(knowledge: Knowledge, test: Test, outcome: boolean): Knowledge | undefined {
    const { mask } = test;
    this.#spend(knowledge);
    let intervals = outcome ? test.intervals : complement(test.intervals, mask);
    const before = knowledge.sets.find((set) => set.mask === mask);
    if (before !== undefined) {
      const narrowed = intersect(before.intervals, intervals);
      if (narrowed.length === 0) return undefined;
      intervals = narrowed.length > mostIntervals ? before.intervals : narrowed;
    }
    let { known, value } = knowledge;
    const agreed = commonBits(intervals, mask);
    if (((agreed.value ^ value) & agreed.known & known) !== 0n) return undefined;
    known |= agreed.known;
    value |= agreed.value;
    const sets = knowledge.sets.filter((set) => set.mask !== mask);
    if (sets.length >= mostMasks) sets.shift();
    sets.push({ mask, intervals });
    return this.#make(knowledge.term, known, value, sets);
  }

  #spend({ sets }: Knowledge): void {
    this.work += 8;
    for (const { intervals } of sets) this.work += intervals.length;
  }

  #make(term: Term, known: bigint, value: bigint, sets: Knowledge["sets"]): Knowledge {
    let size = 0;
    for (const { intervals } of sets) size += intervals.length;
    // Large sets are not shared: comparing them would cost more than it saves.
    if (size > 16) return { id: this.#count++, term, known, value, sets, learnt: new Map(), decided: new Map() };
    let key = `${term.id},${known},${value}`;
    for (const { mask, intervals } of sets) {
      key += `;${mask}`;
      for (const { from, to } of intervals) key += `,${from}-${to}`;
    }
    let knowledge = this.#byContent.get(key);
    if (knowledge === undefined) {
      knowledge = { id: this.#count++, term, known, value, sets, learnt: new Map(), decided: new Map() };
      this.#byContent.set(key, knowledge);
    }
    return knowledge;
  }
}

/** The only remaining value, if all bits of the term are known. */
export function onlyPossible(knowledge: Knowledge): bigint | undefined {
  return (knowledge.term.bits & ~knowledge.known) === 0n ? knowledge.value & knowledge.term.bits : undefined;
}

/** The bits that all values of the intervals have in common. */
function commonBits(intervals: Intervals, mask: bigint): { known: bigint; value: bigint } {
  const values = enumerate(intervals, mask, mostValues);
  if (values !== undefined) {
    let all = mask;
    let some = 0n;
    for (const value of values) {
      all &= value;
      some |= value;
    }
    return { known: mask & (all | ~some), value: all };
  }
  const least = intervals[0]!.from;
  const most = intervals[intervals.length - 1]!.to;
  const known = mask & ~lowMask(bitLength(least ^ most));
  return { known, value: least & known };
}

/** The values under `part` of the values under `mask`, if they form intervals. */
function project(intervals: Intervals, mask: bigint, part: bigint): Intervals | undefined {
  const width = bitLength(part);
  const least = part & -part;
  // The values under a part with a gap are in no order: 3, 4 under 5 are 1, 4, and 1, 2 are 1, 0.
  if ((mask & lowMask(width) & ~(least - 1n)) !== part) return undefined;
  const result = [];
  for (const { from, to } of intervals) {
    // A run that does not change the bits above `part` stays in order.
    if (((from ^ to) & ~lowMask(width) & mask) !== 0n) return undefined;
    result.push({ from: from & part, to: to & part });
  }
  return normalise(result, part);
}
