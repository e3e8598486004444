/**
 * Makes foreign text safe for a terminal: no escape sequences and no characters that change the direction of writing;
 * and counts the cells that each character takes.
 *
 * string-width 8 would replace `cellsOf`, 20 lines, by four packages, and takes five times as long for a line: it divides a text
 * into graphemes, while the carets of a diagnostic need each character's cells. They differ for 226 rare characters.
 */

/** One displayed character. `length` is in UTF-16 units of the original, `cells` on the terminal. */
export interface ShownCharacter {
  readonly text: string;
  readonly cells: number;
  readonly length: number;
}

const tabStop = 4;

export function* shownCharacters(line: string): Generator<ShownCharacter> {
  let cell = 0;
  for (const character of line) {
    const code = character.codePointAt(0)!;
    let shown: ShownCharacter;
    if (character === "\t") {
      const cells = tabStop - (cell % tabStop);
      shown = { text: " ".repeat(cells), cells, length: 1 };
    } else if (isUnsafe(code)) {
      shown = { text: "\ufffd", cells: 1, length: character.length };
    } else {
      shown = { text: character, cells: cellsOf(code), length: character.length };
    }
    cell += shown.cells;
    yield shown;
  }
}

/** One line of text that is safe for a terminal: unsafe characters and line ends become U+FFFD. */
export function safeText(text: string): string {
  let safe = "";
  for (const character of text) safe += isUnsafe(character.codePointAt(0)!) ? "\ufffd" : character;
  return safe;
}

/**
 * JSON on one line that is safe for a terminal: unsafe characters are escaped (`\u009b`), so that a program reads the
 * original text. A bigint becomes a string.
 */
export function jsonText(value: unknown): string {
  const plain = JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each));
  let safe = "";
  for (const character of plain) {
    if (!isUnsafe(character.codePointAt(0)!)) safe += character;
    else for (let unit = 0; unit < character.length; unit++) safe += escapeOf(character.charCodeAt(unit));
  }
  return safe;
}

function escapeOf(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}

const escapeCharacter = String.fromCharCode(0x1b);
const colourOrLayout = new RegExp(String.raw`(${escapeCharacter}\[(?:\d{1,3}(?:;\d{1,3})*)?m|[\n\t])`);

/** Formatted lines: as `safeText`, but line ends, tabs and, with `colour`, our own colours stay. */
export function safeLines(text: string, colour: boolean): string {
  const separator = colour ? colourOrLayout : /([\n\t])/;
  // Every other part is a separator, which is not escaped.
  return text
    .split(separator)
    .map((part, index) => (index % 2 === 1 ? part : safeText(part)))
    .join("");
}

/** Would the terminal obey it, or hide it? @param code of a character */
export function isUnsafe(code: number): boolean {
  return (
    code < 0x20 ||
    (code >= 0x7f && code < 0xa0) ||
    (code >= 0xd800 && code <= 0xdfff) || // half of a surrogate pair
    code === 0x061c || // marks of direction, this one and the next two
    code === 0x200e ||
    code === 0x200f ||
    (code >= 0x2028 && code <= 0x202e) || // line separators; embeddings and overrides of direction
    (code >= 0x2066 && code <= 0x2069) ||
    code === 0xfeff ||
    (code >= 0xfff9 && code <= 0xfffb) || // interlinear annotation
    (code >= 0xe0000 && code <= 0xe007f) // tags: invisible text
  );
}

/** 0 for combining marks, 2 for wide characters (East Asian Width W and F, and emoji), else 1. */
function cellsOf(code: number): number {
  if (code < 0x300) return 1;
  const character = String.fromCodePoint(code);
  // Literals in the function: their sets of characters take a millisecond to make, and most texts are ASCII.
  if (/^(?:\p{Mn}|\p{Me}|\p{Cf})$/u.test(character)) return 0;
  const wide =
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0x303e) ||
    (code >= 0x3041 && code <= 0xa4cf) ||
    (code >= 0xa960 && code <= 0xa97c) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x16fe0 && code <= 0x18dff) || // extinct scripts of China
    (code >= 0x1aff0 && code <= 0x1b2ff) || // more of Kana
    (code >= 0x20000 && code <= 0x3fffd) ||
    /^\p{Emoji_Presentation}$/u.test(character);
  return wide ? 2 : 1;
}
