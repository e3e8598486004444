/** Calls of one number that tests of their arguments distinguish: the filter reports only those that meet the tests. */
import { type Decision, type DecisionLeaf, isStateful, type SplitPolicy } from "../../../analysis/decision.ts";
import { contains } from "../../../analysis/split/intervals.ts";
import { argumentInputs } from "../../../ir/inputs.ts";
import type { Program } from "../../../ir/program.ts";

/** A test of an argument: `low` and `high` are its halves, `is` and `isNot` the values of which it is, or is not, one. */
export interface ArgumentTest {
  readonly argument: number;
  readonly half: "low" | "high";
  readonly is?: readonly number[];
  readonly isNot?: readonly number[];
}

/** A call with lists of tests: all tests of one of its lists hold. */
export type TestedCall = readonly [number: number, anyOf: readonly (readonly ArgumentTest[])[]];

function holds({ argument, half, is, isNot = [] }: ArgumentTest, argumentOf: (index: number) => bigint): boolean {
  const value = argumentOf(argument);
  const word = Number(BigInt.asUintN(32, half === "low" ? value : value >> 32n));
  return is === undefined ? !isNot.includes(word) : is.includes(word);
}

/** Whether all tests of one of the lists hold. */
export function meetsTests(
  anyOf: readonly (readonly ArgumentTest[])[] | undefined,
  argumentOf: (index: number) => bigint,
): boolean {
  return anyOf?.some((tests) => tests.every((test) => holds(test, argumentOf))) === true;
}

/** A call that the filter reports if all tests hold. */
export interface NotifiedCall {
  readonly number: number;
  readonly tests: readonly ArgumentTest[];
}

/** The calls among these that the policy may allow. `isWhole`: the filter can notify the engine of all of them. */
export function notifiedCalls(
  program: Program,
  split: SplitPolicy,
  calls: readonly TestedCall[],
): { readonly calls: readonly NotifiedCall[]; readonly isWhole: boolean } {
  const notified: NotifiedCall[] = [];
  let isWhole = true;
  for (const [number, anyOf] of calls) {
    const decision = split.get(number);
    if (decision === undefined) continue;
    for (const tests of anyOf.flatMap(byValue)) {
      const given = leavesWhere(decision, tests)
        .filter((leaf) => !isStateful(leaf))
        .map((leaf) => program.verdicts[leaf.weakest]!.action);
      const isStatic = given.length > 0 && given.every((action) => action !== "allow" && action !== "log");
      const isNotified = leavesWhere(decision, tests).some(isStateful);
      if (isStatic && !isNotified) continue;
      if (given.some((action) => action !== "allow")) isWhole = false;
      else notified.push({ number, tests });
    }
  }
  return { calls: notified, isWhole };
}

/** The same tests, each list with one value of the first one. */
function byValue([first, ...others]: readonly ArgumentTest[]): readonly (readonly ArgumentTest[])[] {
  if (first?.is === undefined) return first === undefined ? [[]] : [[first, ...others]];
  return first.is.map((value) => [{ ...first, is: [value] }, ...others]);
}

/** The leaves of the calls for which the tests hold, and perhaps others. */
function leavesWhere(decision: Decision, [first]: readonly ArgumentTest[]): readonly DecisionLeaf[] {
  const value = first?.half === "low" ? first.is?.[0] : undefined;
  const word = first === undefined ? undefined : argumentInputs[first.argument];
  const found = new Set<DecisionLeaf>();
  const visited = new Set<Decision>();
  const waiting = [decision];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (visited.has(next)) continue;
    visited.add(next);
    if (next.kind === "leaf") {
      found.add(next);
      continue;
    }
    const { mask, intervals } = next.test;
    const isKnown = value !== undefined && next.test.word === word && mask <= 0xffff_ffffn;
    const holds = isKnown ? contains(intervals, BigInt(value) & mask) : undefined;
    if (holds !== false) waiting.push(next.then);
    if (holds !== true) waiting.push(next.otherwise);
  }
  return [...found];
}
