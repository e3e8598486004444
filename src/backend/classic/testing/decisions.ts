/** Random decisions, their evaluation, and boundary inputs, for differential tests. */
import fc from "fast-check";
import { maximumWord } from "../../../abi/word.ts";
import type { ArgumentTest, Decision, DecisionLeaf } from "../../../analysis/decision.ts";
import { normalise } from "../../../analysis/split/intervals.ts";
import { argumentInputs, type CallWord } from "../../../ir/inputs.ts";
import type { Interval } from "../../../ir/program.ts";
import type { ClassicInput } from "../interpreter.ts";

const words: readonly CallWord[] = [...argumentInputs, "instructionPointer"];

const interestingValue = fc.oneof(
  fc.bigInt({ min: 0n, max: 12n }),
  fc.constantFrom(0xffff_ffffn, 0x1_0000_0000n, 0x1_0000_0005n, 0x7fff_ffffn, 0x8000_0000n, 1n << 63n, maximumWord),
  fc.bigInt({ min: 0n, max: maximumWord }),
  fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 9 })).map(([high, low]) => {
    return (BigInt(high) << 32n) | BigInt(low);
  }),
);

const interestingMask = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(maximumWord, 0xffff_ffffn) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(1n, 8n, 0xffn, 0xf0n, 0xffff_f000n, 0x3n, 1n << 40n, 0xffff_ffff_0000_0000n),
  },
  { weight: 1, arbitrary: fc.bigInt({ min: 1n, max: maximumWord }) },
);

/** A test in the split's normal form: neither empty nor everything. */
const arbitraryTest: fc.Arbitrary<ArgumentTest> = fc
  .record({
    word: fc.constantFrom(...words.slice(0, 3), ...words),
    mask: interestingMask,
    ends: fc.array(fc.tuple(interestingValue, interestingValue), { minLength: 1, maxLength: 6 }),
  })
  .map(({ word, mask, ends }): ArgumentTest => {
    const intervals = normalise(
      ends.map(([a, b]): Interval => (a < b ? { from: a, to: b } : { from: b, to: a })),
      mask,
    );
    const everything = intervals.length === 1 && intervals[0]!.from === 0n && intervals[0]!.to === mask;
    return { word, mask, intervals: intervals.length === 0 || everything ? [{ from: 0n, to: 0n }] : intervals };
  });

export function leafOf(verdict: number): DecisionLeaf {
  return { kind: "leaf", weakest: verdict, possible: [verdict], stateful: [] };
}

/**
 * Directed acyclic graphs with shared nodes: each test leads to two earlier nodes. Some tests repeat, so that chains of
 * tests of one word and contradictions occur.
 */
export function arbitraryDecisions(leaves: number, most = 24): fc.Arbitrary<readonly Decision[]> {
  return fc
    .record({
      tests: fc.array(arbitraryTest, { minLength: 1, maxLength: 6 }),
      nodes: fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat()), { minLength: 1, maxLength: most }),
    })
    .map(({ tests, nodes }) => {
      const made: Decision[] = Array.from({ length: leaves }, (_, verdict) => leafOf(verdict));
      for (const [test, then, otherwise] of nodes) {
        made.push({
          kind: "test",
          test: tests[test % tests.length]!,
          then: made[then % made.length]!,
          otherwise: made[otherwise % made.length]!,
        });
      }
      return made;
    });
}

/** The leaf of the decision for an input. */
export function decideInput(decision: Decision, input: ClassicInput): DecisionLeaf {
  let node = decision;
  while (node.kind === "test") {
    const { word, mask, intervals } = node.test;
    const value = (word === "instructionPointer" ? input.instructionPointer : wordOf(input, word)) & mask;
    node = intervals.some(({ from, to }) => from <= value && value <= to) ? node.then : node.otherwise;
  }
  return node;
}

function wordOf(input: ClassicInput, word: CallWord): bigint {
  return input.arguments[Number(word.at(-1))]!;
}

/** For each tested word, values on both sides of each boundary, with and without masked bits. */
function boundaryValues(decision: Decision): ReadonlyMap<CallWord, readonly bigint[]> {
  const values = new Map<CallWord, Set<bigint>>();
  const seen = new Set<Decision>();
  const pending: Decision[] = [decision];
  while (pending.length > 0) {
    const node = pending.pop()!;
    if (node.kind === "leaf" || seen.has(node)) continue;
    seen.add(node);
    pending.push(node.then, node.otherwise);
    const { word, mask, intervals } = node.test;
    const known = values.get(word) ?? new Set([0n, maximumWord]);
    values.set(word, known);
    const hidden = maximumWord ^ mask;
    for (const { from, to } of intervals) {
      for (const edge of [from - 1n, from, to, to + 1n]) {
        const value = BigInt.asUintN(64, edge);
        for (const variant of [value, value | hidden, value ^ (1n << 32n), value & 0xffff_ffffn]) known.add(variant);
      }
    }
  }
  return new Map([...values].map(([word, set]) => [word, [...set]]));
}

/**
 * Inputs for one call: the product of the boundary values of all tested words if it has at most `most` elements; else a
 * sample of that size by `random` (0 … 1), with each value of each word at least once.
 */
export function* boundaryInputs(
  decision: Decision,
  base: Pick<ClassicInput, "number" | "architecture">,
  most: number,
  random: () => number,
): Generator<ClassicInput> {
  const values = [...boundaryValues(decision)];
  const product = values.reduce((count, [, list]) => count * list.length, 1);
  const inputOf = (indexOf: (position: number, length: number) => number): ClassicInput => {
    const registers = [0n, 0n, 0n, 0n, 0n, 0n];
    let instructionPointer = 0n;
    values.forEach(([word, list], position) => {
      const value = list[indexOf(position, list.length)]!;
      if (word === "instructionPointer") instructionPointer = value;
      else registers[Number(word.at(-1))] = value;
    });
    return { ...base, instructionPointer, arguments: registers };
  };
  if (product <= most) {
    for (let index = 0; index < product; index++) {
      let rest = index;
      yield inputOf((_, length) => {
        const digit = rest % length;
        rest = Math.floor(rest / length);
        return digit;
      });
    }
    return;
  }
  const longest = Math.max(...values.map(([, list]) => list.length));
  for (let index = 0; index < longest; index++) {
    yield inputOf((position, length) => (index + position * 7) % length);
  }
  for (let index = longest; index < most; index++) yield inputOf((_, length) => Math.floor(random() * length));
}
