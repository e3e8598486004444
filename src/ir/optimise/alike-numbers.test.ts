import { describe, expect, it } from "vitest";
import { printProgram } from "../print.ts";
import type { Program } from "../program.ts";
import { generateProgram, SeededChoices } from "../testing/arbitrary.ts";
import { alikeNumbers } from "./alike-numbers.ts";
import { specialise } from "./specialise.ts";

const numbers = [0, 1, 3, 9, 41, 56, 57, 58, 59, 257, 334, 424, 435, 462];

describe("alikeNumbers", () => {
  it("names numbers alike for which what is left of the program is the same", () => {
    let alike = 0;
    for (let seed = 0; seed < 150; seed += 1) {
      const program = generateProgram(new SeededChoices(seed));
      const left = (number: number) =>
        printProgram({ ...specialise(program, number), admission: program.admission } satisfies Program);
      for (const [number, first] of alikeNumbers(program, numbers)) {
        if (number === first) continue;
        alike += 1;
        expect(left(number), `seed ${seed}: ${number} and ${first}`).toBe(left(first));
      }
    }
    expect(alike).toBeGreaterThan(500);
  });

  it("tells all numbers apart where the number is used as an integer", () => {
    const program: Program = {
      ...generateProgram(new SeededChoices(1)),
      locals: ["integer"],
      body: [
        { kind: "set-integer", local: 0, value: { kind: "input", input: "number" } },
        { kind: "return", verdict: { kind: "verdict", verdict: 0 } },
      ],
    };
    expect([...alikeNumbers(program, [1, 2])]).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });
});
