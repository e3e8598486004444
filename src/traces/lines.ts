/** The lines of a trace of any size and form, one after the other: the file is never in memory as a whole. */
import { isUtf8 } from "node:buffer";
import { diagnostic } from "../diagnostics/catalogue.ts";
import type { Diagnostic } from "../diagnostics/diagnostic.ts";
import { type ByteSource, inflateForeign, isCompressed, isInBlocks, readBlocks } from "./blocks.ts";

export type LineReading =
  /** `isDamaged` if its bytes are not UTF-8: characters of `text` then stand for others. */
  | { readonly kind: "line"; readonly text: string; readonly isDamaged?: boolean }
  /** Lines are missing here. */
  | { readonly kind: "damage"; readonly offset: number; readonly size: number }
  /** The file ends within a block, or within the line of this number. */
  | Truncated;

interface Truncated {
  readonly kind: "truncated";
  readonly line?: number;
}

/** Bytes of a plain file that are read at once. */
const windowSize = 1 << 20;
/** The largest file that gzip has compressed as a whole, in bytes. */
const mostForeign = 1 << 30;
/** The longest line, in bytes. A longer one is not from a recorder: a text in a trace has at most some thousand bytes. */
const mostLine = 1 << 22;

/** @throws Error of zlib if a file that is not in blocks is damaged or too large */
export function* traceLines(source: ByteSource): Generator<LineReading> {
  if (!isCompressed(source)) yield* plainLines(source);
  else if (!isInBlocks(source)) yield* lastLines(inflateForeign(source.read(0, source.size), mostForeign), 0);
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

/** A warning for people. @param file the displayed name */
export function endsEarly(file: string, { line }: Truncated): Diagnostic {
  const help = "the calls up to there are read";
  if (line === undefined) {
    return diagnostic("P0825", `${file} ends within a block: its recorder was killed, or the disk was full`, { help });
  }
  const span = { file, line, column: 1, length: 1 };
  const what = `${file} ends within this line: its writer was killed, or the disk was full`;
  return diagnostic("P0825", what, { span, help });
}

/** The diagnostic for an error that `traceLines` throws; undefined for other errors. @param file the displayed name */
export function gzipFault(error: unknown, file: string): Diagnostic | undefined {
  switch (error instanceof Error && "code" in error ? error.code : undefined) {
    case "ERR_BUFFER_TOO_LARGE": {
      const what = `${file} has more than ${mostForeign >> 20} MiB of text, and is not in blocks`;
      return diagnostic("P0904", what, { help: "gunzip writes it as a file of any size" });
    }
    case "Z_DATA_ERROR":
    case "Z_BUF_ERROR":
      return diagnostic("P0824", `${file} is damaged, and not in blocks that could be read one by one`);
    default:
      return undefined;
  }
}

/** The lines that the diagnostics point at, each at its place in a text; the others are empty. */
export function sourceLines(source: ByteSource, diagnostics: readonly Diagnostic[]): string {
  const spans = diagnostics.flatMap(({ span, related }) => [span, related?.span]);
  const wanted = new Set(spans.flatMap((span) => (span === undefined ? [] : [span.line])));
  let [text, number, ends] = ["", 0, 0];
  if (wanted.size === 0) return text;
  for (const reading of traceLines(source)) {
    if (reading.kind !== "line") continue;
    number++;
    if (!wanted.delete(number)) continue;
    text += "\n".repeat(number - 1 - ends) + reading.text;
    ends = number - 1;
    if (wanted.size === 0) break;
  }
  return text;
}

/** @returns their number */
function* linesOf(text: Buffer): Generator<LineReading, number> {
  const isWhole = isUtf8(text);
  let count = 0;
  let from = 0;
  for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10, from)) {
    yield line(text, from, end, isWhole);
    from = end + 1;
    count++;
  }
  if (from < text.length) yield line(text, from, text.length, isWhole);
  return count;
}

function line(text: Buffer, from: number, end: number, isWhole: boolean): LineReading {
  return isWhole || isUtf8(text.subarray(from, end))
    ? { kind: "line", text: text.toString("utf8", from, end) }
    : { kind: "line", text: text.toString("utf8", from, end), isDamaged: true };
}

function* plainLines(source: ByteSource): Generator<LineReading> {
  let rest: Buffer = Buffer.alloc(0);
  let count = 0;
  for (let offset = hasMark(source) ? mark.length : 0; offset < source.size; offset += windowSize) {
    const window = Buffer.concat([rest, source.read(offset, windowSize)]);
    const end = window.lastIndexOf(10) + 1;
    count += yield* linesOf(window.subarray(0, end));
    rest = window.subarray(end);
    if (rest.length > mostLine) {
      yield { kind: "damage", offset: offset + windowSize - rest.length, size: rest.length };
      rest = Buffer.alloc(0);
    }
  }
  yield* lastLines(rest, count);
}

/** The end of a file. Its last line is not whole if it has no line end and only the beginning of an object. */
function* lastLines(text: Buffer, before: number): Generator<LineReading> {
  const end = text.lastIndexOf(10) + 1;
  const count = before + (yield* linesOf(text.subarray(0, end)));
  if (end === text.length) return;
  const last = text.subarray(end);
  if (isObjectCut(last)) yield { kind: "truncated", line: count + 1 };
  else yield* linesOf(last);
}

function isObjectCut(bytes: Buffer): boolean {
  const text = bytes.toString("utf8").trim();
  if (!text.startsWith("{")) return false;
  try {
    JSON.parse(text);
    return false;
  } catch {
    return true;
  }
}

/** A byte order mark, which editors of other systems write. */
const mark = Buffer.from([0xef, 0xbb, 0xbf]);

function hasMark(source: ByteSource): boolean {
  return source.read(0, mark.length).equals(mark);
}
