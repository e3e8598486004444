/** Knowledge against all values of a small word: after random tests, no outcome that a value still has is excluded. */
import { expect, it } from "vitest";
import { SeededChoices } from "../../ir/testing/choices.ts";
import { seeds } from "../../ir/testing/seeds.ts";
import { contains, normalise } from "./intervals.ts";
import { type Knowledge, KnowledgeBase } from "./knowledge.ts";
import type { Term, Test } from "./terms.ts";

// Enough that sets of values are not enumerated.
const bits = 0x3ffn;
const values = Array.from({ length: 1024 }, (_, value) => BigInt(value));
const holds = ({ mask, intervals }: Test, value: bigint) => contains(intervals, value & mask);

it("excludes no outcome that a value has", () => {
  let decided = 0;
  for (const seed of seeds(300)) {
    const choices = new SeededChoices(seed);
    const term = { id: 0, bits, range: { from: 0n, to: bits } } as Term;
    const test = (id: number): Test => {
      const mask = choices.below(3) === 0 ? bits : BigInt(1 + choices.below(1023));
      const [a, b] = [BigInt(choices.below(1024)), BigInt(choices.below(1024))];
      // A range, or no bit, as `hasOnly` tests it.
      const intervals = normalise([a < b ? { from: a, to: b } : { from: 0n, to: 0n }], mask);
      return { id, term, mask, intervals } as Test;
    };
    const base = new KnowledgeBase();
    let knowledge: Knowledge = base.initial(term);
    let left = values;
    for (let id = 0; id < 12; id++) {
      const next = test(id);
      const outcomes = new Set(left.map((value) => holds(next, value)));
      const outcome = base.decide(knowledge, next);
      const label = `seed ${seed}, test ${id}`;
      if (outcome !== undefined) {
        decided++;
        expect([...outcomes], label).toEqual([outcome]);
      }
      const chosen = outcomes.size === 2 ? choices.below(2) === 0 : outcomes.has(true);
      const learnt = base.learn(knowledge, next, chosen);
      expect(learnt, label).toBeDefined();
      knowledge = learnt!;
      left = left.filter((value) => holds(next, value) === chosen);
    }
  }
  expect(decided).toBeGreaterThan(0);
});
