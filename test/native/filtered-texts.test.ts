/** The addon's text filter against the interpreters of automata and classic filters, and with malformed tables. */
import { describe, expect, it } from "vitest";
import { errno } from "../../src/abi/errno-numbers.ts";
import { decodeInstructions, encodeInstructions, opcode } from "../../src/backend/classic/instruction.ts";
import { encodeInput, runClassic } from "../../src/backend/classic/interpreter.ts";
import type { TextFilter } from "../../src/engines/notify/policy/policy.ts";
import { startTextFilter } from "../../src/engines/notify/text-filter-start.ts";
import { SeededChoices } from "../../src/ir/testing/choices.ts";
import { casesOf, seeds } from "../../src/ir/testing/seeds.ts";
import { native } from "../../src/machine/native.ts";
import type { Automaton } from "../../src/patterns/automaton.ts";
import { type Matcher, makeMatcher, matching, mostAutomata } from "../../src/patterns/matcher.ts";
import { PatternChoices } from "../../src/patterns/testing/arbitrary.ts";
import { smallLimits } from "../../src/patterns/testing/limits.ts";
import { matches } from "../../src/patterns/testing/reference.ts";

const number = 2;
const call = { number, architecture: 0xc000_003e, arguments: [11n, 12n, 13n, 14n, 15n, 16n] } as const;
const registers = Uint8Array.of(0, 0, 1, 0);
const observations = Uint16Array.of(0, 0, 7, 0);

/** A matcher of one automaton, or of several. */
function matcherOf(seed: number, most = 20) {
  const choices = new PatternChoices(seed);
  for (;;) {
    const patterns = choices.patterns(most);
    const { matcher } = makeMatcher(patterns, smallLimits(seed % 2 === 0 ? 60 : 4000));
    if (matcher !== undefined) return { patterns, matcher, choices };
  }
}

/** Random tests of any word of the call. */
function randomFilter(choices: SeededChoices): TextFilter["instructions"] {
  const length = 8 + choices.below(40);
  const instructions = Array.from({ length }, (_, at) => {
    const left = length - at - 1;
    const skipped = () => choices.below(Math.min(left, 6));
    const k = choices.below(3) === 0 ? choices.below(2 ** 32) : choices.below(16);
    if (left === 0 || (at > 4 && choices.below(8) === 0)) return { code: opcode.return, jt: 0, jf: 0, k };
    switch (choices.below(5)) {
      case 0:
        return { code: opcode.load, jt: 0, jf: 0, k: 4 * choices.below(16) };
      case 1:
        // The accept set.
        return { code: opcode.load, jt: 0, jf: 0, k: 8 + 4 * choices.below(2) };
      case 2:
        return { code: opcode.and, jt: 0, jf: 0, k };
      case 3:
        return { code: opcode.jumpAlways, jt: 0, jf: 0, k: skipped() };
      default: {
        const codes = [opcode.jumpEqual, opcode.jumpGreater, opcode.jumpAtLeast, opcode.jumpAnyBit];
        return { code: codes[choices.below(4)]!, jt: skipped(), jf: skipped(), k };
      }
    }
  });
  return encodeInstructions(instructions);
}

const matchersWith = (matcher: Matcher | undefined) => [...new Array<undefined>(7).fill(undefined), matcher];

/** What the addon must return. */
function wordOf(instructions: Uint8Array, matcher: Matcher, text: Uint8Array): number {
  const set = matching(matcher, text);
  return runClassic(decodeInstructions(instructions), { ...call, instructionPointer: BigInt.asUintN(64, set) }).word;
}

const dataOf = (instructionPointer = 0n) => new Uint8Array(encodeInput({ ...call, instructionPointer }).buffer);

describe("the addon's text filter", () => {
  it("agrees with the interpreters", () => {
    const words = new Set<number>();
    let several = 0;
    for (const seed of seeds(400)) {
      const { matcher, patterns, choices } = matcherOf(seed);
      if (matcher.length > 1) several += 1;
      const instructions = randomFilter(new SeededChoices(seed));
      startTextFilter({ registers, observations, instructions }, matchersWith(matcher));
      for (let index = 0; index < 50; index++) {
        const text = choices.subject(patterns);
        const word = native().judgeText(dataOf(BigInt(seed)), text);
        expect(word, `seed ${seed}`).toBe(wordOf(instructions, matcher, text));
        words.add(word);
      }
    }
    expect(words.size).toBeGreaterThan(casesOf(100));
    expect(several).toBeGreaterThan(casesOf(20));
  });

  it("puts the patterns that match into the instruction pointer", () => {
    for (const seed of seeds(60)) {
      const { matcher, patterns, choices } = matcherOf(seed, 40);
      const bit = new SeededChoices(seed).below(patterns.length);
      const instructions = encodeInstructions([
        { code: opcode.load, jt: 0, jf: 0, k: bit < 32 ? 8 : 12 },
        { code: opcode.jumpAnyBit, jt: 0, jf: 1, k: (1 << (bit % 32)) >>> 0 },
        { code: opcode.return, jt: 0, jf: 0, k: 1 },
        { code: opcode.return, jt: 0, jf: 0, k: 0 },
      ]);
      startTextFilter({ registers, observations, instructions }, matchersWith(matcher));
      for (let index = 0; index < 20; index++) {
        const text = choices.subject(patterns);
        expect(native().judgeText(dataOf(), text) === 1, `seed ${seed}`).toBe(matches(patterns[bit]!, text));
      }
    }
  });

  it("judges no call without its automaton", () => {
    const instructions = encodeInstructions([{ code: opcode.return, jt: 0, jf: 0, k: 1 }]);
    expect(native().startTextFilter(registers, observations, instructions, new Uint32Array(0), 0, 0)).toBe(0);
    expect(native().judgeText(dataOf(), Buffer.from("/a"))).toBe(0);
    startTextFilter({ registers, observations, instructions }, matchersWith(undefined));
    expect(native().judgeText(dataOf(), Buffer.from("/a"))).toBe(1);
    const other = { ...call, number: 1, instructionPointer: 0n };
    expect(native().judgeText(new Uint8Array(encodeInput(other).buffer), Buffer.from("/a"))).toBe(0);
  });

  const accept = { code: opcode.return, jt: 0, jf: 0, k: 1 } as const;

  const start = (observation: number, automata = 1) => native().startTextMatcher(observation, automata);
  const add = (observation: number) => {
    const { classes, classCount, transitions, accepts, acceptSets, start, settled } = matcherOf(1).matcher[0]!;
    const sets = BigUint64Array.from(acceptSets);
    return native().addTextAutomaton(observation, classes, classCount, transitions, accepts, sets, start, settled);
  };

  it("judges no call that has no register, no automaton or no entry", () => {
    const instructions = encodeInstructions([accept]);
    // The calls from 3 on have no automaton.
    const all = Uint16Array.from([0, 0, 0, ...Array.from({ length: 256 }, (_, index) => 256 + index), 0xffff]);
    const given = all.map((_, index) => (index < number ? 0 : 1));
    native().startTextFilter(Uint8Array.from(given), all, instructions, new Uint32Array(0), 0, 0);
    expect([start(0), add(0)]).toEqual([0, 0]);
    const numbers = [-(2 ** 31), -1, ...all.keys(), all.length, all.length + 1, 1 << 20, 2 ** 31 - 1];
    const judged = numbers.filter((one) => {
      const data = new Uint8Array(encodeInput({ ...call, number: one, instructionPointer: 0n }).buffer);
      return native().judgeText(data, Buffer.from("/a")) !== 0;
    });
    expect(judged).toEqual([number]);
  });

  it("takes instructions at an odd address", () => {
    const bytes = encodeInstructions([accept]);
    const odd = new Uint8Array(bytes.length + 1).subarray(1);
    odd.set(bytes);
    startTextFilter({ registers, observations, instructions: odd }, []);
    expect(native().judgeText(dataOf(), Buffer.from("/a"))).toBe(1);
  });

  it("refuses an automaton too many, and one of an observation with a high index", () => {
    startTextFilter({ registers, observations, instructions: encodeInstructions([accept]) }, []);
    expect([7, 8, 255, 256, 2 ** 32 - 1].map((one) => start(one))).toEqual([-22, 0, 0, -22, -22]);
    expect([7, 8, 8, 9, 255, 256, 2 ** 32 - 1].map(add)).toEqual([-22, 0, -22, -22, 0, -22, -22]);
    expect([start(8), start(9, mostAutomata + 1), start(9, mostAutomata)]).toEqual([-22, -22, 0]);
  });

  it("judges no call before all automata are there", () => {
    native().startTextFilter(registers, observations, encodeInstructions([accept]), new Uint32Array(0), 0, 0);
    const judged = () => native().judgeText(dataOf(), Buffer.from("/a"));
    expect([judged(), start(7, 2), judged(), add(7), judged(), add(7), judged()]).toEqual([0, 0, 0, 0, 0, 0, 1]);
  });

  it.each([
    ["no instruction", []],
    ["no return at the end", [{ code: opcode.load, jt: 0, jf: 0, k: 0 }]],
    ["a jump behind the end", [{ code: opcode.jumpEqual, jt: 1, jf: 0, k: 0 }, accept]],
    ["a jump behind the end if a test fails", [{ code: opcode.jumpEqual, jt: 0, jf: 1, k: 0 }, accept]],
    ["a long jump behind the end", [{ code: opcode.jumpAlways, jt: 0, jf: 0, k: 0xffff_ffff }, accept]],
    ["a load outside of the call", [{ code: opcode.load, jt: 0, jf: 0, k: 64 }, accept]],
    ["a load between two words", [{ code: opcode.load, jt: 0, jf: 0, k: 2 }, accept]],
    ["an unknown instruction", [{ code: 0x84, jt: 0, jf: 0, k: 0 }, accept]],
    ["4,097 instructions", new Array<typeof accept>(4097).fill(accept)],
  ])("refuses a filter with %s", (_, instructions) => {
    const bytes = encodeInstructions(instructions);
    const none = new Uint32Array(0);
    expect(native().startTextFilter(registers, observations, bytes, none, 0, 0)).toBe(-errno.EINVAL);
  });

  it("refuses registers that do not exist, and arrays that do not fit", () => {
    const bytes = encodeInstructions([accept]);
    const start = (...[first, second, third, words, wanted, verdicts]: Parameters<typeof startFilter>) =>
      startFilter(first, second, third, words, wanted, verdicts);
    const startFilter = native().startTextFilter;
    const none = new Uint32Array(0);
    expect(start(Uint8Array.of(0, 0, 7, 0), observations, bytes, none, 0, 0)).toBe(-errno.EINVAL);
    expect(start(registers, observations, bytes.subarray(1), none, 0, 0)).toBe(-errno.EINVAL);
    expect(() => start(registers, Uint16Array.of(0), bytes, none, 0, 0)).toThrow(TypeError);
    expect(() => start(registers, observations, bytes, new Uint32Array(2), 0, 2)).toThrow(TypeError);
  });

  it.each<[string, (tables: Automaton) => Partial<Automaton>]>([
    ["a class that does not exist", ({ classCount }) => ({ classes: new Uint8Array(256).fill(classCount) })],
    ["too few transitions", ({ transitions }) => ({ transitions: transitions.subarray(1) })],
    [
      "a state that does not exist",
      ({ transitions, stateCount }) => ({ transitions: transitions.map(() => stateCount) }),
    ],
    ["a start that does not exist", ({ stateCount }) => ({ start: stateCount })],
    ["a set that does not exist", ({ accepts, acceptSets }) => ({ accepts: accepts.map(() => acceptSets.length) })],
    ["too many settled states", ({ stateCount }) => ({ settled: stateCount + 1 })],
    ["no classes", () => ({ classCount: 0 })],
  ])("refuses an automaton with %s", (_, change) => {
    const instructions = encodeInstructions([accept]);
    const automaton = matcherOf(1).matcher[0]!;
    const wrong = { ...automaton, ...change(automaton) };
    expect(() => startTextFilter({ registers, observations, instructions }, matchersWith([wrong]))).toThrow("errno 22");
    expect(native().judgeText(dataOf(), Buffer.from("/a"))).toBe(0);
  });
});
