/** Joins values of several paths: a value that differs becomes a local that each path sets at its end. */

import type { IntegerExpression, Statement } from "../../../ir/program.ts";
import type { ProgramBuilder } from "../../program/builder.ts";
import * as ir from "../../program/ir.ts";
import type { Place, Reporter } from "../../source/reporter.ts";
import { integerKey } from "../values/facts.ts";
import { intersect, isSigned, join, type Range } from "../values/ranges.ts";
import {
  boolean,
  constantBoolean,
  constantInteger,
  constantString,
  type IntegerValue,
  integer,
  type StringValue,
  unknown,
  type Value,
  verdict,
} from "../values/values.ts";
import type { Bounds } from "./bounds.ts";
import type { Flow, PathEnd } from "./flow.ts";

/** More than in any hand-written policy. Each option adds a selection. */
const mostOptions = 64;

/** The parts of a compilation that merging uses. */
export interface Merging {
  readonly builder: ProgramBuilder;
  readonly bounds: Bounds;
  readonly reporter: Reporter;
  statementsOf(end: PathEnd): Statement[];
}

/** One value for the values of several paths: the common one, or a local that each path sets. */
export function mergeValues(c: Merging, ends: readonly PathEnd[], values: readonly Value[], place: Place): Value {
  const first = values[0]!;
  if (values.every((value) => value === first || sameConstant(value, first))) return first;
  if (values.some((value) => value.is === "unknown")) return unknown;
  const set = (make: (value: Value) => Statement) => {
    for (const [index, end] of ends.entries()) {
      const statement = make(values[index]!);
      c.bounds.count(statement, place.node);
      const out = c.statementsOf(end);
      const leaves = out.at(-1)?.kind === "leave";
      out.splice(leaves ? out.length - 1 : out.length, 0, statement);
    }
  };
  if (values.every((value) => value.is === "integer")) {
    const range = values
      .map((value, index) => rangeIn(ends[index]!.flow, value))
      .reduce((known, other) => join(known, other));
    if (isSigned(range) || range.from >= 0n) {
      const local = c.builder.local("integer");
      set((value) => ({ kind: "set-integer", local, value: (value as IntegerValue).expression }));
      const variable = values.some((value) => value.variable);
      return { ...integer({ kind: "local", local }, range), ...(variable ? { variable } : {}) };
    }
    c.reporter.report(
      "P0203",
      `on one path this is negative, on another above 2^63 − 1: no 64-bit type holds both`,
      place,
      "BigInt.asUintN(64, …) or BigInt.asIntN(64, …) if a bit pattern is intended",
    );
    return unknown;
  }
  if (values.every((value) => value.is === "boolean")) {
    const local = c.builder.local("boolean");
    set((value) => ({ kind: "set-boolean", local, value: value.is === "boolean" ? value.expression : ir.never }));
    return boolean({ kind: "boolean-local", local });
  }
  if (values.every((value) => value.is === "verdict")) {
    const local = c.builder.local("verdict");
    set((value) => ({
      kind: "set-verdict",
      local,
      value: value.is === "verdict" ? value.expression : { kind: "verdict", verdict: 0 },
    }));
    return verdict({ kind: "verdict-local", local });
  }
  if (values.every((value) => value.is === "string")) {
    const options = [...new Set(values.flatMap((value) => (value as StringValue).options))];
    if (options.length <= mostOptions) {
      const local = c.builder.local("integer");
      set((value) => ({ kind: "set-integer", local, value: optionIndex(value as StringValue, options) }));
      return {
        is: "string",
        options,
        codes: options.map((_, index) => BigInt(index)),
        subject: { kind: "local", local },
      };
    }
  }
  c.reporter.report(
    "P0310",
    "this depends on the path, so it is not known at compile time",
    place,
    "only integers, booleans, strings and verdicts may depend on the path",
  );
  return unknown;
}

/** The range of either integer, each narrowed by its path's facts; undefined if no 64-bit type holds both. */
export function joinIntegers(a: IntegerValue, flowOfA: Flow, b: IntegerValue, flowOfB: Flow): Range | undefined {
  const range = join(rangeIn(flowOfA, a), rangeIn(flowOfB, b));
  return isSigned(range) || range.from >= 0n ? range : undefined;
}

function rangeIn(flow: Flow, value: Value): Range {
  const integer = value as IntegerValue;
  const { expression, range } = integer;
  if (expression.kind === "constant") return range;
  const known = flow.facts.ranges.get(integerKey(integer));
  return known === undefined ? range : (intersect(known, range) ?? range);
}

function sameConstant(a: Value, b: Value): boolean {
  const integerOfA = constantInteger(a);
  if (integerOfA !== undefined) return integerOfA === constantInteger(b);
  const booleanOfA = constantBoolean(a);
  if (booleanOfA !== undefined) return booleanOfA === constantBoolean(b);
  const textOfA = constantString(a);
  return textOfA !== undefined && textOfA === constantString(b);
}

/** The index of a string's value in the options. */
function optionIndex(value: StringValue, options: readonly string[]): IntegerExpression {
  const index = (option: string) => ir.constant(BigInt(options.indexOf(option)));
  let chain = index(value.options.at(-1)!);
  for (let at = value.options.length - 2; at >= 0; at--) {
    const code = value.codes[at];
    if (code === undefined) continue;
    chain = ir.select(ir.compare("equal", value.subject, ir.constant(code)), index(value.options[at]!), chain);
  }
  return chain;
}
