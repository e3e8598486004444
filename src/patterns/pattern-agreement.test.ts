/** Random patterns on texts that nearly match: the automaton says what the reference says, and is minimal. */
import { describe, expect, it } from "vitest";
import { seeds } from "../ir/testing/seeds.ts";
import { type Automaton, compileMatcher, run } from "./automaton.ts";
import { describePattern } from "./pattern.ts";
import { PatternChoices } from "./testing/arbitrary.ts";
import { matches } from "./testing/reference.ts";

describe("random patterns", () => {
  it("match the texts that the reference matches", () => {
    const seen = { matched: 0, not: 0 };
    for (const seed of seeds(1500)) {
      const choices = new PatternChoices(seed);
      const patterns = choices.patterns(4);
      const { automaton } = compileMatcher(patterns);
      if (automaton === undefined) throw new Error(`seed ${seed}: too large`);
      for (let round = 0; round < 12; round++) {
        const subject = choices.subject(patterns);
        const bits = automaton.acceptSets[run(automaton, subject)]!;
        for (const [index, pattern] of patterns.entries()) {
          const wanted = matches(pattern, subject);
          seen[wanted ? "matched" : "not"] += 1;
          const where = `seed ${seed}: ${describePattern(pattern)} on ${Buffer.from(subject).toString("latin1")}`;
          expect(((bits >> BigInt(index)) & 1n) === 1n, where).toBe(wanted);
        }
      }
    }
    // Neither answer is rare.
    expect(seen.matched).toBeGreaterThan(seen.not / 5);
    expect(seen.not).toBeGreaterThan(seen.matched / 5);
  });

  it("have no two states that are equivalent, and no two classes of bytes", () => {
    for (const seed of seeds(300)) {
      const { automaton } = compileMatcher(new PatternChoices(seed).patterns(4));
      expect(equivalentPair(automaton!), `seed ${seed}`).toBeUndefined();
      const { classCount, transitions } = automaton!;
      const columns = Array.from({ length: classCount }, (_, column) =>
        transitions.filter((_to, index) => index % classCount === column).join(),
      );
      expect(new Set(columns).size, `seed ${seed}`).toBe(classCount);
    }
  });

  it("give the same tables in any order and any company of repetitions", () => {
    for (const seed of seeds(300)) {
      const choices = new PatternChoices(seed);
      const patterns = choices.patterns(4);
      const forward = compileMatcher(patterns).automaton!;
      const backward = compileMatcher([...patterns].reverse()).automaton!;
      expect({ ...backward, acceptSets: backward.acceptSets.map((set) => reversed(set, patterns.length)) }).toEqual(
        forward,
      );
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
