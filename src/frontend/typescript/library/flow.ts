/**
 * Call-flow integrity: a table of permitted successors. Lowered to one cell with the previous call (0: none yet) and a
 * switch over the current call.
 */

import { explainUnknownCall } from "../../../abi/unknown-call.ts";
import type { Interval, Statement } from "../../../ir/program.ts";
import * as ir from "../../program/ir.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { cellKey } from "../values/facts.ts";
import {
  type BuiltinCall,
  boolean,
  builtin,
  constantString,
  describe,
  object,
  unknown,
  type Value,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { methodArguments } from "./cells.ts";
import { type Declaration, makeCell, onForkOf } from "./declaration.ts";
import { Options } from "./options.ts";

interface Graph {
  /** Calls with an entry, in order; a call's code is its index + 1. */
  readonly nodes: readonly string[];
  /** For each permitted successor, the codes of its permitted predecessors. */
  readonly before: ReadonlyMap<string, readonly bigint[]>;
  readonly anytime: readonly string[];
}

export function flow(declaration: Declaration): Value {
  const { c, given, call } = declaration;
  const [graphValue, settings, ...rest] = given;
  if (graphValue === undefined || rest.length > 0) {
    return c.error(
      "P0212",
      call.node,
      "a flow takes its graph",
      "portcullis flow writes one from traces: perThread.flow(trueFlow)",
    );
  }
  const options = new Options(c, settings?.value, settings?.node ?? call.node, "the settings of a flow", ["onFork"]);
  const onFork = onForkOf(declaration, options);
  const graph = readGraph(c, graphValue.value, graphValue.node);
  if (graph === undefined || options.failed) return unknown;
  const cell = makeCell(declaration, "", { is: "value" }, 0n, onFork);
  return object("Flow", new Map([builtin("follow", (following) => follow(following))]));

  function follow(following: BuiltinCall): Value {
    const one = methodArguments(c, following, "follow", 1)?.[0];
    if (one === undefined) return unknown;
    if (one.value.is !== "call") {
      return c.error("P0207", one.node, `\`.follow\` takes the call, not ${describe(one.value)}`);
    }
    return lowerFollow(c, graph!, cell, following.node);
  }
}

function lowerFollow(c: Compilation, graph: Graph, cell: number, node: SourceRange): Value {
  const permitted = c.builder.local("boolean");
  const yes: Statement = { kind: "set-boolean", local: permitted, value: ir.always };
  const arms: { intervals: readonly Interval[]; body: readonly Statement[] }[] = [];
  const intervals = (names: readonly string[]) => c.names.intervals(c.names.maskOf(names) & c.eventNames);
  c.emit({ kind: "set-boolean", local: permitted, value: ir.never }, node);
  for (const [name, before] of graph.before) {
    const own = intervals([name]);
    if (own.length === 0 || graph.anytime.includes(name)) continue;
    const code = BigInt(graph.nodes.indexOf(name) + 1);
    const test: Statement = {
      kind: "if",
      condition: ir.oneOf({ kind: "cell", cell }, before),
      then: [{ kind: "store", cell, value: ir.constant(code) }, yes],
      otherwise: [],
      at: c.file.location(node),
    };
    c.bounds.count(test, node);
    arms.push({ intervals: own, body: [test] });
  }
  const anytime = intervals(graph.anytime);
  if (anytime.length > 0) arms.push({ intervals: c.names.normalised(anytime), body: [yes] });
  if (arms.length > 0) c.emit({ kind: "switch", value: ir.input("number"), arms, otherwise: [] }, node);
  c.changed(cellKey(cell));
  return boolean({ kind: "boolean-local", local: permitted });
}

function readGraph(c: Compilation, value: Value, node: SourceRange): Graph | undefined {
  if (value.is !== "object" || value.type !== "") {
    c.error("P0410", node, `a flow is an object with a list of successors for each call, not ${describe(value)}`);
    return undefined;
  }
  const successors = new Map<string, readonly string[]>();
  let failed = false;
  for (const [name, member] of value.members) {
    const list = typeof member === "function" ? member() : member;
    if (name !== "start" && name !== "anytime" && c.names.bit(name) === undefined) {
      const { message, help } = explainUnknownCall(name);
      c.error("P0410", node, `in the flow, ${message}`, help);
      failed = true;
      continue;
    }
    const names = namesOf(c, list, name, node);
    if (names === undefined) failed = true;
    else successors.set(name, names);
  }
  const start = successors.get("start");
  if (start === undefined && !failed) {
    c.error("P0410", node, "the flow has no `start`, the list of permitted first calls", 'start: ["brk"]');
    failed = true;
  }
  const anytime = successors.get("anytime") ?? [];
  successors.delete("start");
  successors.delete("anytime");
  const nodes = [...successors.keys()];
  const before = new Map<string, bigint[]>();
  const enter = (from: string, name: string, code: bigint) => {
    if (!successors.has(name)) {
      c.error(
        "P0410",
        node,
        `${JSON.stringify(name)} may follow ${JSON.stringify(from)}, but has no entry with its successors`,
        `${name}: []`,
      );
      failed = true;
      return;
    }
    before.set(name, [...(before.get(name) ?? []), code]);
  };
  for (const name of start ?? []) enter("start", name, 0n);
  for (const [index, from] of nodes.entries()) {
    for (const name of successors.get(from) ?? []) enter(from, name, BigInt(index + 1));
  }
  return failed ? undefined : { nodes, before, anytime };
}

function namesOf(c: Compilation, list: Value, of: string, node: SourceRange): readonly string[] | undefined {
  if (list.is !== "list") {
    c.error("P0410", node, `the flow's \`${of}\` is a list of calls, not ${describe(list)}`);
    return undefined;
  }
  const names: string[] = [];
  for (const element of list.elements) {
    const name = constantString(element);
    if (name === undefined || c.names.bit(name) === undefined) {
      const { message, help } =
        name === undefined
          ? { message: `a flow contains names of calls, not ${describe(element)}`, help: undefined }
          : explainUnknownCall(name);
      c.error("P0410", node, `in the flow, after ${JSON.stringify(of)}: ${message}`, help);
      return undefined;
    }
    if (!names.includes(name)) names.push(name);
  }
  return names;
}
