/** The words of this process's command line as bytes. Node decodes them, and so loses what is not UTF-8. */
import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";

/** The words behind the program and its script, each with its NUL. @throws Node's error */
export function givenWords(): readonly Uint8Array[] {
  const given = terminated(readFileSync("/proc/self/cmdline"));
  return given.slice(given.length - (process.argv.length - 2));
}

/**
 * Returns the words among the first `count` of these last words of the command line that are not UTF-8.
 *
 * @param words as Node has decoded them
 */
export function notUtf8(words: readonly string[], count: number): readonly string[] {
  // Node puts U+FFFD in the place of such bytes, and few names have it themselves.
  if (!words.some((word, index) => index < count && word.includes("\ufffd"))) return [];
  const given = process.argv.slice(2).slice(-words.length);
  // A test gives words of its own.
  if (given.length !== words.length || given.some((word, index) => word !== words[index])) return [];
  const bytes = bytesOfLast(words.length);
  return words.slice(0, count).filter((_, index) => bytes[index] !== undefined && !isUtf8(bytes[index]));
}

function bytesOfLast(count: number): readonly Uint8Array[] {
  try {
    return givenWords().slice(-count);
  } catch {
    return []; // without /proc
  }
}

/** Splits a block into its strings, each with its NUL. */
export function terminated(block: Uint8Array): readonly Uint8Array[] {
  const strings: Uint8Array[] = [];
  for (let at = 0; at < block.length; ) {
    const end = block.indexOf(0, at) + 1;
    if (end === 0) break;
    strings.push(block.slice(at, end));
    at = end;
  }
  return strings;
}
