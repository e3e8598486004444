/** The lines of a trace of any size and form, one after the other: the file is never in memory as a whole. */
import { isUtf8 } from "node:buffer";
import { type ByteSource, inflateForeign, isCompressed, isInBlocks, readBlocks } from "./blocks.ts";

export type LineReading =
  /** `isDamaged` if its bytes are not UTF-8: characters of `text` then stand for others. */
  | { readonly kind: "line"; readonly text: string; readonly isDamaged?: boolean }
  /** Lines are missing here. */
  | { readonly kind: "damage"; readonly offset: number; readonly size: number }
  /** The file ends within a block. */
  | { readonly kind: "truncated" };

/** Bytes of a plain file that are read at once. */
const windowSize = 1 << 20;
/** Of a file that gzip has compressed as a whole. */
const mostForeign = 1 << 30;
/** Of a line. A longer one is no trace's: a text in it has at most some thousand bytes. */
const mostLine = 1 << 22;

/** @throws Error of zlib if a file that is not in blocks is damaged or too large */
export function* traceLines(source: ByteSource): Generator<LineReading> {
  if (!isCompressed(source)) yield* plainLines(source);
  else if (!isInBlocks(source)) yield* linesOf(inflateForeign(source.read(0, source.size), mostForeign));
  else {
    for (const part of readBlocks(source)) {
      if (part.kind === "damage") {
        yield part;
        continue;
      }
      yield* linesOf(part.text);
      if (part.kind === "truncated") yield { kind: "truncated" };
    }
  }
}

function* linesOf(text: Buffer): Generator<LineReading> {
  const isWhole = isUtf8(text);
  const line = (from: number, end: number): LineReading =>
    isWhole || isUtf8(text.subarray(from, end))
      ? { kind: "line", text: text.toString("utf8", from, end) }
      : { kind: "line", text: text.toString("utf8", from, end), isDamaged: true };
  let from = 0;
  for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10, from)) {
    yield line(from, end);
    from = end + 1;
  }
  if (from < text.length) yield line(from, text.length);
}

function* plainLines(source: ByteSource): Generator<LineReading> {
  let rest: Buffer = Buffer.alloc(0);
  for (let offset = 0; offset < source.size; offset += windowSize) {
    const window = Buffer.concat([rest, source.read(offset, windowSize)]);
    const end = window.lastIndexOf(10) + 1;
    yield* linesOf(window.subarray(0, end));
    rest = window.subarray(end);
    if (rest.length > mostLine) {
      yield { kind: "damage", offset: offset + windowSize - rest.length, size: rest.length };
      rest = Buffer.alloc(0);
    }
  }
  yield* linesOf(rest);
}
