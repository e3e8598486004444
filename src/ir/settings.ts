/**
 * The parameters of a compiled policy with their values. Declarations, limits and reasons refer to them by name, so that a refusal
 * can name the option that permits it (src/events/permit.ts).
 */

/** A parameter that `--set` changes. */
export interface Setting {
  readonly name: string;
  readonly kind: "path" | "paths" | "text" | "texts" | "integer" | "flag";
  /** The value in the form of `--set`. */
  readonly value: string;
  /** A list that can be empty. */
  readonly mayBeEmpty?: true;
  /** The largest value of an integer, in decimal. */
  readonly most?: string;
}

/** An item of a list parameter, as it is written there. */
export interface SettingItem {
  readonly setting: string;
  readonly item: string;
}

/** Splits a list at commas, but not at those of a glob's alternatives: `*.{c,h},Makefile` is two items. */
export function itemsOf(list: string): string[] {
  const items = [""];
  let depth = 0;
  for (const character of list) {
    if (character === "{") depth++;
    if (character === "}" && depth > 0) depth--;
    if (character === "," && depth === 0) items.push("");
    else items[items.length - 1] += character;
  }
  return items;
}
