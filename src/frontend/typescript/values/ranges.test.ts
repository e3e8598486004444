import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { property } from "../../../ir/testing/property.ts";
import * as ranges from "./ranges.ts";

const edges = [0n, 1n, 2n, 3n, 63n, 64n, 127n, 128n, 255n, 256n, 2n ** 31n, 2n ** 32n, 2n ** 63n, 2n ** 64n];
const value = fc.oneof(
  fc.bigInt({ min: -20n, max: 20n }),
  fc.constantFrom(...edges.flatMap((edge) => [edge, edge - 1n, -edge, -edge - 1n])),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
);
/** A range and a value in it, often an end. */
const ranged = fc.tuple(value, value, value).map(([a, b, c]) => {
  const [from, middle, to] = [a, b, c].sort((x, y) => (x < y ? -1 : x > y ? 1 : 0)) as [bigint, bigint, bigint];
  return { range: { from, to }, value: middle };
});
const amount = fc.tuple(fc.bigInt(0n, 63n), fc.bigInt(0n, 63n), fc.bigInt(0n, 63n)).map((list) => {
  const [from, middle, to] = list.sort((x, y) => (x < y ? -1 : 1)) as [bigint, bigint, bigint];
  return { range: { from, to }, value: middle };
});

type Ranged = { readonly range: ranges.Range; readonly value: bigint };
const holds = (range: ranges.Range, result: bigint) => range.from <= result && result <= range.to;

describe("a range of results contains every result", () => {
  const pure: readonly (readonly [
    string,
    (a: ranges.Range, b: ranges.Range) => ranges.Range,
    (a: bigint, b: bigint) => bigint,
  ])[] = [
    ["+", ranges.add, (a, b) => a + b],
    ["-", ranges.subtract, (a, b) => a - b],
    ["*", ranges.multiply, (a, b) => a * b],
    ["&", ranges.and, (a, b) => a & b],
    ["|", ranges.or, (a, b) => a | b],
    ["^", ranges.xor, (a, b) => a ^ b],
  ];
  for (const [name, range, operate] of pure) {
    property([ranged, ranged])(name, (a: Ranged, b: Ranged) => {
      expect(holds(range(a.range, b.range), operate(a.value, b.value))).toBe(true);
    });
  }

  property([ranged, ranged])("/ and %", (a, b) => {
    fc.pre(b.range.from > 0n || b.range.to < 0n);
    expect(holds(ranges.divide(a.range, b.range), a.value / b.value)).toBe(true);
    expect(holds(ranges.remainder(a.range, b.range), a.value % b.value)).toBe(true);
  });

  property([ranged, amount])("<< and >>", (a, by) => {
    expect(holds(ranges.shiftLeft(a.range, by.range), a.value << by.value)).toBe(true);
    expect(holds(ranges.shiftRight(a.range, by.range), a.value >> by.value)).toBe(true);
  });

  property([ranged])("- and ~", (a) => {
    expect(holds(ranges.negate(a.range), -a.value)).toBe(true);
    expect(holds(ranges.complement(a.range), ~a.value)).toBe(true);
  });

  property([ranged, ranged])("intersection and union", (a, b) => {
    const common = ranges.intersect(a.range, b.range);
    if (holds(b.range, a.value)) expect(holds(common!, a.value)).toBe(true);
    expect(holds(ranges.join(a.range, b.range), a.value)).toBe(true);
    expect(holds(ranges.join(a.range, b.range), b.value)).toBe(true);
  });
});

describe("a range is as narrow as possible", () => {
  it.each([
    [
      "remainder of a smaller dividend",
      ranges.remainder({ from: 0n, to: 3n }, { from: 8n, to: 9n }),
      { from: 0n, to: 3n },
    ],
    ["remainder", ranges.remainder({ from: -100n, to: 100n }, { from: 7n, to: 7n }), { from: -6n, to: 6n }],
    ["and of a mask", ranges.and({ from: -5n, to: 1000n }, { from: 255n, to: 255n }), { from: 0n, to: 255n }],
    ["or", ranges.or({ from: 0n, to: 5n }, { from: 8n, to: 8n }), { from: 8n, to: 15n }],
    ["64 bits", ranges.widthRange(64, true), ranges.signed64],
  ])("%s", (_, actual, expected) => expect(actual).toEqual(expected));

  it("fits if one 64-bit type contains it", () => {
    expect(ranges.fits({ from: 0n, to: 2n ** 64n - 1n })).toBe(true);
    expect(ranges.fits({ from: -1n, to: 2n ** 63n })).toBe(false);
    expect(ranges.fits({ from: -(2n ** 63n), to: 2n ** 63n - 1n })).toBe(true);
    expect(ranges.fits({ from: 0n, to: 2n ** 64n })).toBe(false);
  });
});
