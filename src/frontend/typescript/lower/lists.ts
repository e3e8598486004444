/** Methods of constant lists: `.includes`, `.some`, `.every`, `.map`. */

import { larger, smaller } from "../../../ir/arithmetic.ts";
import * as ir from "../../program/ir.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { rangeFactOf } from "../values/facts.ts";
import * as ranges from "../values/ranges.ts";
import {
  type BuiltinCall,
  boolean,
  constantInteger,
  constantString,
  describe,
  type FunctionValue,
  type ListValue,
  unknown,
  type Value,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { comparison } from "./comparisons.ts";
import { asCondition, chain } from "./conditions.ts";

export function listMember(c: Compilation, list: ListValue, name: string): Value | undefined {
  switch (name) {
    case "includes":
      return { is: "builtin", name, apply: (call) => includes(c, list, call) };
    case "some":
    case "every":
      return { is: "builtin", name, apply: (call) => quantify(c, list, name, call) };
    case "map":
      return { is: "builtin", name, apply: (call) => map(c, list, call) };
    default:
      return undefined;
  }
}

function includes(c: Compilation, list: ListValue, call: BuiltinCall): Value {
  const [given, ...rest] = call.values() ?? [];
  if (given === undefined) return unknown;
  if (rest.length > 0) return c.error("P0212", rest[0]!.node, "`.includes` takes one value");
  const { node } = given;
  // A list does not narrow the kind of an address, because tsc does not narrow it.
  const value = given.value.is === "string" ? { ...given.value, narrows: [] } : given.value;
  const integers = list.elements.map(constantInteger);
  // Other settings of a parameter may decide otherwise.
  const ofParameter = list.elements.some((one) => one.is === "integer" && one.variable);
  if (value.is === "integer" && integers.every((one) => one !== undefined)) {
    const range = c.rangeOf(value);
    const possible = (integers as bigint[]).filter((one) => range.from <= one && one <= range.to);
    const constant = constantInteger(value);
    const variable = value.variable || ofParameter ? { variable: true as const } : {};
    if (constant !== undefined) {
      return { ...boolean(possible.includes(constant) ? ir.always : ir.never), ...variable };
    }
    if (possible.length === 0 && list.elements.length > 0 && !variable.variable) {
      c.noteComparison(call.node, "never", () => ({
        message: `${value.described === undefined ? "this is" : `${value.described},`} ${ranges.printRange(range)}, and no element of the list is`,
      }));
    }
    // The possible elements fit the value's 64-bit type, so a comparison of patterns is exact.
    const test = ir.oneOf(value.expression, possible);
    if (possible.length === 0) return { ...boolean(test), ...variable };
    const all: ranges.Range = { from: possible.reduce(smaller), to: possible.reduce(larger) };
    return { ...boolean(test, rangeFactOf(value, all)), ...variable };
  }
  const whole: Value = chain(
    c,
    "||",
    list.elements.map((element) => ({
      node: call.node,
      evaluate: () => equality(c, value, element, call.node, node),
    })),
  );
  return whole;
}

function equality(c: Compilation, value: Value, element: Value, node: SourceRange, valueNode: SourceRange) {
  if (value.is === "string" && element.is === "string" && value.of === undefined) {
    const wanted = constantString(element);
    if (wanted !== undefined && !value.options.includes(wanted)) return boolean(ir.never);
  }
  if (value.is !== element.is && value.is !== "unknown" && element.is !== "unknown") {
    c.error(
      "P0208",
      valueNode,
      `the list contains ${describe(element)}, and \`.includes\` is given ${describe(value)}`,
    );
    return { is: "unknown" as const };
  }
  const equal = comparison(c, "===", value, element, node, [valueNode, valueNode]);
  return equal.is === "boolean" ? equal : { is: "unknown" as const };
}

/** The function that a method applies to each element; undefined after an error. */
function functionOf(
  c: Compilation,
  name: "some" | "every" | "map",
  call: BuiltinCall,
): { readonly value: FunctionValue; readonly node: SourceRange } | undefined {
  const [given] = call.values() ?? [];
  if (given === undefined) return undefined;
  const { value, node } = given;
  if (value.is !== "function") {
    c.error("P0207", node, `\`.${name}\` takes a function, not ${describe(value)}`, "(one) => …");
    return undefined;
  }
  const extra = value.node.params[1];
  if (extra !== undefined && extra.type !== "AssignmentPattern") {
    c.error(
      "P0212",
      extra,
      `\`.${name}\` gives its function one element, and no index: the language has no numbers`,
      "(one) => …, or a `let` that counts in a loop",
    );
    return undefined;
  }
  return { value, node };
}

function map(c: Compilation, list: ListValue, call: BuiltinCall): Value {
  const given = functionOf(c, "map", call);
  if (given === undefined) return unknown;
  const { value, node } = given;
  return {
    is: "list",
    elements: list.elements.map((element) =>
      c.walker.apply(value, [{ value: element, node }], call.node, { contextual: true }),
    ),
  };
}

function quantify(c: Compilation, list: ListValue, name: "some" | "every", call: BuiltinCall): Value {
  const given = functionOf(c, name, call);
  if (given === undefined) return unknown;
  const { value, node } = given;
  const parts = list.elements.map((element) => ({
    node: call.node,
    evaluate: () => {
      const holds = c.walker.apply(value, [{ value: element, node }], call.node, { contextual: true });
      const checked = asCondition(c, holds, node);
      return checked;
    },
  }));
  return chain(c, name === "some" ? "||" : "&&", parts);
}
