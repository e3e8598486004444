/** Phases: named states in order, which only move forward. */

import { namesInstead } from "../../../diagnostics/suggest.ts";
import type { OnFork } from "../../../ir/program.ts";
import * as ir from "../../program/ir.ts";
import { cellKey } from "../values/facts.ts";
import {
  type BuiltinCall,
  boolean,
  builtin,
  constantBoolean,
  constantString,
  describe,
  nothing,
  object,
  unknown,
  type Value,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { methodArguments } from "./cells.ts";
import { type Declaration, makeCell } from "./declaration.ts";
import { Options } from "./options.ts";

export function phases(declaration: Declaration): Value {
  const { c, given, call, scope } = declaration;
  const [list, settings, ...rest] = given;
  if (list === undefined || rest.length > 0) {
    return c.error("P0212", call.node, "phases take a list of names", 'phases(["starting", "serving"])');
  }
  const names = namesOf(c, list.value, list.node);
  const options = new Options(c, settings?.value, settings?.node ?? call.node, "the settings of phases", [
    "onFork",
    "tightening",
  ]);
  if (names === undefined || options.failed) return unknown;
  const onFork = phaseOnFork(declaration, options, names);
  const tightening = options.get("tightening");
  if (tightening !== undefined && constantBoolean(tightening) !== true) {
    options.refuse("tightening", "P0207", "`tightening` can only be true", "or leave it out");
  }
  if (options.failed) return unknown;
  const cell = makeCell(declaration, "", { is: "phases", names }, 0n, onFork);
  if (tightening !== undefined && c.flow.live === "live") {
    c.findings.promises.push({ cell, at: c.file.location(options.placeOf("tightening")), scope });
  }
  return phasesObject(c, cell, names);
}

function namesOf(c: Compilation, value: Value, node: Declaration["node"]): readonly string[] | undefined {
  if (value.is !== "list") {
    c.error("P0207", node, `phases are a list of names, not ${describe(value)}`, '["starting", "serving"]');
    return undefined;
  }
  const names: string[] = [];
  for (const element of value.elements) {
    const name = constantString(element);
    if (name === undefined) {
      c.error("P0207", node, `a phase is a name, not ${describe(element)}`);
      return undefined;
    }
    if (names.includes(name)) {
      c.error("P0409", node, `the phase ${JSON.stringify(name)} is listed twice`, "give each phase its own name");
      return undefined;
    }
    names.push(name);
  }
  if (names.length < 2 || names.length > mostPhases) {
    c.error("P0409", node, `${names.length} phases, where 2 … ${mostPhases} are allowed`, "a flag also has two states");
    return undefined;
  }
  return names;
}

const mostPhases = 256;

function phaseOnFork({ c, scope }: Declaration, options: Options, names: readonly string[]): OnFork {
  const value = options.get("onFork");
  if (value === undefined) return "copy";
  if (scope === "tree") {
    options.refuse("onFork", "P0213", "the tree has one shared state: there is no inheritance", "leave out onFork");
    return "fresh";
  }
  const text = constantString(value);
  if (text === "copy" || text === "fresh") return text;
  if (value.is !== "object" || value.type !== "") {
    options.refuse(
      "onFork",
      "P0213",
      "a child gets a copy, starts fresh, or starts in the phase that is given for its parent's",
      '"copy", "fresh" or { listening: "worker" }',
    );
    return "copy";
  }
  const map = names.map((_, index) => index);
  for (const [from, member] of value.members) {
    const to = constantString(typeof member === "function" ? member() : member);
    const at = names.indexOf(from);
    const target = to === undefined ? -1 : names.indexOf(to);
    if (at >= 0 && target >= 0) map[at] = target;
    else unknownPhase(c, names, at < 0 ? from : (to ?? ""), options.placeOf(from), options);
  }
  return { map };
}

function unknownPhase(
  c: Compilation,
  names: readonly string[],
  name: string,
  node: Declaration["node"],
  options?: Options,
): Value {
  if (options !== undefined) options.failed = true;
  return c.error("P0409", node, `there is no phase ${JSON.stringify(name)}`, namesInstead(name, names));
}

function phasesObject(c: Compilation, cell: number, names: readonly string[]): Value {
  const subject = { kind: "cell", cell } as const;
  return object(
    "Phases",
    new Map([
      builtin("get", (call) =>
        methodArguments(c, call, "get", 0) === undefined
          ? unknown
          : { is: "string", options: names, codes: names.map((_, index) => BigInt(index)), subject, of: "phase" },
      ),
      builtin("is", (call) => {
        const given = methodArguments(c, call, "is", 1, Number.POSITIVE_INFINITY);
        if (given === undefined) return unknown;
        const codes: bigint[] = [];
        for (const { value, node } of given) {
          const name = constantString(value);
          if (name === undefined)
            return c.error("P0207", node, `\`.is\` takes names of phases, not ${describe(value)}`);
          const index = names.indexOf(name);
          if (index < 0) return unknownPhase(c, names, name, node);
          codes.push(BigInt(index));
        }
        return boolean(ir.oneOf(subject, codes));
      }),
      builtin("enter", (call) => {
        const given = methodArguments(c, call, "enter", 1)?.[0];
        if (given === undefined) return unknown;
        const name = constantString(given.value);
        if (name === undefined) {
          return c.error("P0207", given.node, `\`.enter\` takes the name of a phase, not ${describe(given.value)}`);
        }
        const index = names.indexOf(name);
        if (index < 0) return unknownPhase(c, names, name, given.node);
        if (index === 0) {
          return c.error(
            "P0401",
            given.node,
            `${JSON.stringify(name)} is the first phase and cannot be entered: phases only move forward`,
            `leave it out, or enter a later one: \`.enter(${JSON.stringify(names[1])})\`; a flag can go back: perProcess.flag()`,
          );
        }
        enter(c, cell, index, call);
        return nothing;
      }),
    ]),
  );
}

/** Moves forward to a phase; writes nothing if the cell is in that phase or a later one. */
function enter(c: Compilation, cell: number, index: number, call: BuiltinCall): void {
  const target = ir.constant(BigInt(index));
  const moving = c.branch(c.flow.facts, () => c.store(cell, target, call.node));
  c.emit(
    {
      kind: "if",
      condition: ir.compare("less-unsigned", { kind: "cell", cell }, target),
      then: moving.out,
      otherwise: [],
    },
    call.node,
  );
  c.changed(cellKey(cell));
}
