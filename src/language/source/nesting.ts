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

/** These begin a statement and cannot stand inside an expression or a type: what was before them is over. */
const statementStarts = new Set(
  "const let var return export switch case default break continue enum throw try".split(" "),
);
/** These may, but never right behind an operand. */
const softStarts = new Set("import type interface declare".split(" "));
/** These continue what a closing brace ended. */
const continuations = new Set("else while catch finally as satisfies in of instanceof from extends is".split(" "));
/** Each of these opens one more level in a recursive parser. */
const prefixWords = new Set(
  "if else for while do typeof void delete await new yield keyof unique infer readonly asserts async function with".split(
    " ",
  ),
);
/** A slash after one of these begins a regular expression. */
const beforeExpression = new Set("return typeof void delete await new case in of yield instanceof else do".split(" "));

class NestingScan {
  private readonly text: string;
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
  }

  run(): number | undefined {
    const { text } = this;
    while (this.at < text.length) {
      const start = this.at;
      const character = text[start]!;
      if (character === " " || character === "\n" || character === "\t" || character === "\r") this.at++;
      else if (character === "/" && text[start + 1] === "/") this.at = lineEnd(text, start);
      else if (character === "/" && text[start + 1] === "*") {
        const end = text.indexOf("*/", start + 2);
        this.at = end === -1 ? text.length : end + 2;
      } else if (character === '"' || character === "'") this.skipString(character);
      else if (character === "`") {
        this.at++;
        this.skipTemplate();
      } else if (isWordPart(character)) this.word();
      else this.punctuator(character);
      if (this.depth + this.doubtful > maximumNesting) return start;
    }
    return undefined;
  }

  private word(): void {
    const start = this.at;
    while (this.at < this.text.length && isWordPart(this.text[this.at]!)) this.at++;
    const word = this.at - start > 12 ? "" : this.text.slice(start, this.at);
    if (this.ended && word !== "else" && word !== "while") this.reset();
    const over = this.afterBrace && !continuations.has(word);
    const starts = statementStarts.has(word) && this.previous !== "." && this.previous !== "as";
    if (over || starts || (softStarts.has(word) && this.afterOperand())) this.reset();
    if (prefixWords.has(word)) this.push();
    else if (continuations.has(word)) this.link();
    this.token(word === "" ? "identifier" : word);
  }

  /** The token before could end an expression or a type, so that a word after it begins something new. */
  private afterOperand(): boolean {
    const { previous } = this;
    if (previous === "literal" || previous === ")" || previous === "]" || previous === "}") return true;
    return /^\w/.test(previous) && !prefixWords.has(previous) && !continuations.has(previous);
  }

  private punctuator(character: string): void {
    this.at++;
    if (this.ended) this.reset();
    switch (character) {
      case "(":
      case "[":
      case "{":
        if (this.afterBrace && character === "{") this.reset();
        this.open(character);
        break;
      case ")":
      case "]":
      case "}":
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
      case ";":
        this.token(";");
        this.ended = true;
        return;
      case ",":
        this.reset();
        break;
      case "/":
        this.slash();
        return;
      case "|":
      case "&":
      case "%":
      case "^":
      case ">":
        this.link();
        break;
      case "=":
        if (this.text[this.at] === "=") while (this.text[this.at] === "=") this.at++;
        else if (this.previous !== "=" && this.previous !== "!") this.push();
        break;
      case "!":
      case "~":
      case "+":
      case "-":
      case "?":
      case ":":
      case "<":
      case "*":
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

  private skipString(quote: string): void {
    const { text } = this;
    for (this.at++; this.at < text.length; this.at++) {
      const character = text[this.at];
      if (character === "\\") this.at++;
      else if (character === quote || character === "\n") break;
    }
    this.at++;
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

function isWordPart(character: string): boolean {
  return (
    (character >= "a" && character <= "z") ||
    (character >= "A" && character <= "Z") ||
    (character >= "0" && character <= "9") ||
    character === "_" ||
    character === "$" ||
    character > "\x7f"
  );
}
