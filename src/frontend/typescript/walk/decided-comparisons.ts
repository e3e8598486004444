/**
 * Comparisons that ranges decide (P0204). Inlining and unrolling walk one source comparison many times; it is reported
 * only if every walk decides it the same way.
 */

import type { SourceFile, Range as SourceRange } from "../../source/file.ts";
import type { Reporter } from "../../source/reporter.ts";

export type Outcome = "always" | "never" | "open";

interface Message {
  readonly message: string;
  readonly help?: string;
}

interface Comparison extends Message {
  outcome: Outcome;
  readonly file: SourceFile;
}

const withoutMessage: Message = { message: "" };

export class DecidedComparisons {
  /** By syntax node, which is one object for all walks. */
  readonly #comparisons = new Map<SourceRange, Comparison>();

  /** Records the outcome of one walk; `message` is called only if needed. */
  note(file: SourceFile, node: SourceRange, outcome: Outcome, message: () => Message): void {
    const known = this.#comparisons.get(node);
    if (known === undefined) {
      this.#comparisons.set(node, { outcome, file, ...(outcome === "open" ? withoutMessage : message()) });
    } else if (known.outcome !== outcome) known.outcome = "open";
  }

  report(reporter: Reporter): void {
    for (const [node, { outcome, file, message, help }] of this.#comparisons) {
      if (outcome !== "open") reporter.report("P0204", `${outcome} true: ${message}`, { file, node }, help);
    }
  }
}
