/** The interface of a form of a policy for the simulated tree: state of each thread and process, and judgements over it. */
import type { Circumstances, Evaluation, ScopeState, SystemCallEvent } from "../../ir/evaluation.ts";
import type { Program, Scope } from "../../ir/program.ts";

/** The forms in which a policy can be simulated. They must agree; `interpreter` is the reference. */
export type EvaluatorName = "interpreter" | "wasm";

export type HolderScope = Exclude<Scope, "tree">;

/**
 * One policy in one form, with the state of one tree. `H` is the form's handle of the state of one thread or process,
 * valid until it is released.
 */
export interface Evaluator<H = unknown> {
  readonly name: string;
  readonly program: Program;
  create(scope: HolderScope): H;
  /** Makes the state of a new process, or of its first thread, from its parent's present state. */
  inherit(scope: HolderScope, parent: H): H;
  release(scope: HolderScope, holder: H): void;
  /** Judges a call with a judged number, and changes the state of this thread, this process and the tree. */
  evaluate(event: SystemCallEvent, circumstances: Circumstances, thread: H, process: H): Judgement;
  /** Remembers the state of this thread, this process and the tree. The result restores it. */
  remember(thread: H, process: H): () => void;
  /** The present state, read-only and valid until the next evaluation. */
  read(scope: HolderScope, holder: H): ScopeState;
  readTree(): ScopeState;
  /** One cell by its index, of a holder or of the tree; cheaper than `read` and `readTree`. */
  readCell(cell: number, holder: H | undefined): bigint;
}

export type Judgement = Pick<Evaluation, "verdict" | "entered" | "reports">;
