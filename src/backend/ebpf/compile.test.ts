import { describe, expect, it } from "vitest";
import type { Decision, SplitPolicy } from "../../analysis/decision.ts";
import { splitPolicy } from "../../analysis/split/split.ts";
import { admit } from "../../ir/admission.ts";
import type { EvaluationState } from "../../ir/evaluation.ts";
import { evaluate } from "../../ir/interpreter.ts";
import { optimise } from "../../ir/optimise/optimise.ts";
import { bindParameters } from "../../ir/parameters.ts";
import { printProgram } from "../../ir/print.ts";
import type { Program } from "../../ir/program.ts";
import {
  arbitraryWords,
  generateCircumstances,
  generateEvent,
  generateProgram,
  SeededChoices,
} from "../../ir/testing/arbitrary.ts";
import { freshState } from "../../ir/testing/parts.ts";
import { casesOf } from "../../ir/testing/seeds.ts";
import { compileEbpf } from "./compile.ts";
import { disassemble } from "./instructions/disassemble.ts";
import { stateOffsets } from "./tables/state.ts";
import { InterpretedTrial, KernelTrial, type Trial } from "./testing/trial.ts";
import { refusals, trialTarget } from "./testing/trial-target.ts";

/** A split without static decisions, so that all calls go through bodies. */
function nothingStatic(program: Program): SplitPolicy {
  const leaf: Decision = { kind: "leaf", weakest: 0, possible: [0], stateful: [{ because: "too-complex" }] };
  const split = new Map<number, Decision>();
  for (const { from, to } of program.admission.judged) for (let n = from; n <= to; n += 1n) split.set(Number(n), leaf);
  return split;
}

/** All seeds in the part `random`, else each fourth. */
const stride = casesOf(1, 4);

const staticPart = { superviseProcessCreation: false } as const;

function sameEntries(a: ReadonlyMap<bigint, bigint>, b: ReadonlyMap<bigint, bigint>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}

/** Runs random calls through both and counts the comparisons. */
function compare(
  seed: number,
  steps: number,
  program: Program,
  trials: readonly Trial[],
  choices: SeededChoices,
  words: readonly bigint[] = [],
): number {
  const state: EvaluationState = freshState(program);
  let compared = 0;
  for (let step = 0; step < steps; step += 1) {
    const event = generateEvent(choices, program);
    const circumstances = generateCircumstances(choices, program);
    const admission = admit(program, event);
    const wanted = admission === "judged" ? evaluate(program, event, circumstances, state, words) : undefined;
    for (const trial of trials) {
      const outcome = trial.evaluate(event, circumstances);
      const where = () =>
        `parameters ${words}, seed ${seed}, step ${step}, ${trial.constructor.name}\n${printProgram(program)}`;
      const refusal = admission === "always" ? refusals.always : refusals.refused;
      const result = wanted?.verdict ?? refusal;
      if (outcome.result !== result) expect(outcome.result, where()).toBe(result);
      if (wanted === undefined) continue;
      if (outcome.reports.length > 0 || wanted.reports.length > 0)
        expect(outcome.reports, where()).toEqual(wanted.reports);
      if (outcome.entered.length > 0 || wanted.entered.length > 0)
        expect(outcome.entered, where()).toEqual(wanted.entered);
      program.cells.forEach((cell, index) => {
        const word = trial.state(cell.scope)[stateOffsets(program).cells[index]! / 8];
        if (word !== state[cell.scope].cells[index])
          expect(word, `${where()}\ncell ${cell.name}`).toBe(state[cell.scope].cells[index]);
      });
      program.tables.forEach((table, index) => {
        const entries = trial.table(index);
        const wantedEntries = state[table.scope].tables[index]!;
        if (!sameEntries(entries, wantedEntries))
          expect(entries, `${where()}\ntable ${table.name}`).toEqual(wantedEntries);
      });
      compared += 1;
    }
  }
  return compared;
}

describe("compileEbpf", () => {
  for (const [name, split] of [
    ["without static decisions", nothingStatic],
    [
      "with the static part decided first",
      (program: Program) => splitPolicy(program, { superviseProcessCreation: false }),
    ],
  ] as const) {
    it(`agrees with the interpreter, ${name}: verdicts, state, rooms and reports`, () => {
      let comparedInAll = 0;
      // test/fuzz/three-forms has more programs and steps, on the kernel.
      for (let seed = 25; seed <= 80; seed += stride) {
        const choices = new SeededChoices(seed);
        const program = generateProgram(choices, {
          statements: seed < 50 ? 4 : 40,
          observations: seed % 3 === 0,
          rooms: seed % 2 === 0,
        });
        const object = compileEbpf(program, split(program), trialTarget);
        comparedInAll += compare(seed, 30, program, [new InterpretedTrial(program, object.instructions)], choices);
      }
      expect(comparedInAll).toBeGreaterThan(1000 / stride);
    });
  }

  it("passes the running kernel's verifier and agrees there", (context) => {
    if (process.getuid?.() !== 0) context.skip("loading a program of type BPF_PROG_TYPE_SYSCALL needs root");
    let comparedInAll = 0;
    for (let seed = 1; seed <= 100; seed += stride) {
      const choices = new SeededChoices(seed);
      const program = generateProgram(choices, { statements: seed < 40 ? 4 : 40, observations: seed % 3 === 0 });
      const object = compileEbpf(program, splitPolicy(program, { superviseProcessCreation: false }), trialTarget);
      let kernel: KernelTrial;
      try {
        kernel = new KernelTrial(program, object.instructions);
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}\n${disassemble(object.instructions).join("\n")}`);
      }
      try {
        comparedInAll += compare(
          seed,
          40,
          program,
          [kernel, new InterpretedTrial(program, object.instructions)],
          choices,
        );
      } finally {
        kernel.close();
      }
    }
    expect(comparedInAll).toBeGreaterThan(1000 / stride);
  });

  it("agrees for every value of an open parameter, and with the parameter as a constant", () => {
    let comparedInAll = 0;
    for (let seed = 1; seed <= 150; seed += stride) {
      const choices = new SeededChoices(seed);
      const program = generateProgram(choices, { statements: seed < 50 ? 4 : 40, parameters: true });
      const { instructions } = compileEbpf(program, splitPolicy(program, staticPart), trialTarget);
      for (let round = 0; round < 4; round += 1) {
        const words = arbitraryWords(choices, program);
        const bound = optimise(bindParameters(program, words)).program;
        const constant = compileEbpf(bound, splitPolicy(bound, staticPart), trialTarget);
        const trials = [
          new InterpretedTrial(program, instructions, 1, false, words),
          new InterpretedTrial(bound, constant.instructions),
        ];
        comparedInAll += compare(seed, 12, program, trials, choices, words);
      }
    }
    expect(comparedInAll).toBeGreaterThan(1000 / stride);
  });

  it("passes the running kernel's verifier with each value of a parameter, and agrees there", (context) => {
    if (process.getuid?.() !== 0) context.skip("loading a program of type BPF_PROG_TYPE_SYSCALL needs root");
    let comparedInAll = 0;
    for (let seed = 1; seed <= 60; seed += stride) {
      const choices = new SeededChoices(seed);
      const program = generateProgram(choices, { statements: seed < 20 ? 4 : 40, parameters: true });
      const { instructions } = compileEbpf(program, splitPolicy(program, staticPart), trialTarget);
      for (let round = 0; round < 3; round += 1) {
        const words = arbitraryWords(choices, program);
        const kernel = new KernelTrial(program, instructions, 1, words);
        try {
          comparedInAll += compare(seed, 12, program, [kernel], choices, words);
        } finally {
          kernel.close();
        }
      }
    }
    expect(comparedInAll).toBeGreaterThan(1000 / stride);
  });
});
