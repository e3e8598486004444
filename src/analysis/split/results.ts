/** Decisions for sets of numbers. */
import type { DecisionNode } from "./decisions.ts";
import type { NumberSet } from "./numbers.ts";

/** One decision for all numbers of a set, or one for each, in the set's order. */
export type Result = DecisionNode | readonly DecisionNode[];

export function isList(result: Result): result is readonly DecisionNode[] {
  return Array.isArray(result);
}

export function resultAt(result: Result, index: number): DecisionNode {
  return isList(result) ? result[index]! : result;
}

/** Combines decision by decision; equal pairs, which are frequent, are combined once. */
export function combine(left: Result, right: Result, each: (a: DecisionNode, b: DecisionNode) => DecisionNode): Result {
  if (!isList(left) && !isList(right)) return each(left, right);
  const { length } = isList(left) ? left : (right as readonly DecisionNode[]);
  const done = new Map<DecisionNode, Map<DecisionNode, DecisionNode>>();
  const result: DecisionNode[] = [];
  for (let i = 0; i < length; i++) {
    const a = resultAt(left, i);
    const b = resultAt(right, i);
    const row = done.get(a) ?? new Map<DecisionNode, DecisionNode>();
    done.set(a, row);
    const value = row.get(b) ?? each(a, b);
    row.set(b, value);
    result.push(value);
  }
  return result;
}

/** Merges the results of the parts of a set into the set's order. */
export function gather(whole: NumberSet, parts: readonly NumberSet[], results: readonly Result[]): Result {
  const first = results[0]!;
  if (!isList(first) && results.every((result) => result === first)) return first;
  const byNumber = new Map<number, DecisionNode>();
  parts.forEach((part, index) => {
    const result = results[index]!;
    part.members.forEach((number, position) => {
      byNumber.set(number, resultAt(result, position));
    });
  });
  return whole.members.map((number) => byNumber.get(number)!);
}
