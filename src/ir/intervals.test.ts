import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  cardinality,
  complement,
  difference,
  emptySet,
  equalSets,
  fullSet,
  holds,
  intersection,
  isFull,
  isNormal,
  isSubset,
  normalise,
  onlyMember,
  preimageOfMask,
  signedSpan,
  translate,
  union,
} from "./intervals.ts";
import { boundaryValues } from "./testing/arbitrary.ts";
import { casesOf } from "./testing/seeds.ts";

const value = fc.oneof(fc.constantFrom(...boundaryValues), fc.bigInt(0n, 40n), fc.bigInt(0n, 2n ** 64n - 1n));
const interval = fc.tuple(value, value).map(([a, b]) => (a < b ? { from: a, to: b } : { from: b, to: a }));
const set = fc.array(interval, { maxLength: 5 }).map(normalise);

/** The values at which membership can change. */
const probes = (...sets: readonly (readonly { from: bigint; to: bigint }[])[]) =>
  [...boundaryValues, ...sets.flat().flatMap(({ from, to }) => [from - 1n, from, to, to + 1n])].map((probe) =>
    BigInt.asUintN(64, probe),
  );
const naive = (intervals: readonly { from: bigint; to: bigint }[], probe: bigint) =>
  intervals.some(({ from, to }) => from <= probe && probe <= to);

describe("interval sets", () => {
  it("normalise preserves the members and returns the normal form", () => {
    fc.assert(
      fc.property(fc.array(interval, { maxLength: 8 }), (intervals) => {
        const normal = normalise(intervals);
        expect(isNormal(normal)).toBe(true);
        for (const probe of probes(intervals)) expect(holds(normal, probe)).toBe(naive(intervals, probe));
      }),
    );
  });

  it("union, intersection, difference and complement match sets and return the normal form", () => {
    fc.assert(
      fc.property(set, set, (a, b) => {
        const results = [union(a, b), intersection(a, b), difference(a, b), complement(a)];
        expect(results.every(isNormal)).toBe(true);
        for (const probe of probes(a, b)) {
          const [inA, inB] = [naive(a, probe), naive(b, probe)];
          const wanted = [inA || inB, inA && inB, inA && !inB, !inA];
          expect(results.map((result) => holds(result, probe))).toEqual(wanted);
        }
      }),
    );
  });

  it("complement within a smaller universe", () => {
    expect(complement([{ from: 3n, to: 4n }], 7n)).toEqual([
      { from: 0n, to: 2n },
      { from: 5n, to: 7n },
    ]);
    expect(complement([{ from: 3n, to: 400n }], 7n)).toEqual([{ from: 0n, to: 2n }]);
    expect(complement([{ from: 8n, to: 9n }], 7n)).toEqual([{ from: 0n, to: 7n }]);
    expect(complement([{ from: 0n, to: 7n }], 7n)).toEqual([]);
  });

  it("subsets and cardinalities", () => {
    fc.assert(
      fc.property(set, set, (a, b) => {
        expect(isSubset(intersection(a, b), a)).toBe(true);
        expect(isSubset(a, union(a, b))).toBe(true);
        expect(isSubset(a, b)).toBe(difference(a, b).length === 0);
        expect(cardinality(a) + cardinality(b)).toBe(cardinality(union(a, b)) + cardinality(intersection(a, b)));
        expect(cardinality(complement(a))).toBe(2n ** 64n - cardinality(a));
        expect(equalSets(complement(complement(a)), a)).toBe(true);
      }),
    );
    expect(isFull(fullSet)).toBe(true);
    expect(isFull(emptySet)).toBe(false);
    expect(onlyMember([{ from: 4n, to: 4n }])).toBe(4n);
    expect(onlyMember([{ from: 4n, to: 5n }])).toBeUndefined();
  });

  it("signed spans", () => {
    fc.assert(
      fc.property(value, value, value, (a, b, probe) => {
        const [from, to, read] = [a, b, probe].map((pattern) => BigInt.asIntN(64, pattern)) as [bigint, bigint, bigint];
        expect(holds(signedSpan(from, to), probe)).toBe(from <= read && read <= to);
        expect(isNormal(signedSpan(from, to))).toBe(true);
      }),
    );
  });

  it("translation wraps", () => {
    fc.assert(
      fc.property(set, value, (a, by) => {
        const moved = translate(a, by);
        expect(isNormal(moved)).toBe(true);
        for (const probe of probes(a, moved)) {
          expect(holds(moved, BigInt.asUintN(64, probe + by))).toBe(holds(a, probe));
        }
      }),
    );
  });

  it("preimages of masks, or undefined past the limit", () => {
    const mask = fc.oneof(
      value,
      fc.constantFrom(0xffff_ffffn, 0xfn, 0xf0n, 0xffff_ffff_0000_0000n, 0x8000_0000_0000_0001n, 3n << 62n),
    );
    let given = 0;
    fc.assert(
      fc.property(set, mask, fc.array(value, { maxLength: 50 }), (a, bits, more) => {
        const preimage = preimageOfMask(a, bits, 100);
        if (preimage === undefined) return;
        given++;
        expect(isNormal(preimage)).toBe(true);
        for (const probe of [...probes(a, preimage), ...more]) {
          if (holds(preimage, probe) !== holds(a, probe & bits)) expect.fail(`${probe} under ${bits}`);
        }
      }),
      { numRuns: casesOf(500) },
    );
    expect(given).toBeGreaterThan(casesOf(100));
    expect(preimageOfMask([{ from: 1n, to: 1n }], 0xffff_ffffn, 100)).toBeUndefined();
    expect(preimageOfMask([{ from: 0x10n, to: 0x10n }], ~0xfn & (2n ** 64n - 1n), 1)).toEqual([
      { from: 0x10n, to: 0x1fn },
    ]);
  });
});
