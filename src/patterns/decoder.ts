/**
 * UTF-8 byte by byte (RFC 3629, section 4), down to symbols: facts about a character before its last byte. Sequences
 * that the symbols do not distinguish have the same state.
 */
import { lastCode } from "./glob.ts";
import type { Symbols } from "./symbols.ts";
import type { Work } from "./work.ts";

/** Some bytes of a sequence that may still become a character. */
export interface Partial {
  readonly id: number;
  /** How many bytes there are, 1 … 3. */
  readonly bytes: number;
  /** How many follow at most, 1 … 3. */
  readonly missing: number;
  /** By the next byte less 0x80, for 0x80 … 0xbf: more of the sequence, its symbol, or undefined. */
  readonly next: readonly (Partial | number | undefined)[];
  /** The symbols that can come of it. */
  readonly symbols: readonly number[];
}

export interface Decoder {
  /** By the byte less 0x80: the sequences that begin with it; undefined if no character does. */
  readonly first: readonly (Partial | undefined)[];
  readonly partials: readonly Partial[];
}

/** By the number of bytes behind the first: the first code point that needs so many. */
const smallest = [0, 0x80, 0x800, 0x10000];
const surrogates = { from: 0xd800, to: 0xdfff };

export function makeDecoder(symbols: Symbols, work: Work): Decoder {
  const partials: Partial[] = [];
  const known = new Map<string, Partial>();

  /** `base` is the code point with zeros for the missing bits. */
  const partial = (bytes: number, missing: number, base: number): Partial | undefined => {
    const last = base + 64 ** missing - 1;
    const shortest = smallest[bytes + missing - 1]!;
    if (last < shortest || base > lastCode || (base >= surrogates.from && last <= surrogates.to)) return undefined;
    const isWhole = base >= shortest && last <= lastCode && (last < surrogates.from || base > surrogates.to);
    const alike = isWhole ? symbols.ofRange(base, last) : undefined;
    if (alike !== undefined) return uniform(bytes, missing, alike);
    work.spend(64);
    const next = Array.from({ length: 64 }, (_, index) => {
      const code = base + index * 64 ** (missing - 1);
      if (missing > 1) return partial(bytes + 1, missing - 1, code);
      const isValid = code >= shortest && code <= lastCode && (code < surrogates.from || code > surrogates.to);
      return isValid ? symbols.of(code) : undefined;
    });
    return intern(`${next.map((one) => (typeof one === "object" ? `p${one.id}` : one))}`, bytes, missing, () => next);
  };
  const uniform = (bytes: number, missing: number, symbol: number): Partial =>
    intern(`all ${symbol}`, bytes, missing, () =>
      new Array<Partial | number>(64).fill(missing === 1 ? symbol : uniform(bytes + 1, missing - 1, symbol)),
    );
  const intern = (name: string, bytes: number, missing: number, make: () => Partial["next"]): Partial => {
    const key = `${bytes} ${missing} ${name}`;
    let found = known.get(key);
    if (found === undefined) {
      const next = make();
      const reached = new Set(next.flatMap((one) => (typeof one === "object" ? one.symbols : (one ?? []))));
      found = { id: partials.length, bytes, missing, next, symbols: [...reached].sort((a, b) => a - b) };
      partials.push(found);
      known.set(key, found);
    }
    return found;
  };

  const first = Array.from({ length: 128 }, (_, index) => {
    const byte = 0x80 + index;
    if (byte >= 0xc2 && byte <= 0xdf) return partial(1, 1, (byte & 0x1f) << 6);
    if (byte >= 0xe0 && byte <= 0xef) return partial(1, 2, (byte & 0x0f) << 12);
    if (byte >= 0xf0 && byte <= 0xf4) return partial(1, 3, (byte & 0x07) << 18);
    return undefined;
  });
  return { first, partials };
}

/**
 * Bytes that no decoder state distinguishes and that have the same symbol, as classes: the class of each byte, and a byte of
 * each class.
 */
export function byteClasses(symbols: Symbols, { first, partials }: Decoder): { of: Uint8Array; byteOf: number[] } {
  const of = new Uint8Array(256);
  const byteOf: number[] = [];
  const known = new Map<string, number>();
  for (let byte = 0; byte < 256; byte++) {
    const key = keyOf(byte);
    let found = known.get(key);
    if (found === undefined) {
      found = byteOf.push(byte) - 1;
      known.set(key, found);
    }
    of[byte] = found;
  }
  return { of, byteOf };

  function keyOf(byte: number): string {
    if (byte < 0x80) return `symbol ${symbols.of(byte)}`;
    const begun = first[byte - 0x80];
    if (begun !== undefined) return `begins ${begun.id}`;
    if (byte > 0xbf) return "never valid";
    return `continues ${partials.map(({ next }) => {
      const then = next[byte - 0x80];
      return typeof then === "object" ? `p${then.id}` : then;
    })}`;
  }
}
