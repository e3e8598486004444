/**
 * fast-check arbitraries of programs, events, circumstances and traces, for every differential test.
 *
 * ```ts
 * fc.assert(fc.property(arbitraryProgram(), arbitraryChoices(), (program, choices) => {
 *   const trace = generateTrace(choices(), program, 30);
 *   …
 * }));
 * ```
 *
 * For thousands of programs without shrinking, use `generateProgram(new SeededChoices(seed))` directly: it is about ten
 * times faster.
 */
import fc from "fast-check";
import type { Program } from "../program.ts";
import { type Choices, ListedChoices } from "./choices.ts";
import { generateProgram, type ProgramOptions } from "./programs.ts";
import { generateTrace, type TraceStep } from "./traces.ts";

export { type Choices, SeededChoices } from "./choices.ts";
export { generateProgram, type ProgramOptions } from "./programs.ts";
export {
  type CallOutcome,
  generateCircumstances,
  generateEvent,
  generateTrace,
  identifier,
  runTrace,
  type TraceStep,
} from "./traces.ts";
export { arbitraryWords, boundaryValues, programValues } from "./values.ts";

/** Choices that shrink to fewer and smaller ones. Each call of the result starts from the first choice. */
export function arbitraryChoices(maximum = 2000): fc.Arbitrary<() => Choices> {
  return fc.uint32Array({ maxLength: maximum, size: "max" }).map((list) => () => new ListedChoices(list));
}

export function arbitraryProgram(options: ProgramOptions = {}): fc.Arbitrary<Program> {
  return arbitraryChoices().map((choices) => generateProgram(choices(), options));
}

/** A program and a random trace of it. */
export function arbitraryRun(
  options: ProgramOptions & { readonly steps?: number } = {},
): fc.Arbitrary<{ readonly program: Program; readonly trace: readonly TraceStep[] }> {
  return fc
    .tuple(arbitraryProgram(options), arbitraryChoices(3000))
    .map(([program, choices]) => ({ program, trace: generateTrace(choices(), program, options.steps ?? 30) }));
}
