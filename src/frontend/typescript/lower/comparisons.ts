/**
 * Comparisons of two values of one type, by mathematical value. The outcome narrows the values for the code that
 * follows.
 */

import type { BinaryExpression, Expression } from "oxc-parser";
import { architectureByAlias, architectureNames } from "../../../abi/architecture.ts";
import { callFamilies } from "../../../abi/families.ts";
import { isCreatingCall } from "../../../abi/process-calls.ts";
import { namesInstead, nearestName } from "../../../diagnostics/suggest.ts";
import { larger, smaller } from "../../../ir/arithmetic.ts";
import type { BooleanExpression } from "../../../ir/program.ts";
import { alwaysAllowed, uringCalls } from "../../program/call-names.ts";
import * as ir from "../../program/ir.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { nameTest } from "../library/sets.ts";
import { comparisonOf } from "../mistakes/operands.ts";
import { both, type Facts, integerKey, namesFact, noFacts, orderKey, rangeFact } from "../values/facts.ts";
import * as ranges from "../values/ranges.ts";
import { printRange, type Range } from "../values/ranges.ts";
import {
  type BooleanValue,
  boolean,
  booleanConstant,
  constantBoolean,
  constantInteger,
  constantString,
  describe,
  type IntegerValue,
  type StringValue,
  unknown,
  type Value,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { reportUnknownCall } from "./declared-types.ts";
import { printValue } from "./integers.ts";

export const comparisonOperators = new Set(["===", "!==", "<", "<=", ">", ">="]);

export function comparison(
  c: Compilation,
  operator: string,
  left: Value,
  right: Value,
  node: SourceRange,
  nodes: readonly [SourceRange, SourceRange],
): Value {
  if (left.is === "unknown" || right.is === "unknown") return unknown;
  if (left.is === "integer" && right.is === "integer") {
    return compareIntegers(c, operator, left, right, node, nodes);
  }
  if (operator === "===" || operator === "!==") {
    let equal: Value | undefined;
    if (left.is === "string" && right.is === "string") {
      equal = compareStrings(c, left, right, node, nodes, operator === "!==");
    } else if (left.is === "boolean" && right.is === "boolean") equal = compareBooleans(left, right);
    if (equal !== undefined) return operator === "!==" && equal.is === "boolean" ? negation(equal) : equal;
  }
  const objects = [left, right].find((one) => one.is === "object" && one.type !== "");
  const meant = comparisonOf(c, operator, [left, right], nodes);
  return c.error(
    "P0208",
    node,
    left.is === right.is
      ? `${describe(left)} and ${describe(right)} cannot be compared with ${operator}`
      : `${describe(left)} is compared with ${describe(right)}`,
    objects?.is === "object" && objects.type.startsWith("Flags")
      ? "`.has(…)` tests a flag by name, `.bits` is the integer"
      : objects?.is === "object" && objects.type.startsWith("Choice")
        ? "`.is(…)` tests a value by name, `.value` is the integer"
        : objects?.is === "object" && objects.type === "Pointer"
          ? "`.isNull` tests for null, `.address` is the integer"
          : meant === undefined
            ? undefined
            : `write \`${meant}\``,
  );
}

/** Whether the value is written here as it is, without a name that could be given another value. */
function isWritten(node: SourceRange): boolean {
  const expression = node as Expression;
  switch (expression.type) {
    case "Literal":
      return true;
    case "UnaryExpression":
      return isWritten(expression.argument);
    case "ParenthesizedExpression":
      return isWritten(expression.expression);
    case "BinaryExpression":
      return isWritten(expression.left) && isWritten(expression.right);
    default:
      return false;
  }
}

/** Notes the outcome of a comparison of two integers that are written as they are. */
export function noteWritten(c: Compilation, outcome: Value, node: BinaryExpression): void {
  const decided = outcome.is === "boolean" ? constantBoolean(outcome) : undefined;
  if (decided === undefined || !isWritten(node.left) || !isWritten(node.right)) return;
  c.noteComparison(node, decided ? "always" : "never", () => ({
    message: "both sides are constants",
    help: "compare with a value of the call, or leave the test out",
  }));
}

export function negation(value: BooleanValue): BooleanValue {
  const negated = boolean(ir.not(value.expression), value.whenFalse, value.whenTrue);
  return value.variable ? { ...negated, variable: true } : negated;
}

// ── Integers ────────────────────────────────────────────────────────────────────────────────────────────────────────

function compareIntegers(
  c: Compilation,
  operator: string,
  left: IntegerValue,
  right: IntegerValue,
  node: SourceRange,
  nodes: readonly [SourceRange, SourceRange],
  /** The source tests the opposite (`!==`), so messages swap "always" and "never". */
  opposite = false,
): Value {
  switch (operator) {
    case ">":
      return compareIntegers(c, "<", right, left, node, [nodes[1], nodes[0]]);
    case ">=":
      return compareIntegers(c, "<=", right, left, node, [nodes[1], nodes[0]]);
    case "!==": {
      const equal = compareIntegers(c, "===", left, right, node, nodes, true);
      return equal.is === "boolean" ? negation(equal) : equal;
    }
  }
  const a = c.rangeOf(left);
  const b = c.rangeOf(right);
  const decided = decide(operator, a, b);
  const constants = constantInteger(left) !== undefined && constantInteger(right) !== undefined;
  const variable = left.variable || right.variable;
  if (!constants && !variable) {
    noteDecision(c, decided === undefined ? undefined : decided !== opposite, left, right, a, b, node, nodes);
  }
  const outcome =
    decided === undefined
      ? boolean(
          lowerComparison(operator, left, right, a, b),
          factsOf(operator, left, right, a, b),
          factsOfNegation(operator, left, right, a, b),
        )
      : booleanConstant(decided);
  return variable ? { ...outcome, variable } : outcome;
}

function decide(operator: string, a: Range, b: Range): boolean | undefined {
  switch (operator) {
    case "===":
      if (a.from === a.to && b.from === b.to && a.from === b.from) return true;
      return a.to < b.from || b.to < a.from ? false : undefined;
    case "<":
      return a.to < b.from ? true : a.from >= b.to ? false : undefined;
    default:
      return a.to <= b.from ? true : a.from > b.to ? false : undefined;
  }
}

function noteDecision(
  c: Compilation,
  decided: boolean | undefined,
  left: IntegerValue,
  right: IntegerValue,
  a: Range,
  b: Range,
  node: SourceRange,
  nodes: readonly [SourceRange, SourceRange],
): void {
  c.noteComparison(node, decided === undefined ? "open" : decided ? "always" : "never", () =>
    decisionInWords(c, left, right, a, b, nodes),
  );
}

function decisionInWords(
  c: Compilation,
  left: IntegerValue,
  right: IntegerValue,
  a: Range,
  b: Range,
  nodes: readonly [SourceRange, SourceRange],
): { readonly message: string; readonly help?: string } {
  const leftConstant = constantInteger(left) !== undefined;
  const [value, other] = leftConstant ? [right, left] : [left, right];
  const [range, otherRange] = leftConstant ? [b, a] : [a, b];
  const [valueNode, otherNode] = leftConstant ? [nodes[1], nodes[0]] : nodes;
  const name = value.described ?? `\`${c.file.text.slice(valueNode.start, valueNode.end).slice(0, 40)}\` is`;
  const narrowed = range.from > value.range.from || range.to < value.range.to;
  const against =
    constantInteger(other) === undefined
      ? `\`${c.file.text.slice(otherNode.start, otherNode.end).slice(0, 40)}\` is ${printRange(otherRange)}`
      : `${printValue(other)} ${range.from <= otherRange.from && otherRange.to <= range.to ? "decides it" : "lies outside"}`;
  const outside = otherRange.to < range.from || otherRange.from > range.to;
  const wrapped = BigInt.asIntN(32, otherRange.from);
  const reinterpreted =
    otherRange.from === otherRange.to && outside && wrapped < 0n && wrapped >= range.from ? wrapped : undefined;
  return {
    message: `${name}${value.described === undefined ? "" : ","} ${printRange(range)}${narrowed ? " here" : ""}, and ${against}`,
    ...(reinterpreted === undefined
      ? {}
      : { help: `${reinterpreted === -100n ? "AT_FDCWD is -100n" : `as an int it is ${reinterpreted}n`}` }),
  };
}

/** If one side can be negative and the other above 2^63 − 1, the result needs more than one 64-bit comparison. */
function lowerComparison(
  operator: string,
  left: IntegerValue,
  right: IntegerValue,
  a: Range,
  b: Range,
): BooleanExpression {
  const l = left.expression;
  const r = right.expression;
  const zero = ir.constant(0n);
  const bothSigned = ranges.isSigned(a) && ranges.isSigned(b);
  const bothUnsigned = ranges.isUnsigned(a) && ranges.isUnsigned(b);
  if (operator === "===") {
    const equal = ir.compare("equal", l, r);
    if (bothSigned || bothUnsigned) return equal;
    // Excludes a negative signed side: −1 and 2^64 − 1 are one pattern.
    const signedSide = ranges.isUnsigned(a) ? r : l;
    return ir.all([ir.compare("less-or-equal-signed", zero, signedSide), equal]);
  }
  const less = operator === "<" ? "less" : "less-or-equal";
  if (bothUnsigned) return ir.compare(`${less}-unsigned`, l, r);
  if (bothSigned) return ir.compare(`${less}-signed`, l, r);
  if (ranges.isUnsigned(b)) {
    // A negative left side is less than every unsigned value.
    return ir.any([ir.compare("less-signed", l, zero), ir.compare(`${less}-unsigned`, l, r)]);
  }
  return ir.all([ir.compare("less-or-equal-signed", zero, r), ir.compare(`${less}-unsigned`, l, r)]);
}

function narrow(value: IntegerValue, range: Range): Facts {
  if (value.expression.kind === "constant") return noFacts;
  const key = integerKey(value);
  if (key === "") return noFacts;
  if (range.from > range.to) return { ...noFacts, impossible: true };
  return rangeFact(key, range);
}

function order(lower: IntegerValue, upper: IntegerValue): Facts {
  if (lower.expression.kind === "constant" || upper.expression.kind === "constant") return noFacts;
  const keys = [integerKey(lower), integerKey(upper)] as const;
  if (keys[0] === "" || keys[1] === "") return noFacts;
  return { ...noFacts, orders: new Set([orderKey(...keys)]) };
}

function factsOf(operator: string, left: IntegerValue, right: IntegerValue, a: Range, b: Range): Facts {
  if (operator === "===") {
    const common = ranges.intersect(a, b);
    if (common === undefined) return { ...noFacts, impossible: true };
    return both(both(narrow(left, common), narrow(right, common)), both(order(left, right), order(right, left)));
  }
  return below(left, right, a, b, operator === "<" ? 1n : 0n);
}

function factsOfNegation(operator: string, left: IntegerValue, right: IntegerValue, a: Range, b: Range): Facts {
  if (operator === "===") return both(exclude(left, a, right), exclude(right, b, left));
  return below(right, left, b, a, operator === "<" ? 0n : 1n);
}

/** The fact that lower + gap ≤ upper. */
function below(lower: IntegerValue, upper: IntegerValue, a: Range, b: Range, gap: bigint): Facts {
  return both(
    both(
      narrow(lower, { from: a.from, to: smaller(a.to, b.to - gap) }),
      narrow(upper, { from: larger(b.from, a.from + gap), to: b.to }),
    ),
    order(lower, upper),
  );
}

/** Excludes a constant from a range, if it is one of the ends. */
function exclude(value: IntegerValue, range: Range, other: IntegerValue): Facts {
  const constant = constantInteger(other);
  if (constant === range.from && range.from < range.to) return narrow(value, { from: range.from + 1n, to: range.to });
  if (constant === range.to && range.from < range.to) return narrow(value, { from: range.from, to: range.to - 1n });
  return noFacts;
}

// ── Texts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function compareStrings(
  c: Compilation,
  left: StringValue,
  right: StringValue,
  node: SourceRange,
  nodes: readonly [SourceRange, SourceRange],
  /** The source tests the opposite (`!==`). */
  opposite: boolean,
): Value {
  const leftConstant = constantString(left);
  const rightConstant = constantString(right);
  const variable = left.variable || right.variable ? { variable: true as const } : {};
  if (leftConstant !== undefined && rightConstant !== undefined) {
    if (left.typed !== undefined && right.typed?.some((one) => left.typed!.includes(one)) === false) {
      // The shorter type is that of a string as written.
      return right.typed.length > left.typed.length
        ? neverEqual(c, right.typed, leftConstant, nodes[0])
        : neverEqual(c, left.typed, rightConstant, nodes[1]);
    }
    return { ...booleanConstant(leftConstant === rightConstant), ...variable };
  }
  if (rightConstant !== undefined) return compareWithString(c, left, rightConstant, node, nodes[1], opposite);
  if (leftConstant !== undefined) return compareWithString(c, right, leftConstant, node, nodes[0], opposite);
  if (left.reference !== undefined || right.reference !== undefined) {
    if (left.reference !== undefined && right.reference !== undefined) return booleanConstant(true);
  }
  const common = left.options.filter((option) => right.options.includes(option));
  const same = common.map((option) => ir.all([testOption(left, option), testOption(right, option)]));
  return boolean(ir.any(same), both(optionsFact(left, common), optionsFact(right, common)));
}

/** The fact that the kind of an address is one of these options; no facts for another string. */
function optionsFact({ narrows, options }: StringValue, possible: readonly string[]): Facts {
  if (narrows === undefined) return noFacts;
  const bits = possible.map((option) => 1n << BigInt(options.indexOf(option)));
  return namesFact(
    narrows,
    bits.reduce((all, bit) => all | bit, 0n),
  );
}

function testOption(text: StringValue, option: string): BooleanExpression {
  const code = text.codes[text.options.indexOf(option)];
  return code === undefined ? ir.never : ir.oneOf(text.subject, [code]);
}

/** Compares a string with a constant. The name of a call narrows the variable that it was read from. */
function compareWithString(
  c: Compilation,
  text: StringValue,
  wanted: string,
  node: SourceRange,
  wantedNode: SourceRange,
  opposite: boolean,
): Value {
  if (text.of === "call") return compareName(c, text, wanted, node, wantedNode);
  const at = text.options.indexOf(wanted);
  if (at < 0) {
    if (text.of === "phase") {
      return c.error(
        "P0409",
        wantedNode,
        `there is no phase ${JSON.stringify(wanted)}`,
        namesInstead(wanted, text.options),
      );
    }
    return neverEqual(c, text.options, wanted, wantedNode);
  }
  noteKind(c, text, wanted, node, opposite);
  const others = text.options.filter((option) => option !== wanted);
  const outcome = boolean(testOption(text, wanted), optionsFact(text, [wanted]), optionsFact(text, others));
  return text.variable ? { ...outcome, variable: true } : outcome;
}

/**
 * Notes a test for a kind of an address that earlier tests of the same variable exclude, as tsc does. A test for the only
 * kind that is left is no mistake: it ends a list of cases.
 */
function noteKind(c: Compilation, text: StringValue, wanted: string, node: SourceRange, opposite: boolean): void {
  const [reference] = text.narrows ?? [];
  if (reference === undefined) return;
  const known = c.flow.facts.names.get(reference);
  const isPossible = (option: string) =>
    known === undefined || ((known >> BigInt(text.options.indexOf(option))) & 1n) !== 0n;
  const outcome = isPossible(wanted) ? "open" : opposite ? "always" : "never";
  c.noteComparison(node, outcome, () => {
    const left = text.options.filter(isPossible);
    return {
      message: `the kind of the address cannot be ${quote(wanted)} here`,
      help: left.length < 4 ? `it can be ${left.map(quote).join(", ")}` : "an earlier test excludes it",
    };
  });
}

/** Reports a string that is none of the possible ones. */
function neverEqual(c: Compilation, possible: readonly string[], wanted: string, node: SourceRange): Value {
  const alias = possible === architectureNames ? architectureByAlias(wanted) : undefined;
  const meant = alias ?? (possible.length > 1 ? nearestName(wanted, possible) : undefined);
  return c.error(
    "P0204",
    node,
    `never true: this is ${possible.slice(0, 6).map(quote).join(" or ")}, and never ${quote(wanted)}`,
    meant === undefined ? undefined : `did you mean ${quote(meant)}?`,
  );
}

function compareName(
  c: Compilation,
  text: StringValue,
  wanted: string,
  node: SourceRange,
  wantedNode: SourceRange,
): Value {
  const bit = c.names.bit(wanted);
  if (bit === undefined) {
    reportUnknownCall(c, wantedNode, wanted);
    return unknown;
  }
  nameLiterally(c, wanted, wantedNode);
  const reference = text.reference!;
  const typed = c.typedNames({ names: text.names!, reference });
  if ((typed & bit) === 0n) {
    const left = c.names.list(typed, 4);
    c.valueError(
      "P0204",
      node,
      `never true: the call cannot be ${quote(wanted)} here`,
      left.length > 0 && left.length < 4 ? `it can be ${left.join(", ")}` : "an earlier test excludes it",
    );
    return unknown;
  }
  return nameTest(c, bit, reference);
}

/** Notes a call that the policy names itself, not through a group. */
function nameLiterally(c: Compilation, name: string, node: SourceRange): void {
  if (uringCalls.includes(name) || isCreatingCall(name)) c.findings.literalNames.add(name);
  c.findings.namedCalls.push({ name, at: c.file.location(node) });
  if (alwaysAllowed.includes(name)) {
    c.warn(
      "P0506",
      node,
      `${name} is always allowed: no policy sees it`,
      "leave it out; a process must be able to exit and to return from signal handlers",
    );
  } else if ((c.names.present & c.names.bit(name)!) === 0n) {
    c.warn("P0505", node, `${c.names.architecture} has no ${name}: this is never true`, insteadOf(c, name));
  }
}

/** The calls of this architecture that replace one that it lacks. */
function insteadOf(c: Compilation, name: string): string | undefined {
  const family = callFamilies.find(({ members }) => members.includes(name));
  const present = family?.members.filter((one) => (c.names.bit(one)! & c.names.present) !== 0n) ?? [];
  return family === undefined || present.length === 0
    ? undefined
    : `calls.${family.name}.has(call) tests for all that ${family.does.split(":")[0]}, here ${present.join(", ")}`;
}

function compareBooleans(left: BooleanValue, right: BooleanValue): Value {
  const variable = left.variable || right.variable ? { variable: true as const } : {};
  const l = left.expression;
  const r = right.expression;
  if (r.kind === "boolean") return r.value ? left : negation(left);
  if (l.kind === "boolean") return l.value ? right : negation(right);
  return { ...boolean(ir.any([ir.all([l, r]), ir.all([ir.not(l), ir.not(r)])])), ...variable };
}

function quote(text: string): string {
  return JSON.stringify(text);
}
