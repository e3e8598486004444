/**
 * Compiles random policies from IR to the filter: the interpreter, the split and the classic program must agree. Every
 * return word identifies its verdict, so agreement is never accidental.
 */

import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../src/abi/architecture.ts";
import { returnWord } from "../../src/abi/return-word.ts";
import { splitPolicy } from "../../src/analysis/split/split.ts";
import { type ClassicTarget, compileClassic } from "../../src/backend/classic/compile.ts";
import { checkClassic, runClassic } from "../../src/backend/classic/interpreter.ts";
import { boundaryInputs, decideInput } from "../../src/backend/classic/testing/decisions.ts";
import {
  architectureWords,
  distinctTarget,
  firstVerdictErrno,
  probedNumbers,
} from "../../src/backend/classic/testing/program.ts";
import { admit } from "../../src/ir/admission.ts";
import { evaluate } from "../../src/ir/interpreter.ts";
import type { Program } from "../../src/ir/program.ts";
import {
  generateProgram,
  generateTrace,
  type ProgramOptions,
  runTrace,
  SeededChoices,
} from "../../src/ir/testing/arbitrary.ts";
import { freshState } from "../../src/ir/testing/parts.ts";
import { strictness } from "../../src/ir/verdicts.ts";
import { randomNumbers } from "./random.ts";

const askSupervisor = returnWord("USER_NOTIF");

const target: ClassicTarget = {
  ...distinctTarget,
  leaf: (leaf) => (leaf.stateful.length > 0 ? askSupervisor : returnWord("ERRNO", firstVerdictErrno + leaf.weakest)),
};

function build(seed: number, options: ProgramOptions) {
  const program = generateProgram(new SeededChoices(seed), options);
  const split = splitPolicy(program, { superviseProcessCreation: false });
  const { instructions } = compileClassic(program, split, target);
  checkClassic(instructions);
  return { program, split, instructions };
}

/** The verdict of the checks before the policy, or undefined. */
function gateWord(program: Program, number: number, architecture: number): number | undefined {
  const admission = admit(program, { number, architecture });
  return admission === "judged" ? undefined : target[admission];
}

/** There are half a million comparisons, so only failing ones call `expect`. */
function same(actual: number, expected: number, place: string): void {
  if (actual !== expected) expect(actual, place).toBe(expected);
}

const seeds = (first: number, count: number) => Array.from({ length: count }, (_, index) => first + index);
const circumstances = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };

describe.each(seeds(1, 6).map((block) => block * 1000))("programs from seed %i on", (firstSeed) => {
  it("give the split's verdict for every number, including foreign and x32 ones, at all boundaries", () => {
    for (const seed of seeds(firstSeed, 8)) {
      const { program, split, instructions } = build(seed, {});
      const random = randomNumbers(seed);
      const native = auditArchitecture[program.architecture];
      const plain = { instructionPointer: 0n, arguments: [0n, 0n, 0n, 0n, 0n, 0n] };
      for (const number of probedNumbers) {
        for (const architecture of architectureWords) {
          const gate = gateWord(program, number, architecture);
          const input = { ...plain, number, architecture };
          if (gate !== undefined) same(runClassic(instructions, input).word, gate, `seed ${seed}, number ${number}`);
        }
      }
      for (const [number, decision] of split) {
        if (gateWord(program, number, native) !== undefined) continue;
        for (const input of boundaryInputs(decision, { number, architecture: native }, 150, random)) {
          const expected = target.leaf(decideInput(decision, input));
          same(runClassic(instructions, input).word, expected, `seed ${seed}, call ${number}`);
        }
      }
    }
  });

  it("without state give the interpreter's verdict, at all boundaries", () => {
    for (const seed of seeds(firstSeed + 200, 10)) {
      const { program, split, instructions } = build(seed, { stateless: true });
      const random = randomNumbers(seed);
      const state = freshState(program);
      for (const [number, decision] of split) {
        const base = { number, architecture: auditArchitecture[program.architecture] };
        for (const input of boundaryInputs(decision, base, 100, random)) {
          const [a, b, c, d, e, f] = input.arguments as [bigint, bigint, bigint, bigint, bigint, bigint];
          const event = { ...input, arguments: [a, b, c, d, e, f] as const };
          const { verdict } = evaluate(program, event, circumstances, state);
          const { word } = runClassic(instructions, input);
          if (word === askSupervisor) continue;
          same(word, returnWord("ERRNO", firstVerdictErrno + verdict), `seed ${seed}, call ${number}`);
        }
      }
    }
  });

  it("over traces: the filter's decisions are the interpreter's verdicts; the rest is never weaker", () => {
    let decided = 0;
    for (const seed of seeds(firstSeed + 400, 25)) {
      const { program, split, instructions } = build(seed, {});
      const trace = generateTrace(new SeededChoices(seed), program, 40);
      const events = trace.flatMap((step) => (step.kind === "call" ? [step.event] : []));
      for (const [index, outcome] of runTrace(program, trace).calls.entries()) {
        const event = events[index]!;
        const { word } = runClassic(instructions, event);
        const place = `seed ${seed}, event ${index}`;
        if (outcome.admission !== "judged") {
          expect(word, place).toBe(target[outcome.admission]);
          continue;
        }
        const { verdict, reports } = outcome.evaluation;
        const leaf = decideInput(split.get(event.number >>> 0)!, event);
        const weakest = program.verdicts[leaf.weakest]!.action;
        expect(strictness[weakest], place).toBeLessThanOrEqual(strictness[program.verdicts[verdict]!.action]);
        if (word === askSupervisor) continue;
        decided++;
        expect(word, place).toBe(returnWord("ERRNO", firstVerdictErrno + verdict));
        expect(reports, place).toEqual([]);
      }
    }
    expect(decided).toBeGreaterThan(30);
  });
});
