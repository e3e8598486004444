/**
 * Runs the same filters on the running kernel. Denials have errnos that no kernel returns, so they are unambiguous;
 * allowed calls also get such an errno, so no tested call takes effect.
 */

import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { auditArchitecture, hostArchitecture } from "../../src/abi/architecture.ts";
import { allCalls, numberOf } from "../../src/abi/calls.ts";
import { exemptCalls } from "../../src/abi/exempt-calls.ts";
import { returnWord, splitReturnWord } from "../../src/abi/return-word.ts";
import { splitPolicy } from "../../src/analysis/split/split.ts";
import { type ClassicTarget, compileClassic } from "../../src/backend/classic/compile.ts";
import type { ClassicInstruction } from "../../src/backend/classic/instruction.ts";
import { type ClassicInput, runClassic } from "../../src/backend/classic/interpreter.ts";
import {
  arbitraryDecisions,
  boundaryInputs,
  decideInput,
  leafOf,
} from "../../src/backend/classic/testing/decisions.ts";
import {
  architectureWords,
  distinctTarget,
  firstVerdictErrno,
  foreignErrno,
  probedNumbers,
  programOf,
  unknownErrno,
} from "../../src/backend/classic/testing/program.ts";
import { generateProgram, SeededChoices } from "../../src/ir/testing/arbitrary.ts";
import { profileInputs } from "./comparison.ts";
import { decide } from "./decide.ts";
import { realProfiles } from "./profiles.ts";
import { randomNumbers } from "./random.ts";
import { runVictim, type VictimCall, type VictimResult } from "./victim.ts";

const architecture = hostArchitecture();
if (architecture === undefined) throw new Error("there is no call table for this machine");
const native = auditArchitecture[architecture];
const [i386] = architectureWords;
const sigsys = 31;

/** The kernel's result for a return word that neither allows nor notifies. */
function expected(word: number): VictimResult {
  const { action, data } = splitReturnWord(word);
  if (action === "ERRNO") return { returned: BigInt(-data) };
  if (action === "KILL_PROCESS" || action === "KILL_THREAD" || action === "TRAP") return { signal: sigsys };
  throw new Error(`a call that ends by ${action} would take effect`);
}

/** Calls that bypass every filter of an x86-64 kernel. Outside of a probe they end the caller by SIGILL. */
function isExempt({ number, architecture: abi }: ClassicInput): boolean {
  return abi === auditArchitecture.x86_64 && exemptCalls.some((name) => numberOf(name, "x86_64") === number);
}

/** Makes the calls on the kernel and on the tests' BPF machine, which must agree. Returns the return words. */
function agree(filter: readonly ClassicInstruction[], inputs: readonly ClassicInput[]): number[] {
  const judged = inputs.filter((input) => !isExempt(input));
  const calls = judged.map(
    (input): VictimCall => ({
      abi: input.architecture === i386 ? "i386" : "native",
      number: input.number,
      arguments: input.arguments,
    }),
  );
  // Compute the expected results first, so that no call is made that would take effect.
  const dry = judged.map((input) => runClassic(filter, input).word);
  for (const word of dry) expected(word);
  const { instructionPointer, results } = runVictim(filter, calls);
  judged.forEach((input, index) => {
    const { word } = runClassic(filter, { ...input, instructionPointer });
    const place = `call ${input.number} (${input.arguments.map((value) => value.toString(16))})`;
    expect(results[index], place).toEqual(expected(word));
  });
  return inputs.map((input) => runClassic(filter, { ...input, instructionPointer }).word);
}

beforeAll(() => {
  // Compiles the victim, and fails early if filters cannot be installed.
  const filter = [{ code: 0x06, jt: 0, jf: 0, k: returnWord("ERRNO", 4000) }];
  expect(runVictim(filter, [{ abi: "native", number: 39, arguments: [] }]).results).toEqual([{ returned: -4000n }]);
});

describe("on this kernel", () => {
  it("the checks before the policy hold for every number, x32 and i386 callers, and -1", () => {
    const split = new Map([0, 1, 59, 110, 300].map((number) => [number, leafOf(number % 7)] as const));
    const program = programOf(split, { architecture, always: [15, 60, 231] });
    const { instructions } = compileClassic(program, split, distinctTarget);
    const plain = { instructionPointer: 0n, arguments: [1n, 2n, 3n, 4n, 5n, 6n] };
    const words = agree(
      instructions,
      probedNumbers.map((number) => ({ ...plain, number, architecture: native })),
    );
    expect(new Set(words).size).toBeGreaterThan(5);
    expect(words[probedNumbers.indexOf(0xffff_ffff)]).toBe(returnWord("ERRNO", unknownErrno));
    if (architecture === "x86_64") {
      const foreign = [0, 1, 20, 59, 500].map((number) => ({ ...plain, number, architecture: i386 }));
      expect(new Set(agree(instructions, foreign))).toEqual(new Set([returnWord("ERRNO", foreignErrno)]));
    }
  });

  it("random decisions hold at their boundaries", () => {
    let calls = 0;
    const property = fc.property(arbitraryDecisions(6), fc.nat(), (made, seed) => {
      const split = new Map(made.slice(-6).map((decision, index) => [index * 61, decision]));
      const { instructions } = compileClassic(programOf(split, { architecture }), split, distinctTarget);
      const random = randomNumbers(seed);
      const inputs = [...split].flatMap(([number, decision]) => [
        ...boundaryInputs(decision, { number, architecture: native }, 400, random),
      ]);
      agree(instructions, inputs);
      calls += inputs.length;
    });
    fc.assert(property, { numRuns: 40 });
    expect(calls).toBeGreaterThan(5000);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])("random policies hold at their boundaries (seed %i)", (seed) => {
    const program = { ...generateProgram(new SeededChoices(seed), { depth: 4 }), architecture };
    const split = splitPolicy(program, { superviseProcessCreation: false });
    const target: ClassicTarget = {
      ...distinctTarget,
      leaf: (leaf) => returnWord("ERRNO", leaf.stateful.length > 0 ? 3900 : firstVerdictErrno + leaf.weakest),
    };
    const { instructions } = compileClassic(program, split, target);
    const random = randomNumbers(seed);
    const inputs = [...split].flatMap(([number, decision]) => [
      ...boundaryInputs(decision, { number, architecture: native }, 150, random),
    ]);
    const words = agree(instructions, inputs);
    inputs.forEach((input, index) => {
      // The instruction pointer is the victim's, so rules that test it are skipped.
      const decision = split.get(input.number)!;
      const here = decideInput(decision, input);
      const elsewhere = decideInput(decision, { ...input, instructionPointer: 0x7fff_0000_0000n });
      if (here === elsewhere && target.always !== words[index]) expect(words[index]).toBe(target.leaf(here));
    });
  });

  it.each(realProfiles(architecture))("$name holds at its boundaries", ({ profile }) => {
    const numbers = allCalls.flatMap(({ number }) => number[architecture] ?? []).sort((a, b) => a - b);
    const { program, split, target } = decide(profile, numbers);
    // Allowed calls get errno 3500. Killed calls stay kills, each in another child.
    const leaf: ClassicTarget["leaf"] = (of) => {
      const word = target.leaf(of);
      return word === returnWord("ALLOW") ? returnWord("ERRNO", 3500) : word;
    };
    const { instructions } = compileClassic(program, split, { ...distinctTarget, leaf });
    const inputs = numbers.flatMap((number) => profileInputs(profile, number));
    const words = agree(instructions, inputs);
    expect(words).toContain(returnWord("ERRNO", 3500));
  });

  it("a filter with jumps beyond 255 instructions holds", () => {
    const split = new Map(
      Array.from({ length: 430 }, (_, number) => {
        const interval = { from: BigInt(number * 5), to: BigInt(number * 5 + (number % 3)) };
        const test = { word: "argument2", mask: 0xffff_ffff_ffff_ffffn, intervals: [interval] } as const;
        return [number, { kind: "test", test, then: leafOf(number % 5), otherwise: leafOf(5) }] as const;
      }),
    );
    const { instructions } = compileClassic(programOf(split, { architecture }), split, distinctTarget);
    expect(instructions.length).toBeGreaterThan(1000);
    const random = randomNumbers(1);
    agree(
      instructions,
      [...split].flatMap(([number, decision]) => [
        ...boundaryInputs(decision, { number, architecture: native }, 20, random),
      ]),
    );
  });

  it("only kills and traps end the caller", () => {
    const actions = ["KILL_PROCESS", "KILL_THREAD", "TRAP"] as const;
    const split = new Map(Array.from({ length: 12 }, (_, number) => [number, leafOf(number % 4)] as const));
    const target: ClassicTarget = {
      ...distinctTarget,
      leaf: ({ weakest }) => (weakest < 3 ? returnWord(actions[weakest]!) : returnWord("ERRNO", 3200)),
    };
    const { instructions } = compileClassic(programOf(split, { architecture }), split, target);
    const inputs = [...split.keys()].map((number) => ({
      number,
      architecture: native,
      instructionPointer: 0n,
      arguments: [0n, 0n, 0n, 0n, 0n, 0n],
    }));
    agree(instructions, inputs);
  });

  it("the launcher's token allows exactly its execve", () => {
    const token = [0xdead_beef, 0x0bad_cafe, 0xffff_ffff, 0] as const;
    const execve = architecture === "x86_64" ? 59 : 221;
    const split = new Map([execve, execve + 1].map((number) => [number, leafOf(0)] as const));
    const { instructions } = compileClassic(programOf(split, { architecture }), split, {
      ...distinctTarget,
      launcherToken: token,
    });
    const [low, high] = [0x0bad_cafe_dead_beefn, 0x0000_0000_ffff_ffffn];
    const call = (number: number, four: bigint, five: bigint): VictimCall => ({
      abi: "native",
      number,
      // The path is NULL: a call that passes the filter fails with EFAULT.
      arguments: [0n, 0n, 0n, 0n, four, five],
    });
    const { results } = runVictim(instructions, [
      call(execve, low, high),
      call(execve, low ^ 1n, high),
      call(execve, low ^ (1n << 63n), high),
      call(execve, low, high ^ 1n),
      call(execve, low, high ^ (1n << 32n)),
      call(execve, 0n, 0n),
      call(execve + 1, low, high),
    ]);
    const [efault, denied] = [{ returned: -14n }, { returned: BigInt(-firstVerdictErrno) }];
    expect(results).toEqual([efault, denied, denied, denied, denied, denied, denied]);
  });
});
