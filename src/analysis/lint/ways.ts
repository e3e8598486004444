/** Ways through a policy (survey.ts): what is known on each path, and the call numbers that take it. */
import { holds } from "../../ir/intervals.ts";
import type { Interval } from "../../ir/program.ts";
import type { Facts, Value } from "./values.ts";

/** What is known on one path, of the calls that take it. Never changed once it is shared. */
export interface Way {
  readonly numbers: readonly number[];
  readonly facts: Facts | undefined;
  /** By local, then by cell. */
  readonly values: ReadonlyMap<number, Value | boolean | number>;
  readonly certain: boolean;
  readonly changes: boolean;
  readonly onArguments: boolean;
  /** Verdicts of tables that may have been full. */
  readonly raised: readonly number[];
  /** Tables that were asked or changed: what else is asked of them is not independent. */
  readonly tables: readonly number[];
}

export function uncertain(way: Way): Way {
  return way.certain ? { ...way, certain: false } : way;
}

export function knowing(way: Way, facts: Facts): Way {
  const { numbers, values, certain, changes, onArguments, raised, tables } = way;
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

export function withValue(way: Way, slot: number, value: Value | boolean | number): Way {
  return { ...way, values: new Map(way.values).set(slot, value) };
}

export function joined(left: readonly Way[], right: readonly Way[]): readonly Way[] {
  return left.length === 0 ? right : right.length === 0 ? left : [...left, ...right];
}

/** Numbers for which the value lies in the intervals, and the others. */
export function numbersIn(
  value: Value,
  intervals: readonly Interval[],
  numbers: readonly number[],
): readonly [readonly number[], readonly number[]] {
  const inside: number[] = [];
  const outside: number[] = [];
  const plain = value.signed === 0 && !value.negated && value.add === 0n && value.mask >= 0xffff_ffffn;
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

/** By the first list that holds them; those that none holds last. */
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
