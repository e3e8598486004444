/**
 * The values of expressions in a policy. Some are known when the policy is compiled (lists, functions, sets of calls), some
 * only at each call (integers of arguments, conditions on state); the latter carry the IR expression that computes them
 * and the facts about it.
 */

import type { ArrowFunctionExpression, Function as FunctionNode, Expression as Node } from "@oxc-project/types";
import type { BooleanExpression, IntegerExpression, VerdictExpression } from "../../ir/program.ts";
import type { OciPart } from "../oci/lower.ts";
import type { SourceFile, Range as SourceRange } from "../source/file.ts";
import { type Facts, noFacts } from "./facts.ts";
import * as ir from "./ir.ts";
import { exactly, type Range } from "./ranges.ts";
import type { LexicalScope } from "./scope.ts";

export type Value =
  | IntegerValue
  | BooleanValue
  | TextValue
  | VerdictValue
  | CallValue
  | ArgumentsValue
  | CallSetValue
  | ListValue
  | ObjectValue
  | FunctionValue
  | BuiltinValue
  | PolicyValue
  | JsonValue
  | VoidValue
  | UnknownValue;

export interface IntegerValue {
  readonly is: "integer";
  readonly expression: IntegerExpression;
  readonly range: Range;
  /** A constant that a parameter had a part in: other settings give other values, so nothing is "always" so. */
  readonly variable?: true;
  /** What it reads, in words for a sentence ("`dirfd` is an int"). */
  readonly described?: string;
}

export interface BooleanValue {
  readonly is: "boolean";
  readonly expression: BooleanExpression;
  /** What else is so when it holds, and when it does not. */
  readonly whenTrue: Facts;
  readonly whenFalse: Facts;
  readonly variable?: true;
}

/**
 * One of a list of texts: which one is decided by a number (the call's, a phase's). A constant has one option.
 * An option whose code is undefined cannot occur on this architecture.
 */
export interface TextValue {
  readonly is: "text";
  readonly options: readonly string[];
  readonly codes: readonly (bigint | undefined)[];
  readonly subject: IntegerExpression;
  /** The name of a call: the reference that a comparison narrows. */
  readonly reference?: number;
  /** The options as bits, of the name of a call. */
  readonly names?: bigint;
  readonly of?: "call" | "phase" | "architecture";
  readonly variable?: true;
}

export interface VerdictValue {
  readonly is: "verdict";
  readonly expression: VerdictExpression;
}

/** The call that is judged. There is one; `names` are those that its variable's type allows. */
export interface CallValue {
  readonly is: "call";
  readonly names: bigint;
  readonly reference: number;
}

/** `call.args`, of the calls that its variable could be where it was asked. */
export interface ArgumentsValue {
  readonly is: "arguments";
  readonly names: bigint;
}

export interface CallSetValue {
  readonly is: "call-set";
  readonly names: bigint;
  /** Those that were written by name, not by a group: naming io_uring or process creation has consequences. */
  readonly literal: ReadonlySet<string>;
}

export interface ListValue {
  readonly is: "list";
  readonly elements: readonly Value[];
}

/** A plain object, or one of the library's (`type` names it then): its members are made when they are asked for. */
export interface ObjectValue {
  readonly is: "object";
  /** "" for an object literal. */
  readonly type: string;
  readonly members: ReadonlyMap<string, Value | (() => Value)>;
  /** Which argument it is, for messages: "`path`". */
  readonly described?: string;
}

export interface FunctionValue {
  readonly is: "function";
  readonly node: ArrowFunctionExpression | FunctionNode;
  readonly scope: LexicalScope<Value>;
  readonly file: SourceFile;
  readonly name: string;
  /** Where it was written: at the top of a module, in a policy function (or the module), or inside the step. */
  readonly time: "constant" | "step";
}

/** The arguments of a call of a function of the library, unevaluated where the function wants to decide. */
export interface BuiltinCall {
  readonly node: SourceRange;
  readonly callee: SourceRange;
  readonly nodes: readonly Node[];
  /** Evaluates all arguments in order; spreads are opened. Undefined where one of them is unknown, unless those are kept. */
  values(keepUnknown?: boolean): readonly { readonly value: Value; readonly node: Node }[] | undefined;
  /** The name of the variable that is being declared, if this call is all of its initialiser. */
  readonly declares: { readonly name: string; readonly node: SourceRange } | undefined;
}

export interface BuiltinValue {
  readonly is: "builtin";
  readonly name: string;
  readonly apply: (call: BuiltinCall) => Value;
  /** Members of the function itself: `calls.exec`. */
  readonly members?: ReadonlyMap<string, Value | (() => Value)>;
}

export interface PolicyValue {
  readonly is: "policy";
  readonly body:
    | { readonly is: "step"; readonly step: FunctionValue }
    | { readonly is: "profile"; readonly part: OciPart };
  readonly extended: readonly PolicyValue[];
  readonly at: SourceRange;
  readonly file: SourceFile;
}

/** A JSON module: only `oci()` takes it. */
export interface JsonValue {
  readonly is: "json";
  readonly file: SourceFile;
}

export interface VoidValue {
  readonly is: "void";
}

/** Something is wrong with it and has been said; whatever is done with it says nothing more. */
export interface UnknownValue {
  readonly is: "unknown";
}

export const unknown: UnknownValue = { is: "unknown" };
export const nothing: VoidValue = { is: "void" };

export function integer(expression: IntegerExpression, range: Range, described?: string): IntegerValue {
  return described === undefined
    ? { is: "integer", expression, range }
    : { is: "integer", expression, range, described };
}

export function integerConstant(value: bigint): IntegerValue {
  return { is: "integer", expression: ir.constant(value), range: exactly(value) };
}

export function boolean(expression: BooleanExpression, whenTrue = noFacts, whenFalse = noFacts): BooleanValue {
  return { is: "boolean", expression, whenTrue, whenFalse };
}

export function booleanConstant(value: boolean): BooleanValue {
  return boolean(value ? ir.always : ir.never);
}

export function text(value: string): TextValue {
  return { is: "text", options: [value], codes: [0n], subject: ir.constant(0n) };
}

export function verdict(expression: VerdictExpression): VerdictValue {
  return { is: "verdict", expression };
}

export function object(type: string, members: ReadonlyMap<string, Value | (() => Value)>): ObjectValue {
  return { is: "object", type, members };
}

/** The value of a constant, or undefined where it depends on the call or on state. */
export function constantInteger(value: Value): bigint | undefined {
  return value.is === "integer" && value.range.from === value.range.to && value.expression.kind === "constant"
    ? value.range.from
    : undefined;
}

export function constantBoolean(value: Value): boolean | undefined {
  return value.is === "boolean" && value.expression.kind === "boolean" ? value.expression.value : undefined;
}

export function constantText(value: Value): string | undefined {
  return value.is === "text" && value.subject.kind === "constant" && value.options.length === 1
    ? value.options[0]
    : undefined;
}

/** With an article, for a sentence. */
export function describe(value: Value): string {
  switch (value.is) {
    case "integer":
      return "an integer";
    case "boolean":
      return "a boolean";
    case "text":
      return "a string";
    case "verdict":
      return "a verdict";
    case "call":
      return "the call";
    case "arguments":
      return "the arguments of a call";
    case "call-set":
      return "a set of calls";
    case "list":
      return "a list";
    case "object":
      if (value.type === "") return "an object";
      return /^[AEIO]/.test(value.type) ? `an ${value.type}` : `a ${value.type}`;
    case "function":
    case "builtin":
      return "a function";
    case "policy":
      return "a policy";
    case "json":
      return "a JSON module";
    case "void":
      return "nothing";
    case "unknown":
      return "something unknown";
  }
}
