/**
 * The type of an error or warning about an input: a policy, a profile, a trace, a case file, the command line.
 *
 * Diagnostics are collected, never thrown one by one. `catalogue.ts` lists the codes, whose meanings never change.
 */
export type Severity = "error" | "warning";

/** A place in a file, as editors count them: lines and columns from 1, columns and lengths in UTF-16 units. */
export interface Span {
  /** The displayed path: relative to the working directory if that is shorter. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The length to underline on this line, at least 1. Text on later lines is not counted. */
  readonly length: number;
}

export interface Diagnostic {
  /** "P0101". */
  readonly code: string;
  readonly severity: Severity;
  /** One sentence, no full stop. */
  readonly message: string;
  /** Absent only if no file is at fault (a missing parameter, say). */
  readonly span?: Span;
  /** A second place that explains the first ("promised here"). */
  readonly related?: { readonly span: Span; readonly message: string };
  /** The remedy. */
  readonly help?: string;
}
