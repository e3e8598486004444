/** Sets of call numbers that are explored together, because no condition has distinguished them yet. */
import { binaryOperations, compareOperations, extend } from "../../ir/arithmetic.ts";
import type { Interval } from "../../ir/program.ts";
import { contains } from "./intervals.ts";
import type { Formula, Term, Test } from "./terms.ts";

/** Never empty: a path that no call takes is not walked. */
export interface NumberSet {
  readonly id: number;
  /** Ascending. */
  readonly members: readonly number[];
  readonly outcomes: Map<Test, boolean | readonly [NumberSet, NumberSet]>;
}

export class NumberSets {
  readonly #sets = new Map<string, NumberSet>();

  /** Undefined if there are no members. */
  set(members: readonly number[]): NumberSet | undefined {
    if (members.length === 0) return undefined;
    const key = members.join();
    let set = this.#sets.get(key);
    if (set === undefined) {
      set = { id: this.#sets.size, members, outcomes: new Map() };
      this.#sets.set(key, set);
    }
    return set;
  }

  /** The test's outcome if all members have the same; else the members that pass it and those that fail. */
  decide(set: NumberSet, test: Test): boolean | readonly [NumberSet, NumberSet] {
    if (set.members.length === 1) return holdsFor(test, set.members[0]!);
    let outcome = set.outcomes.get(test);
    if (outcome === undefined) {
      const yes: number[] = [];
      const no: number[] = [];
      for (const number of set.members) (holdsFor(test, number) ? yes : no).push(number);
      const passing = this.set(yes);
      const failing = this.set(no);
      outcome = failing === undefined ? true : passing === undefined ? false : [passing, failing];
      set.outcomes.set(test, outcome);
    }
    return outcome;
  }

  /** Groups the members by the first list that contains them; the last group has the others. */
  partition(set: NumberSet, lists: readonly (readonly Interval[])[]): readonly (NumberSet | undefined)[] {
    const bounds: { readonly interval: Interval; readonly list: number }[] = [];
    lists.forEach((intervals, list) => {
      for (const interval of intervals) bounds.push({ interval, list });
    });
    bounds.sort((a, b) => (a.interval.from < b.interval.from ? -1 : 1));
    const overlap = bounds.some((bound, i) => i > 0 && bound.interval.from <= bounds[i - 1]!.interval.to);
    if (overlap) return this.#partitionOverlapping(set, lists);
    const groups: number[][] = lists.map(() => []);
    const rest: number[] = [];
    let at = 0;
    for (const number of set.members) {
      const value = BigInt(number);
      while (at < bounds.length && bounds[at]!.interval.to < value) at++;
      const bound = bounds[at];
      (bound !== undefined && bound.interval.from <= value ? groups[bound.list]! : rest).push(number);
    }
    return [...groups, rest].map((members) => this.set(members));
  }

  #partitionOverlapping(set: NumberSet, lists: readonly (readonly Interval[])[]): readonly (NumberSet | undefined)[] {
    const groups: number[][] = [...lists.map(() => []), []];
    for (const number of set.members) {
      const first = lists.findIndex((intervals) => contains(intervals, BigInt(number)));
      groups[first === -1 ? lists.length : first]!.push(number);
    }
    return groups.map((members) => this.set(members));
  }
}

/** The outcome of a test that depends only on the number. */
function holdsFor(test: Test, number: number): boolean {
  const { term, mask, intervals } = test;
  if (term.shape.kind !== "input" || mask < 0xffff_ffffn)
    return contains(intervals, valueFor(term, BigInt(number)) & mask);
  // The most frequent case: plain numbers are several times faster than bigints.
  let plain = plainIntervals.get(test);
  if (plain === undefined) {
    plain = intervals.map(({ from, to }) => [Number(from), Number(to)] as const);
    plainIntervals.set(test, plain);
  }
  return plain.some(([from, to]) => from <= number && number <= to);
}

const plainIntervals = new WeakMap<Test, readonly (readonly [number, number])[]>();

function valueFor({ shape }: Term, number: bigint): bigint {
  switch (shape.kind) {
    case "constant":
      return shape.value;
    case "input":
      return number;
    case "binary":
      return binaryOperations[shape.operator](valueFor(shape.left, number), valueFor(shape.right, number));
    case "extend":
      return extend(shape.width, shape.signed, valueFor(shape.value, number));
    case "compare":
      return compareOperations[shape.operator](valueFor(shape.left, number), valueFor(shape.right, number)) ? 1n : 0n;
    case "select":
      return valueFor(truthFor(shape.condition, number) ? shape.then : shape.otherwise, number);
    default:
      throw new Error(`a ${shape.kind} does not depend only on the call's number`);
  }
}

function truthFor({ shape }: Formula, number: bigint): boolean {
  switch (shape.kind) {
    case "boolean":
      return shape.value;
    case "test":
      return holdsFor(shape.test, Number(number)) !== shape.negated;
    case "all":
      return shape.of.every((part) => truthFor(part, number));
    case "any":
      return shape.of.some((part) => truthFor(part, number));
  }
}
