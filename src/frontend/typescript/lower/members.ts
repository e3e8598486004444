/** Member access, `a.b`: members of the call, of objects, lists and sets. */
import type { MemberExpression } from "oxc-parser";
import { nearestName } from "../../../diagnostics/suggest.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { argumentOf, callMember, explainIndexedArgument } from "../library/call.ts";
import { lacksMember, referringMember } from "../library/observed/addresses.ts";
import { callSetMember } from "../library/sets.ts";
import { meantMember } from "../mistakes/members.ts";
import { constantString, describe, unknown, type Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { listMember } from "./lists.ts";

/** `wraps`: only the bits of the member are used (`argumentOf`). */
export function member(c: Compilation, node: MemberExpression, wraps = false): Value {
  const value = c.walker.evaluate(node.object);
  if (node.optional) {
    return c.error("P0309", node, "the language has no null", "leave out `?`");
  }
  if (node.property.type === "PrivateIdentifier") return c.error("P0309", node.property, "the language has no classes");
  if (!node.computed) return memberOf(c, value, node.property.name, node.property, wraps);
  if (value.is === "arguments") {
    const explained = explainIndexedArgument(c, value, node);
    if (explained !== undefined) return explained;
  }
  if (value.is === "object" && value.type === "ArgumentList") {
    const explained = explainIndexedList(c, node);
    if (explained !== undefined) return explained;
  }
  const key = c.walker.evaluate(node.property);
  const name = constantString(key);
  if (name !== undefined && value.is === "object") return memberOf(c, value, name, node.property);
  if (value.is === "unknown" || key.is === "unknown") return unknown;
  return c.error(
    "P0309",
    node,
    `${describe(value)} cannot be indexed`,
    value.is === "list"
      ? "for (const one of list), or const [first, second] = list"
      : value.is === "object" && value.type === "ArgumentList"
        ? 'an entry at a constant index: `.at(0n).is("…")`; any entry: `.includes("…")`'
        : undefined,
  );
}

/** Reports `argv[0]`: an entry is a text, and is read by a method. Undefined if the index is not a literal integer. */
function explainIndexedList(c: Compilation, node: MemberExpression): Value | undefined {
  const { property } = node;
  if (property.type !== "Literal") return undefined;
  const { value: index } = property;
  if (typeof index !== "bigint" && !(typeof index === "number" && Number.isSafeInteger(index))) return undefined;
  const source = c.file.text.slice(node.object.start, node.object.end);
  return c.error(
    "P0309",
    node,
    "an ArgumentList cannot be indexed",
    `write \`${source.length <= 60 ? source : "argv"}.at(${index}n).is("…")\``,
  );
}

/** Headers that the kernel writes to, so no engine pins them (src/engines/notify/pin/observer.ts), and the remedies. */
const writtenMessages: ReadonlyMap<string, string> = new Map([
  ["`mmsg`", 'for sendmmsg return deny("ENOSYS"): it carries many messages, and sendmsg carries one, `call.args.msg`'],
  [
    "`msg`",
    "the kernel writes to recvmsg's header, so no engine holds it still: judge sendmsg's `msg.controllen` where the sender is confined, or refuse recvmsg",
  ],
]);

export function memberOf(c: Compilation, value: Value, name: string, node: SourceRange, wraps = false): Value {
  switch (value.is) {
    case "unknown":
      return unknown;
    case "call":
      return callMember(c, value, name, node) ?? noMember(c, value, name, node, callMembers);
    case "arguments":
      return argumentOf(c, value, name, node, wraps);
    case "object": {
      const found = value.members.get(name);
      if (found !== undefined) {
        if (lacksMember(c, value, name, node)) return unknown;
        return referringMember(value, name, typeof found === "function" ? found() : found);
      }
      if (value.type === "Pointer" && unreadable.has(name)) {
        return c.error(
          "P0601",
          node,
          `the memory behind ${value.described ?? "a pointer"} cannot be read: another thread could change it after the check, so \`.${name}\` would be a race`,
          writtenMessages.get(value.described ?? "") ?? "decide by state, or by arguments that are not pointers",
        );
      }
      return noMember(c, value, name, node, [...value.members.keys()]);
    }
    case "list":
      return listMember(c, value, name) ?? noMember(c, value, name, node, ["includes", "some", "every", "map"]);
    case "call-set":
      return callSetMember(c, value, name) ?? noMember(c, value, name, node, ["has", "without"]);
    case "builtin": {
      const found = value.members?.get(name);
      if (found !== undefined) return typeof found === "function" ? found() : found;
      if (/^per[A-Z]\w+\./.test(value.name)) {
        return c.error(
          "P0106",
          node,
          `${value.name} is a function that declares state and has no \`${name}\``,
          `call it where the state is declared: const name = ${value.name}(…)`,
        );
      }
      return noMember(c, value, name, node, [...(value.members?.keys() ?? [])]);
    }
    default:
      return noMember(c, value, name, node, []);
  }
}

const callMembers = ["name", "args", "caller", "architecture", "number", "instructionPointer", "raw"];

/** Members of the types that stand for memory which engines pin. */
const unreadable = new Set([
  "resolved",
  "text",
  "kind",
  "address",
  "port",
  "path",
  "name",
  "version",
  "family",
  "flags",
  "mode",
  "resolve",
  "controllen",
]);

function noMember(c: Compilation, value: Value, name: string, node: SourceRange, known: readonly string[]): Value {
  const meant = meantMember(value, name);
  const near = nearestName(name, known);
  return c.error(
    "P0106",
    node,
    `${describe(value)} has no \`${name}\``,
    meant ??
      (near !== undefined
        ? `did you mean \`${near}\`?`
        : known.length > 0 && known.length <= 12
          ? `it has ${known.join(", ")}`
          : value.is === "integer" || value.is === "string"
            ? "integers and strings have only operators"
            : undefined),
  );
}
