import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BitChoice, buildBitSearch, buildSearch, countTests, type Search, type Segment } from "./search.ts";

function find(search: Search<number>, value: number): { target: number; tests: number } {
  let node = search;
  for (let tests = 0; ; tests++) {
    if (node.kind === "found") return { target: node.target, tests };
    const holds = node.operator === "equal" ? value === node.value : value >= node.value;
    node = holds ? node.then : node.otherwise;
  }
}

function segmentsOf(
  ends: readonly number[],
  targets: readonly number[],
  limits: readonly number[] = [],
): Segment<number>[] {
  return ends.map((to, index) => ({
    from: index === 0 ? 0 : ends[index - 1]! + 1,
    to,
    target: targets[index]!,
    weight: 1,
    limit: limits[index] ?? Number.POSITIVE_INFINITY,
  }));
}

/** Neighbours differ in their targets. */
const line = fc
  .array(fc.tuple(fc.oneof({ weight: 2, arbitrary: fc.constant(1) }, fc.integer({ min: 1, max: 50 })), fc.nat(3)), {
    minLength: 1,
    maxLength: 260,
  })
  .map((parts) => {
    let end = -1;
    let previous = -1;
    const ends: number[] = [];
    const targets: number[] = [];
    for (const [width, shift] of parts) {
      end += width;
      ends.push(end);
      previous = previous < 0 ? shift : (previous + 1 + (shift % 3)) % 4;
      targets.push(previous);
    }
    return segmentsOf(ends, targets);
  });

describe("buildSearch", () => {
  it("finds the segment of each value", () => {
    fc.assert(
      fc.property(line, fc.constantFrom(0.1, 0.3, 1), (segments, price) => {
        const search = buildSearch(segments, price);
        for (const { from, to, target } of segments) {
          expect(find(search, from).target).toBe(target);
          expect(find(search, to).target).toBe(target);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("needs fewer tests than there are segments", () => {
    fc.assert(
      fc.property(line, (segments) => {
        expect(countTests(buildSearch(segments, 0.1))).toBeLessThan(segments.length);
      }),
      { numRuns: 60 },
    );
  });

  it("separates a single value by one test", () => {
    expect(buildSearch(segmentsOf([9, 10, 0xffff_ffff], [0, 1, 0]), 0.1)).toEqual({
      kind: "test",
      operator: "equal",
      value: 10,
      then: { kind: "found", target: 1 },
      otherwise: { kind: "found", target: 0 },
    });
  });

  it("needs no test for one segment", () => {
    expect(buildSearch(segmentsOf([7], [3]), 0.1)).toEqual({ kind: "found", target: 3 });
  });

  it("tests all single values but one if there are no others", () => {
    expect(countTests(buildSearch(segmentsOf([0, 1, 2, 3], [0, 1, 2, 3]), 1))).toBe(3);
    expect(countTests(buildSearch(segmentsOf([0, 1, 2], [0, 1, 0]), 1))).toBe(1);
  });

  it("keeps limits, at any cost elsewhere", () => {
    const ends = Array.from({ length: 64 }, (_, index) => index * 10 + 9);
    const targets = ends.map((_, index) => index % 3);
    const limits = ends.map((_, index) => (index === 63 ? 1 : index === 5 ? 5 : Number.POSITIVE_INFINITY));
    const search = buildSearch(segmentsOf(ends, targets, limits), 0.1);
    expect(find(search, ends[63]!).tests).toBe(1);
    expect(find(search, ends[5]!).tests).toBeLessThanOrEqual(5);
  });

  it("keeps a limit at the end of a line that is too long for the optimiser", () => {
    const ends = Array.from({ length: 1000 }, (_, index) => index * 10 + 9);
    const limits = ends.map((_, index) => (index === 999 ? 2 : Number.POSITIVE_INFINITY));
    const search = buildSearch(
      segmentsOf(
        ends,
        ends.map((_, index) => index % 3),
        limits,
      ),
      0.1,
    );
    expect(find(search, ends[999]!).tests).toBeLessThanOrEqual(2);
    for (const [index, end] of ends.entries()) {
      expect(find(search, end).target).toBe(index % 3);
      expect(find(search, end).tests).toBeLessThanOrEqual(13);
    }
  });

  it("makes a smaller tree for a higher price", () => {
    const ends = Array.from({ length: 60 }, (_, index) => (index >> 1) * 20 + (index % 2 === 0 ? 9 : 10));
    const segments = segmentsOf(
      ends,
      ends.map((_, index) => index % 2),
    );
    expect(countTests(buildSearch(segments, 1))).toBeLessThan(countTests(buildSearch(segments, 0.01)));
  });
});

describe("buildBitSearch", () => {
  const bits = { steps: 3, size: 4, end: 0 };

  /** Dense, with long runs of two targets, so that bit tests are useful. */
  const denseLine = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 150 }).map((widths) => {
    let end = -1;
    const ends = widths.map((width) => {
      end += width;
      return end;
    });
    return segmentsOf(
      ends,
      ends.map((_, index) => (index % 20 === 13 ? 2 : index % 2)),
    );
  });

  const frequencies = fc.array(fc.constantFrom(2 ** -8, 0.5, 1, 4, 100), { minLength: 1, maxLength: 20 });

  it("finds the segment of each value", () => {
    let choices = 0;
    fc.assert(
      fc.property(fc.oneof(line, denseLine), frequencies, fc.constantFrom(0.05, 0.3), (even, weights, price) => {
        const segments = even.map((segment, index) => ({ ...segment, weight: weights[index % weights.length]! }));
        const search = buildBitSearch(segments, price, bits);
        const targetOf = (value: number): number => {
          let node = search;
          while (node.kind === "test") {
            const holds = node.operator === "equal" ? value === node.value : value >= node.value;
            node = holds ? node.then : node.otherwise;
          }
          if (!(node.target instanceof BitChoice)) return node.target;
          choices += 1;
          const { mask, width, set, clear } = node.target;
          return ((mask >> BigInt(value % width)) & 1n) === 1n ? set : clear;
        };
        for (const { from, to, target } of segments) {
          expect(targetOf(from)).toBe(target);
          expect(targetOf(to)).toBe(target);
        }
      }),
      { numRuns: 60 },
    );
    expect(choices).toBeGreaterThan(100);
  });

  it("uses one bit test if two targets alternate within 64 values", () => {
    const ends = [3, 4, 7, 9, 10, 12, 14, 17, 20, 21, 25, 30, 33, 40, 44, 63];
    const [one, other] = [0, 1];
    const search = buildBitSearch(
      segmentsOf(
        ends,
        ends.map((_, index) => (index % 2 === 0 ? one : other)),
      ),
      0.1,
      bits,
    );
    expect(search).toEqual({ kind: "found", target: new BitChoice(0x1e03_83dc_64efn, 64, 0, 1) });
  });

  it("uses a 32-bit test if the values are close enough, at any offset", () => {
    const ends = [29, 30, 32, 34, 35, 36, 40, 41, 44, 46, 50, 52, 55];
    const segments = segmentsOf(
      ends,
      ends.map((_, index) => index % 2),
    ).map((segment, index) => (index === 0 ? { ...segment, from: 26 } : segment));
    // 26 … 29, 31 … 32, 35, 37 … 40, 42 … 44, 47 … 50, 53 … 55, modulo 32.
    const mask = 0x3c00_0000n | 0x8000_0001n | 0x8n | 0x1e0n | 0x1c00n | 0x7_8000n | 0xe0_0000n;
    expect(buildBitSearch(segments, 0.3, bits)).toEqual({ kind: "found", target: new BitChoice(mask, 32, 0, 1) });
  });

  it("compares if that is cheaper, or if the values span more than 64", () => {
    expect(buildBitSearch(segmentsOf([9, 10, 63], [0, 1, 0]), 0.1, bits).kind).toBe("test");
    const ends = [3, 4, 7, 9, 10, 12, 14, 17, 20, 21, 25, 30, 33, 40, 44, 64];
    const targets = ends.map((_, index) => index % 2);
    expect(buildBitSearch(segmentsOf(ends, targets), 0.1, bits).kind).toBe("test");
  });

  const weighted = (ends: readonly number[], targets: readonly number[], weights: readonly number[]) =>
    segmentsOf(ends, targets).map((segment, index) => ({ ...segment, weight: weights[index]! }));
  const [likely, unlikely] = [4, 0.5];

  it("tests likely single values before the ranges of others, the likeliest first", () => {
    const ends = [109, 110, 289, 290, 336, 423, 424, 0xffff_ffff];
    const targets = [0, 1, 0, 2, 0, 3, 0, 3];
    const search = buildBitSearch(
      weighted(ends, targets, [unlikely, likely, unlikely, 2 * likely, unlikely, unlikely, unlikely, unlikely]),
      0.3,
      bits,
    );
    expect(search).toMatchObject({ operator: "equal", value: 290, otherwise: { operator: "equal", value: 110 } });
    expect([290, 110].map((value) => find(search as Search<number>, value))).toEqual([
      { target: 2, tests: 1 },
      { target: 1, tests: 2 },
    ]);
    // The two tests have moved, and no others are there.
    expect(countTests(search)).toBe(
      countTests(
        buildBitSearch(
          segmentsOf(ends, targets).map((segment) => ({ ...segment, weight: 1 })),
          0.3,
          bits,
        ),
      ),
    );
  });

  it("leaves a single value behind a range that is as likely", () => {
    const search = buildBitSearch(
      weighted([9, 10, 19, 0xffff_ffff], [0, 1, 0, 2], [unlikely, likely, unlikely, likely]),
      0.3,
      bits,
    );
    expect(search).toMatchObject({ operator: "at-least", value: 20 });
  });
});
