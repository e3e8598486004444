import { describe, expect, it } from "vitest";
import type { EvaluationState } from "../../ir/evaluation.ts";
import { evaluate } from "../../ir/interpreter.ts";
import { cellMaximum } from "../../ir/limits.ts";
import { generateCircumstances, generateEvent, generateProgram, SeededChoices } from "../../ir/testing/arbitrary.ts";
import { freshState } from "../../ir/testing/parts.ts";
import { seeds } from "../../ir/testing/seeds.ts";
import { strictness } from "../../ir/verdicts.ts";
import { proveTightening } from "./tightening.ts";

const programs = 400;

describe("the proof of tightening", () => {
  it("never succeeds for a program with a counterexample", () => {
    let [tried, proved] = [0, 0];
    for (const seed of seeds(programs)) {
      tried++;
      const choices = new SeededChoices(seed);
      const program = generateProgram(choices, { statements: 12 });
      const cell = program.cells.findIndex(({ kind }) => kind.is === "phases" && kind.names.length > 1);
      const kind = program.cells[cell]?.kind;
      if (kind?.is !== "phases") continue;
      if (proveTightening(program, { cell, at: { file: 0, line: 1, column: 1, length: 1 } }).length > 0) continue;
      proved++;
      const { scope } = program.cells[cell]!;
      for (let trial = 0; trial < 30; trial++) {
        const event = { ...generateEvent(choices, program), number: Number(program.admission.judged[0]?.from ?? 0n) };
        const who = generateCircumstances(choices, program);
        const words = program.cells.map((each) => BigInt(choices.below(5)) % (cellMaximum(each) + 1n));
        const keys = program.tables.map((table) =>
          Array.from({ length: choices.below(table.capacity + 1) }, () => BigInt(choices.below(8))),
        );
        let before = -1;
        for (let phase = 0; phase < kind.names.length; phase++) {
          const state: EvaluationState = freshState(program);
          program.cells.forEach((each, index) => {
            state[each.scope].cells[index] = words[index]!;
          });
          program.tables.forEach((table, index) => {
            for (const key of keys[index]!) state[table.scope].tables[index]!.set(key, 0n);
          });
          state[scope].cells[cell] = BigInt(phase);
          const { verdict } = evaluate(program, event, who, state);
          const rank = strictness[program.verdicts[verdict]!.action];
          expect(rank, `seed ${seed}, phase ${phase}`).toBeGreaterThanOrEqual(before);
          before = rank;
        }
      }
    }
    // The proof must also succeed for some programs.
    expect(proved).toBeGreaterThan(tried / 20);
  });
});
