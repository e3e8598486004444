import fc from "fast-check";
import { describe, expect } from "vitest";
import { BitSet } from "./bit-set.ts";
import { property } from "./testing/property.ts";

const some = fc.array(fc.nat(99));
const made = (words: readonly number[]) => BitSet.none(100).with(words);
const listed = (words: BitSet) => {
  const found = Array.from({ length: 100 }, (_, word) => word).filter((word) => words.has(word));
  expect(words.list()).toEqual(found);
  return found;
};
const sorted = (words: Iterable<number>) => [...new Set(words)].sort((a, b) => a - b);

describe("bit sets", () => {
  property([some, some, fc.nat(99)])("behave like sets", (a, b, word) => {
    expect(listed(made(a).union(made(b)))).toEqual(sorted([...a, ...b]));
    expect(listed(made(a).with(b))).toEqual(sorted([...a, ...b]));
    expect(listed(made(a).without(word))).toEqual(sorted(a.filter((one) => one !== word)));
  });
});
