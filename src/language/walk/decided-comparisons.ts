/**
 * Comparisons that ranges decide (P0204). One source comparison may be walked many times, since functions are inlined and
 * loops unrolled; it is reported only where every walk decides it alike.
 */

import type { SourceFile, Range as SourceRange } from "../source/file.ts";
import type { Reporter } from "./reporter.ts";

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
  /** By syntax node: one object for all walks over it. */
  readonly #comparisons = new Map<SourceRange, Comparison>();

  /** Notes the outcome of one walk; `message` is asked for only where it is needed. */
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
