import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boundaryWords } from "../../../../test/differential/hand-made.ts";
import { maximumWord } from "../../../abi/word.ts";
import { binaryOperations, compareOperations, extend } from "../../../ir/arithmetic.ts";
import { holds, normalise } from "../../../ir/intervals.ts";
import type { BinaryOperator, CompareOperator } from "../../../ir/program.ts";
import { expectEqual } from "../../../ir/testing/expect-equal.ts";
import {
  type Bits,
  binaryBits,
  bits,
  bitsOfSpan,
  compareBits,
  extendBits,
  join,
  meets,
  smallestFrom,
  withinBits,
} from "./known-bits.ts";

const word = fc.oneof(fc.constantFrom(...boundaryWords), fc.bigInt({ min: 0n, max: maximumWord }));
/** Few unknown bits, so that all words can be tried. */
const fewUnknown = fc
  .tuple(word, fc.array(fc.integer({ min: 0, max: 63 }), { maxLength: 4 }))
  .map(([value, positions]) =>
    bits(
      value,
      positions.reduce((mask, position) => mask | (1n << BigInt(position)), 0n),
    ),
  );

/** All words that a few unknown bits allow. */
function words({ value, unknown }: Bits): bigint[] {
  let all = [value];
  for (let position = 0n; position < 64n; position++) {
    if ((unknown >> position) & 1n) all = all.flatMap((each) => [each, each | (1n << position)]);
  }
  return all;
}

function covers({ value, unknown }: Bits, one: bigint): boolean {
  return (one & ~unknown & maximumWord) === value && (value & unknown) === 0n;
}

const binary = Object.keys(binaryOperations) as BinaryOperator[];
const exact: readonly BinaryOperator[] = ["and", "or", "xor", "add", "subtract"];
const compare = Object.keys(compareOperations) as CompareOperator[];

/** The best that the domain can say of these words. */
function best(all: readonly bigint[]): Bits {
  return all.map((value) => bits(value, 0n)).reduce(join);
}

describe("words with unknown bits", () => {
  test.each(binary)("%s covers the results of all words", (operator) => {
    fc.assert(
      fc.property(fewUnknown, fewUnknown, (left, right) => {
        const result = binaryBits(operator, left, right);
        const results = words(left).flatMap((a) => words(right).map((b) => binaryOperations[operator](a, b)));
        for (const each of results) expectEqual(covers(result, each), true);
        if (exact.includes(operator)) expect(result).toEqual(best(results));
      }),
    );
  });

  test("extension is exact", () => {
    fc.assert(
      fc.property(
        fewUnknown,
        fc.constantFrom(8 as const, 16 as const, 32 as const),
        fc.boolean(),
        (of, width, signed) => {
          const results = words(of).map((each) => extend(width, signed, each));
          expect(extendBits(width, signed, of)).toEqual(best(results));
        },
      ),
    );
  });

  test.each(compare)("%s answers only where all words agree", (operator) => {
    fc.assert(
      fc.property(fewUnknown, fewUnknown, (left, right) => {
        const answers = new Set(words(left).flatMap((a) => words(right).map((b) => compareOperations[operator](a, b))));
        const answer = compareBits(operator, left, right);
        expect(answer).toBe(answers.size === 1 ? [...answers][0] : undefined);
      }),
    );
  });

  test("the smallest word from a bound on, and membership of sets, are exact", () => {
    fc.assert(
      fc.property(fewUnknown, fc.array(fc.tuple(word, word), { maxLength: 4 }), word, (of, ends, bound) => {
        const all = words(of);
        const from = all.filter((each) => each >= bound).sort((a, b) => (a < b ? -1 : 1));
        expect(smallestFrom(of, bound)).toBe(from[0]);
        const set = normalise(ends.map(([a, b]) => (a < b ? { from: a, to: b } : { from: b, to: a })));
        const inside = all.filter((each) => holds(set, each));
        expect(meets(of, set)).toBe(inside.length > 0);
        expect(withinBits(of, set)).toBe(inside.length === 0 ? false : inside.length === all.length ? true : undefined);
      }),
    );
  });

  test("a span's common bits", () => {
    expect(bitsOfSpan(5n, 5n)).toEqual({ value: 5n, unknown: 0n });
    expect(bitsOfSpan(4n, 6n)).toEqual({ value: 4n, unknown: 3n });
    expect(bitsOfSpan(7n, 8n)).toEqual({ value: 0n, unknown: 15n });
  });
});
