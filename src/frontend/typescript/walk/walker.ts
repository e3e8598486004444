/**
 * The interface of the walk over the syntax tree. The library, and the parts of the lowering, call the lowering through it
 * and do not import each other.
 */
import type { CallExpression, Expression as Node } from "oxc-parser";
import type { Range as SourceRange } from "../../source/file.ts";
import type { FunctionValue, Value } from "../values/values.ts";
import type { ReturnTarget } from "./flow.ts";

export interface Walker {
  evaluate(node: Node): Value;
  /** Evaluates an operand of `BigInt.asUintN(…)`, which may exceed 64 bits. */
  evaluateWrapping(node: Node): Value;
  apply(callee: FunctionValue, values: readonly PlacedValue[], node: SourceRange, options?: ApplyOptions): Value;
  callInTail(node: CallExpression, target: ReturnTarget): Value;
  functionValue(node: FunctionValue["node"], name: string): Value;
}

export interface ApplyOptions {
  /** The function is an argument of a library function, which types its parameters. */
  readonly contextual?: boolean;
  /** In `return f(x)` the result of the function is the result of its caller. */
  readonly tail?: ReturnTarget | undefined;
}

export interface PlacedValue {
  readonly value: Value;
  readonly node: SourceRange;
}
