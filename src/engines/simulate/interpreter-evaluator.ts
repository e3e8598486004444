/** The evaluator of simulated trees that uses the IR's interpreter, the reference for all engines. */
import type { Circumstances, ScopeState, SystemCallEvent } from "../../ir/evaluation.ts";
import { evaluate, inheritState, initialState, type Probes } from "../../ir/interpreter.ts";
import type { Program } from "../../ir/program.ts";
import type { Evaluator, HolderScope, Judgement } from "./evaluator.ts";

/** The reference meaning: the IR's own interpreter. */
export class InterpreterEvaluator implements Evaluator<ScopeState> {
  readonly name = "interpreter";
  readonly program: Program;
  private readonly tree: ScopeState;
  private readonly probes: Probes | undefined;

  constructor(program: Program, probes?: Probes) {
    this.program = program;
    this.probes = probes;
    this.tree = initialState(program, "tree");
  }

  create(scope: HolderScope): ScopeState {
    return initialState(this.program, scope);
  }

  inherit(scope: HolderScope, parent: ScopeState): ScopeState {
    return inheritState(this.program, scope, parent);
  }

  release(): void {}

  evaluate(event: SystemCallEvent, circumstances: Circumstances, thread: ScopeState, process: ScopeState): Judgement {
    return evaluate(this.program, event, circumstances, { thread, process, tree: this.tree }, [], this.probes);
  }

  remember(thread: ScopeState, process: ScopeState): () => void {
    const restorers = [thread, process, this.tree].map(rememberState);
    return () => {
      for (const restore of restorers) restore();
    };
  }

  read(_scope: HolderScope, holder: ScopeState): ScopeState {
    return holder;
  }

  readTree(): ScopeState {
    return this.tree;
  }

  readCell(cell: number, holder: ScopeState = this.tree): bigint {
    return holder.cells[cell]!;
  }
}

function rememberState({ cells, tables }: ScopeState): () => void {
  const copiedCells = cells.slice();
  const copiedTables = tables.map((table) => [...table]);
  return () => {
    cells.set(copiedCells);
    for (const [index, table] of tables.entries()) {
      table.clear();
      for (const [key, value] of copiedTables[index]!) table.set(key, value);
    }
  };
}
