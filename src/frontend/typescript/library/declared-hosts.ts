/** `hosts` of a policy's settings: the hosts that the tree can reach, by name. */
import { type HostPattern, parsePattern } from "../../../hosts/names.ts";
import type { HostRules } from "../../../ir/hosts.ts";
import { constantString } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import type { Options } from "./options.ts";

/** Undefined without the setting, and after an error, which sets `failed`. */
export function hostRules(c: Compilation, options: Options): HostRules | undefined {
  const value = options.get("hosts");
  if (value === undefined) return undefined;
  const texts = value.is === "list" ? value.elements.map(constantString) : [undefined];
  if (texts.includes(undefined)) {
    options.fail(value, "hosts", "a list of hosts");
    return undefined;
  }
  const patterns: HostPattern[] = [];
  for (const text of texts as readonly string[]) {
    const result = parsePattern(text);
    if ("pattern" in result) patterns.push(result.pattern);
    else options.refuse("hosts", "P0214", result.error, result.help);
  }
  return options.failed ? undefined : { patterns, at: c.file.location(options.placeOf("hosts")) };
}
