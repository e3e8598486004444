/** Compares our filter and libseccomp's for one profile. */

import { auditArchitecture } from "../../src/abi/architecture.ts";
import type { ClassicInstruction } from "../../src/backend/classic/instruction.ts";
import { type ClassicInput, longestPath, runClassic } from "../../src/backend/classic/interpreter.ts";
import type { FlatProfile, Rule } from "./profile.ts";

export interface Difference {
  readonly input: ClassicInput;
  readonly ours: number;
  readonly theirs: number;
}

export interface Comparison {
  readonly instructions: { readonly ours: number; readonly theirs: number };
  readonly longestPath: { readonly ours: number; readonly theirs: number };
  /** The mean over all known calls; the mean over a call's boundary arguments counts as one. */
  readonly meanSteps: { readonly ours: number; readonly theirs: number };
  /** On known numbers. */
  readonly verdicts: readonly Difference[];
  /** Inputs for which we need more steps, on all numbers. */
  readonly moreSteps: readonly Difference[];
  /** The maximum ratio of our steps to theirs over all inputs. */
  readonly worstRatio: number;
  readonly inputs: number;
}

const wordEnd = 0xffff_ffff_ffff_ffffn;

/** For each register: the values on both sides of each comparison of the call's rules, in the low and the high half. */
export function registerValues(rules: readonly Rule[], register: number): readonly bigint[] {
  const comparisons = rules.flatMap((rule) => rule.comparisons).filter(({ index }) => index === register);
  if (comparisons.length === 0) return [0n];
  const values = new Set([0n, wordEnd]);
  for (const { operator, a, b } of comparisons) {
    const edges = operator === "masked_eq" ? [b, b ^ a, a, wordEnd ^ a, b | (wordEnd ^ a)] : [a - 1n, a, a + 1n];
    for (const edge of edges) {
      for (const value of [edge, edge ^ (1n << 32n), edge | (1n << 63n), edge & 0xffff_ffffn]) {
        values.add(BigInt.asUintN(64, value));
      }
    }
  }
  return [...values];
}

/** The product of all registers' boundary values. */
export function profileInputs(profile: FlatProfile, number: number): ClassicInput[] {
  const rules = profile.rules.filter((rule) => rule.number === number);
  let combinations: bigint[][] = [[]];
  for (let register = 0; register < 6; register++) {
    const values = registerValues(rules, register);
    combinations = combinations.flatMap((before) => values.map((value) => [...before, value]));
  }
  const architecture = auditArchitecture[profile.architecture];
  return combinations.map((registers) => ({ number, architecture, instructionPointer: 0n, arguments: registers }));
}

export function compareFilters(
  profile: FlatProfile,
  ours: readonly ClassicInstruction[],
  theirs: readonly ClassicInstruction[],
  known: ReadonlySet<number>,
  numbers: readonly number[],
): Comparison {
  const verdicts: Difference[] = [];
  const moreSteps: Difference[] = [];
  const sums = { ours: 0, theirs: 0 };
  let inputs = 0;
  let worstRatio = 0;
  for (const number of numbers) {
    const calls = profileInputs(profile, number);
    inputs += calls.length;
    for (const input of calls) {
      const [a, b] = [runClassic(ours, input), runClassic(theirs, input)];
      if (known.has(number)) {
        sums.ours += a.steps / calls.length;
        sums.theirs += b.steps / calls.length;
        if (a.word !== b.word) verdicts.push({ input, ours: a.word, theirs: b.word });
      }
      worstRatio = Math.max(worstRatio, a.steps / b.steps);
      if (a.steps > b.steps) moreSteps.push({ input, ours: a.steps, theirs: b.steps });
    }
  }
  return {
    instructions: { ours: ours.length, theirs: theirs.length },
    longestPath: { ours: longestPath(ours), theirs: longestPath(theirs) },
    meanSteps: { ours: sums.ours / known.size, theirs: sums.theirs / known.size },
    verdicts,
    moreSteps,
    worstRatio,
    inputs,
  };
}
