/** Loads one of the forms of a policy that `simulate` and `test` can run: the interpreter or the WebAssembly module. */
import type { Evaluator, EvaluatorName } from "../engines/simulate/evaluator.ts";
import type { Program } from "../ir/program.ts";

/** A policy in one form, with its initial state. */
export async function makeEvaluator(form: EvaluatorName, program: Program): Promise<Evaluator> {
  if (form === "interpreter") {
    const { InterpreterEvaluator } = await import("../engines/simulate/interpreter-evaluator.ts");
    return new InterpreterEvaluator(program) as Evaluator;
  }
  const { WasmEvaluator } = await import("../engines/simulate/wasm-evaluator.ts");
  return new WasmEvaluator(program) as Evaluator;
}
