import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { property } from "../../../ir/testing/property.ts";
import * as ir from "../../program/ir.ts";
import { both, cellKey, either, event, expressionKey, type Facts, forget, lasting, noFacts } from "./facts.ts";

const keys = ["argument0", "l1", "c2;", "(add c12; l1)"];
const fact: fc.Arbitrary<Facts> = fc.record({
  ranges: fc
    .array(fc.tuple(fc.constantFrom(...keys), fc.bigInt(0n, 9n), fc.bigInt(0n, 9n)), { maxLength: 4 })
    .map((list) => new Map(list.map(([key, a, b]) => [key, { from: a < b ? a : b, to: a < b ? b : a }]))),
  names: fc
    .array(fc.tuple(fc.constantFrom(event, 1), fc.bigInt(1n, 15n)), { maxLength: 2 })
    .map((list) => new Map(list)),
  orders: fc.subarray(["l1<=argument0", "argument0<=l1"]).map((list) => new Set(list)),
});

/** Whether a point with these values satisfies the facts. */
interface Point {
  readonly values: Readonly<Record<string, bigint>>;
  readonly name: bigint;
}
const point: fc.Arbitrary<Point> = fc.record({
  values: fc.record({
    argument0: fc.bigInt(0n, 9n),
    l1: fc.bigInt(0n, 9n),
    "c2;": fc.bigInt(0n, 9n),
    "(add c12; l1)": fc.bigInt(0n, 9n),
  }),
  name: fc.constantFrom(1n, 2n, 4n, 8n),
});
function isSo(facts: Facts, { values, name }: Point): boolean {
  if (facts.impossible) return false;
  for (const [key, { from, to }] of facts.ranges) if (values[key]! < from || values[key]! > to) return false;
  for (const mask of facts.names.values()) if ((mask & name) === 0n) return false;
  for (const order of facts.orders) {
    const [lower, upper] = order.split("<=") as [string, string];
    if (values[lower]! > values[upper]!) return false;
  }
  return true;
}

describe("facts", () => {
  property([fact, fact, point])("both: holds exactly at the points that satisfy both", (a, b, at) => {
    expect(isSo(both(a, b), at)).toBe(isSo(a, at) && isSo(b, at));
  });

  property([fact, fact, point])("either: holds wherever one of them does", (a, b, at) => {
    if (isSo(a, at) || isSo(b, at)) expect(isSo(either(a, b), at)).toBe(true);
  });

  property([fact, point])("forget: drops the facts of changed state", (a, at) => {
    if (isSo(a, at)) expect(isSo(forget(a, cellKey(2)), at) && isSo(lasting(a), at)).toBe(true);
    expect([...lasting(a).ranges.keys()].some((key) => key.includes(";"))).toBe(false);
    expect(forget(a, cellKey(2)).ranges.has("c2;")).toBe(false);
  });

  it("expression keys are equal if and only if the expressions are", () => {
    const sum = (cell: number) => ir.binary("add", { kind: "cell", cell }, ir.argument(0));
    expect(expressionKey(sum(1))).toBe(expressionKey(sum(1)));
    expect(expressionKey(sum(1))).not.toBe(expressionKey(sum(11)));
    expect(expressionKey(ir.extend(32, true, ir.argument(0)))).not.toBe(
      expressionKey(ir.extend(32, false, ir.argument(0))),
    );
    expect(both(noFacts, noFacts)).toBe(noFacts);
  });
});
