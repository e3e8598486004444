import type { Program } from "../program.ts";

/**
 * One small improvement. It changes nothing of what the program means: for every state, call and circumstances the
 * verdict (its index, not only its strictness), the new state, the reports and `changedState` stay as they are.
 */
export interface Pass {
  readonly name: string;
  /** Gives the program itself where there was nothing to do. */
  readonly run: (program: Program) => Program;
}
