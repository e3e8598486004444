/** Parts of programs and evaluations that tests share. */
import type { EvaluationState } from "../evaluation.ts";
import { initialState } from "../interpreter.ts";
import { noDeclarations, type Program } from "../program.ts";

/** The lists of a program without state, rooms, reports, parameters, observations and statements. */
export const emptyLists = { ...noDeclarations, body: [] } as const satisfies Partial<Program>;

/** The state of a command's first thread, before its first call. */
export function freshState(program: Program): EvaluationState {
  return {
    thread: initialState(program, "thread"),
    process: initialState(program, "process"),
    tree: initialState(program, "tree"),
  };
}
