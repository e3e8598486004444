import { describe, expect, it } from "vitest";
import { checkProgram } from "./check.ts";
import { evaluate } from "./interpreter.ts";
import { optimise } from "./optimise/optimise.ts";
import { bindParameters, defaultWords, parameterFault, parameterWords } from "./parameters.ts";
import { printProgram } from "./print.ts";
import type { Parameter } from "./program.ts";
import {
  arbitraryWords,
  generateCircumstances,
  generateEvent,
  generateProgram,
  SeededChoices,
} from "./testing/arbitrary.ts";
import { expectEqual } from "./testing/expect-equal.ts";
import { freshState } from "./testing/parts.ts";
import { casesOf } from "./testing/seeds.ts";

const most: Parameter = { name: "most", kind: "integer", from: 1n, to: 100n, default: 16n, at: undefined };

describe("a parameter", () => {
  it("becomes a constant when bound; before that, simplification knows only its range", () => {
    for (let seed = 1; seed <= casesOf(100); seed += 1) {
      const choices = new SeededChoices(seed);
      const program = generateProgram(choices, { parameters: true, statements: 20 });
      expect(checkProgram(program)).toEqual([]);
      const simpler = optimise(program).program;
      expect(checkProgram(simpler)).toEqual([]);
      for (let round = 0; round < 4; round += 1) {
        const words = arbitraryWords(choices, program);
        const bound = bindParameters(program, words);
        expect(bound.parameters).toEqual([]);
        const forms = [
          { of: program, words },
          { of: simpler, words },
          { of: bound, words: [] },
          { of: optimise(bound).program, words: [] },
          { of: bindParameters(simpler, words), words: [] },
        ];
        const states = forms.map(({ of }) => freshState(of));
        for (let step = 0; step < 8; step += 1) {
          const event = generateEvent(choices, program);
          const who = generateCircumstances(choices, program);
          const [wanted, ...others] = forms.map(({ of, words: given }, index) => {
            const { verdict, reports } = evaluate(of, event, who, states[index]!, given);
            return { verdict, reports, state: states[index] };
          });
          for (const other of others) expectEqual(other, wanted, () => `seed ${seed}\n${printProgram(program)}`);
        }
      }
    }
  });

  it("has the patterns of its range, or all patterns if the range has both signs", () => {
    const all = { from: 0n, to: 0xffff_ffff_ffff_ffffn };
    expect(parameterWords({ from: 3n, to: 9n })).toEqual({ from: 3n, to: 9n });
    expect(parameterWords({ from: -2n, to: -1n })).toEqual({ from: all.to - 1n, to: all.to });
    expect(parameterWords({ from: -1n, to: 0n })).toEqual(all);
    expect(defaultWords([most, { ...most, default: undefined }, { ...most, from: -1n, default: -1n }])).toEqual([
      16n,
      1n,
      all.to,
    ]);
  });

  it("is refused if its range exceeds 64 bits", () => {
    expect(parameterFault(most)).toBeUndefined();
    expect(parameterFault({ ...most, from: -1n, to: 1n << 63n })).toContain("exceeds 64 bits");
    expect(parameterFault({ ...most, to: 1n << 64n })).toContain("exceeds 64 bits");
    expect(parameterFault({ ...most, from: 101n })).toContain("no value");
    expect(parameterFault({ ...most, default: 101n })).toContain("outside");
    expect(parameterFault({ ...most, kind: "flag" })).toContain("flag");
  });

  it("must be given to `evaluate`, one word for each", () => {
    const program = generateProgram(new SeededChoices(1), { parameters: true });
    const event = generateEvent(new SeededChoices(2), program);
    const who = generateCircumstances(new SeededChoices(3), program);
    expect(() => evaluate(program, event, who, freshState(program))).toThrow(/parameters, 0 values/);
    expect(() => bindParameters(program, [])).toThrow(/parameters, 0 values/);
  });
});
