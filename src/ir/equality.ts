/**
 * Structural equality of expressions. Expressions have no side effects, so equal expressions at one point of a program
 * have equal values.
 */

import { equalSets } from "./intervals.ts";
import type { Expression } from "./program.ts";
import { operands } from "./traverse.ts";

export function equalExpressions(left: Expression, right: Expression): boolean {
  if (left === right) return true;
  if (left.kind !== right.kind || !equalHeads(left, right)) return false;
  const leftOperands = operands(left);
  const rightOperands = operands(right);
  return (
    leftOperands.length === rightOperands.length &&
    leftOperands.every((operand, index) => equalExpressions(operand, rightOperands[index]!))
  );
}

/** Compares everything but the operands. */
function equalHeads(left: Expression, right: Expression): boolean {
  switch (left.kind) {
    case "constant":
      return right.kind === "constant" && left.value === right.value;
    case "boolean":
      return right.kind === "boolean" && left.value === right.value;
    case "input":
      return right.kind === "input" && left.input === right.input;
    case "local":
    case "boolean-local":
    case "verdict-local":
      return right.kind === left.kind && left.local === right.local;
    case "cell":
      return right.kind === "cell" && left.cell === right.cell;
    case "parameter":
      return right.kind === "parameter" && left.parameter === right.parameter;
    case "observed":
      return right.kind === "observed" && left.word === right.word;
    case "verdict":
      return right.kind === "verdict" && left.verdict === right.verdict;
    case "binary":
    case "compare":
      return right.kind === left.kind && left.operator === right.operator;
    case "extend":
      return right.kind === "extend" && left.width === right.width && left.signed === right.signed;
    case "table-get":
    case "table-has":
      return right.kind === left.kind && left.table === right.table;
    case "within":
      return right.kind === "within" && equalSets(left.intervals, right.intervals);
    case "select":
    case "from-boolean":
    case "not":
    case "all":
    case "any":
    case "strictest":
    case "verdict-select":
      return true;
  }
}
