/** `tree`: the processes of the tree. */
import * as ir from "../../program/ir.ts";
import { counterRange } from "../values/ranges.ts";
import { type BuiltinCall, builtin, integer, object, unknown, type Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { methodArguments } from "./cells.ts";

export function treeObject(c: Compilation): Value {
  return object("tree", new Map([builtin("alive", (call) => alive(c, call))]));
}

function alive(c: Compilation, call: BuiltinCall): Value {
  if (methodArguments(c, call, "alive", 0) === undefined) return unknown;
  if (c.flow.live === "live") c.findings.readsAlive = true;
  return integer(ir.input("alive"), counterRange);
}
