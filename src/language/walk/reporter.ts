/** Collects diagnostics: one a cause, however often a function is inlined or a loop unrolled over it. */
import { type DiagnosticCode, diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import type { SourceFile, Range as SourceRange } from "../source/file.ts";

export interface Place {
  readonly file: SourceFile;
  readonly node: SourceRange;
}

/** More than this says nothing more, and a text of random bytes could have millions. */
const mostDiagnostics = 100;

export class Reporter {
  readonly diagnostics: Diagnostic[] = [];
  private readonly seen = new Set<string>();

  /** False where it had been said before. */
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

/** The compiler gives up on this policy: the reason has been reported. The only exception it throws, and catches. */
export class GiveUp extends Error {}
