/** Collects the errors of a file of lines up to a bound, because a file of random bytes can have a million. */
import { type DiagnosticCode, diagnostic } from "../diagnostics/catalogue.ts";
import type { Diagnostic, Span } from "../diagnostics/diagnostic.ts";
import type { Place } from "./trace.ts";

const most = 20;

export class Faults {
  readonly #file: string;
  readonly #found: Diagnostic[] = [];
  #more = 0;
  #failed = false;

  constructor(file: string) {
    this.#file = file;
  }

  /** Whether at least one error was found. Warnings do not count. */
  get failed(): boolean {
    return this.#failed;
  }

  add(
    code: DiagnosticCode,
    place: Place | undefined,
    message: string,
    help?: string,
    related?: { place: Place; message: string },
  ): void {
    const made = diagnostic(code, message, {
      span: place === undefined ? undefined : this.span(place),
      help,
      related: related === undefined ? undefined : { span: this.span(related.place), message: related.message },
    });
    if (made.severity === "error") this.#failed = true;
    // Warnings beyond the bound are not counted: they would become an error.
    if (this.#found.length < most) this.#found.push(made);
    else if (made.severity === "error") this.#more++;
  }

  span(place: Place): Span {
    return { file: this.#file, line: place.line, column: place.column, length: Math.max(1, place.length) };
  }

  list(): readonly Diagnostic[] {
    return this.#more === 0
      ? this.#found
      : [
          ...this.#found,
          diagnostic("P0808", `${this.#more} more errors in ${this.#file}`, { help: "fix those above first" }),
        ];
  }
}

/** The lines of a text with their numbers from 1; a carriage return before the line end is not part of the line. */
export function* numberedLines(text: string): Generator<{ readonly line: string; readonly number: number }> {
  let start = 0;
  for (let number = 1; start < text.length; number++) {
    let end = text.indexOf("\n", start);
    if (end === -1) end = text.length;
    const to = end > start && text.charCodeAt(end - 1) === 13 ? end - 1 : end;
    yield { line: text.slice(start, to), number };
    start = end + 1;
  }
}

/** Quotes foreign text, shortened to fit a message. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 39)}…` : text);
}
