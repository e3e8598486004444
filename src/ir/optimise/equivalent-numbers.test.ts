import { describe, expect, it } from "vitest";
import { printProgram } from "../print.ts";
import type { Program } from "../program.ts";
import { generateProgram, SeededChoices } from "../testing/arbitrary.ts";
import { casesOf } from "../testing/seeds.ts";
import { equivalentNumbers } from "./equivalent-numbers.ts";
import { specialise } from "./specialise.ts";

const numbers = [0, 1, 3, 9, 41, 56, 57, 58, 59, 257, 334, 424, 435, 462];

describe("equivalentNumbers", () => {
  it("puts two numbers into one class only if their specialised programs are equal", () => {
    let equivalent = 0;
    for (let seed = 0; seed < casesOf(150); seed += 1) {
      const program = generateProgram(new SeededChoices(seed));
      const left = (number: number) =>
        printProgram({ ...specialise(program, number), admission: program.admission } satisfies Program);
      for (const [number, first] of equivalentNumbers(program, numbers)) {
        if (number === first) continue;
        equivalent += 1;
        expect(left(number), `seed ${seed}: ${number} and ${first}`).toBe(left(first));
      }
    }
    expect(equivalent).toBeGreaterThan(casesOf(500));
  });

  it("puts each number into its own class if the program computes with the number", () => {
    const program: Program = {
      ...generateProgram(new SeededChoices(1)),
      locals: ["integer"],
      body: [
        { kind: "set-integer", local: 0, value: { kind: "input", input: "number" } },
        { kind: "return", verdict: { kind: "verdict", verdict: 0 } },
      ],
    };
    expect([...equivalentNumbers(program, [1, 2])]).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });
});
