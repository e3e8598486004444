/** `ArgumentList`: argv and envp of execve and execveat. */
import type { Pattern } from "../../../../patterns/pattern.ts";
import * as ir from "../../../program/ir.ts";
import {
  type BuiltinCall,
  boolean,
  builtin,
  constantInteger,
  constantString,
  describe,
  object,
  unknown,
  type Value,
} from "../../values/values.ts";
import type { Compilation } from "../../walk/compilation.ts";
import type { ObservedArgument } from "./argument.ts";
import { patternArguments, textArguments, textObject, withVariable } from "./texts.ts";

export function argumentList(
  c: Compilation,
  argument: ObservedArgument,
  entries: number,
  pointer: ReadonlyMap<string, Value | (() => Value)>,
): Value {
  const name = `\`${argument.name}\``;
  return object(
    "ArgumentList",
    new Map<string, Value | (() => Value)>([
      ...pointer,
      ["length", () => argument.length(`${name} has at most ${entries} entries`)],
      builtin("at", (call) => {
        const given = call.values();
        if (given === undefined) return unknown;
        const index = given.length === 1 ? constantInteger(given[0]!.value) : undefined;
        if (index === undefined) {
          return c.error("P0207", call.node, "`.at` takes a constant integer", `${argument.name}.at(0n) is the first`);
        }
        if (index < 0n || index >= BigInt(entries)) {
          return c.error("P0213", call.node, `${name} has at most ${entries} entries`, "count from 0n");
        }
        return textObject(c, argument, { is: "entry", index: Number(index) }, "Text");
      }),
      builtin("includes", (call) => anyEntry(c, argument, call, "includes", (text) => [{ kind: "is", text }])),
      // An entry of an environment is NAME=value; a name alone is legal, and getenv(3) does not find it.
      builtin("has", (call) =>
        anyEntry(c, argument, call, "has", (text) => [{ kind: "startsWith", text: `${text}=` }]),
      ),
      builtin("some", (call) => {
        const patterns = patternArguments(c, call, "matches");
        if (patterns === undefined) return unknown;
        return withVariable(boolean(argument.matches(undefined, patterns.list)), patterns.variable);
      }),
      builtin("startsWith", (call) => {
        const given = call.values();
        if (given === undefined) return unknown;
        const [list, ...rest] = given;
        if (list?.value.is !== "list" || rest.length > 0) {
          const more = rest.length > 0 ? " and nothing else" : "";
          const found = list === undefined || list.value.is === "list" ? "" : `, and this is ${describe(list.value)}`;
          return c.error(
            "P0207",
            rest[0]?.node ?? list?.node ?? call.node,
            `\`.startsWith\` takes one list of texts${more}${found}`,
            'argv.startsWith(["git", "log"])',
          );
        }
        const texts = list.value.elements.map((element) => constantString(element));
        if (texts.some((text) => text === undefined)) {
          return c.error("P0207", list.node, "`.startsWith` takes a list of constant texts");
        }
        if (texts.length > entries) return boolean(ir.never);
        const variable = list.value.elements.some((element) => element.is === "string" && element.variable === true);
        const at = c.file.location(list.node);
        const tests = texts.map((text, index) =>
          argument.matches({ is: "entry", index }, [{ pattern: { kind: "is", text: text as string }, at }]),
        );
        return withVariable(boolean(ir.all(tests)), variable);
      }),
    ]),
    name,
  );
}

function anyEntry(
  c: Compilation,
  argument: ObservedArgument,
  call: BuiltinCall,
  method: string,
  patterns: (text: string) => readonly Pattern[],
): Value {
  const texts = textArguments(c, call, method);
  if (texts === undefined) return unknown;
  const list = texts.list.flatMap(({ text, node }) =>
    patterns(text).map((pattern) => ({ pattern, at: c.file.location(node) })),
  );
  return withVariable(boolean(argument.matches(undefined, list)), texts.variable);
}
