import { expect, it } from "vitest";
import { SeededChoices } from "../ir/testing/choices.ts";
import { casesOf } from "../ir/testing/seeds.ts";
import { canHold } from "./chance.ts";

it("a test of some bits can hold exactly if an argument has them", () => {
  const choices = new SeededChoices(5);
  for (let round = 0; round < casesOf(2000); round++) {
    const mask = BigInt(choices.below(63) + 1);
    const bits = { mask: BigInt(choices.below(64)), value: BigInt(choices.below(64)) };
    const value = bits.value & bits.mask;
    const inside = Array.from({ length: 64 }, () => choices.below(3) === 0);
    const numbers = inside.flatMap((is, number) => (is && (BigInt(number) & ~mask) === 0n ? [BigInt(number)] : []));
    const test = { word: "argument0", mask, intervals: numbers.map((one) => ({ from: one, to: one })) } as const;
    const arguments_ = Array.from({ length: 64 }, (_, number) => BigInt(number));
    const own = arguments_.filter((one) => (one & bits.mask) === value);
    for (const outcome of [true, false]) {
      const is = own.some((one) => numbers.includes(one & mask) === outcome);
      expect(canHold(test, { mask: bits.mask, value }, outcome)).toBe(is);
    }
  }
});
