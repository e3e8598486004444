/** Texts behind pointers: `.is`, `.startsWith`, `.endsWith`, `.matches` and `.under` over constants. */
import type { TextPart } from "../../../../ir/observation.ts";
import { type PatternKind, readPattern } from "../../../../patterns/pattern.ts";
import type { PlacedPattern } from "../../../program/observations.ts";
import type { Range as SourceRange } from "../../../source/file.ts";
import {
  type BooleanValue,
  type BuiltinCall,
  boolean,
  builtin,
  constantString,
  describe,
  object,
  unknown,
  type Value,
} from "../../values/values.ts";
import type { Compilation } from "../../walk/compilation.ts";
import type { ObservedArgument } from "./argument.ts";

const methods = ["is", "startsWith", "endsWith", "matches"] as const satisfies readonly PatternKind[];

/** The members that ask about a text. Only paths have `under`. */
export function textMembers(
  c: Compilation,
  argument: ObservedArgument,
  part: TextPart,
  isPath: boolean,
): ReadonlyMap<string, Value> {
  return new Map(
    [...methods, ...(isPath ? (["under"] as const) : [])].map((is) =>
      builtin(is, (call) => {
        const patterns = patternArguments(c, call, is);
        if (patterns === undefined) return unknown;
        const { list, variable } = patterns;
        return withVariable(boolean(argument.matches(part, list)), variable);
      }),
    ),
  );
}

/** A text with nothing but these members. */
export function textObject(c: Compilation, argument: ObservedArgument, part: TextPart, type: string): Value {
  return object(type, textMembers(c, argument, part, type === "PathText"));
}

interface Texts<T> {
  readonly list: readonly T[];
  /** A parameter had a part in them. */
  readonly variable: boolean;
}

export function withVariable(value: BooleanValue, variable: boolean): BooleanValue {
  return variable ? { ...value, variable: true } : value;
}

/** The constant texts of a method's arguments. An argument of another type, and a missing one, are errors. */
export function textArguments(
  c: Compilation,
  call: BuiltinCall,
  method: string,
): Texts<{ readonly text: string; readonly node: SourceRange }> | undefined {
  const given = call.values();
  if (given === undefined) return undefined;
  if (given.length === 0) {
    c.error("P0212", call.node, `\`.${method}()\` compares with nothing`, `name at least one: \`.${method}("…")\``);
    return undefined;
  }
  const list: { text: string; node: SourceRange }[] = [];
  let failed = false;
  let variable = false;
  for (const { value, node } of given) {
    const text = constantString(value);
    if (text === undefined) {
      failed = true;
      if (value.is === "unknown") continue;
      c.error(
        "P0207",
        node,
        `\`.${method}\` takes constant strings, and this ${value.is === "string" ? "string depends on the call" : `is ${describe(value)}`}`,
        value.is === "list" ? `leave out the brackets, or spread a list: .${method}(...list)` : undefined,
      );
    } else {
      list.push({ text, node });
      variable ||= value.is === "string" && value.variable === true;
    }
  }
  return failed ? undefined : { list, variable };
}

export function patternArguments(
  c: Compilation,
  call: BuiltinCall,
  kind: PatternKind,
): Texts<PlacedPattern> | undefined {
  const texts = textArguments(c, call, kind);
  if (texts === undefined) return undefined;
  const list: PlacedPattern[] = [];
  for (const { text, node } of texts.list) {
    const reading = readPattern(kind, text);
    if (reading.faults === undefined) list.push({ pattern: reading.pattern, at: c.file.location(node) });
    for (const { message, help } of reading.faults ?? [])
      c.error("P0214", node, `${JSON.stringify(text)}: ${message}`, help);
  }
  return list.length < texts.list.length ? undefined : { list, variable: texts.variable };
}
