/** Flags, counters and values: one word of state each. */

import { maximumSigned } from "../../../abi/word.ts";
import { smaller } from "../../../ir/arithmetic.ts";
import * as ir from "../../program/ir.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { counterRange, printRange, type Range, unsigned64 } from "../values/ranges.ts";
import {
  type BuiltinCall,
  boolean,
  builtin,
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
import { inStep } from "./step.ts";

/** The arguments of a method of state, which exists only inside the step: from `least` to `most` of them. */
export function methodArguments(
  c: Compilation,
  call: BuiltinCall,
  method: string,
  least: number,
  most = least,
): readonly { readonly value: Value; readonly node: SourceRange }[] | undefined {
  if (!inStep(c, call.node, "state")) return undefined;
  const given = call.values();
  if (given === undefined) return undefined;
  if (given.length < least || given.length > most) {
    const range = most === Number.POSITIVE_INFINITY ? `at least ${least}` : `${least} to ${most}`;
    const wanted = least === most ? `${least || "no"}` : range;
    const isOne = least === 1 && (most === 1 || most === Number.POSITIVE_INFINITY);
    c.error("P0212", call.node, `\`.${method}\` takes ${wanted} argument${isOne ? "" : "s"}, and gets ${given.length}`);
    return undefined;
  }
  return given;
}

/** A key or a value: an integer 0 … 2^64 − 1. */
export function wordOf(
  c: Compilation,
  given: { readonly value: Value; readonly node: SourceRange },
  what: string,
): IntegerValue | undefined {
  const { value, node } = given;
  if (value.is !== "integer") {
    c.error("P0207", node, `${what} is an integer, not ${describe(value)}`);
    return undefined;
  }
  const range = c.rangeOf(value);
  if (range.from < 0n || range.to > unsigned64.to) {
    c.valueError(
      "P0213",
      node,
      `${what} is 0 … 2^64 − 1, and this can be ${printRange(range)}`,
      "BigInt.asUintN(64, …) gives its 64 bits",
    );
    return undefined;
  }
  return value;
}

export function flag(c: Compilation, cell: number): Value {
  const read = ir.compare("not-equal", { kind: "cell", cell }, ir.constant(0n));
  return object(
    "Flag",
    new Map([
      builtin("get", (call) => (methodArguments(c, call, "get", 0) === undefined ? unknown : boolean(read))),
      builtin("set", (call) => {
        const given = methodArguments(c, call, "set", 1)?.[0];
        if (given === undefined) return unknown;
        if (given.value.is !== "boolean") {
          return c.error("P0207", given.node, `a flag is true or false, not ${describe(given.value)}`);
        }
        c.store(cell, ir.fromBoolean(given.value.expression), call.node);
        return nothing;
      }),
    ]),
  );
}

export function cellValue(c: Compilation, cell: number): Value {
  return object(
    "Value",
    new Map([
      builtin("get", (call) =>
        methodArguments(c, call, "get", 0) === undefined ? unknown : integer({ kind: "cell", cell }, unsigned64),
      ),
      builtin("set", (call) => {
        const given = methodArguments(c, call, "set", 1)?.[0];
        const word = given === undefined ? undefined : wordOf(c, given, "the content of a value");
        if (word === undefined) return unknown;
        c.store(cell, word.expression, call.node);
        return nothing;
      }),
    ]),
  );
}

/** Counts 0 … 2^63 − 1 and saturates at both ends. */
export function counter(c: Compilation, cell: number): Value {
  const change = (name: "add" | "subtract") =>
    builtin(name, (call) => {
      const given = methodArguments(c, call, name, 0, 1);
      if (given === undefined) return unknown;
      const amount = given[0] === undefined ? integerConstant(1n) : given[0].value;
      if (amount.is !== "integer") {
        return c.error("P0207", given[0]!.node, `a counter counts by an integer, not ${describe(amount)}`);
      }
      const range = c.rangeOf(amount);
      if (range.from < 0n) {
        return c.valueError(
          "P0213",
          given[0]!.node,
          `this amount can be negative (${printRange(range)})`,
          name === "add" ? "use `.subtract(…)`" : "use `.add(…)`",
        );
      }
      return name === "add" ? add(c, cell, amount, range, call.node) : subtract(c, cell, amount, range, call.node);
    });
  return object(
    "Counter",
    new Map([
      builtin("get", (call) =>
        methodArguments(c, call, "get", 0) === undefined ? unknown : integer({ kind: "cell", cell }, counterRange),
      ),
      change("add"),
      change("subtract"),
    ]),
  );
}

function add(c: Compilation, cell: number, amount: IntegerValue, range: Range, node: SourceRange): Value {
  const before = { kind: "cell", cell } as const;
  const end = ir.constant(maximumSigned);
  const after = ir.select(
    ir.compare("less-unsigned", ir.binary("subtract", end, before), amount.expression),
    end,
    ir.binary("add", before, amount.expression),
  );
  const known = smaller(range.from, maximumSigned);
  return storeAndGive(c, cell, after, { from: known, to: maximumSigned }, node);
}

function subtract(c: Compilation, cell: number, amount: IntegerValue, range: Range, node: SourceRange): Value {
  const before = { kind: "cell", cell } as const;
  const after = ir.select(
    ir.compare("less-unsigned", before, amount.expression),
    ir.constant(0n),
    ir.binary("subtract", before, amount.expression),
  );
  const most = range.from > maximumSigned ? 0n : maximumSigned - range.from;
  return storeAndGive(c, cell, after, { from: 0n, to: most }, node);
}

/** Stores the new count and returns it as a local, which later changes of the cell do not affect. */
function storeAndGive(
  c: Compilation,
  cell: number,
  after: ReturnType<typeof ir.select>,
  range: Range,
  node: SourceRange,
): Value {
  const local = c.builder.local("integer");
  c.emit({ kind: "set-integer", local, value: after }, node);
  c.store(cell, { kind: "local", local }, node);
  return integer({ kind: "local", local }, range);
}
