/**
 * Diagnostics as text for a terminal: file, line, column, severity, code, message; the source line with carets under
 * the span; the second place, if there is one; the remedy.
 */
import type { Diagnostic, Span } from "./diagnostic.ts";
import { safeText, shownCharacters } from "./width.ts";

/** The contents of the files that were read, by the path in `Span.file`. A `Map` has this type. */
export interface Sources {
  get(file: string): string | undefined;
}

export interface RenderOptions {
  /** Whether to emit escape sequences for colours. */
  readonly colour: boolean;
}

/** The most cells of a source line that are shown; a longer line is cut around the span. */
const mostCells = 140;

/** All of them, with an empty line between and a line end after the last; "" for none. */
export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  sources: Sources,
  options: RenderOptions = { colour: false },
): string {
  return diagnostics.map((one) => renderDiagnostic(one, sources, options)).join("\n");
}

/** One diagnostic, with a line end. */
export function renderDiagnostic(
  diagnostic: Diagnostic,
  sources: Sources,
  options: RenderOptions = { colour: false },
): string {
  const paint = options.colour ? coloured : plain;
  const tone = diagnostic.severity === "error" ? "red" : "yellow";
  const place = diagnostic.span === undefined ? "" : `${paint("bold", printSpan(diagnostic.span))}: `;
  const lines = [
    `${place}${paint(tone, `${diagnostic.severity} ${diagnostic.code}`)}: ${paint("bold", safeText(diagnostic.message))}`,
    ...(diagnostic.span === undefined ? [] : excerpt(diagnostic.span, sources, paint, tone)),
  ];
  if (diagnostic.related !== undefined) {
    const { span, message } = diagnostic.related;
    lines.push(`  ${paint("bold", printSpan(span))}: ${safeText(message)}`, ...excerpt(span, sources, paint, "cyan"));
  }
  if (diagnostic.help !== undefined) lines.push(`  ${paint("cyan", "help")}: ${safeText(diagnostic.help)}`);
  return `${lines.join("\n")}\n`;
}

export function printSpan(span: Span): string {
  return `${safeText(span.file)}:${span.line}:${span.column}`;
}

type Tone = "red" | "yellow" | "cyan" | "bold" | "dim";
type Paint = (tone: Tone, text: string) => string;

const codes: { readonly [T in Tone]: string } = { red: "1;31", yellow: "1;33", cyan: "36", bold: "1", dim: "2" };
const coloured: Paint = (tone, text) => `\x1b[${codes[tone]}m${text}\x1b[0m`;
const plain: Paint = (_tone, text) => text;

/** The source line and the line of carets under it; empty if the line is unknown. */
function excerpt(span: Span, sources: Sources, paint: Paint, tone: Tone): string[] {
  const line = sourceLine(sources.get(span.file), span.line);
  if (line === undefined) return [];
  const { text, before, under } = layOut(line, span.column, span.length);
  const number = String(span.line).padStart(4);
  const gutter = " ".repeat(number.length);
  const carets = " ".repeat(before) + paint(tone, "^".repeat(under));
  return [`${paint("dim", `${number} |`)} ${text}`.trimEnd(), `${paint("dim", `${gutter} |`)} ${carets}`];
}

function sourceLine(text: string | undefined, line: number): string | undefined {
  if (text === undefined) return undefined;
  let start = 0;
  for (let current = 1; current < line; current++) {
    const end = text.indexOf("\n", start);
    if (end === -1) return undefined;
    start = end + 1;
  }
  const end = text.indexOf("\n", start);
  const found = text.slice(start, end === -1 ? undefined : end);
  return found.endsWith("\r") ? found.slice(0, -1) : found;
}

/** The displayed line, and the offset and the number of carets in cells. */
function layOut(line: string, column: number, length: number): { text: string; before: number; under: number } {
  // Only the part near the span is read: a line of minified code or random bytes can have megabytes.
  const first = Math.max(0, column - 1 - 4 * mostCells);
  let offset = first;
  let cell = 0;
  const characters: { text: string; cells: number; from: number }[] = [];
  let spanFrom: number | undefined;
  let spanTo = 0;
  for (const character of shownCharacters(line.slice(first, column - 1 + length + 4 * mostCells))) {
    if (offset >= column - 1 && spanFrom === undefined) spanFrom = cell;
    characters.push({ text: character.text, cells: character.cells, from: cell });
    if (offset < column - 1 + length) spanTo = cell + character.cells;
    offset += character.length;
    cell += character.cells;
  }
  spanFrom ??= cell;
  spanTo = Math.max(spanTo, spanFrom + 1);

  // Keep the span's start in view, with some context before it.
  const windowFrom = first === 0 && Math.max(cell, spanTo) <= mostCells ? 0 : Math.max(0, spanFrom - mostCells / 3);
  const windowTo = windowFrom + mostCells;
  const shown = characters.filter((one) => one.from >= windowFrom && one.from + one.cells <= windowTo);
  const cutBefore = windowFrom > 0 || first > 0;
  const cutAfter = cell > windowTo || column - 1 + length + 4 * mostCells < line.length;
  const origin = (shown[0]?.from ?? spanFrom) - (cutBefore ? 1 : 0);
  return {
    text: `${cutBefore ? "…" : ""}${shown.map((one) => one.text).join("")}${cutAfter ? "…" : ""}`,
    before: spanFrom - origin,
    under: Math.max(1, Math.min(spanTo, windowTo) - spanFrom),
  };
}
