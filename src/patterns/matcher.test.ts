import { describe, expect, it } from "vitest";
import { mostRawStates } from "./determinise.ts";
import { compileMatcher, makeMatcher, matching, mostAutomata, mostPatterns, mostStates, mostSteps } from "./matcher.ts";
import { type Pattern, type PatternKind, readPattern } from "./pattern.ts";
import { printAutomaton } from "./print.ts";
import { smallLimits } from "./testing/limits.ts";

function pattern(kind: PatternKind, text: string): Pattern {
  const { pattern: found, faults } = readPattern(kind, text) as { pattern?: Pattern; faults?: unknown };
  if (found === undefined) throw new Error(JSON.stringify(faults));
  return found;
}

function print(...patterns: Pattern[]): string {
  return printAutomaton(compileMatcher(patterns).matcher![0]!, patterns);
}

describe("the automaton", () => {
  it("is one for all patterns", () => {
    expect(print(pattern("is", "/a"), pattern("under", "/a"), pattern("endsWith", "b"))).toMatchInlineSnapshot(`
      "3 patterns, 8 states, 4 classes of bytes
      0  is "/a"
      1  under "/a"
      2  endsWith "b"
      state 1, start
        "/" → 3, "b" → 4, else 2
      state 2
        "b" → 4, else 2
      state 3
        "a" → 5, "b" → 4, else 2
      state 4, matches 2
        "b" → 4, else 2
      state 5, matches 0 1
        "/" → 6, "b" → 4, else 2
      state 6, matches 1
        "b" → 7, else 6
      state 7, matches 1 2
        "b" → 7, else 6
      "
    `);
  });

  it("is settled where nothing that follows matters", () => {
    expect(print(pattern("startsWith", "ab"))).toMatchInlineSnapshot(`
      "1 pattern, 4 states, 3 classes of bytes
      0  startsWith "ab"
      state 1, matches 0, settled
      state 2, start
        "a" → 3, else dead
      state 3
        "b" → 1, else dead
      "
    `);
    expect(print(pattern("matches", "**"))).toMatchInlineSnapshot(`
      "1 pattern, 2 states, 1 class of bytes
      0  matches "**"
      state 1, start, matches 0, settled
      "
    `);
    expect(print(pattern("matches", "[a-z]?"))).toMatchInlineSnapshot(`
      "1 pattern, 13 states, 13 classes of bytes
      0  matches "[a-z]?"
      state 1, start
        "a"–"z" → 2, else dead
      state 2
        "/" → dead, 0xc2–0xdf → 4, 0xe0 → 5, 0xe1–0xec 0xee 0xef → 6, 0xed → 7, 0xf0 → 8, 0xf1–0xf3 → 9, 0xf4 → 10, else 3
      state 3, matches 0
        any byte → dead
      state 4, matches 0
        0x80–0xbf → 3, else dead
      state 5, matches 0
        0xa0–0xbf → 11, else dead
      state 6, matches 0
        0x80–0xbf → 11, else dead
      state 7, matches 0
        0x80–0x9f → 11, else dead
      state 8, matches 0
        0x90–0xbf → 12, else dead
      state 9, matches 0
        0x80–0xbf → 12, else dead
      state 10, matches 0
        0x80–0x8f → 12, else dead
      state 11
        0x80–0xbf → 3, else dead
      state 12
        0x80–0xbf → 11, else dead
      "
    `);
  });

  it("without patterns matches nothing", () => {
    const { matcher } = compileMatcher([]);
    expect(matching(matcher!, Buffer.from("a"))).toBe(0n);
    expect(matcher).toMatchObject([{ stateCount: 1, classCount: 1, start: 0, settled: 1, acceptSets: [0n] }]);
  });

  it("has each set of patterns once, in the order of its states", () => {
    const { matcher } = compileMatcher([pattern("startsWith", "a"), pattern("is", "ab"), pattern("is", "c")]);
    expect(matcher![0]!.acceptSets.map(String)).toEqual(["0", "1", "4", "3"]);
  });
});

describe("limits", () => {
  const many = (count: number, make: (index: number) => Pattern): Pattern[] =>
    Array.from({ length: count }, (_, index) => make(index));

  it.each([
    ["a ? behind a star", "*a?????????????", "states"],
    ["many of them", `*a${"?".repeat(60)}`, "states"],
    ["classes behind stars", `**a${"[!b]".repeat(200)}`, "states"],
    ["stars", "*a".repeat(1500), "steps"],
    ["stars in alternatives", "{*a,b*}".repeat(300), "steps"],
    ["alternatives that are all alike", `**${"{a,**}".repeat(500)}c`, undefined],
    ["empty alternatives", "{,*a}".repeat(600), undefined],
    ["2^600 expansions", "{a,b}{c,d}".repeat(300), undefined],
    ["characters", "a?".repeat(500), undefined],
  ])("%s", (_, glob, limit) => {
    const { tooLarge, matcher, steps } = compileMatcher([pattern("matches", glob)]);
    expect(tooLarge?.limit).toBe(limit);
    if (limit === undefined) expect(matcher![0]!.stateCount).toBeLessThanOrEqual(mostStates);
    else expect(tooLarge).toMatchObject({ pattern: 0, alone: true });
    expect(steps).toBeLessThan(mostSteps.pattern + mostRawStates);
  });

  it("name the pattern that is too much alone", () => {
    const patterns = [pattern("is", "/a"), pattern("matches", `*a${"?".repeat(20)}`), pattern("is", "/b")];
    expect(compileMatcher(patterns).tooLarge).toEqual({
      pattern: 1,
      alone: true,
      limit: "states",
      message: `matches "*a${"?".repeat(20)}" is too complex: its automaton has more than 8192 states`,
      help: "each ? or class behind a * multiplies the states; write a shorter text behind the *",
    });
  });

  it("name two patterns that multiply each other's states", () => {
    const searching = many(300, (index) => pattern("matches", `**/name${index}/**`));
    const patterns = [...many(50, (index) => pattern("is", `/etc/file${index}`)), ...searching];
    const { tooLarge, steps } = compileMatcher(patterns);
    expect(tooLarge).toMatchObject({ alone: false, limit: "automata", help: expect.stringContaining("**/{a,b}/**") });
    const [one, other] = [patterns[tooLarge!.pattern]!, patterns[tooLarge!.other!]!];
    expect(tooLarge!.message).toBe(
      `matches "${one.text}" multiplies the states of matches "${other.text}" and of others: together the patterns on this argument need more than ${mostAutomata} automata`,
    );
    expect([one.kind, other.kind]).toEqual(["matches", "matches"]);
    const { singles, several, one: all, groups } = mostSteps;
    expect(steps).toBeLessThan(singles + several + all + groups);
    expect(compileMatcher([...patterns.slice(0, 50), ...searching.slice(0, 60)]).matcher).toBeDefined();
  });

  it("bound the work for many patterns, each of which takes much", () => {
    const { tooLarge, steps } = compileMatcher(many(100, (index) => pattern("matches", `${"*a".repeat(150)}${index}`)));
    expect(tooLarge).toMatchObject({ alone: false, limit: "steps", help: expect.stringContaining("under") });
    expect(steps).toBeLessThan(mostSteps.singles + mostSteps.several + mostRawStates);
  });

  it("bound the number of patterns", () => {
    const patterns = many(mostPatterns + 1, (index) => pattern("is", `${index}`));
    expect(compileMatcher(patterns.slice(1)).matcher).toBeDefined();
    expect(compileMatcher(patterns).tooLarge).toMatchObject({ pattern: mostPatterns, limit: "patterns" });
  });

  it("leave room for long lists", () => {
    const files = many(400, (index) => pattern("is", `/usr/share/doc/package${(index * 7919) % 1000}/file${index}`));
    const endings = many(500, (index) => pattern("matches", `**/*.e${index}`));
    for (const list of [files, endings]) {
      const { matcher } = compileMatcher(list);
      expect(matcher).toHaveLength(1);
      expect(matcher![0]!.stateCount).toBeLessThan(4000);
    }
  });
});

describe("several automata", () => {
  const doubling = Array.from({ length: 10 }, (_, index) => pattern("matches", `**${"abcdefghij"[index]}**`));

  it("take the place of one that is too large", () => {
    expect(makeMatcher(doubling, smallLimits(1024)).matcher).toHaveLength(1);
    const { matcher } = makeMatcher(doubling, smallLimits(32));
    expect(matcher!.map(({ stateCount }) => stateCount)).toEqual([33, 33]);
    expect(matching(matcher!, Buffer.from("jax"))).toBe(0b10_0000_0001n);
  });

  it("have each pattern in one of them", () => {
    const { matcher } = makeMatcher(doubling, smallLimits(8));
    const patterns = matcher!.map(({ acceptSets }) => acceptSets.reduce((all, set) => all | set));
    expect(patterns).toHaveLength(4);
    expect(patterns.reduce((sum, set) => sum + set)).toBe((1n << 10n) - 1n);
  });

  it("have room for a pattern that is too large for them alone", () => {
    const long = pattern("is", "/a/long/name/of/a/file");
    const { matcher } = makeMatcher([...doubling.slice(0, 3), long], smallLimits(8));
    expect(matcher!.map(({ stateCount }) => stateCount)).toEqual([24, 9]);
  });
});
