/** Paths of the survey (survey.ts): the facts on each, and the call numbers that take it. */

import { holds } from "../../ir/intervals.ts";
import type { Interval } from "../../ir/program.ts";
import { maximumHalf } from "../../linux/word.ts";
import type { Facts, Value } from "./values.ts";

/** The facts of one path and its call numbers. Immutable once shared. */
export interface SurveyPath {
  readonly numbers: readonly number[];
  readonly facts: Facts | undefined;
  /** By local, then by cell. */
  readonly values: ReadonlyMap<number, Value | boolean | number>;
  readonly certain: boolean;
  readonly changes: boolean;
  readonly onArguments: boolean;
  /** Verdicts of tables that may have been full. */
  readonly raised: readonly number[];
  /** Tables that were tested or changed: further tests of them are not independent. */
  readonly tables: readonly number[];
}

export function uncertain(path: SurveyPath): SurveyPath {
  return path.certain ? { ...path, certain: false } : path;
}

export function knowing(path: SurveyPath, facts: Facts): SurveyPath {
  const { numbers, values, certain, changes, onArguments, raised, tables } = path;
  return {
    numbers,
    facts,
    values,
    certain: certain && facts.witness !== undefined,
    changes,
    onArguments: onArguments || facts.symbol.isArgument,
    raised,
    tables,
  };
}

export function withValue(path: SurveyPath, slot: number, value: Value | boolean | number): SurveyPath {
  return { ...path, values: new Map(path.values).set(slot, value) };
}

export function joined(left: readonly SurveyPath[], right: readonly SurveyPath[]): readonly SurveyPath[] {
  return left.length === 0 ? right : right.length === 0 ? left : [...left, ...right];
}

/** The numbers for which the value lies in the intervals, and the others. */
export function numbersIn(
  value: Value,
  intervals: readonly Interval[],
  numbers: readonly number[],
): readonly [readonly number[], readonly number[]] {
  const inside: number[] = [];
  const outside: number[] = [];
  const plain = value.signed === 0 && !value.negated && value.add === 0n && value.mask >= maximumHalf;
  if (plain) {
    const bounds = intervals.map(({ from, to }) => [Number(from), Number(to)] as const);
    for (const number of numbers) {
      (bounds.some(([from, to]) => from <= number && number <= to) ? inside : outside).push(number);
    }
    return [inside, outside];
  }
  for (const number of numbers) {
    (holds(intervals, wordOf(value, BigInt(number))) ? inside : outside).push(number);
  }
  return [inside, outside];
}

function wordOf({ mask, signed, negated, add }: Value, word: bigint): bigint {
  const low = signed === 0 ? word & mask : BigInt.asIntN(signed, word & mask);
  return BigInt.asUintN(64, (negated ? -low : low) + add);
}

/** Groups the numbers by the first list that contains them; the last group has the others. */
export function partition(
  numbers: readonly number[],
  lists: readonly (readonly Interval[])[],
): readonly (readonly number[] | undefined)[] {
  const groups: (number[] | undefined)[] = new Array(lists.length + 1).fill(undefined);
  const armOf = new Map<number, number>();
  const wide: { readonly from: number; readonly to: number; readonly list: number }[] = [];
  lists.forEach((intervals, list) => {
    for (const interval of intervals) {
      const from = Number(interval.from);
      const to = Number(interval.to);
      if (to - from > 64) wide.push({ from, to, list });
      else for (let number = from; number <= to; number++) if (!armOf.has(number)) armOf.set(number, list);
    }
  });
  for (const number of numbers) {
    let list = armOf.get(number) ?? lists.length;
    for (const each of wide) if (each.list < list && each.from <= number && number <= each.to) list = each.list;
    const group = groups[list];
    if (group === undefined) groups[list] = [number];
    else group.push(number);
  }
  return groups;
}
