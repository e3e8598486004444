import { describe, expect, it } from "vitest";
import { checkProgram } from "../check.ts";
import type { Program } from "../program.ts";
import { expressionsOf, forEachExpression, forEachStatement } from "../traverse.ts";
import { generateProgram, generateTrace, SeededChoices } from "./arbitrary.ts";
import { shrinkRun } from "./shrink.ts";

function multiplies(program: Program): boolean {
  let found = false;
  forEachStatement(program.body, (statement) => {
    for (const expression of expressionsOf(statement))
      forEachExpression(expression, (one) => {
        found ||= one.kind === "binary" && one.operator === "multiply";
      });
  });
  return found;
}

describe("shrinkRun", () => {
  it("leaves little beyond the cause of the fault", () => {
    let tried = 0;
    for (let seed = 0; seed < 60 && tried < 5; seed += 1) {
      const choices = new SeededChoices(seed);
      const program = generateProgram(choices);
      const trace = generateTrace(choices, program, 60);
      if (!multiplies(program) || !trace.some(({ kind }) => kind === "thread")) continue;
      tried += 1;
      const smallest = shrinkRun(
        { program, trace },
        (run) => multiplies(run.program) && run.trace.some(({ kind }) => kind === "thread"),
      );
      expect(checkProgram(smallest.program)).toEqual([]);
      let statements = 0;
      forEachStatement(smallest.program.body, () => {
        statements += 1;
      });
      expect(statements).toBeLessThanOrEqual(4);
      expect(smallest.trace.length).toBeLessThanOrEqual(6);
    }
    expect(tried).toBe(5);
  });
});
