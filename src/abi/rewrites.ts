/** The changes that the kernel makes to arguments before it uses them, decoded on demand. */
import type { ArchitectureName } from "./architecture.ts";
import type { Rewrite } from "./call.ts";
import { rewriteTable } from "./generated/rewrites.ts";

let lines: ReadonlyMap<string, readonly string[]> | undefined;
const decoded = new Map<string, readonly Rewrite[]>();
const none: readonly Rewrite[] = [];

function linesByArgument(): ReadonlyMap<string, readonly string[]> {
  if (lines === undefined) {
    const found = new Map<string, string[]>();
    for (const line of rewriteTable.trim().split("\n")) {
      const bar = line.indexOf("|");
      const argument = line.slice(0, bar);
      found.set(argument, [...(found.get(argument) ?? []), line.slice(bar + 1)]);
    }
    lines = found;
  }
  return lines;
}

/**
 * The rewrites of a call's argument, by the policy's names ("socket", "family"), or of a field of a structure ("openat2",
 * "how.flags"), in the order in which they apply. Equal lists are the same object.
 */
export function rewritesOf(call: string, parameter: string, architecture: ArchitectureName): readonly Rewrite[] {
  const found = linesByArgument().get(`${call}.${parameter}`);
  if (found === undefined) return none;
  const texts = found.map((text) => text.split("|").at(architecture === "x86_64" ? 0 : -1) ?? "");
  // The key does not contain the call, so open and openat share a list.
  const key = texts.join("|");
  let rewrites = decoded.get(key);
  if (rewrites === undefined) {
    rewrites = texts.map(decode);
    decoded.set(key, rewrites);
  }
  return rewrites;
}

/** Every argument with rewrites, as "socket.family". */
export function rewrittenArguments(): string[] {
  return [...linesByArgument().keys()];
}

function decode(text: string): Rewrite {
  const [conditions = "", clear, set] = text.split(" ");
  const when = conditions.split(";").flatMap((condition) => {
    const [, parameter, mask, values] = condition.match(/^([\w.]+)&(\w+)=(.*)$/) ?? [];
    if (parameter === undefined || values === undefined) return [];
    return { parameter, mask: word(mask), values: values.split(",").map(word) };
  });
  return { when, clear: word(clear), set: word(set) };
}

function word(digits = "0"): bigint {
  return BigInt(`0x${digits}`);
}
