import { describe, expect, it } from "vitest";
import { seeds } from "../ir/testing/seeds.ts";
import { compileMatcher, matching } from "./matcher.ts";
import { PatternChoices } from "./testing/arbitrary.ts";
import { zeroEnded } from "./zero-ended.ts";

describe("the automaton of texts that end at a zero", () => {
  it("gives the other automaton's result for the bytes before the zero, for any bytes after it", () => {
    for (const seed of seeds(200)) {
      const choices = new PatternChoices(seed);
      const patterns = choices.patterns(3);
      const matcher = compileMatcher(patterns).matcher!;
      expect(matcher).toHaveLength(1);
      const ended = zeroEnded(matcher[0]!);
      expect(ended.transitions).toHaveLength(ended.stateCount * ended.classCount);
      expect(ended.accepts).toHaveLength(ended.stateCount);
      expect(ended.classCount).toBeLessThanOrEqual(256);
      for (let subject = 0; subject < 16; subject += 1) {
        const bytes = choices.subject(patterns);
        const behind = choices.subject(patterns);
        const zero = bytes.indexOf(0);
        const text = zero < 0 ? bytes : bytes.subarray(0, zero);
        const wanted = matching(matcher, text);
        expect(matching([ended], text)).toBe(wanted);
        expect(matching([ended], Uint8Array.of(...text, 0))).toBe(wanted);
        expect(matching([ended], Uint8Array.of(...text, 0, ...behind))).toBe(wanted);
      }
    }
  });

  it("has a settled state for each set of patterns that a text can end with, and no class without a byte", () => {
    const ended = zeroEnded(compileMatcher([{ kind: "endsWith", text: "b" }]).matcher![0]!);
    expect(ended).toMatchObject({ settled: 2, stateCount: 4, classCount: 3 });
    expect(new Set(ended.classes).size).toBe(3);
    expect(zeroEnded(ended)).toMatchObject({ settled: 2, stateCount: 4, classCount: 3 });
  });
});
