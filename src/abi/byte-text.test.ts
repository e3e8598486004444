import fc from "fast-check";
import { expect, test } from "vitest";
import { isUnsafe } from "../diagnostics/width.ts";
import { escapeBytes, quoteBytes, readQuoted } from "./byte-text.ts";

const of = (...bytes: number[]) => Uint8Array.from(bytes);
const utf8 = (text: string) => new TextEncoder().encode(text);

test.each([
  [utf8("/etc/shadow"), '"/etc/shadow"'],
  [utf8('a"b\\c\n\t'), String.raw`"a\"b\\c\n\t"`],
  [utf8("naïve 漢字 🙂"), '"naïve 漢字 🙂"'],
  [of(0x1b, 0x5b, 0x32, 0x4a), String.raw`"\033[2J"`],
  [utf8("a\u202eb"), String.raw`"a\342\200\256b"`],
  [of(0xc2, 0x9b), String.raw`"\302\233"`],
  [of(0xff, 0xc0, 0x80, 0x31), String.raw`"\377\300\2001"`],
  [utf8("\ufffd"), '"\ufffd"'],
  [of(0xf0, 0x9f), String.raw`"\360\237"`],
  [of(), '""'],
])("%o is %s", (bytes, text) => {
  expect(quoteBytes(bytes)).toBe(text);
});

test("any bytes are safe to print, and read back as they were", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.string({ unit: "binary" }).map((text) => utf8(text)),
  );
  fc.assert(
    fc.property(bytes, fc.boolean(), (given, isCut) => {
      const text = quoteBytes(given, isCut);
      expect([...text].filter((character) => isUnsafe(character.codePointAt(0)!))).toEqual([]);
      expect(readQuoted(text, 0)).toEqual({ bytes: Uint8Array.from(given), isCut, end: text.length });
      expect(`"${escapeBytes(given)}"${isCut ? "..." : ""}`).toBe(text);
    }),
  );
});

test("strace's escapes are read", () => {
  expect(readQuoted(String.raw`x("\x2f\x61\0012\33z\7", 1)`, 2)).toEqual({
    bytes: of(0x2f, 0x61, 1, 0x32, 0x1b, 0x7a, 7),
    isCut: false,
    end: 23,
  });
  expect(readQuoted('"abc"..., 3', 0)).toEqual({ bytes: utf8("abc"), isCut: true, end: 8 });
});

test.each([
  ['"abc', "the string has no closing quote", 0, 4],
  [String.raw`"a\qb"`, String.raw`\q is not an escape sequence of C`, 2, 2],
  [String.raw`"\777"`, String.raw`\777 is not an escape sequence of C`, 1, 4],
  [String.raw`"a\x"`, String.raw`\x is not an escape sequence of C`, 2, 2],
])("%s is refused", (text, fault, offset, length) => {
  expect(readQuoted(text, 0)).toEqual({ fault, offset, length });
});
