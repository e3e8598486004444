/** `Path`: the bytes of a path as the caller passed them, and the object that they lead to. */

import { pathBytes, servedByObject } from "../../../../abi/pointees.ts";
import type { ResolvedObject, TextPart } from "../../../../ir/observation.ts";
import { boolean, builtin, object, unknown, type Value } from "../../values/values.ts";
import type { Compilation } from "../../walk/compilation.ts";
import type { ObservedArgument } from "./argument.ts";
import { textArguments, textObject, withVariable } from "./texts.ts";

/** The members of a path: `pointer` are those that every pointer has. */
export function path(
  c: Compilation,
  argument: ObservedArgument,
  part: TextPart,
  pointer: ReadonlyMap<string, Value | (() => Value)>,
): Value {
  return object(
    "Path",
    new Map<string, Value | (() => Value)>([
      ...pointer,
      ["text", () => textObject(c, argument, part, "PathText")],
      [
        "resolved",
        () => object("ResolvedPath", new Map([resolved(c, argument, "is"), resolved(c, argument, "under")])),
      ],
    ]),
    `\`${argument.name}\``,
  );
}

function resolved(c: Compilation, argument: ObservedArgument, is: ResolvedObject["is"]): [string, Value] {
  return builtin(is, (call) => {
    const unserved = argument.calls.find((name) => !servedByObject.has(name));
    if (unserved !== undefined) {
      return c.error(
        "P0601",
        call.callee,
        `no engine can hold the object that ${unserved}'s \`${argument.name}\` leads to`,
        `compare \`.text\`; \`.resolved\` is known of ${[...servedByObject].join(", ")}`,
      );
    }
    const texts = textArguments(c, call, is);
    if (texts === undefined) return unknown;
    let failed = false;
    const objects = texts.list.map(({ text, node }): ResolvedObject => {
      const fault = pathFault(text);
      if (fault !== undefined) {
        failed = true;
        c.error("P0214", node, `${JSON.stringify(text)} ${fault}`, 'an absolute path: "/srv/www"');
      }
      return { is, path: text };
    });
    return failed ? unknown : withVariable(boolean(argument.resolved(objects)), texts.variable);
  });
}

function pathFault(text: string): string | undefined {
  if (!text.startsWith("/")) return "is not an absolute path";
  if (text.includes("\0")) return "contains a NUL";
  return Buffer.byteLength(text) >= pathBytes ? "is longer than any path can be" : undefined;
}
