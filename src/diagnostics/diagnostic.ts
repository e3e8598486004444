/**
 * What is wrong with something a person wrote: a policy, a profile, a trace, a case file.
 *
 * Diagnostics are collected, never thrown one by one. A published code never changes its meaning, so that a person can
 * look it up; the wording may be bettered at any time (the catalogue is in `catalogue.ts`).
 */
export type Severity = "error" | "warning";

/** A place in a file, as editors count: lines and columns from 1, columns and lengths in UTF-16 units. */
export interface Span {
  /** The path as it is shown to people: relative to the working directory where that is shorter. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** How much of this line to underline, at least 1. What goes on over the next line is not counted. */
  readonly length: number;
}

export interface Diagnostic {
  /** "P0101". */
  readonly code: string;
  readonly severity: Severity;
  /** One sentence, no full stop. */
  readonly message: string;
  /** Absent only where no file is at fault (a missing parameter, say). */
  readonly span?: Span;
  /** A second place that explains the first ("promised here"). */
  readonly related?: { readonly span: Span; readonly message: string };
  /** The way out. */
  readonly help?: string;
}
