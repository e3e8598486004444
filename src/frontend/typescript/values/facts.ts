/**
 * Facts at a point of the step that follow from the tests on the path: ranges of integers, the possible calls, and a ≤
 * b of two integers. Facts are immutable and name their subjects by keys (`expressionKey`), so that two reads of one
 * argument have one subject.
 */
import type { IntegerExpression } from "../../../ir/program.ts";
import { fits, intersect, join, type Range } from "./ranges.ts";

export interface Facts {
  readonly ranges: ReadonlyMap<string, Range>;
  /**
   * Possible calls as bits: by reference (a variable that holds the call), and for the event itself under `event`. By the
   * reference of an address: its possible kinds as bits.
   */
  readonly names: ReadonlyMap<number, bigint>;
  /** `orderKey(a, b)`: a ≤ b. */
  readonly orders: ReadonlySet<string>;
  /** The facts contradict each other: the point is unreachable. */
  readonly impossible?: true;
}

/** The key in `Facts.names` of the event itself. */
export const event = -1;

export const noFacts: Facts = { ranges: new Map(), names: new Map(), orders: new Set() };

/** The fact that an integer lies in this range; no facts for a constant. */
export function rangeFactOf(value: Parameters<typeof integerKey>[0], range: Range): Facts {
  const key = value.expression.kind === "constant" ? "" : integerKey(value);
  return key === "" ? noFacts : rangeFact(key, range);
}

/** The fact that each of these references has one of the possibilities. */
export function namesFact(references: readonly number[], possible: bigint): Facts {
  return { ...noFacts, names: new Map(references.map((reference) => [reference, possible])) };
}

export function rangeFact(key: string, range: Range): Facts {
  const ranges = new Map<string, Range>();
  ranges.set(key, range);
  return { ranges, names: noFacts.names, orders: noFacts.orders };
}

export function orderKey(lower: string, upper: string): string {
  return `${lower}<=${upper}`;
}

/** Enough for any real policy; it bounds the cost of hostile ones. */
const mostFacts = 500;

/** The facts if both hold. */
export function both(a: Facts, b: Facts): Facts {
  if (b === noFacts) return a;
  if (a === noFacts) return b;
  let impossible = a.impossible === true || b.impossible === true;
  // Runs for every comparison: it shares unchanged maps and uses no iterators.
  let { ranges, names, orders } = a;
  if (ranges.size === 0) ranges = b.ranges;
  else if (b.ranges.size > 0) {
    const merged = new Map(ranges);
    b.ranges.forEach((range, key) => {
      const known = merged.get(key);
      const narrowed = known === undefined ? range : intersect(known, range);
      if (narrowed === undefined) impossible = true;
      else if (known !== undefined || merged.size < mostFacts) merged.set(key, narrowed);
    });
    ranges = merged;
  }
  if (names.size === 0) names = b.names;
  else if (b.names.size > 0) {
    const merged = new Map(names);
    b.names.forEach((mask, reference) => {
      const known = merged.get(reference);
      merged.set(reference, known === undefined ? mask : known & mask);
    });
    names = merged;
  }
  if (b.names.size > 0 && names.get(event) === 0n) impossible = true;
  if (orders.size === 0) orders = b.orders;
  else if (b.orders.size > 0) orders = new Set([...orders, ...b.orders].slice(0, mostFacts));
  return impossible ? { ranges, names, orders, impossible } : { ranges, names, orders };
}

/** Whether `both` would be impossible. */
export function contradict(a: Facts, b: Facts): boolean {
  if (a.impossible === true || b.impossible === true) return true;
  let found = false;
  b.ranges.forEach((range, key) => {
    const known = a.ranges.get(key);
    if (known !== undefined && (known.to < range.from || range.to < known.from)) found = true;
  });
  const mask = b.names.get(event);
  return found || (mask !== undefined && ((a.names.get(event) ?? mask) & mask) === 0n);
}

/**
 * `possible`, with the calls that the tests of an impossible side name: `event` excludes them, and diagnostics can say that they
 * were meant.
 */
function withNames(possible: Facts, { names }: Facts): Facts {
  if (names.get(event) !== 0n || possible.names.size === 0) return possible;
  const joined = new Map(possible.names);
  names.forEach((mask, reference) => {
    const own = joined.get(reference);
    if (own !== undefined && reference !== event) joined.set(reference, own | mask);
  });
  return { ...possible, names: joined };
}

/** The facts if one of them holds, and it is unknown which. */
export function either(a: Facts, b: Facts): Facts {
  if (a === b) return a;
  if (b.impossible) return withNames(a, b);
  if (a.impossible) return withNames(b, a);
  if (a === noFacts || b === noFacts) return noFacts;
  let { ranges, names, orders } = noFacts;
  if (a.ranges === b.ranges) ranges = a.ranges;
  else if (a.ranges.size > 0 && b.ranges.size > 0) {
    const joined = new Map<string, Range>();
    a.ranges.forEach((range, key) => {
      const other = b.ranges.get(key);
      if (other !== undefined) joined.set(key, other === range ? range : join(range, other));
    });
    ranges = joined;
  }
  if (a.names === b.names) names = a.names;
  else if (a.names.size > 0 && b.names.size > 0) {
    const joined = new Map<number, bigint>();
    a.names.forEach((mask, reference) => {
      const other = b.names.get(reference);
      if (other !== undefined) joined.set(reference, mask | other);
    });
    names = joined;
  }
  if (a.orders === b.orders) orders = a.orders;
  else if (a.orders.size > 0 && b.orders.size > 0) {
    const joined = new Set<string>();
    a.orders.forEach((order) => {
      if (b.orders.has(order)) joined.add(order);
    });
    orders = joined;
  }
  return { ranges, names, orders };
}

/** The facts without those of one piece of state (`cellKey`, `tableKey`), which has changed. */
export function forget(facts: Facts, key: string): Facts {
  if (facts.ranges.size === 0 && facts.orders.size === 0) return facts;
  const ranges = new Map([...facts.ranges].filter(([subject]) => !subject.includes(key)));
  const orders = new Set([...facts.orders].filter((order) => !order.includes(key)));
  if (ranges.size === facts.ranges.size && orders.size === facts.orders.size) return facts;
  return { ...facts, ranges, orders };
}

/** The facts without those of state; the rest holds for the whole evaluation. */
export function lasting(facts: Facts): Facts {
  return forget(facts, ";");
}

export function cellKey(cell: number): string {
  return `c${cell};`;
}

export function tableKey(table: number): string {
  return `t${table};`;
}

const keys = new WeakMap<IntegerExpression, string>();
const longestKey = 240;

/**
 * A key for an integer's value: equal keys mean equal values, as long as the state in it does not change. "" if there
 * is not a key.
 */
export function expressionKey(expression: IntegerExpression): string {
  const known = keys.get(expression);
  if (known !== undefined) return known;
  const made = makeKey(expression);
  const key = made.length > longestKey ? "" : made;
  keys.set(expression, key);
  return key;
}

/**
 * The key of an integer as it is read. `x` and `BigInt.asIntN(64, x)` are one pattern and two integers, so they have
 * two keys. "" if there is no key or the range exceeds 64 bits.
 */
export function integerKey({ expression, range }: { expression: IntegerExpression; range: Range }): string {
  const key = expressionKey(expression);
  return key === "" || !fits(range) ? "" : range.from < 0n ? `signed ${key}` : key;
}

function makeKey(expression: IntegerExpression): string {
  switch (expression.kind) {
    case "constant":
      return `${expression.value}`;
    case "input":
      return expression.input;
    case "local":
      return `l${expression.local}`;
    case "cell":
      return cellKey(expression.cell);
    case "parameter":
      return `p${expression.parameter}`;
    case "observed":
      return `w${expression.word}`;
    case "binary":
      return combine(expression.operator, expressionKey(expression.left), expressionKey(expression.right));
    case "extend":
      return combine(`${expression.signed ? "s" : "u"}${expression.width}`, expressionKey(expression.value));
    case "table-get":
      return combine(
        `get ${tableKey(expression.table)}`,
        expressionKey(expression.key),
        expressionKey(expression.otherwise),
      );
    case "select":
    case "from-boolean":
      return "";
  }
}

function combine(head: string, ...parts: readonly string[]): string {
  return parts.some((part) => part === "") ? "" : `(${head} ${parts.join(" ")})`;
}
