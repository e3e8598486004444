/**
 * How a line of somebody else's text is shown on a terminal: what takes how many cells, and nothing that the terminal
 * would obey (escape sequences, characters that turn the direction of writing).
 */

/** One character as it is shown. `length` is in UTF-16 units of the original, `cells` on the terminal. */
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

/** One line of text that a terminal can be given: what is unsafe becomes U+FFFD, line ends too. */
export function safeText(text: string): string {
  let safe = "";
  for (const character of text) safe += isUnsafe(character.codePointAt(0)!) ? "\ufffd" : character;
  return safe;
}

function isUnsafe(code: number): boolean {
  return (
    code < 0x20 ||
    (code >= 0x7f && code < 0xa0) ||
    (code >= 0xd800 && code <= 0xdfff) || // half of a surrogate pair
    code === 0x200e ||
    code === 0x200f ||
    (code >= 0x2028 && code <= 0x202e) || // line separators; embeddings and overrides of direction
    (code >= 0x2066 && code <= 0x2069) ||
    code === 0xfeff
  );
}

const combining = /^(?:\p{Mn}|\p{Me}|\p{Cf})$/u;
const pictograph = /^\p{Emoji_Presentation}$/u;

/** 0 for combining marks, 2 for wide characters (East Asian Width W and F, and emoji), else 1. */
function cellsOf(code: number): number {
  if (code < 0x300) return 1;
  const character = String.fromCodePoint(code);
  if (combining.test(character)) return 0;
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
    (code >= 0x20000 && code <= 0x3fffd) ||
    pictograph.test(character);
  return wide ? 2 : 1;
}
