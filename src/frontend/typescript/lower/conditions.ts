/**
 * Conditions: booleans, `&&`, `||`, `!` and `?:` with JavaScript's semantics, and the facts that follow from each
 * outcome.
 */

import type { ConditionalExpression, LogicalExpression, Expression as Node } from "oxc-parser";
import * as ir from "../../program/ir.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { readingOf } from "../mistakes/operands.ts";
import { both, either, event, type Facts, lasting, noFacts } from "../values/facts.ts";
import {
  type BooleanValue,
  boolean,
  booleanConstant,
  constantBoolean,
  constantString,
  describe,
  integer,
  type UnknownValue,
  type Value,
  verdict,
  widened,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import type { Branch, PathEnd } from "../walk/flow.ts";
import { joinIntegers } from "../walk/merging.ts";
import { isLeftOpen, refuseOpen } from "./stable.ts";

/** Whether evaluation has no effect on the walk: no call of a function, no assignment, no declaration. */
function isPlainNode(node: SourceRange): boolean {
  const { type } = node as Node;
  switch (type) {
    case "Identifier":
    case "Literal":
      return true;
    case "ParenthesizedExpression":
      return isPlainNode((node as Node & { type: typeof type }).expression);
    case "UnaryExpression":
      return isPlainNode((node as Node & { type: typeof type }).argument);
    case "MemberExpression": {
      const { object: of, computed } = node as Node & { type: typeof type };
      return !computed && isPlainNode(of);
    }
    case "BinaryExpression":
    case "LogicalExpression": {
      const { left, right } = node as Node & { type: typeof type };
      return isPlainNode(left) && isPlainNode(right);
    }
    case "ConditionalExpression": {
      const { test, consequent, alternate } = node as Node & { type: typeof type };
      return isPlainNode(test) && isPlainNode(consequent) && isPlainNode(alternate);
    }
    default:
      return false;
  }
}

/** Evaluates an expression that must be a boolean. */
export function condition(c: Compilation, node: Node): BooleanValue | UnknownValue {
  return asCondition(c, c.walker.evaluate(node), node);
}

export function asCondition(c: Compilation, value: Value, node: SourceRange): BooleanValue | UnknownValue {
  if (value.is === "boolean" || value.is === "unknown") return value;
  const source = c.file.text.slice(node.start, node.end);
  const written = source.length <= 40 ? source : "x";
  if (value.is === "integer") {
    c.error("P0202", node, "an integer is not a condition", `compare it: \`${written} !== 0n\``);
  } else if (value.is === "string") {
    const constant = constantString(value);
    const always = constant === undefined ? "" : `: this is always ${constant === "" ? "false" : "true"}`;
    c.error(
      "P0205",
      node,
      `a string is not a condition${always}`,
      constant !== undefined && c.names.bit(constant) !== undefined
        ? `call.name === ${JSON.stringify(constant)}, or calls(…, ${JSON.stringify(constant)}).has(call)`
        : 'compare it: `=== "…"`',
    );
  } else if (value.is === "object" && /^(Flags|Choice|Pointer)/.test(value.type)) {
    const kind = value.type.replace(/<.*/, "");
    c.error(
      "P0202",
      node,
      kind === "Pointer" ? "a pointer is not a condition" : "an argument with named values is not a condition",
      kind === "Flags"
        ? `test a flag: \`${written}.has(…)\``
        : kind === "Choice"
          ? `test a value: \`${written}.is(…)\``
          : `\`${written}.isNull\``,
    );
  } else {
    const reading = readingOf(c, value, node);
    const asked = value.is === "object" && (value.type === "Counter" || value.type === "Value") ? " > 0n" : "";
    c.error(
      "P0207",
      node,
      `${describe(value)} is not a condition`,
      reading === undefined ? undefined : `write \`${reading}${value.is === "call" ? ' === "…"' : asked}\``,
    );
  }
  return { is: "unknown" };
}

/** The operands of a chain of one operator. A loop, because recursion could overflow the stack. */
function operands(node: LogicalExpression): Node[] {
  const found: Node[] = [];
  let current: Node = node;
  while (current.type === "LogicalExpression" && current.operator === node.operator) {
    found.push(current.right);
    current = current.left;
  }
  found.push(current);
  return found.reverse();
}

export function logical(c: Compilation, node: LogicalExpression): Value {
  if (node.operator === "??") {
    return c.error("P0309", node, "the language has no null and no undefined", "leave out `??`");
  }
  return chain(
    c,
    node.operator,
    operands(node).map((operand) => ({ node: operand, evaluate: () => condition(c, operand) })),
  );
}

export interface Operand {
  readonly node: SourceRange;
  readonly evaluate: () => BooleanValue | UnknownValue;
}

/** Lowers `a && b && …` or `a || b || …` with short-circuit evaluation. */
export function chain(c: Compilation, operator: "&&" | "||", parts: readonly Operand[]): BooleanValue | UnknownValue {
  if (parts.length === 0) return booleanConstant(operator === "&&");
  let known = parts[0]!.evaluate();
  let failed = known.is === "unknown";
  for (let at = 1; at < parts.length; at++) {
    const left: BooleanValue = known.is === "unknown" ? boolean(ir.always) : known;
    if (isLeftOpen(c, left) && !isPlainNode(parts[at]!.node)) return refuseOpen(c, parts[at]!.node);
    const next = step(c, operator, left, parts[at]!);
    if (next.is === "unknown") failed = true;
    else known = next;
  }
  return failed ? { is: "unknown" } : known;
}

function step(c: Compilation, operator: "&&" | "||", left: BooleanValue, part: Operand): BooleanValue | UnknownValue {
  const and = operator === "&&";
  const constant = constantBoolean(left);
  const continuing = and ? left.whenTrue : left.whenFalse;
  const stops = and ? left.whenFalse : left.whenTrue;
  if (constant === and) {
    // The left side decides nothing; its facts still hold.
    const outer = c.flow.facts;
    c.assume(continuing);
    const right = part.evaluate();
    if (c.flow.live === "live") c.flow.facts = either(outer, c.flow.facts);
    if (right.is === "unknown") return right;
    const named = !and && stops.impossible ? { ...right, whenTrue: either(right.whenTrue, stops) } : right;
    return withVariable(named, left, right);
  }
  const epoch = c.epoch;
  const going = c.branch(constant === undefined ? continuing : { ...continuing, impossible: true }, () =>
    part.evaluate(),
  );
  const right = going.value;
  if (right.is !== "unknown" && c.epoch === epoch && isPlain(c, going) && c.allows(stops)) {
    // Most conditions have no side effects, so there is nothing to merge, and the facts of both sides hold afterwards.
    const holds = both(continuing, and ? right.whenTrue : right.whenFalse);
    const fails = either(stops, both(continuing, and ? right.whenFalse : right.whenTrue));
    const expression = and ? ir.all([left.expression, right.expression]) : ir.any([left.expression, right.expression]);
    return withVariable(and ? boolean(expression, holds, fails) : boolean(expression, fails, holds), left, right);
  }
  const stopping = c.branch(stops, () => undefined);
  if (going.flow.live !== "live" && stopping.flow.live === "live") {
    // Earlier facts decide the left side, so the right side is dead. Its facts are still used for types: in `flag &&
    // call.name === "socket" && …` the rest is typed as in tsc, for both values of the flag.
    const { names } = c.flow.facts;
    c.flow = c.merge([stopping]);
    // A test for calls that cannot be here excludes nothing; what it names must be known where the whole condition holds.
    if (continuing.names.get(event) === 0n) c.flow.facts = { ...c.flow.facts, names };
    const decided = constant === undefined ? booleanConstant(!and) : left;
    if (right.is === "unknown") return decided;
    return and
      ? { ...decided, whenTrue: both(continuing, right.whenTrue) }
      : { ...decided, whenFalse: both(continuing, right.whenFalse) };
  }
  if (right.is === "unknown") {
    c.flow = c.merge([going, stopping]);
    return right;
  }
  const changed = c.epoch !== epoch;
  const leftOnly = changed ? lasting(continuing) : continuing;
  const holds = both(leftOnly, and ? right.whenTrue : right.whenFalse);
  const fails = either(changed ? lasting(stops) : stops, both(leftOnly, and ? right.whenFalse : right.whenTrue));
  const before = c.flow;
  const merged = c.merge([going, stopping]);
  const plain = going.out.length === 0 && stopping.out.length === 0;
  let expression = and ? ir.all([left.expression, right.expression]) : ir.any([left.expression, right.expression]);
  if (!plain && before.live === "live") {
    const local = c.builder.local("boolean");
    const set = (end: PathEnd, value: BooleanValue["expression"]) =>
      end.out.push({ kind: "set-boolean", local, value });
    if (going.flow.live === "live") set(going, right.expression);
    if (stopping.flow.live === "live") set(stopping, and ? ir.never : ir.always);
    const [then, otherwise] = and ? [going.out, stopping.out] : [stopping.out, going.out];
    c.emit({ kind: "if", condition: left.expression, then, otherwise }, part.node);
    expression = { kind: "boolean-local", local };
  }
  c.flow = { ...merged, facts: changed ? merged.facts : before.facts };
  return withVariable(and ? boolean(expression, holds, fails) : boolean(expression, fails, holds), left, right);
}

/** Whether the walk of this path emitted nothing and changed no variable. */
function isPlain(c: Compilation, { flow, out }: PathEnd): boolean {
  return (
    flow.live === "live" &&
    out.length === 0 &&
    flow.uncertain === c.flow.uncertain &&
    flow.variables.size === 0 &&
    c.flow.variables.size === 0
  );
}

function withVariable(value: BooleanValue, ...from: readonly BooleanValue[]): BooleanValue {
  return from.some((one) => one.variable) && !value.variable ? { ...value, variable: true } : value;
}

/** `a ? b : c`, with the common type of both. */
export function conditional(c: Compilation, node: ConditionalExpression): Value {
  const test = condition(c, node.test);
  if (isLeftOpen(c, test) && !(isPlainNode(node.consequent) && isPlainNode(node.alternate)))
    return refuseOpen(c, node.test);
  return choose(
    c,
    test,
    node,
    // A type of both: each outcome's own strings are not all that the result can be.
    () => widened(c.walker.evaluate(node.consequent)),
    () => widened(c.walker.evaluate(node.alternate)),
  );
}

function choose(
  c: Compilation,
  test: BooleanValue | UnknownValue,
  node: ConditionalExpression,
  consequent: () => Value,
  alternate: () => Value,
): Value {
  const [then, otherwise] = bothBranches(c, test, consequent, alternate);
  if (test.is === "unknown") {
    c.flow = c.merge([then, otherwise]);
    return test;
  }
  const decided = decidedBranch(test, then, otherwise);
  if (decided !== undefined) {
    const [taken, other] = decided ? [then, otherwise] : [otherwise, then];
    c.flow = c.merge([taken]);
    if (!sameKind(c, taken.value, other.value, node)) return { is: "unknown" };
    c.inline(taken.out);
    return test.variable ? markVariable(taken.value) : taken.value;
  }
  const a = then.value;
  const b = otherwise.value;
  if (a.is === "unknown" || b.is === "unknown" || !sameKind(c, a, b, node)) {
    c.flow = c.merge([then, otherwise]);
    return { is: "unknown" };
  }
  const before = c.flow;
  if (then.out.length === 0 && otherwise.out.length === 0 && !assigns(before, then, otherwise)) {
    const pure = select(test, a, b, then, otherwise);
    if (pure !== undefined) {
      c.flow = c.merge([then, otherwise]);
      return pure;
    }
  }
  if (isLeftOpen(c, test)) return refuseOpen(c, node.test);
  const value = c.mergeValues(
    livingOf(then, otherwise),
    livingOf(then, otherwise).map((end) => end.value),
    {
      file: c.file,
      node,
    },
  );
  const merged = c.merge([then, otherwise]);
  c.emit({ kind: "if", condition: test.expression, then: then.out, otherwise: otherwise.out }, node);
  c.flow = merged;
  return value;
}

/** The branch that is taken, if a constant or earlier facts decide the test. */
export function decidedBranch(test: BooleanValue, then: Branch, otherwise: Branch): boolean | undefined {
  const constant = constantBoolean(test);
  if (constant !== undefined) return constant;
  return then.entered === otherwise.entered ? undefined : then.entered;
}

function livingOf<T extends PathEnd>(...ends: readonly T[]): readonly T[] {
  const living = ends.filter((end) => end.flow.live === "live");
  return living.length > 0 ? living : ends.slice(0, 1);
}

/** Walks both branches, each with the facts of its outcome. */
export function bothBranches<T>(
  c: Compilation,
  test: BooleanValue | UnknownValue,
  consequent: () => T,
  alternate: () => T,
): [Branch & { readonly value: T }, Branch & { readonly value: T }] {
  const facts = (holds: boolean): Facts => {
    if (test.is === "unknown") return noFacts;
    const known = holds ? test.whenTrue : test.whenFalse;
    return constantBoolean(test) === !holds ? { ...known, impossible: true } : known;
  };
  return [c.branch(facts(true), consequent), c.branch(facts(false), alternate)];
}

function assigns(before: Compilation["flow"], ...ends: readonly PathEnd[]): boolean {
  return ends.some((end) =>
    [...before.variables].some(([variable, value]) => end.flow.variables.get(variable) !== value),
  );
}

function select(test: BooleanValue, a: Value, b: Value, then: PathEnd, otherwise: PathEnd): Value | undefined {
  if (then.flow.live !== "live") return b;
  if (otherwise.flow.live !== "live") return a;
  if (a === b) return a;
  const condition = test.expression;
  const variable = "variable" in a || "variable" in b || test.variable ? { variable: true as const } : {};
  if (a.is === "integer" && b.is === "integer") {
    const value = joinIntegers(a, then.flow, b, otherwise.flow);
    if (value === undefined) return undefined;
    return { ...integer(ir.select(condition, a.expression, b.expression), value), ...variable };
  }
  if (a.is === "boolean" && b.is === "boolean") {
    const whenTrue = either(both(test.whenTrue, a.whenTrue), both(test.whenFalse, b.whenTrue));
    const whenFalse = either(both(test.whenTrue, a.whenFalse), both(test.whenFalse, b.whenFalse));
    return {
      ...boolean(
        ir.selectBoolean(condition, a.expression, b.expression),
        decidedFacts(a, b, true, test) ?? whenTrue,
        decidedFacts(a, b, false, test) ?? whenFalse,
      ),
      ...variable,
    };
  }
  if (a.is === "verdict" && b.is === "verdict") {
    return verdict(ir.selectVerdict(condition, a.expression, b.expression));
  }
  return undefined;
}

/** `t ? b : false` is true only if t is. */
function decidedFacts(a: BooleanValue, b: BooleanValue, outcome: boolean, test: BooleanValue): Facts | undefined {
  const otherOf = (value: BooleanValue) => (outcome ? value.whenTrue : value.whenFalse);
  if (constantBoolean(b) === !outcome) return both(test.whenTrue, otherOf(a));
  if (constantBoolean(a) === !outcome) return both(test.whenFalse, otherOf(b));
  return undefined;
}

function sameKind(c: Compilation, a: Value, b: Value, node: SourceRange): boolean {
  if (a.is === b.is || a.is === "unknown" || b.is === "unknown") return true;
  c.error("P0207", node, `the two outcomes have different types: ${describe(a)} and ${describe(b)}`);
  return false;
}

/** Marks a value that depends on a parameter: a test of it is not reported as always true. */
function markVariable(value: Value): Value {
  switch (value.is) {
    case "integer":
    case "boolean":
    case "string":
      return { ...value, variable: true };
    default:
      return value;
  }
}
