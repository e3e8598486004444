/** Factored decisions decide as their originals, and flat lists of tuples become as small as nested ones. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maximumWord } from "../../abi/word.ts";
import type { Decision, SplitPolicy } from "../../analysis/decision.ts";
import type { CallWord } from "../../ir/inputs.ts";
import { casesOf } from "../../ir/testing/seeds.ts";
import { compileClassic } from "./compile.ts";
import { countDecisions, factorDecision } from "./factor.ts";
import { runClassic } from "./interpreter.ts";
import { arbitraryDecisions, boundaryInputs, decideInput, leafOf } from "./testing/decisions.ts";
import { distinctTarget, firstVerdictErrno, programOf } from "./testing/program.ts";

const native = 0xc000_003e;
const enough = 1_000_000;

/** A deterministic source of fractions. */
function fractions(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** One tuple after the other, as `a === 1 && b === 2 || a === 3 && b === 4` is. */
function flat(tuples: readonly (readonly bigint[])[], to = 0n): Decision {
  return tuples.reduceRight<Decision>(
    (otherwise, tuple) =>
      tuple.reduceRight<Decision>(
        (then, value, index) => ({
          kind: "test",
          test: {
            word: `argument${index}` as CallWord,
            mask: maximumWord,
            intervals: [{ from: value, to: value + to }],
          },
          then,
          otherwise,
        }),
        leafOf(1),
      ),
    leafOf(0),
  );
}

function tuplesOf(count: number): bigint[][] {
  const fraction = fractions(count);
  const random = (most: number) => Math.floor(fraction() * most);
  const found = new Map<string, bigint[]>();
  while (found.size < count) {
    const tuple = [random(count / 8), [0, 1, 6, 41][random(4)]!, random(24)].map(BigInt);
    found.set(tuple.join(), tuple);
  }
  return [...found.values()];
}

function sizeOf(decision: Decision): number {
  const split: SplitPolicy = new Map([[5, decision]]);
  return compileClassic(programOf(split, { always: [] }), split, distinctTarget).instructions.length;
}

describe("factorDecision", () => {
  it("decides as before, on random graphs at all boundaries", () => {
    fc.assert(
      fc.property(arbitraryDecisions(3, 14), fc.nat(), (decisions, seed) => {
        const decision = decisions.at(-1)!;
        const factored = factorDecision(decision, enough);
        if (factored === undefined) return;
        for (const input of boundaryInputs(decision, { number: 5, architecture: native }, 150, fractions(seed)))
          expect(decideInput(factored, input)).toEqual(decideInput(decision, input));
      }),
      { numRuns: casesOf(200) },
    );
  });

  it.each([20, 100, 700])("makes a flat list of %i tuples as small as its order allows", (count) => {
    const tuples = tuplesOf(count);
    const sorted = [...tuples].sort((a, b) => Number(a[0]! - b[0]!) || Number(a[1]! - b[1]!) || Number(a[2]! - b[2]!));
    const size = sizeOf(flat(tuples));
    expect(size).toBe(sizeOf(flat(sorted)));
    expect(size).toBeLessThan(4.5 * count);
    const split: SplitPolicy = new Map([[5, flat(tuples)]]);
    const { instructions } = compileClassic(programOf(split, { always: [] }), split, distinctTarget);
    const known = new Set(tuples.map((tuple) => tuple.join()));
    for (const [a, b, c] of [...tuples, ...tuplesOf(count + 8)]) {
      const input = { number: 5, architecture: native, instructionPointer: 0n, arguments: [a!, b!, c!, 0n, 0n, 0n] };
      const { word, steps } = runClassic(instructions, input);
      expect((word & 0xffff) - firstVerdictErrno).toBe(known.has([a, b, c].join()) ? 1 : 0);
      expect(steps).toBeLessThan(45);
    }
  });

  it("gives up in time; of overlapping ranges, the factored decision is larger", () => {
    const ranges = Array.from({ length: 60 }, (_, index) => [index, 59 - index, (7 * index) % 60].map(BigInt));
    const decision = flat(ranges, 30n);
    expect(factorDecision(decision, 1000)).toBeUndefined();
    expect(countDecisions(factorDecision(decision, enough)!)).toBeGreaterThan(countDecisions(decision));
  });
});
