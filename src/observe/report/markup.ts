/** HTML by a tagged template that escapes every value: a trace has texts that a hostile program has chosen. */
import { safeText } from "../../diagnostics/width.ts";

/** Text that is markup already. Only this file makes it. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Value = string | number | Markup | undefined | readonly (string | Markup)[];

/** Values are text; `Markup` and lists of it stay. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Markup {
  return new Markup(strings.reduce((before, string, index) => `${before}${markupOf(values[index - 1])}${string}`));
}

/** The text with its line ends, for an element that keeps them. */
export function preformatted(text: string): Markup {
  return new Markup(text.split("\n").map(escaped).join("\n"));
}

const none = new Markup("");

/** For a condition in a template. */
export function when(condition: boolean, markup: () => Markup): Markup {
  return condition ? markup() : none;
}

function markupOf(value: Value): string {
  if (value === undefined) return "";
  if (value instanceof Markup) return value.text;
  if (typeof value === "string" || typeof value === "number") return escaped(String(value));
  return value.map(markupOf).join("");
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Control characters, and those that change the direction of writing, become U+FFFD. */
function escaped(text: string): string {
  return safeText(text).replace(/[&<>"']/g, (character) => entities[character]!);
}

/** JSON in a script element of type application/json: nothing in it ends the element. */
export function jsonElement(id: string, value: unknown): Markup {
  const json = JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return new Markup(`<script type="application/json" id="${escaped(id)}">${json}</script>`);
}

/** A script or style of this package. @throws Error if it could end its element */
export function ownElement(kind: "script" | "style", text: string): Markup {
  if (text.toLowerCase().includes(`</${kind}`) || text.includes("<!--")) throw new Error(`the ${kind} would end early`);
  return new Markup(`<${kind}>${text}</${kind}>`);
}
