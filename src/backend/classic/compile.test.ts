import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { returnWord } from "../../abi/return-word.ts";
import type { ArgumentTest, Decision, SplitPolicy } from "../../analysis/decision.ts";
import { splitPolicy } from "../../analysis/split/split.ts";
import { admit } from "../../ir/admission.ts";
import { pattern } from "../../ir/arithmetic.ts";
import { evaluate, initialState } from "../../ir/interpreter.ts";
import type { Parameter, Program } from "../../ir/program.ts";
import { generateEvent, generateProgram, SeededChoices } from "../../ir/testing/arbitrary.ts";
import { casesOf } from "../../ir/testing/seeds.ts";
import { strictness } from "../../ir/verdicts.ts";
import { assemble } from "./assemble.ts";
import { type ClassicProgram, type ClassicTarget, compileClassic, encodeClassic, rearmClassic } from "./compile.ts";
import { disassemble } from "./disassemble.ts";
import { decodeInstructions } from "./instruction.ts";
import { type ClassicInput, checkClassic, longestPath, runClassic } from "./interpreter.ts";
import { FilterTooLargeError } from "./layout.ts";
import { arbitraryDecisions, boundaryInputs, decideInput, leafOf } from "./testing/decisions.ts";
import {
  alwaysErrno,
  architectureWords,
  distinctTarget,
  firstVerdictErrno,
  foreignErrno,
  probedNumbers,
  programOf,
  unknownErrno,
} from "./testing/program.ts";

const native = 0xc000_003e;

function call(number: number, ...registers: bigint[]): ClassicInput {
  const padded = [...registers, 0n, 0n, 0n, 0n, 0n, 0n].slice(0, 6);
  return { number, architecture: native, instructionPointer: 0n, arguments: padded };
}

function compile(split: SplitPolicy, target: Partial<ClassicTarget> = {}): ClassicProgram {
  const compiled = compileClassic(programOf(split, { always: [219] }), split, { ...distinctTarget, ...target });
  checkClassic(compiled.instructions);
  return compiled;
}

const denies = (errno: number) => returnWord("ERRNO", errno);

/** `argument` & mask in [from, to]: verdict 1, else verdict 0. */
function when(word: "argument0" | "argument1", mask: bigint, from: bigint, to = from): Decision {
  return { kind: "test", test: { word, mask, intervals: [{ from, to }] }, then: leafOf(1), otherwise: leafOf(0) };
}

describe("compileClassic", () => {
  it("refuses foreign architectures before it reads the number", () => {
    const { instructions } = compile(new Map([[5, leafOf(0)]]));
    for (const architecture of architectureWords) {
      const { word, steps } = runClassic(instructions, { ...call(5), architecture });
      if (architecture === native) expect(word).toBe(denies(firstVerdictErrno));
      else expect({ word, steps }).toEqual({ word: denies(foreignErrno), steps: 3 });
    }
  });

  it("treats numbers without a decision and -1 as unknown, and x32 numbers as foreign", () => {
    const { instructions } = compile(new Map([5, 6, 9].map((number) => [number, leafOf(2)])));
    for (const number of probedNumbers) {
      const expected = [5, 6, 9].includes(number)
        ? firstVerdictErrno + 2
        : number === 219
          ? alwaysErrno
          : (number & 0x4000_0000) !== 0 && number !== 0xffff_ffff
            ? foreignErrno
            : unknownErrno;
      expect(runClassic(instructions, call(number)).word).toBe(denies(expected));
    }
  });

  it("answers x32 numbers within six steps, however large the policy is", () => {
    const numbers = Array.from({ length: 400 }, (_, index) => index * 2);
    const split = new Map(numbers.map((number) => [number, leafOf(number % 7)]));
    const { instructions } = compile(split, { foreign: distinctTarget.unknown });
    for (const number of [0x4000_0000, 0x4000_0208, 0xffff_ffff]) {
      expect(runClassic(instructions, call(number)).steps).toBeLessThanOrEqual(6);
    }
  });

  it("loads the number once and no argument for calls that need none", () => {
    const { instructions } = compile(
      new Map([
        [1, when("argument0", 0xffff_ffffn, 2n)],
        [2, leafOf(3)],
      ]),
    );
    for (const number of [0, 2, 3, 219]) {
      const { path } = runClassic(instructions, call(number));
      expect(path.filter((index) => instructions[index]!.code === 0x20)).toHaveLength(2);
    }
  });

  it.each<readonly [string, Decision, string]>([
    ["an int", when("argument0", 0xffff_ffffn, 5n), "ld args[0].low, jeq"],
    ["64 bits", when("argument0", 0xffff_ffff_ffff_ffffn, 5n), "ld args[0].high, jeq, ld args[0].low, jeq"],
    ["the high half only", when("argument0", 0xffff_ffff_0000_0000n, 0n), "ld args[0].high, jeq"],
    ["one flag", when("argument1", 0x40n, 0n), "ld args[1].low, jset"],
    ["some of the flags", when("argument1", 0x41n, 1n, 0x41n), "ld args[1].low, jset"],
    ["a field", when("argument1", 0x3n, 1n), "ld args[1].low, and, jeq"],
    ["an upper bound", when("argument0", 0xffff_ffffn, 0n, 99n), "ld args[0].low, jge"],
    ["an upper bound of pages", when("argument0", 0xffff_f000n, 0n, 0x7000n), "ld args[0].low, jge"],
    ["an upper bound of 2^32 - 1", when("argument0", 0xffff_ffff_ffff_ffffn, 0n, 0xffff_ffffn), "ld args[0].high, jeq"],
  ])("tests %s with few instructions", (_, decision, expected) => {
    const { instructions } = compile(new Map([[1, decision]]));
    const text = disassemble(instructions);
    const start = text.split("\n").findIndex((line) => line.includes("args"));
    const shape = text
      .split("\n")
      .slice(start)
      .map((line) => line.replace(/^ *\d+: /, ""))
      .filter((line) => line !== "" && !line.startsWith("ret"))
      .map((line) => (line.startsWith("ld") ? line.replaceAll(/ \[(.*)\]/g, " $1") : line.split(" ")[0]));
    expect(shape.join(", ")).toBe(expected);
  });

  it("combines tests of one word into one search", () => {
    const values = [0n, 8n, 0x20000n, 0x20008n, 0xffff_ffffn];
    const chain = values.reduceRight<Decision>(
      (otherwise, value) => ({ ...when("argument0", 0xffff_ffff_ffff_ffffn, value), otherwise }) as Decision,
      leafOf(0),
    );
    const { instructions } = compile(new Map([[135, chain]]));
    expect(instructions.filter(({ code, k }) => code === 0x20 && k >= 16)).toHaveLength(2);
    for (const value of values) expect(runClassic(instructions, call(135, value)).word).toBe(denies(3101));
    for (const value of [1n, 7n, 9n, 0x1_0000_0000n, 0x1_0000_0008n]) {
      expect(runClassic(instructions, call(135, value)).word).toBe(denies(3100));
    }
  });

  it("shares equal parts of calls", () => {
    const shared = () => when("argument1", 0xffff_ffff_ffff_ffffn, 5n, 0x7_0000_0009n);
    const one = compile(new Map([[10, shared()]]));
    const three = compile(new Map([10, 20, 30].map((number) => [number, shared()])));
    expect(three.instructions.length - one.instructions.length).toBeLessThanOrEqual(4);
  });

  it("implements the decision, on random graphs at all boundaries", () => {
    let executed = 0;
    let total = 0;
    fc.assert(
      fc.property(arbitraryDecisions(5), fc.array(fc.nat(600), { minLength: 1, maxLength: 8 }), (made, numbers) => {
        const split = new Map(numbers.map((number, index) => [number, made[Math.max(0, made.length - 1 - index)]!]));
        const { instructions } = compile(split);
        const seen = new Set<number>();
        let state = 12345;
        const random = () => {
          state = (Math.imul(state, 1103515245) + 12345) >>> 0;
          return state / 2 ** 32;
        };
        for (const [number, decision] of split) {
          for (const input of boundaryInputs(decision, { number, architecture: native }, 1200, random)) {
            const { word, path } = runClassic(instructions, input);
            for (const index of path) seen.add(index);
            const expected = firstVerdictErrno + decideInput(decision, input).weakest;
            if (number !== 219) expect(word).toBe(denies(expected));
          }
        }
        executed += seen.size;
        total += instructions.length;
      }),
      { numRuns: casesOf(150) },
    );
    // If most instructions were never executed, the comparison would prove little.
    expect(executed / total).toBeGreaterThan(0.6);
  });

  it("reaches far targets through copies and jumps", () => {
    // Every call has its own condition, so only the returns can be shared.
    const split = new Map(
      Array.from(
        { length: 450 },
        (_, number) => [number, when("argument0", 0xffff_ffffn, BigInt(number * 3))] as const,
      ),
    );
    const { instructions } = compile(split);
    expect(instructions.length).toBeGreaterThan(1000);
    expect(instructions.filter(({ code }) => code === 0x05).length).toBeLessThan(20);
    for (const number of split.keys()) {
      if (number === 219) continue;
      for (const [value, verdict] of [
        [number * 3, 1],
        [number * 3 + 1, 0],
      ] as const) {
        expect(runClassic(instructions, call(number, BigInt(value))).word).toBe(denies(firstVerdictErrno + verdict));
      }
    }
    expect(longestPath(instructions)).toBeLessThan(20);
  });

  it("reports the size of a filter that the kernel would refuse", () => {
    const intervals = Array.from({ length: 5000 }, (_, index) => ({
      from: BigInt(index * 4),
      to: BigInt(index * 4 + 1),
    }));
    const decision: Decision = {
      kind: "test",
      test: { word: "argument0", mask: 0xffff_ffffn, intervals },
      then: leafOf(0),
      otherwise: leafOf(1),
    };
    expect(() => compile(new Map([[1, decision]]))).toThrow(FilterTooLargeError);
    expect(() => compile(new Map([[1, decision]]))).toThrow(
      /needs 1\d{4} instructions and the kernel takes at most 4096/,
    );
  });

  it("survives decisions that are very deep", () => {
    const deep = (next: (index: number) => ArgumentTest) => {
      let decision: Decision = leafOf(0);
      for (let index = 0; index < 20_000; index++) {
        decision = { kind: "test", test: next(index), then: leafOf(1 + (index % 3)), otherwise: decision };
      }
      return decision;
    };
    const value = (index: number) => [{ from: BigInt(index), to: BigInt(index) }];
    const words = ["argument0", "argument1", "argument2"] as const;
    const different = deep((index) => ({ word: words[index % 3]!, mask: 0xffff_ffffn, intervals: value(index) }));
    expect(() => compile(new Map([[1, different]]))).toThrow(FilterTooLargeError);
    const flags = deep((index) => ({ word: "argument0", mask: 3n << BigInt(index % 40), intervals: value(0) }));
    expect(() => compile(new Map([[1, flags]]))).toThrow(FilterTooLargeError);
    const oneWord = deep((index) => ({ word: "argument0", mask: 0xffff_ffffn, intervals: value(index % 300) }));
    expect(longestPath(compile(new Map([[1, oneWord]])).instructions)).toBeLessThan(20);
  });

  it("throws where the split lacks a call", () => {
    const program = programOf(new Map([[1, leafOf(0)]]));
    expect(() => compileClassic(program, new Map(), distinctTarget)).toThrow(/no decision for call number 1/);
  });

  it("round-trips through text and bytes", () => {
    fc.assert(
      fc.property(arbitraryDecisions(5), (made) => {
        const compiled = compile(new Map(made.map((decision, index) => [index * 3, decision])));
        expect(assemble(disassemble(compiled.instructions)).instructions).toEqual(compiled.instructions);
        expect(decodeInstructions(encodeClassic(compiled))).toEqual(compiled.instructions);
      }),
      { numRuns: 30 },
    );
  });

  it("places returns in the policy", () => {
    const { instructions, locations } = compile(
      new Map([
        [1, leafOf(4)],
        [2, leafOf(6)],
      ]),
    );
    expect(locations).toHaveLength(instructions.length);
    const place = (errno: number) => locations[instructions.findIndex(({ k }) => k === denies(errno))]?.line;
    expect(place(firstVerdictErrno + 4)).toBe(5);
    expect(place(firstVerdictErrno + 6)).toBe(7);
    expect(place(unknownErrno)).toBeUndefined();
  });
});

describe("the launcher's token", () => {
  const token = [0x1111_1111, 0x2222_2222, 0x3333_3333, 0x4444_4444] as const;
  const registers = (words: readonly number[]) => [
    0n,
    0n,
    0n,
    0n,
    BigInt(words[0]!) | (BigInt(words[1]!) << 32n),
    BigInt(words[2]!) | (BigInt(words[3]!) << 32n),
  ];
  const split = new Map<number, Decision>([
    [58, leafOf(0)],
    [59, when("argument0", 0xffff_ffffn, 7n)],
    [60, leafOf(0)],
    [322, leafOf(3)],
  ]);
  const armed = compile(split, { launcherToken: token });
  const unarmed = compile(split);

  it("allows exactly the launcher's execve", () => {
    expect(runClassic(armed.instructions, call(59, ...registers(token))).word).toBe(returnWord("ALLOW"));
    expect(runClassic(armed.instructions, call(322, ...registers(token))).word).toBe(denies(3103));
    expect(runClassic(armed.instructions, call(58, ...registers(token))).word).toBe(denies(3100));
    for (let bit = 0; bit < 128; bit++) {
      const wrong = token.map((word, index) => (index === bit >> 5 ? (word ^ (1 << (bit & 31))) >>> 0 : word));
      expect(runClassic(armed.instructions, call(59, ...registers(wrong))).word).toBe(denies(3100));
    }
    expect(runClassic(armed.instructions, call(59, 7n)).word).toBe(denies(3101));
  });

  it("costs other calls nothing", () => {
    for (const number of probedNumbers) {
      if (number === 59) continue;
      const [with_, without] = [armed, unarmed].map(({ instructions }) => runClassic(instructions, call(number)));
      expect(with_!.word).toBe(without!.word);
      expect(with_!.steps).toBeLessThanOrEqual(without!.steps);
    }
  });

  it("costs eight instructions", () => {
    expect(armed.instructions.filter(({ k, code }) => code === 0x20 && k >= 48)).toHaveLength(4);
    expect(armed.tokenPositions.map((position) => armed.instructions[position]!.k)).toEqual(token);
    expect(unarmed.tokenPositions).toEqual([]);
  });

  it("can be replaced", () => {
    const fresh = [5, 6, 7, 8] as const;
    const rearmed = rearmClassic(armed, fresh);
    expect(rearmed).toEqual(compile(split, { launcherToken: fresh }));
    expect(runClassic(rearmed.instructions, call(59, ...registers(fresh))).word).toBe(returnWord("ALLOW"));
    expect(runClassic(rearmed.instructions, call(59, ...registers(token))).word).toBe(denies(3100));
    expect(() => rearmClassic(unarmed, fresh)).toThrow(RangeError);
  });

  it("is never merged, for any words", () => {
    for (const words of [
      [0, 0, 0, 0],
      [7, 7, 7, 7],
      [59, 0, 0xffff_ffff, 0xffff_ffff],
    ] as const) {
      const other = compile(split, { launcherToken: words });
      expect(other.instructions.map(({ code, jt, jf }) => [code, jt, jf])).toEqual(
        armed.instructions.map(({ code, jt, jf }) => [code, jt, jf]),
      );
      expect(runClassic(other.instructions, call(59, ...registers(words))).word).toBe(returnWord("ALLOW"));
    }
  });

  it("lets only the launcher install a second filter", () => {
    const installing = compile(split, { launcherToken: token, launcherInstalls: true });
    const words = installing.tokenPositions.map((position) => installing.instructions[position]!.k);
    expect(words).toEqual([...token, ...token]);
    for (const [number, refused] of [
      [59, denies(3100)],
      [317, denies(unknownErrno)],
    ] as const) {
      expect(runClassic(installing.instructions, call(number, ...registers(token))).word).toBe(returnWord("ALLOW"));
      expect(runClassic(installing.instructions, call(number)).word).toBe(refused);
      const fresh = rearmClassic(installing, [5, 6, 7, 8]).instructions;
      expect(runClassic(fresh, call(number, ...registers([5, 6, 7, 8]))).word).toBe(returnWord("ALLOW"));
      expect(runClassic(fresh, call(number, ...registers(token))).word).toBe(refused);
    }
    expect(runClassic(armed.instructions, call(317, ...registers(token))).word).toBe(denies(unknownErrno));
  });

  it("works where the policy does not judge execve", () => {
    const other = compile(new Map([[1, leafOf(0)]]), { launcherToken: token });
    expect(runClassic(other.instructions, call(59, ...registers(token))).word).toBe(returnWord("ALLOW"));
    expect(runClassic(other.instructions, call(59)).word).toBe(denies(unknownErrno));
  });
});

/** Small ranges, so that every value of each parameter can be tried. */
describe("the filter of a policy with open parameters", () => {
  it("is never stricter than the policy, for any values, and equally strict where nothing else decides", () => {
    let [compared, exact] = [0, 0];
    for (let seed = 1; seed <= casesOf(60); seed += 1) {
      const choices = new SeededChoices(seed);
      const random = generateProgram(choices, { parameters: true, stateless: true, statements: 20 });
      const program: Program = {
        ...random,
        architecture: "x86_64",
        parameters: random.parameters.map(({ name, from, to, ...rest }) => {
          return { ...rest, name, kind: "integer", from, to: to < from + 4n ? to : from + 4n, default: undefined };
        }),
      };
      const split = splitPolicy(program, { superviseProcessCreation: false });
      const { instructions } = compileClassic(program, split, {
        ...distinctTarget,
        leaf: ({ weakest }) => returnWord("ERRNO", weakest + 1),
      });
      const rank = (verdict: number) => strictness[program.verdicts[verdict]!.action];
      const state = { thread: initialState(program, "thread"), process: initialState(program, "process") };
      const tree = initialState(program, "tree");
      for (let round = 0; round < 10; round += 1) {
        const event = generateEvent(choices, program);
        if (admit(program, event) !== "judged") continue;
        const weakest = (runClassic(instructions, event).word & 0xffff) - 1;
        const ranks = everyValue(program.parameters).map((words) => {
          const who = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };
          return rank(evaluate(program, event, who, { ...state, tree }, words).verdict);
        });
        expect(Math.min(...ranks), `seed ${seed}`).toBeGreaterThanOrEqual(rank(weakest));
        compared += ranks.length;
        if (Math.min(...ranks) === rank(weakest)) exact += 1;
      }
    }
    expect(compared).toBeGreaterThan(1000);
    expect(exact).toBeGreaterThan(100);
  });
});

function everyValue(parameters: readonly Parameter[]): bigint[][] {
  return parameters.reduce<bigint[][]>(
    (before, { from, to }) =>
      Array.from({ length: Number(to - from) + 1 }, (_, index) => pattern(from + BigInt(index))).flatMap((word) =>
        before.map((words) => [...words, word]),
      ),
    [[]],
  );
}
