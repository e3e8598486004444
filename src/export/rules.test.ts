import fc from "fast-check";
import { expect, it } from "vitest";
import { normalise } from "../analysis/split/intervals.ts";
import { blocksOf } from "./rules.ts";

const word = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });

it("splits an interval into conditions of which exactly one holds for each of its values", () => {
  fc.assert(
    fc.property(word, word, word, fc.array(word, { minLength: 20, maxLength: 20 }), (a, b, mask, values) => {
      const [interval] = normalise([a < b ? { from: a, to: b } : { from: b, to: a }], mask);
      if (interval === undefined) return;
      const blocks = blocksOf(interval, mask);
      expect(blocks.length).toBeLessThanOrEqual(126);
      for (const value of [...values, interval.from, interval.to, a, b]) {
        const holding = blocks.filter((block) => (value & block.mask) === block.value).length;
        const masked = value & mask;
        expect(holding).toBe(interval.from <= masked && masked <= interval.to ? 1 : 0);
      }
    }),
  );
});

it("needs one condition for one value, and for an aligned range", () => {
  expect(blocksOf({ from: 7n, to: 7n }, 0xffff_ffffn)).toEqual([{ mask: 0xffff_ffffn, value: 7n }]);
  expect(blocksOf({ from: 0x8000_0000n, to: 0xffff_ffffn }, 0xffff_ffffn)).toEqual([
    { mask: 0x8000_0000n, value: 0x8000_0000n },
  ]);
});
