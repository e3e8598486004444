/** Options that a library function takes as an object. Each known option is read by name; unknown ones are errors. */
import { nearestName } from "../../../diagnostics/suggest.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { constantBoolean, constantInteger, constantString, describe, type Value } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";

export class Options {
  private readonly c: Compilation;
  private readonly members: ReadonlyMap<string, Value | (() => Value)>;
  readonly node: SourceRange;
  private readonly what: string;
  failed = false;

  constructor(c: Compilation, value: Value | undefined, node: SourceRange, what: string, known: readonly string[]) {
    this.c = c;
    this.node = node;
    this.what = what;
    this.members = new Map();
    if (value === undefined) return;
    if (value.is !== "object" || value.type !== "") {
      if (value.is !== "unknown") {
        const names = known.map((name) => `${name}: …`).join(", ");
        c.error("P0207", node, `${what} are an object, not ${describe(value)}`, `write { ${names} }`);
      }
      this.failed = true;
      return;
    }
    this.members = value.members;
    for (const name of value.members.keys()) {
      if (known.includes(name)) continue;
      const near = nearestName(name, known);
      c.error(
        "P0106",
        this.placeOf(name),
        `${what} have no \`${name}\``,
        near === undefined ? `they have ${known.join(", ")}` : `did you mean \`${near}\`?`,
      );
      this.failed = true;
    }
  }

  get(name: string): Value | undefined {
    const member = this.members.get(name);
    return typeof member === "function" ? member() : member;
  }

  has(name: string): boolean {
    return this.members.has(name);
  }

  text(name: string): string | undefined {
    return this.#constant(name, constantString, "a string");
  }

  integer(name: string): bigint | undefined {
    return this.#constant(name, constantInteger, "an integer");
  }

  flag(name: string): boolean | undefined {
    return this.#constant(name, constantBoolean, "a boolean");
  }

  #constant<T>(name: string, read: (value: Value) => T | undefined, wanted: string): T | undefined {
    const value = this.get(name);
    if (value === undefined) return undefined;
    const constant = read(value);
    if (constant === undefined) this.fail(value, name, wanted);
    return constant;
  }

  fail(value: Value, name: string, wanted: string): void {
    this.failed = true;
    if (value.is === "unknown") return;
    const message =
      value.is === "boolean"
        ? `\`${name}\` of ${this.what} must be known at compile time`
        : `\`${name}\` of ${this.what} must be ${wanted} that is known at compile time, not ${describe(value)}`;
    this.c.error("P0310", this.placeOf(name), message);
  }

  refuse(name: string, code: Parameters<Compilation["error"]>[0], message: string, help?: string): void {
    this.failed = true;
    this.c.error(code, this.placeOfValue(name), message, help);
  }

  /** The range of an option's value, without its name. */
  placeOfValue(name: string): SourceRange {
    const { start, end } = this.placeOf(name);
    const written = this.c.file.text.slice(start, end);
    if (!written.startsWith(name)) return { start, end };
    const colon = /^\s*:\s*/.exec(written.slice(name.length));
    return { start: start + (colon === null ? 0 : name.length + colon[0].length), end };
  }

  /** The range of an option in its object literal; the range of the whole object if it comes from elsewhere. */
  placeOf(name: string): SourceRange {
    const text = this.c.file.text.slice(this.node.start, this.node.end);
    const found = new RegExp(`(?<![\\w$])${name.replace(/[^\w]/g, "\\$&")}\\s*(?::\\s*)?`).exec(text);
    if (found === null) return this.node;
    const start = this.node.start + found.index;
    const rest = this.c.file.text.slice(start, this.node.end);
    const end = endOfMember(rest);
    return { start, end: start + end };
  }
}

/** The end of a member: the offset of the comma or brace after it. */
function endOfMember(text: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if ("([{".includes(character)) depth++;
    else if (")]}".includes(character)) {
      if (depth === 0) return text.slice(0, at).trimEnd().length;
      depth--;
    } else if (character === "," && depth === 0) return at;
  }
  return text.length;
}
