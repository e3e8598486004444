/** Checks values against declared types: a value that tsc would refuse for the type is refused here too. */

import type { Range as SourceRange } from "../../source/file.ts";
import { printRange, widthRange } from "../values/ranges.ts";
import { boolean, describe, integer, object, unknown, type Value, verdict, widened } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import type { Type } from "./declared-types.ts";

/** The value narrowed to the type; reports a value of another type. */
export function conform(c: Compilation, value: Value, type: Type, node: SourceRange, what: string): Value {
  if (value.is === "unknown" || type.is === "anything") return value;
  if (type.is === "call" && value.is === "call") {
    const names = c.typedNames(value);
    if ((names & ~type.names) === 0n) {
      // The declared type hides facts about the call that the caller has found.
      return names === type.names && value.names === type.names
        ? value
        : { is: "call", names: type.names, reference: ++c.references };
    }
    const others = c.names.list(names & ~type.names, 3).join(", ");
    return c.error("P0207", node, `the call can be a different one here (${others} …)`, "test its name first");
  }
  const problem = mismatch(c, value, type);
  if (problem === undefined) return value;
  return c.error("P0207", node, `${what} must be ${printType(type)}, not ${problem}`);
}

/**
 * A parameter or a result as its declared type shows it. A `SocketAddress` is of any kind there, as in tsc: what the
 * caller knows about the kind holds for the caller.
 */
export function asDeclared(c: Compilation, value: Value, type: Type): Value {
  return value.is === "object" && value.references !== undefined && type.is === "object"
    ? { ...value, references: [++c.references, ...value.references] }
    : widened(value);
}

/** A description of the value if it is not of the type. */
function mismatch(c: Compilation, value: Value, type: Type): string | undefined {
  if (value.is === "unknown") return undefined;
  switch (type.is) {
    case "anything":
      return undefined;
    case "integer": {
      if (value.is !== "integer") return describe(value);
      const range = c.rangeOf(value);
      const outside = type.range !== undefined && (range.from < type.range.from || range.to > type.range.to);
      return outside ? `${printRange(range)}` : undefined;
    }
    case "integer-literal":
      return value.is === "integer" && value.range.from === type.value && value.range.to === type.value
        ? undefined
        : describe(value);
    case "boolean":
      if (value.is !== "boolean") return describe(value);
      if (type.value === undefined) return undefined;
      return value.expression.kind === "boolean" && value.expression.value === type.value ? undefined : "a boolean";
    case "string": {
      if (value.is !== "string") return describe(value);
      const { holds } = type;
      const other = holds === undefined ? undefined : value.options.find((option) => !holds(option));
      return other === undefined ? undefined : JSON.stringify(other);
    }
    case "call":
      return describe(value);
    case "plain":
      return value.is === type.value ? undefined : describe(value);
    case "object": {
      if (value.is !== "object") return describe(value);
      const general = value.type.replace(/<.*/, "");
      if (value.type === type.name || general === type.name) return undefined;
      // Types of pointers with known memory extend Pointer.
      return type.name === "Pointer" && value.members.has("isNull") ? undefined : describe(value);
    }
    case "function":
      return value.is === "function" || value.is === "builtin" ? undefined : describe(value);
    case "list":
      if (value.is !== "list") return describe(value);
      return value.elements.map((element) => mismatch(c, element, type.of)).find((one) => one !== undefined);
    case "tuple":
      if (value.is !== "list") return describe(value);
      if (value.elements.length !== type.of.length) return `a list of ${value.elements.length}`;
      return value.elements.map((one, index) => mismatch(c, one, type.of[index]!)).find((one) => one !== undefined);
    case "map":
      if (value.is !== "object") return describe(value);
      return [...value.members.values()]
        .map((member) => mismatch(c, typeof member === "function" ? member() : member, type.of))
        .find((one) => one !== undefined);
    case "record": {
      if (value.is !== "object" || value.type !== "") return describe(value);
      for (const [name, { type: wanted, optional }] of type.members) {
        const member = value.members.get(name);
        if (member === undefined) {
          if (optional) continue;
          return `an object without \`${name}\``;
        }
        const problem = mismatch(c, typeof member === "function" ? member() : member, wanted);
        if (problem !== undefined) return `an object whose \`${name}\` is ${problem}`;
      }
      const extra = [...value.members.keys()].find((name) => !type.members.has(name));
      return extra === undefined ? undefined : `an object with \`${extra}\`, which that type lacks`;
    }
    case "union":
      return type.of.some((one) => memberFits(c, value, one)) || stringInUnion(value, type.of)
        ? undefined
        : describe(value);
  }
}

function memberFits(c: Compilation, value: Value, type: Type): boolean {
  if (type.is === "call") return value.is === "call" && (c.typedNames(value) & ~type.names) === 0n;
  return mismatch(c, value, type) === undefined;
}

/** The options of a string may belong to different members of a union. */
function stringInUnion(value: Value, types: readonly Type[]): boolean {
  if (value.is !== "string") return false;
  return value.options.every((option) => types.some((type) => type.is === "string" && (type.holds?.(option) ?? true)));
}

/** A typical value of a type, to check a function without a caller; unknown for types without one. */
export function typicalValue(c: Compilation, type: Type): Value {
  const nowhere = -1;
  switch (type.is) {
    case "integer":
      return integer({ kind: "local", local: nowhere }, type.range ?? widthRange(64, true));
    case "boolean":
      return boolean({ kind: "boolean-local", local: nowhere });
    case "call":
      return { is: "call", names: type.names, reference: ++c.references };
    case "plain":
      return type.value === "verdict" ? verdict({ kind: "verdict", verdict: 0 }) : unknown;
    case "record":
      return object("", new Map([...type.members].map(([name, member]) => [name, typicalValue(c, member.type)])));
    default:
      return unknown;
  }
}

export function printType(type: Type): string {
  switch (type.is) {
    case "anything":
      return "anything";
    case "integer":
    case "string":
    case "call":
    case "plain":
    case "object":
      return type.name;
    case "integer-literal":
      return `${type.value}n`;
    case "boolean":
      return type.value === undefined ? "boolean" : `${type.value}`;
    case "record":
      return type.name === "" ? `{ ${[...type.members.keys()].join(", ")} }` : type.name;
    case "map":
      return `a record of ${printType(type.of)}`;
    case "list":
      return `a list of ${printType(type.of)}`;
    case "tuple":
      return `[${type.of.map(printType).join(", ")}]`;
    case "function":
      return "a function";
    case "union":
      return type.of.map(printType).join(" | ");
  }
}
