/** A source file: its text, the path in messages, and its line starts. */

import type { Span } from "../../diagnostics/diagnostic.ts";
import type { Location } from "../../ir/location.ts";

/** The place of a syntax node, in UTF-16 units from the start of the text. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export class SourceFile {
  /** Absolute. */
  readonly path: string;
  /** The path in messages: relative to the working directory if that is shorter. */
  readonly shown: string;
  readonly text: string;
  /** Its index in `Program.files`. */
  readonly index: number;
  private lineStarts: readonly number[] | undefined;
  /** Cache of the last line: lookups come mostly in order. */
  private lastLine = 0;

  constructor(path: string, shown: string, text: string, index: number) {
    this.path = path;
    this.shown = shown;
    this.text = text;
    this.index = index;
  }

  span(range: Range): Span {
    const { line, column, length } = this.location(range);
    return { file: this.shown, line, column, length };
  }

  location({ start, end }: Range): Location {
    this.lineStarts ??= findLineStarts(this.text);
    const starts = this.lineStarts;
    let low = this.lastLine;
    if (starts[low]! > start || (starts[low + 1] ?? Number.POSITIVE_INFINITY) <= start) {
      low = 0;
      let high = starts.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (starts[middle]! <= start) low = middle;
        else high = middle - 1;
      }
      this.lastLine = low;
    }
    const lineStart = starts[low]!;
    let lineEnd = starts[low + 1] === undefined ? this.text.length : starts[low + 1]! - 1;
    if (lineEnd > start && this.text.charCodeAt(lineEnd - 1) === 0x0d) lineEnd--;
    const length = Math.max(1, Math.min(end, lineEnd) - start);
    const place = { file: this.index, line: low + 1, column: start - lineStart + 1, length };
    return end > lineEnd && lineEnd > start ? { ...place, further: end - lineEnd } : place;
  }
}

function findLineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}
