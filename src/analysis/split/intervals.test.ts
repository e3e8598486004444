import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ceilingUnder,
  complement,
  contains,
  enumerate,
  exclusiveOr,
  floorUnder,
  type Intervals,
  intersect,
  isSubset,
  normalise,
  overlaps,
  rotate,
  widen,
} from "./intervals.ts";

/** A byte, small enough to try every value. */
const byte = fc.bigInt({ min: 0n, max: 255n });
const mask = fc.bigInt({ min: 1n, max: 255n });
const list = fc.array(
  fc.tuple(byte, byte).map(([from, to]) => (from <= to ? { from, to } : { from: to, to: from })),
  { maxLength: 4 },
);
const allBytes = Array.from({ length: 256 }, (_, value) => BigInt(value));

function values(intervals: Intervals, under: bigint): bigint[] {
  return allBytes.filter((value) => (value & ~under) === 0n && contains(intervals, value));
}

describe("interval sets under a mask", () => {
  it("round to the nearest possible value", () => {
    fc.assert(
      fc.property(byte, mask, (value, under) => {
        const possible = allBytes.filter((each) => (each & ~under) === 0n);
        expect(ceilingUnder(value, under)).toBe(possible.find((each) => each >= value));
        expect(floorUnder(value, under)).toBe(possible.findLast((each) => each <= value));
      }),
    );
  });

  it("have a unique normal form", () => {
    fc.assert(
      fc.property(list, list, mask, (left, right, under) => {
        const [a, b] = [normalise(left, under), normalise(right, under)];
        const member = (each: bigint) =>
          (each & ~under) === 0n && left.some(({ from, to }) => from <= each && each <= to);
        expect(values(a, under)).toEqual(allBytes.filter(member));
        const equal = values(a, under).join() === values(b, under).join();
        expect(JSON.stringify(a, text) === JSON.stringify(b, text)).toBe(equal);
      }),
    );
  });

  it("complement, intersect and compare like sets", () => {
    fc.assert(
      fc.property(list, list, mask, (left, right, under) => {
        const [a, b] = [normalise(left, under), normalise(right, under)];
        const [inA, inB] = [values(a, under), values(b, under)];
        const common = inA.filter((value) => inB.includes(value));
        const possible = allBytes.filter((value) => (value & ~under) === 0n);
        expect(values(complement(a, under), under)).toEqual(possible.filter((value) => !inA.includes(value)));
        expect(normalise(complement(a, under), under)).toEqual(complement(a, under));
        expect(values(intersect(a, b), under)).toEqual(common);
        expect(overlaps(a, b)).toBe(common.length > 0);
        expect(isSubset(a, b)).toBe(common.length === inA.length);
        expect(enumerate(a, under, 256)).toEqual(inA);
      }),
    );
  });

  it("widen to more bits, flip bits and rotate", () => {
    fc.assert(
      fc.property(list, mask, byte, byte, (intervals, under, more, change) => {
        const a = normalise(intervals, under);
        const wide = widen(a, under, under | more);
        const expected = allBytes.filter((value) => (value & ~(under | more)) === 0n && contains(a, value & under));
        if (wide !== undefined) expect(values(wide, under | more)).toEqual(expected);
        const flip = change & under;
        expect(values(exclusiveOr(a, under, flip), under)).toEqual(
          values(a, under)
            .map((value) => value ^ flip)
            .sort((x, y) => Number(x - y)),
        );
        const b = normalise(intervals, 255n);
        expect(values(rotate(b, 255n, change), 255n)).toEqual(
          values(b, 255n)
            .map((value) => (value + change) & 255n)
            .sort((x, y) => Number(x - y)),
        );
      }),
    );
  });
});

function text(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
