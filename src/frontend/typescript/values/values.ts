/**
 * The values of expressions in a policy. Some are known at compile time (lists, functions, sets of calls), others only
 * at each call (arguments, conditions on state); the latter have an IR expression and facts.
 */

import type { ArrowFunctionExpression, Function as FunctionNode, Expression as Node } from "oxc-parser";
import type { HostRules } from "../../../ir/hosts.ts";
import type { Limit, ObjectLayer } from "../../../ir/objects.ts";
import type { ListBounds } from "../../../ir/observation.ts";
import type { BooleanExpression, IntegerExpression, VerdictExpression } from "../../../ir/program.ts";
import type { SettingItem } from "../../../ir/settings.ts";
import type { OciPart } from "../../oci/lower.ts";
import * as ir from "../../program/ir.ts";
import type { SourceFile, Range as SourceRange } from "../../source/file.ts";
import { type Facts, noFacts } from "./facts.ts";
import { exactly, fits, printRange, type Range } from "./ranges.ts";
import type { LexicalScope } from "./scope.ts";

export type Value =
  | IntegerValue
  | BooleanValue
  | StringValue
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
  /**
   * A constant that depends on a parameter; other settings give other values, so a test of it is not reported as
   * "always" true.
   */
  readonly variable?: true;
  /** The one parameter from which a constant comes, also by arithmetic. */
  readonly setting?: string;
  /** Its source, for messages ("`dirfd` is an int"). */
  readonly described?: string;
}

export interface BooleanValue {
  readonly is: "boolean";
  readonly expression: BooleanExpression;
  /** Facts that follow if it holds, and if it does not. */
  readonly whenTrue: Facts;
  readonly whenFalse: Facts;
  readonly variable?: true;
}

/**
 * One of several strings, selected by a number (the call's, a phase's). A constant has one option. An option with an
 * undefined code cannot occur on this architecture.
 */
export interface StringValue {
  readonly is: "string";
  readonly options: readonly string[];
  readonly codes: readonly (bigint | undefined)[];
  readonly subject: IntegerExpression;
  /** For a call's name: the reference that a comparison narrows. */
  readonly reference?: number;
  /** For a call's name: the options as bits. */
  readonly names?: bigint;
  /** For the kind of an address: the references that a comparison narrows, to the options as bits. */
  readonly narrows?: readonly number[];
  readonly of?: "call" | "phase";
  /** All strings of its type, which its literals have; no other string can equal it. Undefined for a `string`. */
  readonly typed?: readonly string[];
  readonly variable?: true;
  /** The one item of a list parameter that it is, or contains. */
  readonly item?: SettingItem;
}

export interface VerdictValue {
  readonly is: "verdict";
  readonly expression: VerdictExpression;
}

/** The call that is judged. There is one; `names` are the calls that its variable's type permits. */
export interface CallValue {
  readonly is: "call";
  readonly names: bigint;
  readonly reference: number;
}

/** `call.args`, for the calls that the variable can be at this point. */
export interface ArgumentsValue {
  readonly is: "arguments";
  readonly names: bigint;
  /** The variable that holds the call. */
  readonly reference: number;
  /** One pattern has named these and the call's name: a test of the name narrows both. */
  readonly followsName?: true;
}

export interface CallSetValue {
  readonly is: "call-set";
  readonly names: bigint;
  /** The calls written by name, not by a group: naming io_uring or process creation has consequences. */
  readonly literal: ReadonlySet<string>;
}

export interface ListValue {
  readonly is: "list";
  readonly elements: readonly Value[];
  /** The parameters of paths all of whose items it has, as they are, in the order in which they are written. */
  readonly settings?: readonly string[];
}

/** An object literal, or an object of the library with its name in `type`. Members are made on demand. */
export interface ObjectValue {
  readonly is: "object";
  /** "" for an object literal. */
  readonly type: string;
  readonly members: ReadonlyMap<string, Value | (() => Value)>;
  /** The argument in messages: "`path`". */
  readonly described?: string;
  /**
   * For an address, and for the header that holds one: the references to it. The first one's kinds decide which members
   * it has; a test of the kind narrows them all. The others are those of the callers from which it came.
   */
  readonly references?: readonly number[];
}

export interface FunctionValue {
  readonly is: "function";
  readonly node: ArrowFunctionExpression | FunctionNode;
  readonly scope: LexicalScope<Value>;
  readonly file: SourceFile;
  readonly name: string;
  /** The place of the function: at the top of a module, in a policy function, or inside the step. */
  readonly time: "constant" | "step";
}

/** The arguments of a library call, unevaluated, because some functions evaluate them specially. */
export interface BuiltinCall {
  readonly node: SourceRange;
  readonly callee: SourceRange;
  readonly nodes: readonly Node[];
  /** Evaluates all arguments in order and expands spreads. Undefined if one is unknown and `keepUnknown` is not set. */
  values(keepUnknown?: boolean): readonly { readonly value: Value; readonly node: Node }[] | undefined;
  /** The variable that is declared, if this call is its whole initialiser. */
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
  /** Undefined for one that declares none: those of the language. */
  readonly lists?: { readonly [B in keyof ListBounds]: ListBounds[B] | undefined } | undefined;
  /** The policy's own declaration, without those of the policies that it extends. */
  readonly readOnlyProc: boolean;
  /** Its own declarations about objects; undefined if it has none. */
  readonly objects: ObjectLayer | undefined;
  /** Its own list of hosts; undefined if it has none. */
  readonly hosts?: HostRules | undefined;
  /** Its own limits; undefined if it has none. `counter`: the policy that holds the limit where the kernel does not. */
  readonly limits?:
    | {
        readonly processes: (Limit & { readonly counter: PolicyValue }) | undefined;
        readonly privateSize: Limit | undefined;
      }
    | undefined;
  readonly at: SourceRange;
  readonly file: SourceFile;
}

/** A JSON module, which only `oci()` accepts. */
export interface JsonValue {
  readonly is: "json";
  readonly file: SourceFile;
}

export interface VoidValue {
  readonly is: "void";
}

/** The value of an expression with an error that is reported; using it causes no further reports. */
export interface UnknownValue {
  readonly is: "unknown";
}

export const unknown: UnknownValue = { is: "unknown" };
export const nothing: VoidValue = { is: "void" };

/** An integer that one 64-bit type holds. Comparisons and divisions rely on it. */
export function integer(expression: IntegerExpression, range: Range, described?: string): IntegerValue {
  if (!fits(range)) throw new Error(`no 64-bit type holds ${printRange(range)}`);
  return wrappedInteger(expression, range, described);
}

/** An operand of `BigInt.asUintN` or `asIntN`: its low 64 bits are right, and its range may exceed every type. */
export function wrappedInteger(expression: IntegerExpression, range: Range, described?: string): IntegerValue {
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

export function text(value: string): StringValue {
  return { is: "string", options: [value], codes: [0n], subject: ir.constant(0n) };
}

/** The value where tsc widens its type, or where a declared type hides it. */
export function widened(value: Value): Value {
  if (value.is !== "string" || value.typed === undefined) return value;
  const { typed: _, ...rest } = value;
  return rest;
}

export function verdict(expression: VerdictExpression): VerdictValue {
  return { is: "verdict", expression };
}

export function object(
  type: string,
  members: ReadonlyMap<string, Value | (() => Value)>,
  described?: string,
): ObjectValue {
  return described === undefined ? { is: "object", type, members } : { is: "object", type, members, described };
}

/** A member of an object or a module: a function of the library under its name. */
export function builtin(name: string, apply: (call: BuiltinCall) => Value): [string, Value] {
  return [name, { is: "builtin", name, apply }];
}

/** The value of a constant; undefined if it depends on the call or on state. */
export function constantInteger(value: Value): bigint | undefined {
  return value.is === "integer" && value.range.from === value.range.to && value.expression.kind === "constant"
    ? value.range.from
    : undefined;
}

export function constantBoolean(value: Value): boolean | undefined {
  return value.is === "boolean" && value.expression.kind === "boolean" ? value.expression.value : undefined;
}

export function constantString(value: Value): string | undefined {
  return value.is === "string" && value.subject.kind === "constant" && value.options.length === 1
    ? value.options[0]
    : undefined;
}

/** The type with its article, for messages. */
export function describe(value: Value): string {
  switch (value.is) {
    case "integer":
      return "an integer";
    case "boolean":
      return "a boolean";
    case "string":
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
