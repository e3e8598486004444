/** The exports of "portcullis" and the global names of a policy. */

import { durationForm, parseDuration } from "../../../abi/durations.ts";
import type { Report } from "../../../ir/program.ts";
import * as ir from "../../program/ir.ts";
import { contains, counterRange, exactly, widthRange } from "../values/ranges.ts";
import {
  type BuiltinCall,
  builtin,
  constantInteger,
  constantString,
  describe,
  type IntegerValue,
  integer,
  integerConstant,
  nothing,
  object,
  unknown,
  type Value,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { methodArguments } from "./cells.ts";
import { cidr } from "./observed/addresses.ts";
import { parameterObject } from "./parameters.ts";
import { ociFunction, policyFunction } from "./policy.ts";
import { treeObject } from "./processes.ts";
import { callsFunction } from "./sets.ts";
import { memoryScopeObject, scopeObject } from "./state.ts";
import { inStep } from "./step.ts";
import { strictestFunction, verdictExports } from "./verdicts.ts";

/** The exports by name. */
export function makeLibrary(c: Compilation): ReadonlyMap<string, Value> {
  return new Map<string, Value>([
    ...verdictExports(c),
    ["strictest", strictestFunction(c)],
    ["calls", callsFunction(c)],
    ["perThread", scopeObject(c, "thread", "perThread")],
    ["perProcess", scopeObject(c, "process", "perProcess")],
    ["perMemory", memoryScopeObject(c)],
    ["perTree", scopeObject(c, "tree", "perTree")],
    ["tree", treeObject(c)],
    builtin("now", (call) =>
      methodArguments(c, call, "now", 0) === undefined ? unknown : integer(ir.input("now"), counterRange),
    ),
    builtin("duration", (call) => duration(c, call)),
    builtin("report", (call) => report(c, call)),
    builtin("cidr", (call) => cidr(c, call)),
    ["parameter", parameterObject(c)],
    ["policy", policyFunction(c)],
    ["oci", ociFunction(c)],
  ]);
}

/** Names that need no import (lib.d.ts). */
export function makeGlobals(c: Compilation): ReadonlyMap<string, Value> {
  const method = (name: string, signed: boolean) => builtin(name, (call) => wrap(c, call, name, signed));
  return new Map<string, Value>([
    ["BigInt", object("BigInt", new Map([method("asUintN", false), method("asIntN", true)]))],
  ]);
}

function wrap(c: Compilation, call: BuiltinCall, name: string, signed: boolean): Value {
  const [bitsNode, valueNode, ...rest] = call.nodes;
  if (bitsNode === undefined || valueNode === undefined || rest.length > 0) {
    return c.error("P0212", call.node, `BigInt.${name} takes a number of bits and an integer`, `BigInt.${name}(64, x)`);
  }
  // The only place that takes a JavaScript number; it is not a value of the policy.
  const bits = bitsNode.type === "Literal" && typeof bitsNode.value === "number" ? bitsNode.value : undefined;
  if (bits === undefined || ![8, 16, 32, 64].includes(bits)) {
    return c.error("P0213", bitsNode, "the number of bits is the literal 8, 16, 32 or 64", `BigInt.${name}(64, x)`);
  }
  const value = c.walker.evaluateWrapping(valueNode);
  if (value.is === "unknown") return unknown;
  if (value.is !== "integer") {
    return c.error("P0207", valueNode, `BigInt.${name} takes an integer, not ${describe(value)}`);
  }
  return reinterpret(c, bits, signed, value);
}

/** `BigInt.asUintN` and `asIntN`. The operand may wrap, so sums of two 64-bit values are permitted inside. */
function reinterpret(c: Compilation, bits: number, signed: boolean, value: IntegerValue): Value {
  const target = widthRange(bits, signed);
  const known = c.rangeOf(value);
  const variable = value.variable ? { variable: true as const } : {};
  const constant = constantInteger(value);
  if (constant !== undefined) {
    const wrapped = signed ? BigInt.asIntN(bits, constant) : BigInt.asUintN(bits, constant);
    return { ...integer(ir.constant(wrapped), exactly(wrapped)), ...variable };
  }
  if (contains(target, known)) return value;
  return { ...integer(ir.extend(bits, signed, value.expression), target), ...variable };
}

function duration(c: Compilation, call: BuiltinCall): Value {
  const given = call.values();
  if (given === undefined) return unknown;
  const [one, ...rest] = given;
  const written = one === undefined ? undefined : constantString(one.value);
  if (written === undefined || rest.length > 0) {
    return c.error("P0207", one?.node ?? call.node, "`duration` takes a constant string", durationForm);
  }
  const nanoseconds = parseDuration(written);
  if (nanoseconds === undefined) {
    return c.error("P0214", one!.node, `${JSON.stringify(written)} is not a duration`, durationForm);
  }
  return integerConstant(nanoseconds);
}

const mostValues = 16;

function report(c: Compilation, call: BuiltinCall): Value {
  if (!inStep(c, call.node, "a report")) return unknown;
  const given = call.values();
  if (given === undefined) return unknown;
  const [textValue, values, ...rest] = given;
  const written = textValue === undefined ? undefined : constantString(textValue.value);
  if (written === undefined || rest.length > 0) {
    return c.error(
      "P0207",
      textValue?.node ?? call.node,
      "a report has a constant string and optional values",
      'report("a fork", { pid: call.caller.pid })',
    );
  }
  const shown: Report["values"][number][] = [];
  const expressions = [];
  if (values !== undefined) {
    if (values.value.is !== "object" || values.value.type !== "") {
      return c.error("P0207", values.node, `the values of a report are an object, not ${describe(values.value)}`);
    }
    if (values.value.members.size > mostValues) {
      return c.error("P0213", values.node, `a report of ${values.value.members.size} values`, `at most ${mostValues}`);
    }
    for (const [name, member] of values.value.members) {
      const value = typeof member === "function" ? member() : member;
      if (value.is === "integer") {
        shown.push({ name, print: c.rangeOf(value).from < 0n ? "signed" : "unsigned" });
        expressions.push(value.expression);
      } else if (value.is === "boolean") {
        shown.push({ name, print: "boolean" });
        expressions.push(ir.fromBoolean(value.expression));
      } else if (value.is !== "unknown") {
        return c.error(
          "P0207",
          values.node,
          `\`${name}\` of a report is an integer or a boolean, not ${describe(value)}`,
        );
      }
    }
  }
  if (c.flow.live !== "live") return nothing;
  const index = c.builder.report(written, shown, c.file.location(call.node));
  c.emit({ kind: "report", report: index, values: expressions }, call.node);
  return nothing;
}
