/**
 * Bounds the nesting of a text before the parser sees it. oxc-parser is recursive native code: about 5,000 nested
 * parentheses overflow its stack and end the process with SIGSEGV. (Measured with 0.159: brackets, templates, type
 * arguments, `if`/`else` chains, prefix operators, nested `?:` and arrows; binary chains and member chains do not.)
 *
 * The scan computes an upper bound in linear time, without an allocation for each token. It knows strings, templates and
 * comments. Where it cannot tell a division from a regular expression (after a closing bracket), it counts all opening and
 * no closing brackets on the rest of that line.
 *
 * A count of all tokens that nest would be 20 lines, but is no bound: policies have more of them than levels are safe
 * (bench/arguments/listed-policy.ts has 563; 1,000 parentheses overflow a stack of 1 MiB, `ulimit -s 1024`). The parser has
 * no limit of its own, and a child process that parses first, as for large texts, costs each check the start of another Node.
 */

/** More than any hand-written policy, and far below the overflow in a worker's smaller stack. */
export const maximumNesting = 400;
/** Operator characters in one expression: 20,000 `&&` overflow a worker's stack when the tree is converted. */
const maximumChain = 8000;

// These come first, because esbuild inlines them only then.
const newline = 0x0a;
const space = 0x20;
const asterisk = 0x2a;
const slash = 0x2f;
const equals = 0x3d;
const backslash = 0x5c;
const openingBrace = 0x7b;
const closingBrace = 0x7d;

// The classes of characters.
const other = 0;
const blank = 1;
const letter = 2;
const opening = 3;
const closing = 4;
const semicolon = 5;
const comma = 6;
const linking = 7;
const prefixing = 8;
const equalsSign = 9;
const slashSign = 10;
const quote = 11;
const backtick = 12;

type Role = "start" | "soft start" | "continuation" | "prefix";

const roles: ReadonlyMap<string, Role> = new Map(
  (
    [
      // Words that begin a statement and cannot be inside an expression or a type, so they end the one before.
      ["start", "const let var return export switch case default break continue enum throw try"],
      // Words that begin a statement, except after an operand.
      ["soft start", "import type interface declare"],
      // Words that continue after a closing brace.
      ["continuation", "else catch finally as satisfies in of instanceof from extends is"],
      // Words that each open one more level in a recursive parser.
      [
        "prefix",
        "if for while do typeof void delete await new yield keyof unique infer readonly asserts async function with",
      ],
    ] as const
  ).flatMap(([role, words]) => words.split(" ").map((word) => [word, role] as const)),
);
const longestWord = Math.max(...[...roles.keys()].map((word) => word.length));
/** For each first letter, the lengths of these words as bits. */
const lengthsByFirst = new Uint32Array(128);
for (const word of roles.keys()) lengthsByFirst[word.charCodeAt(0)]! |= 1 << word.length;
/** A slash after one of these begins a regular expression. */
const beforeExpression = new Set("return typeof void delete await new case in of yield instanceof else do".split(" "));

/** One string for each ASCII character. */
const singles = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));

const classes: readonly (readonly [kind: number, characters: string])[] = [
  [blank, " \n\t\r"],
  [opening, "([{"],
  [closing, ")]}"],
  [linking, "|&%^>"],
  [prefixing, "!~+-?:<*"],
  [quote, "'\""],
  [semicolon, ";"],
  [comma, ","],
  [equalsSign, "="],
  [slashSign, "/"],
  [backtick, "`"],
];

/** By character code; all non-ASCII characters are letters. */
const kinds = new Uint8Array(0x10000).fill(letter);
for (let code = 0; code < 128; code++) if (!/[\w$]/.test(singles[code]!)) kinds[code] = other;
for (const [kind, characters] of classes) {
  for (let at = 0; at < characters.length; at++) kinds[characters.charCodeAt(at)] = kind;
}

/**
 * The offset at which the text nests deeper than `maximumNesting`, or undefined. It runs once, in code that is not yet
 * optimised: there, local variables and arrays of numbers are much faster than object members and string characters.
 */
export function findDeepNesting(text: string): number | undefined {
  const units = unitsOf(text);
  const { length } = units;
  /** The innermost open bracket, or a template's backtick. */
  let bracket = "";
  let pending = 0;
  /** Operators of a chain, which do not nest. */
  let links = 0;
  /** The same values of the enclosing brackets; for a backtick only the bracket. */
  const brackets: string[] = [];
  const pendings: number[] = [];
  const chains: number[] = [];
  let depth = 0;
  let doubtful = 0;
  /** The previous token: "literal" for strings, "identifier" for words without a role. */
  let previous = "";
  let afterBrace = false;
  /** After a semicolon: the statement ends unless `else` follows. */
  let ended = false;

  function token(text: string): void {
    previous = text;
    afterBrace = false;
    ended = false;
  }

  function reset(): void {
    links = 0;
    depth -= pending;
    pending = 0;
    ended = false;
  }

  function push(): void {
    pending++;
    depth++;
  }

  function link(): void {
    if (++links > maximumChain) doubtful = maximumNesting + 1;
  }

  function open(character: string): void {
    brackets.push(bracket);
    pendings.push(pending);
    chains.push(links);
    bracket = character;
    pending = 0;
    links = 0;
    depth++;
    token(character);
  }

  /** Ignores an unmatched bracket: the parser reports it, and the depth is still an upper bound. */
  function close(character: string): void {
    if (bracket !== (character === ")" ? "(" : character === "]" ? "[" : "{")) return;
    depth -= 1 + pending;
    bracket = brackets.pop()!;
    pending = pendings.pop()!;
    links = chains.pop()!;
  }

  function keyword(word: string, role: Role): void {
    if (ended && word !== "else" && word !== "while") reset();
    const over = afterBrace && role !== "continuation";
    const starts = role === "start" && previous !== "." && previous !== "as";
    if (over || starts || (role === "soft start" && isOperand(previous))) reset();
    if (role === "prefix") push();
    else if (role === "continuation") link();
    token(word);
  }

  /**
   * Scans from after a template's backtick, or after the brace that ends an expression in it; returns the next offset.
   */
  function template(from: number): number {
    for (let at = from; at < length; at++) {
      const character = text[at];
      if (character === "\\") at++;
      else if (character === "`") {
        token("literal");
        return at + 1;
      } else if (character === "$" && text[at + 1] === "{") {
        brackets.push(bracket);
        bracket = "`";
        depth++;
        open("{");
        return at + 2;
      }
    }
    return length;
  }

  function divisionOrExpression(at: number): void {
    const divides = previous === "identifier" || previous === "]" || previous === "literal";
    const word = /^\w/.test(previous) && !divides;
    if (!divides && (!word || beforeExpression.has(previous))) {
      // A regular expression or a division: on the rest of this line closing brackets and quotes do not count, and a
      // character that could hide later lines ends the scan.
      const rest = text.slice(at, lineEnd(text, at));
      if (rest.includes("`") || rest.includes("/*")) doubtful = maximumNesting + 1;
      for (const character of rest) if ("([{<)]}>!~?:=".includes(character)) doubtful++;
    }
    token("/");
  }

  /** Scans one token or one run of blanks; returns the offset after it. */
  function scan(start: number): number {
    let at = start + 1;
    const code = units[start]!;
    switch (kinds[code]) {
      case blank:
        while (units[at] === space) at++;
        break;
      case letter: {
        while (at < length && kinds[units[at]!] === letter) at++;
        const role = roleOf(text, start, at, code);
        if (role !== undefined) keyword(text.slice(start, at), role);
        else {
          if (ended || afterBrace) reset();
          token("identifier");
        }
        break;
      }
      case quote:
        for (; at < length && units[at] !== code && units[at] !== newline; at++) if (units[at] === backslash) at++;
        at++;
        token("literal");
        break;
      case backtick:
        at = template(at);
        break;
      case slashSign:
        if (units[at] === slash) at = lineEnd(text, at);
        else if (units[at] === asterisk) {
          const end = text.indexOf("*/", at + 1);
          at = end === -1 ? length : end + 2;
        } else {
          if (ended) reset();
          divisionOrExpression(at);
        }
        break;
      case opening:
        if (ended || (afterBrace && code === openingBrace)) reset();
        open(singles[code]!);
        break;
      case closing:
        if (ended) reset();
        close(singles[code]!);
        if (code === closingBrace && bracket === "`") {
          bracket = brackets.pop()!;
          depth--;
          at = template(at);
        } else {
          token(singles[code]!);
          afterBrace = code === closingBrace;
        }
        break;
      case semicolon:
        if (ended) reset();
        token(";");
        ended = true;
        break;
      case comma:
        reset();
        token(",");
        break;
      case linking:
        if (ended) reset();
        link();
        token(singles[code]!);
        break;
      case prefixing:
        if (ended) reset();
        push();
        token(singles[code]!);
        break;
      case equalsSign:
        if (ended) reset();
        if (units[at] === equals) while (units[at] === equals) at++;
        else if (previous !== "=" && previous !== "!") push();
        token("=");
        break;
      default:
        if (ended) reset();
        token(singles[code]!);
    }
    return at;
  }

  for (let at = 0; at < length; ) {
    const start = at;
    at = scan(start);
    if (depth + doubtful > maximumNesting) return start;
  }
  return undefined;
}

/** The text's UTF-16 units: before a loop is optimised, reading an array is several times faster than a string. */
function unitsOf(text: string): Uint16Array {
  const bytes = Buffer.from(text, "utf16le");
  // Node's pool starts at multiples of 8.
  return new Uint16Array(bytes.buffer, bytes.byteOffset, text.length);
}

/** The role of the word that begins with `first`. Skips the lookup if no word has this first letter and length. */
function roleOf(text: string, start: number, end: number, first: number): Role | undefined {
  const lengths = lengthsByFirst[first] ?? 0;
  const length = end - start;
  return length <= longestWord && ((lengths >> length) & 1) === 1 ? roles.get(text.slice(start, end)) : undefined;
}

/** Whether the token can end an expression or a type, so that a word after it begins a statement. */
function isOperand(token: string): boolean {
  if (token === "literal" || token === ")" || token === "]" || token === "}") return true;
  return /^\w/.test(token) && roles.get(token) !== "prefix" && roles.get(token) !== "continuation";
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end === -1 ? text.length : end;
}
