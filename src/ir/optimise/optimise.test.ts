import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkProgram } from "../check.ts";
import { evaluate } from "../interpreter.ts";
import { printProgram } from "../print.ts";
import type { BooleanExpression, IntegerExpression, Program, Statement } from "../program.ts";
import { programSize } from "../size.ts";
import {
  arbitraryChoices,
  arbitraryRun,
  generateCircumstances,
  generateEvent,
  generateProgram,
  generateTrace,
  runTrace,
  SeededChoices,
} from "../testing/arbitrary.ts";
import { expectEqual } from "../testing/expect-equal.ts";
import { freshState, smallProgram } from "../testing/parts.ts";
import { casesOf } from "../testing/seeds.ts";
import { optimise, passes } from "./optimise.ts";
import { specialise } from "./specialise.ts";

/** Compares a trace's whole outcome: admission, verdict index, reports, changedState, and the final states. */
function sameRun(original: Program, optimised: Program, trace: Parameters<typeof runTrace>[1]): void {
  expectEqual(checkProgram(optimised), []);
  expectEqual(runTrace(optimised, trace), runTrace(original, trace));
}

describe("each pass preserves semantics", () => {
  it.each(passes.map((pass) => [pass.name, pass] as const))("%s", (_, pass) => {
    let changed = 0;
    for (let seed = 0; seed < casesOf(800); seed++) {
      const choices = new SeededChoices(seed);
      const program = generateProgram(choices, {
        asks: seed % 4 === 0,
        observations: seed % 2 === 0,
        rooms: seed % 3 === 0,
      });
      const after = pass.run(program);
      if (after === program) continue;
      changed++;
      const trace = generateTrace(choices, program, 25);
      try {
        sameRun(program, after, trace);
      } catch (error) {
        throw new Error(`seed ${seed}\n${printProgram(program)}\n${printProgram(after)}`, { cause: error });
      }
    }
    // Some passes find work only after the others.
    expect(changed).toBeGreaterThan(casesOf(20));
  });
});

describe("optimise", () => {
  it("preserves the semantics of random programs over random traces", () => {
    fc.assert(
      fc.property(arbitraryRun(), ({ program, trace }) => sameRun(program, optimise(program).program, trace)),
      { numRuns: casesOf(300) },
    );
  });

  it("preserves semantics, many programs", () => {
    let before = 0;
    let after = 0;
    for (let seed = 10_000; seed < 10_000 + casesOf(2_000); seed++) {
      const choices = new SeededChoices(seed);
      const program = generateProgram(choices, {
        asks: seed % 4 === 0,
        observations: seed % 2 === 0,
        rooms: seed % 3 === 0,
      });
      const optimised = optimise(program).program;
      before += programSize(program).nodes;
      after += programSize(optimised).nodes;
      try {
        sameRun(program, optimised, generateTrace(choices, program, 20));
      } catch (error) {
        throw new Error(`seed ${seed}\n${printProgram(program)}\n${printProgram(optimised)}`, { cause: error });
      }
    }
    expect(after).toBeLessThan(before * 0.9);
  });

  it("reaches a fixed point", () => {
    for (let seed = 0; seed < casesOf(500); seed++) {
      const { program } = optimise(generateProgram(new SeededChoices(seed)));
      const again = optimise(program);
      expect(again.changedBy, `seed ${seed}\n${printProgram(program)}`).toEqual([]);
      expect(again.program).toBe(program);
    }
  });
});

describe("specialise", () => {
  it("preserves the semantics for its number and drops the others", () => {
    fc.assert(
      fc.property(arbitraryChoices(), arbitraryChoices(), (first, second) => {
        const program = generateProgram(first());
        const choices = second();
        const states = [freshState(program), freshState(program)] as const;
        const specialised = new Map<number, Program>();
        for (let call = 0; call < 15; call++) {
          const event = generateEvent(choices, program);
          const { number } = event;
          if (number < 0) continue;
          const special = specialised.get(number) ?? specialise(program, number);
          specialised.set(number, special);
          expect(checkProgram(special)).toEqual([]);
          expect(printProgram(special).split("\n\n")[1]).not.toMatch(/\bnumber\b/);
          const circumstances = generateCircumstances(choices, program);
          const results = [
            evaluate(program, event, circumstances, states[0]),
            evaluate(special, event, circumstances, states[1]),
          ];
          expectEqual(results[1], results[0]);
          expectEqual(states[1], states[0]);
        }
      }),
      { numRuns: casesOf(300) },
    );
  });
});

describe("examples", () => {
  const number: IntegerExpression = { kind: "input", input: "number" };
  const argument: IntegerExpression = { kind: "input", input: "argument0" };
  const constant = (value: bigint): IntegerExpression => ({ kind: "constant", value });
  const verdict = (index: number) => ({ kind: "verdict", verdict: index }) as const;
  const give = (index: number): Statement => ({ kind: "return", verdict: verdict(index) });
  const isCall = (value: bigint): BooleanExpression => ({
    kind: "compare",
    operator: "equal",
    left: number,
    right: constant(value),
  });
  const program = (...body: Statement[]): Program =>
    smallProgram([{ action: "deny", errno: 1 }], {
      cells: [{ name: "c", scope: "tree", kind: { is: "value" }, initial: 0n, onFork: "fresh", at: undefined }],
      locals: ["verdict", "integer", "boolean"],
      body,
    });
  const bodyOf = (result: Program) => printProgram(result).split("\n\n")[1]!.trim().split("\n");

  it("an inlined function that returns early becomes one return for the call that takes it", () => {
    const inlined = program(
      {
        kind: "block",
        label: 0,
        body: [
          {
            kind: "if",
            condition: isCall(59n),
            then: [
              { kind: "set-verdict", local: 0, value: verdict(1) },
              { kind: "leave", label: 0 },
            ],
            otherwise: [],
          },
          { kind: "set-verdict", local: 0, value: verdict(0) },
        ],
      },
      { kind: "return", verdict: { kind: "strictest", of: [{ kind: "verdict-local", local: 0 }, verdict(0)] } },
    );
    expect(bodyOf(specialise(inlined, 59))).toEqual(["return 1 deny EPERM"]);
    expect(bodyOf(specialise(inlined, 0))).toEqual(["return 0 allow"]);
  });

  it("retains a cell's last store and each store that is read", () => {
    const cell: IntegerExpression = { kind: "cell", cell: 0 };
    const store = (value: IntegerExpression): Statement => ({ kind: "store", cell: 0, value });
    const twice = program(store(constant(1n)), store(constant(2n)), give(0));
    expect(bodyOf(optimise(twice).program)).toEqual(["$c = 2", "return 0 allow"]);
    const read = program(
      store(argument),
      store({ kind: "binary", operator: "add", left: cell, right: constant(1n) }),
      give(0),
    );
    expect(bodyOf(optimise(read).program)).toEqual(["$c = argument0", "$c = ($c + 1)", "return 0 allow"]);
    const sometimes = program(
      store(constant(1n)),
      { kind: "if", condition: isCall(1n), then: [store(constant(2n))], otherwise: [] },
      give(0),
    );
    expect(bodyOf(optimise(sometimes).program)[0]).toBe("$c = 1");
  });

  it("drops a switch with equal arms", () => {
    const idle = program(
      { kind: "switch", value: argument, arms: [{ intervals: [{ from: 1n, to: 1n }], body: [] }], otherwise: [] },
      give(1),
    );
    expect(bodyOf(optimise(idle).program)).toEqual(["return 1 deny EPERM"]);
  });
});
