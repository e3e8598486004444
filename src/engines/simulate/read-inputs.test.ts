/** A call whose unread arguments change has the same verdict, rooms, reports and state. The programs and calls are random. */
import { expect, it } from "vitest";
import type { SystemCallEvent } from "../../ir/evaluation.ts";
import { evaluate } from "../../ir/interpreter.ts";
import { printProgram } from "../../ir/print.ts";
import type { BooleanExpression, IntegerExpression } from "../../ir/program.ts";
import { generateCircumstances, generateEvent, generateProgram, SeededChoices } from "../../ir/testing/arbitrary.ts";
import { freshState, smallProgram } from "../../ir/testing/parts.ts";
import { casesOf } from "../../ir/testing/seeds.ts";
import { arbitraryValue, programValues } from "../../ir/testing/values.ts";
import { inputsOfCall } from "./read-inputs.ts";

const names = ["argument0", "argument1", "argument2", "argument3", "argument4", "argument5"] as const;

it("an input that is not read decides about nothing", () => {
  let changed = 0;
  for (let seed = 0; seed < casesOf(400); seed++) {
    const choices = new SeededChoices(seed);
    const program = generateProgram(choices, { observations: seed % 2 === 0, rooms: seed % 3 === 0 });
    const circumstances = generateCircumstances(choices, program);
    const event = generateEvent(choices, program);
    const read = inputsOfCall(program, event.number);
    const values = event.arguments.map((value, index) => {
      if (read.has(names[index]!)) return value;
      changed++;
      return arbitraryValue(choices, programValues(program));
    });
    const run = (one: SystemCallEvent) => {
      const state = freshState(program);
      return { evaluation: evaluate(program, one, circumstances, state), state };
    };
    const other = run({ ...event, arguments: values as unknown as SystemCallEvent["arguments"] });
    expect(other, `seed ${seed}\n${printProgram(program)}`).toEqual(run(event));
  }
  expect(changed).toBeGreaterThan(casesOf(400));
});

it("an argument that one call's rule reads is not read of another call", () => {
  const input = (name: (typeof names)[number] | "number"): IntegerExpression => ({ kind: "input", input: name });
  const equals = (left: IntegerExpression, value: bigint): BooleanExpression => ({
    kind: "compare",
    operator: "equal",
    left,
    right: { kind: "constant", value },
  });
  const give = (verdict: number) => ({ kind: "return", verdict: { kind: "verdict", verdict } }) as const;
  const program = smallProgram([{ action: "deny", errno: 1 }], {
    body: [
      {
        kind: "if",
        condition: equals(input("number"), 62n),
        then: [{ kind: "if", condition: equals(input("argument1"), 9n), then: [give(1)], otherwise: [give(0)] }],
        otherwise: [give(0)],
      },
    ],
  });
  expect([...inputsOfCall(program, 62)]).toEqual(["argument1"]);
  expect([...inputsOfCall(program, 3)]).toEqual([]);
});
