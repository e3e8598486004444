/** Functions: closures at compile time, inlined at each call. */

import type { ArrowFunctionExpression, CallExpression, Expression, Function as FunctionNode } from "oxc-parser";
import type { Range as SourceRange } from "../../source/file.ts";
import { LexicalScope } from "../values/scope.ts";
import {
  type BuiltinCall,
  describe,
  type FunctionValue,
  nothing,
  unknown,
  type Value,
  widened,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import type { ReturnTarget } from "../walk/flow.ts";
import type { ApplyOptions, PlacedValue } from "../walk/walker.ts";
import { announcePattern } from "./announcements.ts";
import { bind, resultType } from "./bindings.ts";
import { asDeclared, conform, printType } from "./conform.ts";
import { inOrder } from "./stable.ts";
import { body, returnValue } from "./statements.ts";

export function functionValue(c: Compilation, node: ArrowFunctionExpression | FunctionNode, name: string): Value {
  if (node.async || node.generator) {
    return c.error("P0309", node, "a policy cannot wait: a step is one evaluation", "leave out async and `*`");
  }
  if (node.typeParameters != null) {
    return c.error("P0309", node.typeParameters, "the language has no type parameters", "write the types out");
  }
  if (node.body === null) return c.error("P0309", node, "a function without a body", "write its body: { return … }");
  // A function expression's own name is visible in itself only.
  const own = node.type === "FunctionExpression" && node.id !== null ? new LexicalScope(c.scope, c.file) : undefined;
  const made: FunctionValue = {
    is: "function",
    node,
    scope: own ?? c.scope,
    file: c.file,
    name: node.id?.name ?? name,
    time: c.time,
  };
  if (own !== undefined) {
    const { file, time } = c;
    const { id } = node as FunctionNode;
    own.declare({ name: id!.name, kind: "function", file, at: id!, time, ofModule: false, value: made });
  }
  if (!c.findings.functions.has(node)) c.findings.functions.set(node, made);
  return made;
}

/** `f(x)`. In `return f(x)` the result of `f` goes to the return target of the caller. */
export function callExpression(c: Compilation, node: CallExpression, tail?: ReturnTarget): Value {
  if (node.optional) return c.error("P0309", node, "the language has no null", "leave out `?`");
  const declares = c.declares?.initialiser === node ? c.declares : undefined;
  const callee = c.walker.evaluate(node.callee);
  if (node.typeArguments != null) {
    c.error("P0309", node.typeArguments, "the language has no type parameters", "leave them out");
  }
  switch (callee.is) {
    case "builtin": {
      const call: BuiltinCall = {
        node,
        callee: node.callee,
        nodes: node.arguments as Expression[],
        values: (keepUnknown) => evaluateArguments(c, node, keepUnknown),
        declares,
      };
      return callee.apply(call);
    }
    case "function": {
      const values = evaluateArguments(c, node, true);
      return values === undefined ? unknown : apply(c, callee, values, node, { tail });
    }
    case "unknown":
      for (const argument of node.arguments) {
        if (argument.type !== "SpreadElement" && !isFunction(argument)) c.walker.evaluate(argument);
      }
      return unknown;
    default:
      return c.error("P0207", node.callee, `${describe(callee)} cannot be called`, uncalled(c, callee, node));
  }
}

/** The remedy for a call of a value that is not a function. */
function uncalled(c: Compilation, callee: Value, node: CallExpression): string {
  const source = c.file.text.slice(node.callee.start, node.callee.end);
  if (callee.is === "call-set") return `write \`${source}.has(call)\``;
  if (callee.is === "object" && callee.type === "parameter") {
    return 'parameter.integer("name", { default: 1n }), parameter.flag("name"), parameter.text("name")';
  }
  if (callee.is === "verdict" && node.arguments.length > 0) {
    return source === "log"
      ? 'report("…") makes an event with a text; `log` alone is a verdict'
      : `write \`${source}\` without parentheses`;
  }
  return `leave out \`(${node.arguments.length > 0 ? "…" : ""})\``;
}

function isFunction(node: Expression): boolean {
  return node.type === "ArrowFunctionExpression" || node.type === "FunctionExpression";
}

/** Evaluates the arguments in order; undefined if one is unknown and `keepUnknown` is not set. */
function evaluateArguments(
  c: Compilation,
  node: CallExpression,
  keepUnknown = false,
): { value: Value; node: Expression }[] | undefined {
  const { arguments: given } = node;
  const opened: { value: Value; node: Expression }[] = [];
  if (given.length === 0) return opened;
  const nodes = given.map((argument) => (argument.type === "SpreadElement" ? argument.argument : argument));
  const values = inOrder(c, nodes, (one) => c.walker.evaluate(one));
  for (let index = 0; index < nodes.length; index++) {
    if (isFunction(nodes[index]!)) c.findings.contextual.add(nodes[index] as FunctionValue["node"]);
  }
  for (let index = 0; index < nodes.length; index++) {
    const place = nodes[index]!;
    const value = values[index]!;
    if (given[index]!.type !== "SpreadElement") opened.push({ value, node: place });
    else if (value.is === "list") for (const element of value.elements) opened.push({ value: element, node: place });
    else if (value.is !== "unknown") c.error("P0207", place, `${describe(value)} cannot be spread`);
    else return undefined;
  }
  return !keepUnknown && opened.some((one) => one.value.is === "unknown") ? undefined : opened;
}

/** Inlines a call: walks the function's body with these arguments. */
export function apply(
  c: Compilation,
  fn: FunctionValue,
  values: readonly PlacedValue[],
  node: SourceRange,
  { contextual = false, tail }: ApplyOptions = {},
): Value {
  const name = fn.name === "" ? "this function" : `\`${fn.name}\``;
  c.findings.applied.add(fn.node);
  if (c.callStack.includes(fn.node)) {
    return c.error(
      "P0302",
      node,
      `${name} calls itself: the number of steps has no bound`,
      "loop over a constant list, `for (const bit of bits)`, or over a constant range",
    );
  }
  const required = fn.node.params.filter((one) => one.type !== "AssignmentPattern").length;
  if (values.length > fn.node.params.length ? !contextual : values.length < required) {
    const wanted = required === fn.node.params.length ? `${required}` : `${required} to ${fn.node.params.length}`;
    return c.error(
      "P0212",
      node,
      `${name} takes ${wanted} argument${wanted === "1" ? "" : "s"}, and gets ${values.length}`,
    );
  }

  const { file, scope, returns, jumps, declares } = c;
  // Errors in the arguments are reported in the caller's file until the parameters are bound.
  const inner = new LexicalScope(fn.scope, fn.file);
  c.callStack.push(fn.node);
  try {
    bindParameters(c, fn, values, node, inner, contextual);
    c.file = fn.file;
    c.scope = inner;
    c.jumps = [];
    c.declares = undefined;
    const declared = resultType(c, fn.node.returnType);
    const check = (value: Value, at: SourceRange): Value =>
      declared === undefined
        ? widened(value)
        : asDeclared(c, conform(c, value, declared, at, `the result of ${name}`), declared);
    const expects = declared === undefined ? undefined : printType(declared);
    if (fn.node.body?.type !== "BlockStatement") {
      if (tail !== undefined) {
        c.returns = { ...tail, check: (value, at) => tail.check(check(value, at), at) };
        returnValue(c, c.returns, fn.node.body as Expression, fn.node.body as SourceRange);
        return nothing;
      }
      return check(c.walker.evaluate(fn.node.body as Expression), fn.node.body as SourceRange);
    }
    // A default may contain a function, which sees the parameters and not the variables of the body.
    if (hasDefaults(fn)) c.scope = new LexicalScope(inner, fn.file, inner);
    const own = c.scope;
    const result = body(c, fn.node.body, { check, tail, expects, name });
    c.leaveScope(own, fn.node.body);
    return result;
  } finally {
    c.callStack.pop();
    c.file = file;
    c.scope = scope;
    c.returns = returns;
    c.jumps = jumps;
    c.declares = declares;
  }
}

function hasDefaults(fn: FunctionValue): boolean {
  return fn.node.params.some((one) => one.type === "AssignmentPattern");
}

/** A default sees all parameters, and reads only those before it. */
function announceParameters(c: Compilation, fn: FunctionValue, inner: LexicalScope<Value>): void {
  const { file, scope } = c;
  c.file = fn.file;
  c.scope = inner;
  for (const one of fn.node.params) {
    if (one.type !== "RestElement" && one.type !== "TSParameterProperty") announcePattern(c, one, "parameter");
  }
  c.scope = scope;
  c.file = file;
}

function bindParameters(
  c: Compilation,
  fn: FunctionValue,
  values: readonly PlacedValue[],
  node: SourceRange,
  inner: LexicalScope<Value>,
  contextual: boolean,
): void {
  const { file, scope } = c;
  if (hasDefaults(fn)) announceParameters(c, fn, inner);
  for (const [index, parameter] of fn.node.params.entries()) {
    if (parameter.type === "RestElement" || parameter.type === "TSParameterProperty") {
      c.reporter.report(
        "P0309",
        "a function takes a fixed number of arguments",
        { file: fn.file, node: parameter },
        "one argument that is a list: `names: readonly string[]`",
      );
      continue;
    }
    const target = parameter.type === "AssignmentPattern" ? parameter.left : parameter;
    const annotation = target.type === "AssignmentPattern" ? undefined : target.typeAnnotation;
    if (target.type === "Identifier" && (target as { readonly optional?: boolean }).optional === true) {
      c.reporter.report(
        "P0309",
        "there are no optional parameters: the language has no undefined",
        { file: fn.file, node: target },
        "give it a default: `n = 0n`",
      );
      continue;
    }
    if (!contextual && annotation == null && parameter.type !== "AssignmentPattern") {
      c.reporter.report(
        "P0309",
        "a parameter without a type",
        { file: fn.file, node: target },
        "write its type: bigint, boolean, string, Call, Verdict …",
      );
    }
    const given = values[index];
    // The type and the default belong to the function, the argument to the caller, where errors are reported.
    const value = given?.value;
    c.scope = inner;
    c.file = fn.file;
    if (value === undefined) bind(c, parameter, undefined, "parameter", node);
    else if (target.type === "Identifier" && annotation != null) {
      const type = resultType(c, annotation)!;
      c.file = file;
      const checked = conform(c, value, type, given!.node, `parameter \`${target.name}\``);
      c.file = fn.file;
      bind(c, { ...target, typeAnnotation: null }, asDeclared(c, checked, type), "parameter", target);
    } else bind(c, target, value, "parameter", target);
    c.scope = scope;
    c.file = file;
  }
}
