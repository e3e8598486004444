/** Expressions: dispatches on the kind of the syntax node. */

import type {
  ArrayExpression,
  BinaryExpression,
  Expression as Node,
  ObjectExpression,
  TemplateLiteral,
  UnaryExpression,
} from "oxc-parser";
import { explainNamedOperand } from "../mistakes/operands.ts";
import { fits } from "../values/ranges.ts";
import {
  booleanConstant,
  constantInteger,
  constantString,
  describe,
  integerConstant,
  object,
  text,
  unknown,
  type Value,
  widened,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { assignment, update } from "./assignments.ts";
import { comparison, comparisonOperators, negation, noteWritten } from "./comparisons.ts";
import { asCondition, conditional, logical } from "./conditions.ts";
import { conform } from "./conform.ts";
import { resolveType } from "./declared-types.ts";
import { callExpression, functionValue } from "./functions.ts";
import { arithmetic, arithmeticOperators, invert, negate } from "./integers.ts";
import { member } from "./members.ts";
import { identifier } from "./names.ts";
import { asInteger } from "./operands.ts";
import { inOrder, stable } from "./stable.ts";

export function evaluate(c: Compilation, node: Node): Value {
  c.bounds.enter(node);
  const value = dispatch(c, node);
  c.bounds.leave();
  return value;
}

function dispatch(c: Compilation, node: Node): Value {
  // The most frequent kinds come first, because the cases are tested in order.
  switch (node.type) {
    case "Literal":
      return literal(c, node);
    case "Identifier":
      return identifier(c, node);
    case "MemberExpression":
      return member(c, node);
    case "CallExpression":
      return callExpression(c, node);
    case "BinaryExpression":
      return binary(c, node as BinaryExpression);
    case "LogicalExpression":
      return logical(c, node);
    case "ParenthesizedExpression":
      return evaluate(c, node.expression);
    case "TemplateLiteral":
      return template(c, node);
    case "ArrayExpression":
      return list(c, node);
    case "ObjectExpression":
      return objectLiteral(c, node);
    case "ArrowFunctionExpression":
    case "FunctionExpression":
      return functionValue(c, node, c.declares?.initialiser === node ? c.declares.name : "");
    case "ConditionalExpression":
      return conditional(c, node);
    case "UnaryExpression":
      return unary(c, node);
    case "AssignmentExpression":
      return assignment(c, node);
    case "UpdateExpression":
      return update(c, node);
    case "TSAsExpression":
      return cast(c, node);
    case "TSSatisfiesExpression": {
      const value = evaluate(c, node.expression);
      const type = resolveType(c, { node: node.typeAnnotation, scope: c.scope, file: c.file });
      conform(c, value, type, node.expression, "the expression");
      return value;
    }
    case "TSTypeAssertion":
    case "TSNonNullExpression":
      return c.error(
        "P0307",
        node,
        "the language has no casts: the compiler could not check one",
        node.type === "TSNonNullExpression"
          ? "no value is null here: leave out `!`"
          : "test the value, which narrows it",
      );
    case "ChainExpression":
      return c.error("P0309", node, "the language has no null", "leave out `?`: `a.b`");
    default:
      return notInLanguage(c, node);
  }
}

const missing: Readonly<Record<string, readonly [string, string]>> = {
  AwaitExpression: ["a policy cannot wait", "leave out `await`"],
  Class: ["the language has no classes", "const, function and perProcess state"],
  ClassExpression: ["the language has no classes", "const, function and perProcess state"],
  NewExpression: [
    "the language makes no objects with `new`",
    'calls("openat", "openat2") is a set of calls; perTree.set({ … }) is a set of integers, perTree.table({ … }) a table',
  ],
  ThisExpression: ["the language has no `this`", "name the value"],
  SequenceExpression: ["the language has no comma operator", "write two statements"],
  TaggedTemplateExpression: ["the language has no tagged templates", 'write a plain string, "…"'],
  YieldExpression: ["the language has no generators", "return a value"],
  ImportExpression: ["imports stand at the top of a module", 'import { name } from "./module.ts"'],
  MetaProperty: ["a policy has no import.meta", "a parameter: parameter.path(…)"],
};

function notInLanguage(c: Compilation, node: Node): Value {
  const [message, help] = missing[node.type] ?? ["the language does not have this expression", undefined];
  return c.error("P0309", node, message, help);
}

// ── Literals and names ──────────────────────────────────────────────────────────────────────────────────────────────

function literal(c: Compilation, node: Node & { readonly type: "Literal" }): Value {
  const { value } = node;
  switch (typeof value) {
    case "bigint": {
      if (!fits({ from: value, to: value })) {
        return c.error("P0203", node, "this integer needs more than 64 bits", "the largest is 0xffff_ffff_ffff_ffffn");
      }
      return integerConstant(value);
    }
    case "boolean":
      return booleanConstant(value);
    case "string":
      return { ...text(value), typed: [value] };
    case "number":
      return c.error(
        "P0201",
        node,
        `${node.raw ?? value} is a floating-point number; the integers of a policy are bigint`,
        `write ${integerLike(value, node.raw) ?? "an integer, such as 1n"}`,
      );
  }
  if (value === null && "raw" in node && node.raw === "null") {
    return c.error("P0309", node, "the language has no null", "give a default value");
  }
  return c.error(
    "P0309",
    node,
    "the language has no regular expressions",
    'write a glob for a text: `.matches("/etc/**")`; compare names with `===`',
  );
}

function template(c: Compilation, node: TemplateLiteral): Value {
  const parts = node.expressions.map((one) => evaluate(c, one));
  let whole = node.quasis[0]?.value.cooked ?? "";
  for (const [index, part] of parts.entries()) {
    if (part.is === "unknown") return unknown;
    const constant = constantString(part) ?? constantInteger(part)?.toString();
    if (constant === undefined) {
      return c.error(
        "P0310",
        node.expressions[index]!,
        `a template contains only constants, not ${describe(part)} that is known only at each call`,
        "report(text, { name: value }) records values with the text",
      );
    }
    whole += constant + (node.quasis[index + 1]?.value.cooked ?? "");
    if (whole.length > longestText) return c.error("P0314", node, "this string is too long");
  }
  const items = parts.flatMap((part) => (part.is === "string" && part.item !== undefined ? [part.item] : []));
  return items.length === 1 ? { ...text(whole), item: items[0]! } : text(whole);
}

/** The integer of the language that a number stands for: with its own digits, if these are an integer's. */
function integerLike(value: number, raw: string | null | undefined): string | undefined {
  if (!Number.isSafeInteger(value)) return undefined;
  return /^(?:0x[\da-f_]+|0o[0-7_]+|0b[01_]+|\d[\d_]*)$/i.test(raw ?? "") ? `${raw}n` : `${value}n`;
}

const longestText = 65_536;

// ── Lists and objects ───────────────────────────────────────────────────────────────────────────────────────────────

function list(c: Compilation, node: ArrayExpression): Value {
  const elements: Value[] = [];
  const settings: string[] = [];
  for (const element of node.elements) {
    if (element === null) {
      c.error("P0309", node, "there is no element between two commas", "write the element");
    } else if (element.type === "SpreadElement") {
      const spread = evaluate(c, element.argument);
      if (spread.is === "list") {
        for (const one of spread.elements) elements.push(one);
        settings.push(...(spread.settings ?? []));
      } else if (spread.is !== "unknown") c.error("P0207", element.argument, `${describe(spread)} cannot be spread`);
      else return unknown;
    } else {
      const value = widened(stable(c, evaluate(c, element)));
      if (value.is === "unknown") return unknown;
      elements.push(value);
    }
    if (elements.length > longestList) {
      return c.error("P0314", node, `a list of more than ${longestList} elements`, "a table: perTree.set({ … })");
    }
  }
  return settings.length === 0 ? { is: "list", elements } : { is: "list", elements, settings };
}

const longestList = 65_536;

function objectLiteral(c: Compilation, node: ObjectExpression): Value {
  const members = new Map<string, Value>();
  // A member that is written out replaces one that was spread before it.
  const written = new Set<string>();
  for (const property of node.properties) {
    if (property.type === "SpreadElement") {
      const spread = evaluate(c, property.argument);
      if (spread.is === "object" && spread.type === "") {
        for (const [name, value] of spread.members) members.set(name, typeof value === "function" ? value() : value);
      } else if (spread.is !== "unknown")
        c.error("P0207", property.argument, `${describe(spread)} cannot be spread here`);
      continue;
    }
    const name =
      property.key.type === "Identifier" && !property.computed
        ? property.key.name
        : property.key.type === "Literal" && typeof property.key.value === "string"
          ? property.key.value
          : undefined;
    if (name === undefined || property.kind !== "init" || property.method || name === "__proto__") {
      c.error("P0309", property, "a member of an object is written `name: value`", undefined);
      continue;
    }
    if (written.has(name)) {
      c.error("P0109", property.key, `\`${name}\` is listed twice in this object`, "leave one out");
    }
    written.add(name);
    members.set(name, widened(stable(c, evaluate(c, property.value))));
  }
  return object("", members);
}

// ── Operators ───────────────────────────────────────────────────────────────────────────────────────────────────────

function binary(c: Compilation, node: BinaryExpression): Value {
  const { operator } = node;
  if (arithmeticOperators.has(operator) || comparisonOperators.has(operator)) {
    let first: Value | undefined;
    let isExplained = false;
    const [left, right] = inOrder(c, [node.left as Node, node.right], (one) => {
      if (first === undefined) {
        first = evaluate(c, one);
        return first;
      }
      isExplained = explainNamedOperand(c, first, node);
      return isExplained ? unknown : evaluate(c, one);
    });
    if (isExplained) return unknown;
    if (comparisonOperators.has(operator)) {
      const outcome = comparison(c, operator, left!, right!, node, [node.left, node.right]);
      if (left!.is === "integer") noteWritten(c, outcome, node);
      return outcome;
    }
    const leftInteger = asInteger(c, left!, node.left, operator);
    const rightInteger = asInteger(c, right!, node.right, operator);
    if (leftInteger === undefined || rightInteger === undefined) return unknown;
    return arithmetic(c, operator, leftInteger, rightInteger, node, node.right);
  }
  const help =
    operator === "=="
      ? "write `===`"
      : operator === "!="
        ? "write `!==`"
        : operator === ">>>"
          ? "write `>>`, which keeps the sign"
          : operator === "in"
            ? "use `.includes(…)` on a list, `.has(…)` on a set"
            : undefined;
  return c.error("P0309", node, `the language has no \`${operator}\``, help);
}

/**
 * Evaluates an operand of `BigInt.asUintN(…)` or `asIntN(…)`. Sums, differences, products, left shifts and bit
 * operations may exceed 64 bits there, because their low bits are still right.
 */
export function wrappingInteger(c: Compilation, node: Node): Value {
  if (node.type === "ParenthesizedExpression") return wrappingInteger(c, node.expression);
  if (node.type === "BinaryExpression" && ["+", "-", "*", "<<", "&", "|", "^"].includes(node.operator)) {
    c.bounds.enter(node);
    const { operator } = node;
    const parts = [node.left as Node, node.right];
    // A shift amount does not wrap: it must be 0 … 63.
    const isAmount = (one: Node) => operator === "<<" && one === node.right;
    const values = inOrder(c, parts, (one) => (isAmount(one) ? evaluate(c, one) : wrappingInteger(c, one)));
    const [left, right] = values.map((value, index) => asInteger(c, value, parts[index]!, operator));
    c.bounds.leave();
    if (left === undefined || right === undefined) return unknown;
    return arithmetic(c, operator, left, right, node, node.right, true);
  }
  if (node.type === "UnaryExpression" && (node.operator === "-" || node.operator === "~")) {
    c.bounds.enter(node);
    const value = asInteger(c, wrappingInteger(c, node.argument), node.argument, node.operator);
    c.bounds.leave();
    if (value === undefined) return unknown;
    return node.operator === "-" ? negate(c, value, node, true) : invert(c, value, node, true);
  }
  if (node.type === "MemberExpression") {
    c.bounds.enter(node);
    const value = member(c, node, true);
    c.bounds.leave();
    return value;
  }
  return evaluate(c, node);
}

function unary(c: Compilation, node: UnaryExpression): Value {
  switch (node.operator) {
    case "!": {
      const value = asCondition(c, evaluate(c, node.argument), node.argument);
      return value.is === "boolean" ? negation(value) : unknown;
    }
    case "-": {
      // −2^63 is written as the negation of 2^63, which fits only as a uint64.
      const value = asInteger(c, evaluate(c, node.argument), node.argument, "-");
      return value === undefined ? unknown : negate(c, value, node);
    }
    case "~": {
      const value = asInteger(c, evaluate(c, node.argument), node.argument, "~");
      return value === undefined ? unknown : invert(c, value, node);
    }
    case "+":
      return c.error("P0309", node, "a bigint has no unary `+`", "leave it out");
    default:
      return c.error("P0309", node, `the language has no \`${node.operator}\``);
  }
}

// ── Types ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function cast(c: Compilation, node: Node & { readonly type: "TSAsExpression" }): Value {
  const type = node.typeAnnotation;
  if (type.type === "TSTypeReference" && type.typeName.type === "Identifier" && type.typeName.name === "const") {
    return evaluate(c, node.expression);
  }
  evaluate(c, node.expression);
  return c.error(
    "P0307",
    { start: node.expression.end, end: node.end },
    "the language has no casts: the compiler could not check one",
    "`satisfies` checks a type; a test narrows it; `as const` is allowed",
  );
}
