/** Loads one of the forms of a policy that `simulate` and `test` can run: the interpreter or the WebAssembly module. */
import type { Evaluator, EvaluatorName } from "../engines/simulate/evaluator.ts";
import type { Program } from "../ir/program.ts";

/** Makes evaluators of the form, each with the initial state. */
export async function loadForm(form: EvaluatorName): Promise<(program: Program) => Evaluator> {
  if (form === "interpreter") {
    const { InterpreterEvaluator } = await import("../engines/simulate/interpreter-evaluator.ts");
    return (program) => new InterpreterEvaluator(program) as Evaluator;
  }
  const { WasmEvaluator } = await import("../engines/simulate/wasm-evaluator.ts");
  return (program) => new WasmEvaluator(program) as Evaluator;
}
