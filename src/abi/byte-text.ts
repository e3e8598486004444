/**
 * Byte strings of the kernel (paths, names, arguments) as C writes them: printable UTF-8 as it is, every other byte as an
 * escape sequence. The text is safe for a terminal, and reads back as the same bytes. strace's strings are read, too.
 */
import { isUnsafe } from "../diagnostics/width.ts";

/** Behind the closing quote of a string of which a part is left out, as strace writes it. */
const cutMark = "...";

const short: ReadonlyMap<number, string> = new Map([
  [0x07, "a"],
  [0x08, "b"],
  [0x09, "t"],
  [0x0a, "n"],
  [0x0b, "v"],
  [0x0c, "f"],
  [0x0d, "r"],
  [0x22, '"'],
  [0x5c, "\\"],
]);
const byShort: ReadonlyMap<string, number> = new Map([...short].map(([byte, letter]) => [letter, byte]));

/** `"/etc/shadow"`, `"a\033[2J"`; with `isCut` `"/very/long"...`. */
export function quoteBytes(bytes: Uint8Array, isCut = false): string {
  return `"${escapeBytes(bytes)}"${isCut ? cutMark : ""}`;
}

/** Without the quotes. */
export function escapeBytes(bytes: Uint8Array): string {
  let text = "";
  for (let index = 0; index < bytes.length; ) {
    const length = characterAt(bytes, index);
    const byte = bytes[index]!;
    if (length > 0 && !short.has(byte)) {
      text += Buffer.from(bytes.buffer, bytes.byteOffset + index, length).toString("utf8");
      index += length;
    } else {
      const letter = short.get(byte);
      text += letter === undefined ? `\\${byte.toString(8).padStart(3, "0")}` : `\\${letter}`;
      index++;
    }
  }
  return text;
}

/** The bytes of the printable character of UTF-8 that begins here; 0 where none does. */
function characterAt(bytes: Uint8Array, index: number): number {
  const lead = bytes[index]!;
  const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (length === 0 || index + length > bytes.length) return 0;
  const [character, ...more] = Buffer.from(bytes.buffer, bytes.byteOffset + index, length).toString("utf8");
  const code = character!.codePointAt(0)!;
  // Bytes that are not UTF-8 become U+FFFD, one or more.
  const isWhole = more.length === 0 && (code !== 0xfffd || length === 3);
  return isWhole && !isUnsafe(code) ? length : 0;
}

/** The bytes as a text where they are UTF-8; undefined else. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

export type QuotedReading =
  | {
      readonly bytes: Uint8Array;
      /** The string is cut: "..." follows it. */
      readonly isCut: boolean;
      /** Behind the string, and behind the mark. */
      readonly end: number;
    }
  | { readonly fault: string; readonly offset: number; readonly length: number };

/** Reads the string whose opening quote is at `from`. */
export function readQuoted(text: string, from: number): QuotedReading {
  const parts: number[] = [];
  for (let index = from + 1; index < text.length; ) {
    const code = text.codePointAt(index)!;
    const character = String.fromCodePoint(code);
    if (character === '"') {
      const isCut = text.startsWith(cutMark, index + 1);
      return { bytes: Uint8Array.from(parts), isCut, end: index + 1 + (isCut ? cutMark.length : 0) };
    }
    if (character !== "\\") {
      parts.push(...new TextEncoder().encode(character));
      index += character.length;
      continue;
    }
    const found = /^\\(?:([0-7]{1,3})|x([0-9a-f]{1,2})|(.))/iu.exec(text.slice(index, index + 6));
    const [whole = "\\", octal, hexadecimal, letter] = found ?? [];
    const byte =
      octal === undefined
        ? hexadecimal === undefined
          ? byShort.get(letter ?? "")
          : Number.parseInt(hexadecimal, 16)
        : Number.parseInt(octal, 8);
    if (byte === undefined || byte > 0xff)
      return { fault: `${whole} is not an escape sequence of C`, offset: index, length: whole.length };
    parts.push(byte);
    index += whole.length;
  }
  return { fault: "the string has no closing quote", offset: from, length: text.length - from };
}
