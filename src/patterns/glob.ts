/**
 * Globs: from a text to items, with all faults placed. `readPattern` checks a policy's text with it, `positions.ts` makes
 * an automaton of the items.
 */
import { type Fault, fault } from "./fault.ts";

export interface Interval {
  /** Code points, both inside. */
  readonly from: number;
  readonly to: number;
}

/** A set of characters. */
export interface CharacterSet {
  /** Sorted, disjoint. */
  readonly intervals: readonly Interval[];
  /** Whether a byte that is in no valid UTF-8 sequence is in the set. */
  readonly invalid: boolean;
}

export type GlobItem =
  | { readonly kind: "character"; readonly code: number }
  | { readonly kind: "set"; readonly set: CharacterSet }
  | { readonly kind: "star" }
  | { readonly kind: "globstar" }
  | { readonly kind: "alternatives"; readonly alternatives: readonly (readonly GlobItem[])[] };

export const slash = 0x2f;
/** The last code point of Unicode. */
export const lastCode = 0x10ffff;

/** Everything but the given ones and `/`. */
function without(intervals: readonly Interval[]): CharacterSet {
  const rest: Interval[] = [];
  let from = 0;
  for (const interval of joined([...intervals, { from: slash, to: slash }])) {
    if (interval.from > from) rest.push({ from, to: interval.from - 1 });
    from = interval.to + 1;
  }
  if (from <= lastCode) rest.push({ from, to: lastCode });
  return { intervals: rest, invalid: true };
}

/** Sorted and disjoint. */
function joined(intervals: readonly Interval[]): Interval[] {
  const sorted = [...intervals].sort((a, b) => a.from - b.from);
  const result: { from: number; to: number }[] = [];
  for (const { from, to } of sorted) {
    const last = result.at(-1);
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to);
    else result.push({ from, to });
  }
  return result;
}

/** Every character but `/`. */
export const anyButSlash: CharacterSet = without([]);
/** Every character. */
export const anything: CharacterSet = { intervals: [{ from: 0, to: lastCode }], invalid: true };

// The meaning of a glob. It matches the whole text: gitignore's `*.so` is `**/*.so` here.
//
// | | matches |
// | --- | --- |
// | `*` | any text without `/`, the empty one too; a dot at the start of a name as well, unlike in a shell |
// | `**` | any text; three stars or more are two |
// | `**/` | at the start of the text or behind a `/` also nothing: `a/**/b` matches `a/b`, `**/b` matches `b` |
// | `?` | one character but `/` |
// | `[a-z]` | one character of the set, by code point; never `/` |
// | `[!a-z]`, `[^a-z]` | one character outside of the set; never `/` |
// | `{a,b}` | any of the alternatives, which may be empty and hold others |
// | `\` | the next character, which loses its meaning |
//
// A character is a valid UTF-8 sequence. A byte that is in none is a character of its own, which only `*`, `**`, `?` and
// `[!…]` match. A glob with braces matches the texts that it matches with one of the alternatives instead; stars do not
// join across a brace.

/** The items are valid only without faults. */
export function parseGlob(text: string): { readonly items: readonly GlobItem[]; readonly faults: readonly Fault[] } {
  const parser = new Parser(text);
  return { items: parser.sequence(0), faults: parser.faults };
}

/** Deeper nesting is never needed, and would exhaust the stack. */
const deepest = 50;

class Parser {
  readonly faults: Fault[] = [];
  readonly #text: string;
  #at = 0;
  #isTooDeep = false;

  constructor(text: string) {
    this.#text = text;
  }

  /** Up to the end, or, inside of braces, up to the `,` or `}` that ends the alternative. */
  sequence(depth: number): GlobItem[] {
    const items: GlobItem[] = [];
    while (this.#at < this.#text.length) {
      const start = this.#at;
      const character = this.#next();
      switch (character) {
        case "*":
          while (this.#text[this.#at] === "*") this.#at += 1;
          items.push({ kind: this.#at - start > 1 ? "globstar" : "star" });
          break;
        case "?":
          items.push({ kind: "set", set: anyButSlash });
          break;
        case "[":
          items.push({ kind: "set", set: this.#set(start) });
          break;
        case "{":
          items.push(this.#alternatives(start, depth + 1));
          break;
        case "\\":
          items.push(this.#escaped(start));
          break;
        case ",":
        case "}":
          if (depth > 0) {
            this.#at = start;
            return items;
          }
          if (character === "}") this.faults.push(fault("a } that ends nothing", "write \\} for a brace", start));
          items.push({ kind: "character", code: character.codePointAt(0)! });
          break;
        default:
          items.push({ kind: "character", code: character.codePointAt(0)! });
      }
    }
    return items;
  }

  #alternatives(start: number, depth: number): GlobItem {
    if (depth > deepest) {
      this.#isTooDeep = true;
      this.faults.push(
        fault(`alternatives in each other more than ${deepest} times`, "write them side by side", start),
      );
      this.#at = this.#text.length;
      return { kind: "alternatives", alternatives: [] };
    }
    const alternatives: GlobItem[][] = [];
    for (;;) {
      alternatives.push(this.sequence(depth));
      const end = this.#text[this.#at];
      this.#at += 1;
      if (end === ",") continue;
      if (end === undefined) {
        this.#at = this.#text.length;
        if (this.#isTooDeep) return { kind: "alternatives", alternatives };
        this.faults.push(fault("a { that is not closed", "end it with }, or write \\{ for a brace", start));
      } else if (alternatives.length === 1)
        this.faults.push(
          fault(
            "braces around a single alternative",
            "write {a,b} for one of several, or \\{ and \\} for braces",
            start,
            this.#at - start,
          ),
        );
      return { kind: "alternatives", alternatives };
    }
  }

  #escaped(start: number): GlobItem {
    if (this.#at === this.#text.length)
      this.faults.push(fault("a backslash with nothing behind it", "write \\\\ for a backslash", start));
    return { kind: "character", code: this.#next().codePointAt(0) ?? 0 };
  }

  /** Behind the `[`. */
  #set(start: number): CharacterSet {
    const isNegated = this.#text[this.#at] === "!" || this.#text[this.#at] === "^";
    if (isNegated) this.#at += 1;
    const intervals: Interval[] = [];
    const first = this.#at;
    for (;;) {
      const from = this.#at;
      if (from >= this.#text.length) {
        this.faults.push(fault("a [ that is not closed", "end it with ], or write \\[ for a bracket", start));
        break;
      }
      if (this.#text[from] === "]") {
        this.#at += 1;
        if (from === first)
          this.faults.push(
            fault("a class without characters", "write [\\]] for a closing bracket", start, this.#at - start),
          );
        break;
      }
      const low = this.#member();
      // A minus sign at the end of the class is itself.
      if (this.#text[this.#at] !== "-" || (this.#text[this.#at + 1] ?? "]") === "]") {
        if (low === slash) this.faults.push(slashInClass(from));
        intervals.push({ from: low, to: low });
        continue;
      }
      this.#at += 1;
      const high = this.#member();
      if (high < low) {
        const range = this.#text.slice(from, this.#at);
        const [a, b] = [String.fromCodePoint(high), String.fromCodePoint(low)];
        this.faults.push(fault(`the range ${range} is reversed`, `write ${a}-${b}`, from, this.#at - from));
      } else if (low === slash && high === slash) this.faults.push(slashInClass(from));
      else intervals.push({ from: low, to: high });
    }
    if (isNegated) return without(intervals);
    return { intervals: joined(intervals).flatMap(withoutSlash), invalid: false };
  }

  /** One character in a class. */
  #member(): number {
    const start = this.#at;
    const character = this.#next();
    if (character === "[" && /[:=.]/.test(this.#text[this.#at] ?? ""))
      this.faults.push(
        fault("a class by its name", "write its characters, as in [0-9a-f], or \\[ for a bracket", start, 2),
      );
    if (character !== "\\") return character.codePointAt(0)!;
    if (this.#at === this.#text.length)
      this.faults.push(fault("a backslash with nothing behind it", "write \\\\ for a backslash", start));
    return this.#next().codePointAt(0) ?? 0;
  }

  /** The next character; "" at the end. */
  #next(): string {
    const code = this.#text.codePointAt(this.#at);
    if (code === undefined) return "";
    const character = String.fromCodePoint(code);
    this.#at += character.length;
    return character;
  }
}

function slashInClass(at: number): Fault {
  return fault("a class never matches a /", "write the / outside of it, or {a,/}", at);
}

function withoutSlash({ from, to }: Interval): Interval[] {
  if (from > slash || to < slash) return [{ from, to }];
  return [
    { from, to: slash - 1 },
    { from: slash + 1, to },
  ].filter((part) => part.from <= part.to);
}
