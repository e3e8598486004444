/** Random patterns on texts that nearly match: the automata say what the reference says, and are minimal. */
import { describe, expect, it } from "vitest";
import { expectEqual } from "../ir/testing/expect-equal.ts";
import { seeds } from "../ir/testing/seeds.ts";
import type { Automaton } from "./automaton.ts";
import { type Compilation, compileMatcher, makeMatcher, matching } from "./matcher.ts";
import { describePattern, type Pattern } from "./pattern.ts";
import { PatternChoices } from "./testing/arbitrary.ts";
import { smallLimits } from "./testing/limits.ts";
import { multiplied, multiplying } from "./testing/multiplying.ts";
import { matches } from "./testing/reference.ts";

describe("random patterns", () => {
  it.each<[string, number, (patterns: readonly Pattern[], seed: number) => Compilation, number]>([
    ["one automaton", 4, compileMatcher, 1],
    ["many automata", 12, (patterns, seed) => makeMatcher(patterns, smallLimits(10 + (seed % 40))), 3],
  ])("match the texts that the reference matches, with %s", (_, most, compile, automata) => {
    const seen = { matched: 0, not: 0, automata: 0 };
    for (const seed of seeds(most > 4 ? 400 : 1500)) {
      const choices = new PatternChoices(seed);
      const patterns = choices.patterns(most);
      const { matcher } = compile(patterns, seed);
      if (matcher === undefined) throw new Error(`seed ${seed}: too large`);
      seen.automata = Math.max(seen.automata, matcher.length);
      for (let round = 0; round < 12; round++) {
        const subject = choices.subject(patterns);
        const bits = matching(matcher, subject);
        for (const [index, pattern] of patterns.entries()) {
          const wanted = matches(pattern, subject);
          seen[wanted ? "matched" : "not"] += 1;
          const where = () => `seed ${seed}: ${describePattern(pattern)} on ${Buffer.from(subject).toString("latin1")}`;
          expectEqual(((bits >> BigInt(index)) & 1n) === 1n, wanted, where);
        }
      }
    }
    // Neither answer is rare.
    expect(seen.matched).toBeGreaterThan(seen.not / 8);
    expect(seen.not).toBeGreaterThan(seen.matched / 5);
    expect(seen.automata).toBeGreaterThanOrEqual(automata);
  });

  it("match the same where the usual limits lead to several automata", () => {
    const { matcher } = compileMatcher(multiplying);
    expect(matcher!.length).toBeGreaterThan(1);
    for (const text of multiplied) {
      const subject = Buffer.from(text);
      const wanted = multiplying.map((pattern) => matches(pattern, subject));
      const bits = matching(matcher!, subject);
      expect(
        multiplying.map((_, index) => ((bits >> BigInt(index)) & 1n) === 1n),
        text,
      ).toEqual(wanted);
    }
  });

  it("have no two states that are equivalent, and no two classes of bytes", () => {
    for (const seed of seeds(300)) {
      const automaton = compileMatcher(new PatternChoices(seed).patterns(4)).matcher![0]!;
      expect(equivalentPair(automaton), `seed ${seed}`).toBeUndefined();
      const { classCount, transitions } = automaton;
      const columns = Array.from({ length: classCount }, (_, column) =>
        transitions.filter((_to, index) => index % classCount === column).join(),
      );
      expect(new Set(columns).size, `seed ${seed}`).toBe(classCount);
    }
  });

  it("give the same tables by products of automata", () => {
    for (const seed of seeds(300)) {
      const patterns = new PatternChoices(seed).patterns(6);
      const atOnce = compileMatcher(patterns).matcher!;
      const { matcher } = makeMatcher(patterns, { ...smallLimits(8192), steps: () => 0 });
      expectEqual(matcher, atOnce, () => `seed ${seed}`);
    }
  });

  it("give the same tables in any order and any company of repetitions", () => {
    for (const seed of seeds(300)) {
      const choices = new PatternChoices(seed);
      const patterns = choices.patterns(4);
      const forward = compileMatcher(patterns).matcher![0]!;
      const backward = compileMatcher([...patterns].reverse()).matcher![0]!;
      const acceptSets = backward.acceptSets.map((set) => reversed(set, patterns.length));
      expectEqual({ ...backward, acceptSets }, forward, () => `seed ${seed}`);
    }
  });
});

/** Two equivalent states, found by marking the distinguishable ones (the opposite direction of Hopcroft's). */
function equivalentPair({ stateCount, classCount, transitions, accepts }: Automaton): [number, number] | undefined {
  const isDistinct = Array.from({ length: stateCount }, (_, a) =>
    Uint8Array.from({ length: stateCount }, (_, b) => (accepts[a] === accepts[b] ? 0 : 1)),
  );
  for (let changed = true; changed; ) {
    changed = false;
    for (let a = 0; a < stateCount; a++)
      for (let b = 0; b < a; b++) {
        if (isDistinct[a]![b] === 1) continue;
        for (let byte = 0; byte < classCount; byte++)
          if (isDistinct[transitions[a * classCount + byte]!]![transitions[b * classCount + byte]!] === 1) {
            isDistinct[a]![b] = isDistinct[b]![a] = 1;
            changed = true;
            break;
          }
      }
  }
  for (let a = 0; a < stateCount; a++) for (let b = 0; b < a; b++) if (isDistinct[a]![b] === 0) return [a, b];
  return undefined;
}

function reversed(bits: bigint, length: number): bigint {
  let result = 0n;
  for (let index = 0; index < length; index++)
    if ((bits >> BigInt(index)) & 1n) result |= 1n << BigInt(length - 1 - index);
  return result;
}
