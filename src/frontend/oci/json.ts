/**
 * A JSON parser (RFC 8259) that records the location of every node and the source of every number: a profile's values
 * have 64 bits, which `JSON.parse` would round to a double. It refuses duplicate names in an object, which readers
 * resolve differently.
 *
 * With jsonc-parser this file has 157 lines and the package one more dependency at run time: its callbacks must be built
 * into the same tree, and numbers, duplicates and depth checked here all the same.
 */
import type { Range } from "../source/file.ts";

export type JsonNode = Range &
  (
    | { readonly kind: "object"; readonly members: readonly JsonMember[] }
    | { readonly kind: "array"; readonly elements: readonly JsonNode[] }
    | { readonly kind: "string"; readonly value: string }
    /** The text in the source: `4294967295`, `1e3`, `-0.5`. */
    | { readonly kind: "number"; readonly text: string }
    | { readonly kind: "boolean"; readonly value: boolean }
    | { readonly kind: "null" }
  );

export interface JsonMember {
  readonly name: string;
  readonly at: Range;
  readonly value: JsonNode;
}

export type JsonOutcome =
  | { readonly root: JsonNode }
  | { readonly problem: string; readonly at: Range; readonly help: string | undefined };

/** A profile is six levels deep. The parser recurses, so the depth is bounded. */
const maximumDepth = 64;

export function readJson(text: string): JsonOutcome {
  const reader = new Reader(text);
  try {
    return { root: reader.document() };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { problem: error.message, at: error.at, help: error.help };
  }
}

/** The first fault ends the parsing. */
class Fault extends Error {
  readonly at: Range;
  readonly help: string | undefined;

  constructor(message: string, at: Range, help?: string) {
    super(message);
    this.at = at;
    this.help = help;
  }
}

const escapes: { readonly [letter: string]: string } = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

class Reader {
  private readonly text: string;
  private position = 0;

  constructor(text: string) {
    this.text = text;
  }

  document(): JsonNode {
    const root = this.value(0);
    this.space();
    if (this.position < this.text.length) this.fail("there is text after the end of the JSON value");
    return root;
  }

  private value(depth: number): JsonNode {
    this.space();
    if (depth > maximumDepth) this.fail(`nested more than ${maximumDepth} deep`);
    const start = this.position;
    const first = this.text[start];
    switch (first) {
      case "{":
        return this.object(depth);
      case "[":
        return this.array(depth);
      case '"':
        return { kind: "string", value: this.string(), ...this.since(start) };
      case "t":
        return this.word("true", { kind: "boolean", value: true });
      case "f":
        return this.word("false", { kind: "boolean", value: false });
      case "n":
        return this.word("null", { kind: "null" });
      case undefined:
        return this.fail("expected a value");
      default:
        return this.number();
    }
  }

  private object(depth: number): JsonNode {
    const start = this.position++;
    const members: JsonMember[] = [];
    const seen = new Map<string, Range>();
    if (this.closes("}")) return { kind: "object", members, ...this.since(start) };
    do {
      this.space();
      const nameStart = this.position;
      if (this.text[nameStart] !== '"') {
        this.fail(
          "expected a member's name in double quotes",
          this.text[nameStart] === "}" ? trailingComma : undefined,
        );
      }
      const name = this.string();
      const at = this.since(nameStart);
      if (seen.has(name)) throw new Fault(`duplicate name "${name}"`, at, "readers differ in which one they use");
      seen.set(name, at);
      this.space();
      if (this.text[this.position] !== ":") this.fail("expected a colon");
      this.position++;
      members.push({ name, at, value: this.value(depth + 1) });
    } while (this.goesOn("}"));
    return { kind: "object", members, ...this.since(start) };
  }

  private array(depth: number): JsonNode {
    const start = this.position++;
    const elements: JsonNode[] = [];
    if (this.closes("]")) return { kind: "array", elements, ...this.since(start) };
    do {
      this.space();
      if (this.text[this.position] === "]") this.fail("expected a value", trailingComma);
      elements.push(this.value(depth + 1));
    } while (this.goesOn("]"));
    return { kind: "array", elements, ...this.since(start) };
  }

  private closes(end: string): boolean {
    this.space();
    if (this.text[this.position] !== end) return false;
    this.position++;
    return true;
  }

  private goesOn(end: string): boolean {
    this.space();
    const next = this.text[this.position];
    if (next !== "," && next !== end) this.fail(`expected a comma or ${end}`);
    this.position++;
    return next === ",";
  }

  private string(): string {
    const start = this.position++;
    let value = "";
    for (;;) {
      const character = this.text[this.position];
      if (character === undefined || character === "\n") {
        throw new Fault("this string does not end", this.since(start));
      }
      this.position++;
      if (character === '"') return value;
      if (character < " ") {
        this.position--;
        this.fail("a control character inside a string must be written as an escape");
      }
      value += character === "\\" ? this.escape() : character;
    }
  }

  private escape(): string {
    const start = this.position - 1;
    const letter = this.text[this.position++];
    const simple = letter === undefined ? undefined : Object.hasOwn(escapes, letter) ? escapes[letter] : undefined;
    if (simple !== undefined) return simple;
    const digits = this.text.slice(this.position, this.position + 4);
    if (letter !== "u" || !/^[0-9a-fA-F]{4}$/.test(digits)) throw new Fault("invalid escape", this.since(start));
    this.position += 4;
    return String.fromCharCode(Number.parseInt(digits, 16));
  }

  private number(): JsonNode {
    const start = this.position;
    const pattern = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
    pattern.lastIndex = start;
    const text = pattern.exec(this.text)?.[0];
    if (text === undefined) return this.fail("expected a value");
    this.position += text.length;
    if (/[0-9A-Za-z_.]/.test(this.text[this.position] ?? "")) {
      const whole = /[0-9A-Za-z_.+-]*/y;
      whole.lastIndex = start;
      this.position = start + (whole.exec(this.text)?.[0].length ?? 1);
      throw new Fault("this is not a JSON number", this.since(start), "write it in decimal digits");
    }
    return { kind: "number", text, ...this.since(start) };
  }

  private word(
    word: string,
    node: { readonly kind: "boolean"; readonly value: boolean } | { readonly kind: "null" },
  ): JsonNode {
    const start = this.position;
    if (!this.text.startsWith(word, start) || /\w/.test(this.text[start + word.length] ?? "")) {
      this.fail("expected a value");
    }
    this.position += word.length;
    return { ...node, ...this.since(start) };
  }

  private space(): void {
    const pattern = /[ \t\r\n]*/y;
    pattern.lastIndex = this.position;
    this.position += pattern.exec(this.text)?.[0].length ?? 0;
  }

  private since(start: number): Range {
    return { start, end: this.position };
  }

  private fail(problem: string, help?: string): never {
    const ends = this.position >= this.text.length;
    // The end of the text has no character to underline, so the last one is marked.
    const start = ends ? Math.max(0, this.text.length - 1) : this.position;
    throw new Fault(ends ? `${problem}, but the text ends` : problem, { start, end: start + 1 }, help);
  }
}

const trailingComma = "JSON has no comma after the last element";
