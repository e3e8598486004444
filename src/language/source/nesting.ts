/**
 * How deeply a text nests, before the parser sees it. oxc-parser is recursive native code: some 5,000 nested parentheses
 * overflow its stack and end the process with SIGSEGV, which nothing can catch. (Tried with 0.159: brackets, templates,
 * type arguments, `if`/`else` chains, prefix operators, nested `?:` and arrows; binary chains and member chains do not.)
 *
 * The scan is an upper bound, linear, and allocates nothing a token. It knows strings, templates and comments. Where it
 * cannot tell a division from a regular expression (after a closing bracket), it counts what opens on the rest of that
 * line and nothing that closes.
 */

/** Beyond what any person writes by hand; far below what overflows the parser in a worker's smaller stack. */
export const maximumNesting = 400;
/** Characters of operators in one expression: 20,000 `&&` overflow a worker's stack where their tree is handed over. */
const maximumChain = 8000;

/** The offset at which the text nests deeper than `maximumNesting`, or undefined. */
export function findDeepNesting(text: string): number | undefined {
  const scan = new NestingScan(text);
  return scan.run();
}

type Role = "start" | "soft start" | "continuation" | "prefix";

const roles: ReadonlyMap<string, Role> = new Map(
  (
    [
      // These begin a statement and cannot stand inside an expression or a type: what was before them is over.
      ["start", "const let var return export switch case default break continue enum throw try"],
      // These may, but never right behind an operand.
      ["soft start", "import type interface declare"],
      // These continue what a closing brace ended.
      ["continuation", "else catch finally as satisfies in of instanceof from extends is"],
      // Each of these opens one more level in a recursive parser.
      [
        "prefix",
        "if for while do typeof void delete await new yield keyof unique infer readonly asserts async function with",
      ],
    ] as const
  ).flatMap(([role, words]) => words.split(" ").map((word) => [word, role] as const)),
);
const longestWord = Math.max(...[...roles.keys()].map((word) => word.length));
/** For the code of each first letter the lengths of such words, as bits. */
const lengthsByFirst = new Uint32Array(128);
for (const word of roles.keys()) lengthsByFirst[word.charCodeAt(0)]! |= 1 << word.length;
/** A slash after one of these begins a regular expression. */
const beforeExpression = new Set("return typeof void delete await new case in of yield instanceof else do".split(" "));

/** The text's UTF-16 units: before a loop is hot, reading an array is several times faster than asking a text. */
function unitsOf(text: string): Uint16Array {
  const bytes = Buffer.from(text, "utf16le");
  // Node's pool starts at multiples of 8.
  return new Uint16Array(bytes.buffer, bytes.byteOffset, text.length);
}

class NestingScan {
  private readonly text: string;
  private readonly units: Uint16Array;
  private at = 0;
  /** For each open bracket: how many prefix operators, arrows and the like are pending inside of it. */
  private readonly pending: number[] = [0];
  /** The same, of operators that only make a chain. */
  private readonly links: number[] = [0];
  private readonly brackets: string[] = [];
  private depth = 0;
  private doubtful = 0;
  private previous = "";
  private afterBrace = false;
  /** A semicolon: the statement is over, unless `else` follows. */
  private ended = false;

  constructor(text: string) {
    this.text = text;
    this.units = unitsOf(text);
  }

  run(): number | undefined {
    const { text, units } = this;
    const { length } = units;
    while (this.at < length) {
      const start = this.at;
      const code = units[start]!;
      switch (code < 128 ? kinds[code] : Kind.word) {
        case Kind.space: {
          let at = start + 1;
          while (units[at] === 0x20) at++;
          this.at = at;
          continue;
        }
        case Kind.word:
          this.word();
          break;
        case Kind.quote:
          this.skipString(code);
          break;
        case Kind.backtick:
          this.at++;
          this.skipTemplate();
          break;
        default:
          if (code === slash && units[start + 1] === slash) this.at = lineEnd(text, start);
          else if (code === slash && units[start + 1] === asterisk) {
            const end = text.indexOf("*/", start + 2);
            this.at = end === -1 ? length : end + 2;
          } else this.punctuator(code);
      }
      if (this.depth + this.doubtful > maximumNesting) return start;
    }
    return undefined;
  }

  private word(): void {
    const { text, units } = this;
    const start = this.at;
    let at = start + 1;
    for (; at < units.length; at++) {
      const code = units[at]!;
      if (code < 128 && kinds[code] !== Kind.word) break;
    }
    this.at = at;
    // What no word of the tables looks like need not be looked up, and is to the scan what any name is.
    const lengths = lengthsByFirst[units[start]!] ?? 0;
    const word =
      at - start > longestWord || ((lengths >> (at - start)) & 1) === 0 ? "identifier" : text.slice(start, at);
    if (this.ended && word !== "else" && word !== "while") this.reset();
    const role = roles.get(word);
    const over = this.afterBrace && role !== "continuation";
    const starts = role === "start" && this.previous !== "." && this.previous !== "as";
    if (over || starts || (role === "soft start" && this.afterOperand())) this.reset();
    if (role === "prefix") this.push();
    else if (role === "continuation") this.link();
    this.token(word);
  }

  /** The token before could end an expression or a type, so that a word after it begins something new. */
  private afterOperand(): boolean {
    const { previous } = this;
    if (previous === "literal" || previous === ")" || previous === "]" || previous === "}") return true;
    return /^\w/.test(previous) && roles.get(previous) !== "prefix" && roles.get(previous) !== "continuation";
  }

  private punctuator(code: number): void {
    this.at++;
    if (this.ended) this.reset();
    const character = singles[code]!;
    switch (marks[code]) {
      case Mark.open:
        if (this.afterBrace && character === "{") this.reset();
        this.open(character);
        break;
      case Mark.close:
        this.close(character);
        if (character === "}" && this.brackets.at(-1) === "`") {
          this.brackets.pop();
          this.depth--;
          this.skipTemplate();
          return;
        }
        this.token(character);
        this.afterBrace = character === "}";
        return;
      case Mark.semicolon:
        this.token(";");
        this.ended = true;
        return;
      case Mark.comma:
        this.reset();
        break;
      case Mark.slash:
        this.slash();
        return;
      case Mark.link:
        this.link();
        break;
      case Mark.equals:
        if (this.units[this.at] === equals) while (this.units[this.at] === equals) this.at++;
        else if (this.previous !== "=" && this.previous !== "!") this.push();
        break;
      case Mark.push:
        this.push();
        break;
    }
    this.token(character);
  }

  private slash(): void {
    const { previous } = this;
    const divides = previous === "identifier" || previous === "]" || previous === "literal";
    const word = /^\w/.test(previous) && !divides;
    if (divides || (word && !beforeExpression.has(previous))) return this.token("/");
    // A regular expression, or perhaps a division: nothing on the rest of this line is trusted to close or to quote, and
    // what could hide the lines after it ends the scan.
    const rest = this.text.slice(this.at, lineEnd(this.text, this.at));
    if (rest.includes("`") || rest.includes("/*")) this.doubtful = maximumNesting + 1;
    for (const character of rest) if ("([{<)]}>!~?:=".includes(character)) this.doubtful++;
    return this.token("/");
  }

  private open(bracket: string): void {
    this.brackets.push(bracket);
    this.pending.push(0);
    this.links.push(0);
    this.depth++;
    this.token(bracket);
  }

  private close(bracket: string): void {
    const opening = bracket === ")" ? "(" : bracket === "]" ? "[" : "{";
    if (this.brackets.at(-1) !== opening) return; // the parser will say so; the depth stays an upper bound
    this.brackets.pop();
    this.links.pop();
    this.depth -= 1 + this.pending.pop()!;
  }

  private push(): void {
    this.pending[this.pending.length - 1]!++;
    this.depth++;
  }

  private link(): void {
    this.links[this.links.length - 1]!++;
    if (this.links.at(-1)! > maximumChain) this.doubtful = maximumNesting + 1;
  }

  private reset(): void {
    this.links[this.links.length - 1] = 0;
    this.depth -= this.pending.at(-1)!;
    this.pending[this.pending.length - 1] = 0;
    this.ended = false;
  }

  private token(text: string): void {
    this.previous = text;
    this.afterBrace = false;
    this.ended = false;
  }

  private skipString(quote: number): void {
    const { units } = this;
    let at = this.at + 1;
    for (; at < units.length; at++) {
      const code = units[at];
      if (code === backslash) at++;
      else if (code === quote || code === newline) break;
    }
    this.at = at + 1;
    this.token("literal");
  }

  /** From behind a template's backtick or the brace that ended an expression in it. */
  private skipTemplate(): void {
    const { text } = this;
    for (; this.at < text.length; this.at++) {
      const character = text[this.at];
      if (character === "\\") this.at++;
      else if (character === "`") {
        this.at++;
        return this.token("literal");
      } else if (character === "$" && text[this.at + 1] === "{") {
        this.at += 2;
        this.brackets.push("`");
        this.depth++;
        return this.open("{");
      }
    }
  }
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end === -1 ? text.length : end;
}

const slash = 0x2f;
const asterisk = 0x2a;
const equals = 0x3d;
const backslash = 0x5c;
const newline = 0x0a;

/** ASCII, a text each. */
const singles = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));

/** What a punctuation character does; numbers, for a switch over texts compares with one after the other. */
const Mark = { other: 0, open: 1, close: 2, semicolon: 3, comma: 4, slash: 5, link: 6, equals: 7, push: 8 } as const;

const marks = Uint8Array.from(singles, (character) => {
  if ("([{".includes(character)) return Mark.open;
  if (")]}".includes(character)) return Mark.close;
  if (character === ";") return Mark.semicolon;
  if (character === ",") return Mark.comma;
  if (character === "/") return Mark.slash;
  if ("|&%^>".includes(character)) return Mark.link;
  if (character === "=") return Mark.equals;
  return "!~+-?:<*".includes(character) ? Mark.push : Mark.other;
});

const Kind = { punctuator: 0, space: 1, word: 2, quote: 3, backtick: 4 } as const;

/** Of ASCII; everything else is a part of a word. */
const kinds = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (" \n\t\r".includes(character)) return Kind.space;
  if (/[\w$]/.test(character)) return Kind.word;
  if (character === '"' || character === "'") return Kind.quote;
  return character === "`" ? Kind.backtick : Kind.punctuator;
});
