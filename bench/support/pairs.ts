/**
 * Compares two implementations: it runs them alternately many times in one run, and reports both medians and the median
 * of the pairs' ratios, which depends less on the machine's load than either.
 */
import { isSmoke } from "./amount.ts";

/** One line of a benchmark's output. Rows without `limit` are for context. */
export interface Row {
  readonly bench: string;
  readonly case: string;
  readonly ours: number;
  readonly reference?: number;
  readonly ratio?: number;
  readonly unit: string;
  /** The required ratio, for example "≤ 1.3". */
  readonly limit?: string;
  readonly informative?: true;
}

export function print(row: Row): void {
  const short = (value: number) => Number(value.toPrecision(6));
  const { ours, reference, ratio } = row;
  console.log(
    JSON.stringify({
      ...row,
      ours: short(ours),
      ...(reference === undefined ? {} : { reference: short(reference) }),
      ...(ratio === undefined ? {} : { ratio: short(ratio) }),
    }),
  );
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("the median of no values");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Pairs {
  readonly ours: number;
  readonly reference: number;
  /** The median of ours/reference over the pairs. */
  readonly ratio: number;
}

/**
 * Measures `ours` and `reference` alternately, `count` times each after one unmeasured pair; the first of a pair also
 * alternates. With --smoke it measures one pair. Both return values of the same unit.
 */
export async function pairs(
  count: number,
  ours: () => number | Promise<number>,
  reference: () => number | Promise<number>,
): Promise<Pairs> {
  const left: number[] = [];
  const right: number[] = [];
  for (let turn = isSmoke ? 0 : -1; turn < (isSmoke ? 1 : count); turn += 1) {
    const first = turn % 2 === 0 ? ours : reference;
    const second = turn % 2 === 0 ? reference : ours;
    const a = await first();
    const b = await second();
    if (turn < 0) continue;
    left.push(first === ours ? a : b);
    right.push(first === ours ? b : a);
  }
  const ratios = left.map((value, index) => value / right[index]!);
  return { ours: median(left), reference: median(right), ratio: median(ratios) };
}

/** Prints a comparison with its limit, and the reference against itself, which shows the noise of this run. */
export async function compare(options: {
  readonly bench: string;
  readonly case: string;
  readonly unit: string;
  readonly limit?: string;
  readonly count?: number;
  readonly ours: () => number | Promise<number>;
  readonly reference: () => number | Promise<number>;
}): Promise<Pairs> {
  const { bench, unit, limit, count = 15 } = options;
  const result = await pairs(count, options.ours, options.reference);
  const context = limit === undefined ? { informative: true as const } : { limit };
  print({ bench, case: options.case, unit, ...result, ...context });
  const noise = await pairs(count, options.reference, options.reference);
  print({ bench, case: `${options.case}: reference against itself`, unit, ...noise, informative: true });
  return result;
}
