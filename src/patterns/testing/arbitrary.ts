/** Random patterns, and texts that nearly match them. */
import { SeededChoices } from "../../ir/testing/choices.ts";
import { type Pattern, patternKinds, readPattern } from "../pattern.ts";

/** Characters of one to four bytes, some of which share bytes, and those that mean something. */
const letters = ["a", "b", "c", "/", ".", "é", "è", "ɐ", "€", "₭", "한", "😀", "😁"];
const common = ["a", "b", "/", "a", "b", "/", "."];

/** Bytes that begin, continue, or spoil a sequence. */
const spoilers = [
  [0x80], [0xbf], [0xc3], [0xc0, 0xaf], [0xe2], [0xe2, 0x82], [0xed, 0xa0, 0x80], [0xf0, 0x9f], [0xf0, 0x9f, 0x98],
  [0xf4, 0x90, 0x80, 0x80], [0xff], [0],
]; // biome-ignore format: a table

export class PatternChoices {
  readonly #choices: SeededChoices;

  constructor(seed: number) {
    this.#choices = new SeededChoices(seed);
  }

  /** 1 … `most` patterns. */
  patterns(most: number): Pattern[] {
    return this.#repeat(1 + this.#choices.below(most), () => this.pattern());
  }

  pattern(): Pattern {
    for (;;) {
      const kind = this.#one([...patternKinds, "matches", "matches"] as const);
      const text = kind === "matches" ? this.#glob(2) : this.#plain(5);
      const { pattern } = readPattern(kind, text) as { pattern?: Pattern };
      if (pattern !== undefined) return pattern;
    }
  }

  /** Mostly made from one of the patterns, then perhaps spoilt a little. */
  subject(patterns: readonly Pattern[]): Uint8Array {
    const { kind, text } = this.#one(patterns);
    const parts = [Buffer.from(kind === "matches" ? this.#instance([...text]) : text)];
    if (kind !== "matches" || this.#choices.below(8) === 0) {
      if (this.#choices.below(2) === 0) parts.push(Buffer.from(this.#one(["/", "", "x"]) + this.#plain(2)));
      if (this.#choices.below(3) === 0) parts.unshift(Buffer.from(this.#plain(2)));
    }
    let bytes = [...Buffer.concat(parts)];
    for (let change = this.#choices.below(3); change > 0; change--) {
      const at = this.#choices.below(bytes.length + 1);
      const added = this.#one([[], [], [...Buffer.from(this.#one(letters))], this.#one(spoilers)]);
      bytes = [...bytes.slice(0, at), ...added, ...bytes.slice(at + this.#choices.below(2))];
    }
    return Uint8Array.from(bytes);
  }

  #plain(most: number): string {
    return this.#repeat(this.#choices.below(most + 1), () => this.#letter()).join("");
  }

  #letter(): string {
    return this.#one(this.#choices.below(3) === 0 ? letters : common);
  }

  #glob(depth: number): string {
    return this.#repeat(this.#choices.below(6), () => {
      switch (this.#choices.below(depth > 0 ? 9 : 8)) {
        case 0:
          return "*";
        case 1:
          return this.#one(["**", "/**/", "**/", "/**"]);
        case 2:
          return "?";
        case 3:
          return this.#class();
        case 8:
          return `{${this.#repeat(2 + this.#choices.below(2), () => this.#glob(depth - 1)).join(",")}}`;
        case 4:
          return this.#one(["\\*", "\\?", "\\a", "\\{", "\\\\", "\\/"]);
        default:
          return this.#letter();
      }
    }).join("");
  }

  #class(): string {
    const members = this.#repeat(1 + this.#choices.below(2), () => {
      const [low, high] = [this.#letter(), this.#letter()].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
      return this.#choices.below(2) === 0 ? low! : `${low}-${high}`;
    });
    return `[${this.#one(["", "", "!", "^"])}${members.join("")}${this.#one(["", "", "", "-"])}]`;
  }

  /** A text that a glob is likely to match. Takes what it reads. */
  #instance(rest: string[], inBraces = false): string {
    let text = "";
    while (rest.length > 0) {
      if (inBraces && (rest[0] === "," || rest[0] === "}")) return text;
      const next = rest.shift()!;
      if (next === "*") text += this.#one(["", "a", "é.", "b", rest[0] === "*" ? "a/b/" : "", "/"]);
      else if (next === "?") text += this.#letter();
      else if (next === "\\") text += rest.shift();
      else if (next === "[") {
        const end = rest.indexOf("]");
        text += this.#one([rest[0]!, this.#letter(), this.#letter()]);
        rest.splice(0, end + 1);
      } else if (next === "{") {
        const of: string[] = [];
        do of.push(this.#instance(rest, true));
        while (rest.shift() === ",");
        text += this.#one(of);
      } else text += next;
    }
    return text;
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#choices.below(of.length)]!;
  }

  #repeat<T>(count: number, make: () => T): T[] {
    return Array.from({ length: count }, make);
  }
}
