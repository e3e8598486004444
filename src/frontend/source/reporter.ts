/** Collects diagnostics, one for each cause, however often a function is inlined or a loop unrolled. */
import { type DiagnosticCode, diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { SourceFile, Range as SourceRange } from "./file.ts";

export interface Place {
  readonly file: SourceFile;
  readonly node: SourceRange;
}

/** More diagnostics do not help, and random bytes could cause millions. */
const mostDiagnostics = 100;

export class Reporter {
  readonly diagnostics: Diagnostic[] = [];
  private readonly seen = new Set<string>();

  /** False if it is a duplicate. */
  report(
    code: DiagnosticCode,
    message: string,
    place?: Place,
    help?: string,
    related?: Place & { readonly message: string },
  ): boolean {
    const cause = place === undefined ? `${code} ${message}` : `${place.file.index}:${place.node.start}:${code}`;
    if (this.seen.has(cause)) return false;
    this.seen.add(cause);
    if (this.diagnostics.length >= mostDiagnostics) return false;
    this.diagnostics.push(
      diagnostic(code, message, {
        span: place?.file.span(place.node),
        help,
        related:
          related === undefined ? undefined : { span: related.file.span(related.node), message: related.message },
      }),
    );
    return true;
  }

  get failed(): boolean {
    return this.diagnostics.some((one) => one.severity === "error");
  }
}

/**
 * Thrown when the compiler gives up on a policy, after reporting the reason. It is the only exception of the compiler,
 * and `loadPolicy` catches it.
 */
export class GiveUp extends Error {}
