/** Constructors of IR expressions that fold constants. */

import { maximumWord } from "../../abi/word.ts";
import { binaryOperations, compareOperations } from "../../ir/arithmetic.ts";
import type { Input } from "../../ir/inputs.ts";
import { argumentInputs } from "../../ir/inputs.ts";
import { normalise } from "../../ir/intervals.ts";
import type {
  BinaryOperator,
  BooleanExpression,
  CompareOperator,
  Expression,
  IntegerExpression,
  Interval,
  VerdictExpression,
} from "../../ir/program.ts";
import { operands } from "../../ir/traverse.ts";

/** The pattern of an integer that fits 64 bits, signed or unsigned. */
export function constant(value: bigint): IntegerExpression {
  return { kind: "constant", value: value & maximumWord };
}

const inputExpressions = new Map<Input, IntegerExpression>();

export function input(name: Input): IntegerExpression {
  let made = inputExpressions.get(name);
  if (made === undefined) {
    made = { kind: "input", input: name };
    inputExpressions.set(name, made);
  }
  return made;
}

export function argument(index: number): IntegerExpression {
  return input(argumentInputs[index]!);
}

export function binary(operator: BinaryOperator, left: IntegerExpression, right: IntegerExpression): IntegerExpression {
  if (left.kind === "constant" && right.kind === "constant") {
    return constant(binaryOperations[operator](left.value, right.value));
  }
  return { kind: "binary", operator, left, right };
}

const extensions = new Map<IntegerExpression, IntegerExpression[]>();

/** Returns one shared object for each way to read an input: facts are found by its key, which is computed once. */
export function extend(width: number, signed: boolean, value: IntegerExpression): IntegerExpression {
  if (width >= 64) return value;
  const made: IntegerExpression = { kind: "extend", width: width as 8 | 16 | 32, signed, value };
  if (value.kind !== "input") return made;
  let known = extensions.get(value);
  if (known === undefined) {
    known = [];
    extensions.set(value, known);
  }
  const at = width + (signed ? 1 : 0);
  known[at] ??= made;
  return known[at];
}

/** The bits under the mask. */
export function masked(value: IntegerExpression, mask: bigint): IntegerExpression {
  return mask === maximumWord ? value : binary("and", value, constant(mask));
}

export const always: BooleanExpression = { kind: "boolean", value: true };
export const never: BooleanExpression = { kind: "boolean", value: false };

export function compare(
  operator: CompareOperator,
  left: IntegerExpression,
  right: IntegerExpression,
): BooleanExpression {
  if (left.kind === "constant" && right.kind === "constant") {
    return compareOperations[operator](left.value, right.value) ? always : never;
  }
  return { kind: "compare", operator, left, right };
}

export function within(value: IntegerExpression, intervals: readonly Interval[]): BooleanExpression {
  const normal = normalise(intervals);
  if (normal.length === 0) return never;
  if (normal.length === 1 && normal[0]!.from === 0n && normal[0]!.to === maximumWord) return always;
  if (value.kind === "constant") {
    return normal.some((one) => one.from <= value.value && value.value <= one.to) ? always : never;
  }
  if (normal.length === 1 && normal[0]!.from === normal[0]!.to)
    return compare("equal", value, constant(normal[0]!.from));
  return { kind: "within", value, intervals: normal };
}

export function oneOf(value: IntegerExpression, values: readonly bigint[]): BooleanExpression {
  return within(
    value,
    values.map((one) => ({ from: one & maximumWord, to: one & maximumWord })),
  );
}

export function not(value: BooleanExpression): BooleanExpression {
  if (value.kind === "boolean") return value.value ? never : always;
  if (value.kind === "not") return value.value;
  if (value.kind === "compare" && value.operator === "equal") return { ...value, operator: "not-equal" };
  if (value.kind === "compare" && value.operator === "not-equal") return { ...value, operator: "equal" };
  return { kind: "not", value };
}

export function all(parts: readonly BooleanExpression[]): BooleanExpression {
  const of: BooleanExpression[] = [];
  for (const part of parts) {
    if (part.kind === "boolean") {
      if (!part.value) return never;
    } else if (part.kind === "all") of.push(...part.of);
    else of.push(part);
  }
  return of.length === 0 ? always : of.length === 1 ? of[0]! : { kind: "all", of };
}

export function any(parts: readonly BooleanExpression[]): BooleanExpression {
  const of: BooleanExpression[] = [];
  for (const part of parts) {
    if (part.kind === "boolean") {
      if (part.value) return always;
    } else if (part.kind === "any") of.push(...part.of);
    else of.push(part);
  }
  return of.length === 0 ? never : of.length === 1 ? of[0]! : { kind: "any", of };
}

export function select(
  condition: BooleanExpression,
  then: IntegerExpression,
  otherwise: IntegerExpression,
): IntegerExpression {
  if (condition.kind === "boolean") return condition.value ? then : otherwise;
  if (then === otherwise) return then;
  return { kind: "select", condition, then, otherwise };
}

export function selectBoolean(
  condition: BooleanExpression,
  then: BooleanExpression,
  otherwise: BooleanExpression,
): BooleanExpression {
  if (condition.kind === "boolean") return condition.value ? then : otherwise;
  return any([all([condition, then]), all([not(condition), otherwise])]);
}

export function selectVerdict(
  condition: BooleanExpression,
  then: VerdictExpression,
  otherwise: VerdictExpression,
): VerdictExpression {
  if (condition.kind === "boolean") return condition.value ? then : otherwise;
  return { kind: "verdict-select", condition, then, otherwise };
}

export function fromBoolean(value: BooleanExpression): IntegerExpression {
  return value.kind === "boolean" ? constant(value.value ? 1n : 0n) : { kind: "from-boolean", value };
}

export interface Measure {
  /** The number of nodes; a shared node counts at each use. */
  readonly size: number;
  readonly depth: number;
  /** Reads cells or tables, so its value can change during the evaluation. */
  readonly readsState: boolean;
  /** Reads an open parameter, so its value is known only at the start. */
  readonly readsParameter: boolean;
}

/** The measures of expressions with more nodes than `smallest`; recomputing smaller ones is faster than a look-up. */
const measures = new WeakMap<Expression, Measure>();
const smallest = 8;
const leafMeasure: Measure = { size: 1, depth: 1, readsState: false, readsParameter: false };
const stateLeafMeasure: Measure = { ...leafMeasure, readsState: true };
const parameterLeafMeasure: Measure = { ...leafMeasure, readsParameter: true };

export function measure(expression: Expression): Measure {
  switch (expression.kind) {
    case "constant":
    case "input":
    case "local":
    case "observed":
    case "boolean":
    case "boolean-local":
    case "verdict":
    case "verdict-local":
      return leafMeasure;
    case "parameter":
      return parameterLeafMeasure;
    case "cell":
      return stateLeafMeasure;
  }
  const known = measures.get(expression);
  if (known !== undefined) return known;
  const made = sum(expression);
  if (made.size > smallest) measures.set(expression, made);
  return made;
}

function sum(expression: Expression): Measure {
  let size = 1;
  let depth = 0;
  let readsParameter = false;
  let readsState = expression.kind === "table-get" || expression.kind === "table-has";
  const parts = operands(expression);
  for (let at = 0; at < parts.length; at++) {
    const inner = measure(parts[at]!);
    size += inner.size;
    if (inner.depth > depth) depth = inner.depth;
    readsState ||= inner.readsState;
    readsParameter ||= inner.readsParameter;
  }
  return { size, depth: depth + 1, readsState, readsParameter };
}
