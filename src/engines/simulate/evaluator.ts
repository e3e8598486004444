/** What the simulated tree needs of a form of a policy: state for each thread and process, and judgements over it. */
import type { Circumstances, Evaluation, ScopeState, SystemCallEvent } from "../../ir/evaluation.ts";
import type { Program, Scope } from "../../ir/program.ts";

/** Forms that a policy can be simulated in. They must agree; `interpreter` is the reference. */
export type EvaluatorName = "interpreter" | "wasm";

export type HolderScope = Exclude<Scope, "tree">;

/**
 * One policy in one form, with the state of one tree. `H` is what the form calls the state of one thread or process;
 * it stands for nothing once it was released.
 */
export interface Evaluator<H = unknown> {
  readonly name: string;
  readonly program: Program;
  create(scope: HolderScope): H;
  /** The state of a new process, or of its first thread, from its parent's as it is now. */
  inherit(scope: HolderScope, parent: H): H;
  release(scope: HolderScope, holder: H): void;
  /** Judges a call whose number is judged, and changes the state of these two and of the tree. */
  evaluate(event: SystemCallEvent, circumstances: Circumstances, thread: H, process: H): Judgement;
  /** The state as it is now: to be looked at before the next evaluation, and not to be changed. */
  read(scope: HolderScope, holder: H): ScopeState;
  readTree(): ScopeState;
  /** One cell, by its index: as `read` (or `readTree`, without a holder) has it, at less cost. */
  readCell(cell: number, holder: H | undefined): bigint;
}

export type Judgement = Pick<Evaluation, "verdict" | "entered" | "reports">;
