/**
 * Evaluates constants of kernel headers: a minimal preprocessor (conditions, object-like macros, the _IO family,
 * enumerations). It does not follow #include: inputs.ts lists the headers in order, an architecture's headers before
 * the generic ones that they override.
 */
import { type KernelSource, SourceError } from "./source.ts";

type Token =
  | { readonly kind: "number"; readonly value: bigint }
  | { readonly kind: "word" | "sign"; readonly text: string };

export class Constants {
  readonly #macros = new Map<string, string>();
  readonly #enumerators = new Map<string, bigint>();

  /** @param defined macros, as for the compiler's -D: `NAME` is 1, or `NAME=VALUE`. */
  constructor(source: KernelSource, headers: readonly string[], defined: readonly string[]) {
    for (const one of defined) {
      const [name = "", value = "1"] = one.split("=");
      this.#macros.set(name, value);
    }
    this.add(source, headers);
  }

  /** Reads further headers. */
  add(source: KernelSource, headers: readonly string[]): void {
    for (const header of headers) this.#read(source.read(header), header);
  }

  /** Names of all constants seen, in the order of the headers. */
  names(): string[] {
    return [...new Set([...this.#macros.keys(), ...this.#enumerators.keys()])];
  }

  /** Returns undefined for an unknown name. @throws {SourceError} if its value cannot be computed. */
  value(name: string): bigint | undefined {
    const enumerator = this.#enumerators.get(name);
    if (enumerator !== undefined) return enumerator;
    const macro = this.#macros.get(name);
    return macro === undefined ? undefined : this.#evaluate(macro, name, 0);
  }

  /** The value of a C expression. @throws {SourceError} if it cannot be computed. */
  expression(text: string): bigint {
    return this.#evaluate(text, text, 0);
  }

  #read(text: string, header: string): void {
    const plain = text
      .replace(/\/\*[\s\S]*?\*\//g, " ")
      .replace(/\\\n/g, " ")
      .replace(/\/\/.*$/gm, "");
    // For each open #if: whether this branch is taken, and whether an earlier one was.
    const open: { taken: boolean; done: boolean }[] = [];
    const active = () => open.every((level) => level.taken);
    let code = "";
    for (const line of plain.split("\n")) {
      const directive = line.match(/^\s*#\s*(\w+)\s*(.*?)\s*$/);
      if (!directive) {
        if (active()) code += `${line}\n`;
        continue;
      }
      const [, word = "", rest = ""] = directive;
      const last = open.at(-1);
      if (word === "ifdef" || word === "ifndef" || word === "if") {
        const taken =
          active() && (word === "if" ? this.#condition(rest) : this.#macros.has(rest) === (word === "ifdef"));
        open.push({ taken, done: taken });
      } else if (word === "elif" || word === "else") {
        if (!last) throw new SourceError(`${header}: #${word} without #if`);
        last.taken = false;
        if (!last.done && active0(open) && (word === "else" || this.#condition(rest))) last.taken = last.done = true;
      } else if (word === "endif") open.pop();
      else if (word === "define" && active()) {
        const macro = rest.match(/^(\w+)(\([^)]*\))?\s*(.*)$/);
        if (macro && macro[2] === undefined) this.#macros.set(macro[1] ?? "", macro[3] ?? "");
      } else if (word === "undef" && active()) this.#macros.delete(rest);
    }
    if (open.length > 0) throw new SourceError(`${header}: #if without #endif`);
    this.#readEnumerations(code, header);
  }

  #condition(text: string): boolean {
    const known = text.replace(/defined\s*\(?\s*(\w+)\s*\)?/g, (_, name) => (this.#macros.has(name) ? "1" : "0"));
    return known
      .split("||")
      .some((any) => any.split("&&").every((term) => this.#term(term.trim().replace(/^\((.*)\)$/, "$1"))));
  }

  /**
   * One term of a condition. Anything except 0, 1, names and comparisons is false, which suffices for these headers.
   */
  #term(text: string): boolean {
    if (text.startsWith("!")) return !this.#term(text.slice(1).trim());
    const compared = text.match(/^(\w+)\s*(==|!=|<|>|<=|>=)\s*(\w+)$/);
    const number = (word = "") => (/^\d/.test(word) ? BigInt(word) : (this.value(word) ?? 0n));
    if (!compared) return /^\w+$/.test(text) && number(text) !== 0n;
    const [, left, operator, right] = compared;
    const [a, b] = [number(left), number(right)];
    return operator === "==" ? a === b : operator === "!=" ? a !== b : operator?.startsWith("<") ? a < b : a > b;
  }

  #readEnumerations(code: string, header: string): void {
    for (const [, body = ""] of code.matchAll(/\benum\b(?:\s+\w+)?\s*\{([^}]*)\}/g)) {
      let next: bigint | undefined = 0n;
      for (const item of body.split(",")) {
        const [name, expression] = item.split(/=(.*)/s).map((part) => part.trim());
        if (!name) continue;
        if (!/^\w+$/.test(name)) {
          next = undefined;
          continue; // defined by a macro: the values of the following names are unknown
        }
        if (expression !== undefined) {
          try {
            next = this.#evaluate(expression, name, 0);
          } catch {
            next = undefined;
          }
        }
        if (next === undefined) continue;
        this.#enumerators.set(name, next);
        next += 1n;
      }
    }
    if (code.includes("#")) throw new SourceError(`${header}: a directive was not read`);
  }

  #evaluate(expression: string, name: string, depth: number): bigint {
    if (depth > 20) throw new SourceError(`${name} is defined recursively`);
    const tokens = tokenize(expression.replace(/\((?:__force \w+|__kernel_\w+)\)/g, ""));
    const fail = (): never => {
      throw new SourceError(`the value of ${name} cannot be computed: ${expression}`);
    };
    let position = 0;
    const peek = () => tokens[position];
    const sign = (text: string) => {
      const token = peek();
      if (token?.kind !== "sign" || token.text !== text) return false;
      position++;
      return true;
    };
    const expect = (text: string) => sign(text) || fail();
    const primary = (): bigint => {
      const token = peek();
      position++;
      if (!token) return fail();
      if (token.kind === "number") return token.value;
      if (token.kind === "word") {
        const ioctl = ioctlDirections[token.text];
        if (ioctl !== undefined) {
          expect("(");
          const type = or();
          expect(",");
          const number = or();
          let size = 0n;
          if (token.text !== "_IO") {
            expect(",");
            const words: string[] = [];
            for (let word = peek(); word?.kind === "word"; word = peek()) {
              words.push(word.text);
              position++;
            }
            size = ioctlSizes[words.join(" ")] ?? fail();
          }
          expect(")");
          return (ioctl << 30n) | (size << 16n) | (type << 8n) | number;
        }
        const enumerator = this.#enumerators.get(token.text);
        if (enumerator !== undefined) return enumerator;
        const macro = this.#macros.get(token.text);
        return macro === undefined || macro === "" ? fail() : this.#evaluate(macro, token.text, depth + 1);
      }
      if (token.text === "(") {
        const inner = or();
        expect(")");
        return inner;
      }
      if (token.text === "~") return ~primary();
      if (token.text === "-") return -primary();
      return fail();
    };
    const sum = (): bigint => {
      let left = primary();
      for (;;) {
        if (sign("+")) left += primary();
        else if (sign("-")) left -= primary();
        else return left;
      }
    };
    const shift = (): bigint => {
      let left = sum();
      while (sign("<<")) left <<= sum();
      return left;
    };
    const and = (): bigint => {
      let left = shift();
      while (sign("&")) left &= shift();
      return left;
    };
    const or = (): bigint => {
      let left = and();
      while (sign("|")) left |= and();
      return left;
    };
    const result = or();
    return position === tokens.length ? result : fail();
  }
}

function active0(open: readonly { taken: boolean }[]): boolean {
  return open.slice(0, -1).every((level) => level.taken);
}

/** include/uapi/asm-generic/ioctl.h: direction in bits 30 and 31, size 16 … 29, type 8 … 15, number 0 … 7. */
const ioctlDirections: { readonly [macro: string]: bigint | undefined } = {
  _IO: 0n,
  _IOW: 1n,
  _IOR: 2n,
  _IOWR: 3n,
};
/** Sizes of the types that the selected requests name, the same on x86-64 and arm64. */
const ioctlSizes: { readonly [type: string]: bigint | undefined } = {
  int: 4n,
  long: 8n,
  "unsigned int": 4n,
  __u32: 4n,
  __u64: 8n,
  size_t: 8n,
};

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (const [, number, character, word, other] of text.matchAll(
    /(0[xX][0-9a-fA-F]+[uUlL]*|\d+[uUlL]*)|'(.)'|(\w+)|(<<|>>|\S)/g,
  )) {
    if (number !== undefined) {
      const digits = number.replace(/[uUlL]+$/, "");
      const octal = /^0\d+$/.test(digits);
      tokens.push({ kind: "number", value: BigInt(octal ? `0o${digits.slice(1)}` : digits) });
    } else if (character !== undefined) tokens.push({ kind: "number", value: BigInt(character.charCodeAt(0)) });
    else if (word !== undefined) tokens.push({ kind: "word", text: word });
    else tokens.push({ kind: "sign", text: other ?? "" });
  }
  return tokens;
}
