/** Looks up names, and reports unknown ones with a remedy. */
import type { Expression as Node } from "oxc-parser";
import { nearestName } from "../../../diagnostics/suggest.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { meantConstant } from "../mistakes/constants.ts";
import type { Variable } from "../values/scope.ts";
import { unknown, type Value, verdict } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { reportEarlyUse } from "./announcements.ts";

/** Globals of JavaScript, for a better message than "unknown name". */
const javascript = new Set(
  (
    "Date Math console process JSON Object Array Number String Boolean Symbol Map Set WeakMap WeakSet Promise Proxy Reflect RegExp Error " +
    "Function parseInt parseFloat isNaN isFinite setTimeout setInterval setImmediate queueMicrotask fetch require module exports " +
    "globalThis window global Buffer URL TextEncoder TextDecoder structuredClone eval performance crypto navigator Intl Atomics " +
    "ArrayBuffer Uint8Array Int8Array Uint16Array Int16Array Uint32Array Int32Array BigInt64Array BigUint64Array DataView arguments"
  ).split(" "),
);

export function identifier(c: Compilation, node: Node & { readonly type: "Identifier" }): Value {
  const { name } = node;
  const variable = c.scope.find(name);
  if (variable !== undefined) return read(c, variable, node);
  if (name === "undefined" || name === "NaN" || name === "Infinity") {
    return c.error("P0309", node, `the language has no ${name}`, "give a default value");
  }
  if (javascript.has(name)) {
    return c.error(
      "P0304",
      node,
      `\`${name}\` is not in the language: a policy is compiled and does not run as JavaScript`,
      name === "Date" || name === "performance"
        ? "now() is the monotonic clock, in nanoseconds"
        : name === "console"
          ? "report(text, values) makes an event"
          : name === "Map" || name === "Set"
            ? "perTree.table({ … }) and perTree.set({ … }) hold state"
            : name === "require"
              ? 'import { allow, policy } from "portcullis"'
              : name === "module" || name === "exports"
                ? "export default policy((call) => …)"
                : name === "process"
                  ? "call.caller has pid, tid, uid and gid; a parameter passes a string in"
                  : undefined,
    );
  }
  const near = nearestName(name, c.scope.visibleNames());
  const library = c.libraryNames.has(name);
  const meant = meantConstant(name);
  return c.error(
    "P0105",
    node,
    `there is no \`${name}\``,
    library
      ? `import { ${name} } from "portcullis"`
      : meant !== undefined
        ? meant
        : near === undefined
          ? "declare it with const, or import it"
          : `did you mean \`${near}\`?`,
  );
}

function read(c: Compilation, variable: Variable<Value>, node: SourceRange): Value {
  const value = variable.time === "step" && variable.kind === "let" ? c.flow.variables.get(variable) : variable.value;
  if (value === undefined) {
    if (c.flow.live !== "live") return unknown;
    return reportEarlyUse(c, variable, node);
  }
  // A named verdict is located where the name is used: that line decides.
  if (value.is === "verdict" && value.expression.kind === "verdict" && variable.kind !== "let") {
    return relocate(c, value.expression.verdict, node);
  }
  return value;
}

function relocate(c: Compilation, index: number, node: SourceRange): Value {
  const { action, errno, reason } = c.builder.meaning(index);
  if (c.flow.live !== "live") return verdict({ kind: "verdict", verdict: index });
  return verdict(c.builder.verdict(action, errno, reason, c.file.location(node)));
}
