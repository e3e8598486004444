/** The type of an optimiser pass. */
import type { Program } from "../program.ts";

/**
 * A pass preserves semantics: for every state, call and circumstances it changes neither the verdict (its index, not
 * only its strictness) nor the new state, the reports or `changedState`.
 */
export interface Pass {
  readonly name: string;
  /** Returns the same object if it changes nothing. */
  readonly run: (program: Program) => Program;
}
