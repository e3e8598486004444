/** Boundary values of operators, and the constants of a program. */
import { pattern } from "../arithmetic.ts";
import { wordMaximum } from "../observation.ts";
import type { Expression, Program } from "../program.ts";
import { expressionsOf, forEachExpression, forEachStatement } from "../traverse.ts";
import { type Choices, chance, pick, weighted } from "./choices.ts";

const corners = [0n, 1n << 7n, 1n << 8n, 1n << 15n, 1n << 16n, 1n << 31n, 1n << 32n, 1n << 63n];

/** Each corner, its two neighbours, and small numbers, as 64-bit patterns. */
export const boundaryValues: readonly bigint[] = [
  ...new Set([
    ...[0n, 1n, 2n, 3n, 5n, 7n, 8n, 63n, 64n, 100n],
    ...corners.flatMap((corner) => [corner - 1n, corner, corner + 1n]),
    ...[-2n, -100n, -(1n << 31n), -(1n << 31n) - 1n, 0xffff_ff9cn, 0x1_0000_0002n],
  ]),
].map(pattern);

/** The constants and interval ends of a program, and their neighbours. */
export function programValues(program: Program): readonly bigint[] {
  const values = new Set<bigint>();
  const add = (value: bigint) => {
    for (const near of [value - 1n, value, value + 1n]) values.add(pattern(near));
  };
  const visit = (expression: Expression) => {
    if (expression.kind === "constant") add(expression.value);
    if (expression.kind === "within") for (const { from, to } of expression.intervals) [from, to].forEach(add);
  };
  for (const { from, to } of program.parameters) [from, to].forEach(add);
  forEachStatement(program.body, (statement) => {
    for (const expression of expressionsOf(statement)) forEachExpression(expression, visit);
    if (statement.kind !== "switch") return;
    for (const { from, to } of statement.arms.flatMap((arm) => arm.intervals)) [from, to].forEach(add);
  });
  return [...values];
}

/** A word for each parameter, mostly at an end of its range. */
export function arbitraryWords(choices: Choices, { parameters }: Pick<Program, "parameters">): bigint[] {
  return parameters.map(({ from, to }) => {
    const inside = [from, to, from + 1n, to - 1n, (from + to) / 2n].filter((value) => from <= value && value <= to);
    return pattern(pick(choices, inside));
  });
}

/** A word for each of the program's words of observations, inside its range. */
export function arbitraryObserved(choices: Choices, { words }: Pick<Program, "words">): bigint[] {
  return words.map((word) => {
    const most = wordMaximum(word);
    const value = arbitraryValue(choices);
    return chance(choices, 3) ? pick(choices, [0n, 1n, most]) : value & most;
  });
}

/** A boundary value, a value of the pool, or any pattern. */
export function arbitraryValue(choices: Choices, pool: readonly bigint[] = []): bigint {
  return weighted(choices, [
    [4, () => pick(choices, boundaryValues)],
    [pool.length === 0 ? 0 : 6, () => pick(choices, pool)],
    [1, () => BigInt(choices.below(300))],
    [1, () => (BigInt(choices.below(0x1_0000_0000)) << 32n) | BigInt(choices.below(0x1_0000_0000))],
  ]);
}
