/** Tables and sets: 64-bit keys, a fixed capacity, a declared verdict when full. */

import * as ir from "../../program/ir.ts";
import { unsigned64 } from "../values/ranges.ts";
import { type BuiltinCall, boolean, builtin, integer, nothing, object, unknown, type Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { methodArguments, wordOf } from "./cells.ts";

function has(c: Compilation, table: number): [string, Value] {
  return builtin("has", (call) => {
    const key = keyOf(c, call, "has", 1);
    return key === undefined ? unknown : boolean({ kind: "table-has", table, key: key.expression });
  });
}

function remove(c: Compilation, table: number): [string, Value] {
  return builtin("delete", (call) => {
    const key = keyOf(c, call, "delete", 1);
    if (key === undefined) return unknown;
    c.changeTable({ kind: "table-delete", table, key: key.expression }, call.node);
    return nothing;
  });
}

function keyOf(c: Compilation, call: BuiltinCall, method: string, count: number) {
  const given = methodArguments(c, call, method, count);
  return given === undefined ? undefined : wordOf(c, given[0]!, "a key");
}

export function keySet(c: Compilation, table: number): Value {
  return object(
    "KeySet",
    new Map<string, Value>([
      has(c, table),
      builtin("add", (call) => {
        const key = keyOf(c, call, "add", 1);
        if (key === undefined) return unknown;
        c.changeTable({ kind: "table-set", table, key: key.expression, value: ir.constant(1n) }, call.node);
        return nothing;
      }),
      remove(c, table),
    ]),
  );
}

export function table(c: Compilation, index: number): Value {
  return object(
    "Table",
    new Map<string, Value>([
      has(c, index),
      builtin("get", (call) => {
        const given = methodArguments(c, call, "get", 2);
        if (given === undefined) return unknown;
        const key = wordOf(c, given[0]!, "a key");
        const otherwise = wordOf(c, given[1]!, "the value for an absent key");
        if (key === undefined || otherwise === undefined) return unknown;
        return integer(
          { kind: "table-get", table: index, key: key.expression, otherwise: otherwise.expression },
          unsigned64,
        );
      }),
      builtin("set", (call) => {
        const given = methodArguments(c, call, "set", 2);
        if (given === undefined) return unknown;
        const key = wordOf(c, given[0]!, "a key");
        const value = wordOf(c, given[1]!, "a value of a table");
        if (key === undefined || value === undefined) return unknown;
        c.changeTable({ kind: "table-set", table: index, key: key.expression, value: value.expression }, call.node);
        return nothing;
      }),
      remove(c, index),
    ]),
  );
}
