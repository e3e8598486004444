/** Operands that must be integers. */

import type { Expression as Node } from "oxc-parser";
import type { Range as SourceRange } from "../../source/file.ts";
import { readingOf } from "../mistakes/operands.ts";
import { describe, type IntegerValue, type Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { inOrder } from "./stable.ts";

/** Evaluates operands that must be integers; undefined, after a report, for one that is not. */
export function integers(c: Compilation, nodes: readonly Node[], operator: string): (IntegerValue | undefined)[] {
  const values = inOrder(c, nodes, (one) => c.walker.evaluate(one));
  return values.map((value, index) => asInteger(c, value, nodes[index]!, operator));
}

export function asInteger(c: Compilation, value: Value, node: SourceRange, operator: string): IntegerValue | undefined {
  if (value.is === "integer") return value;
  if (value.is === "unknown") return undefined;
  const source = c.file.text.slice(node.start, node.end);
  const reading = readingOf(c, value, node);
  c.error(
    "P0207",
    node,
    `\`${operator}\` takes integers, not ${describe(value)}`,
    value.is === "object" && value.type.startsWith("Flags")
      ? `\`${source}.bits\` is the integer`
      : value.is === "object" && value.type.startsWith("Choice")
        ? `\`${source}.value\` is the integer`
        : value.is === "boolean"
          ? "`x ? 1n : 0n`"
          : value.is === "string"
            ? "a template joins strings"
            : reading === undefined
              ? undefined
              : `write \`${reading}\``,
  );
  return undefined;
}
