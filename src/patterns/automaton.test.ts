import { describe, expect, it } from "vitest";
import { compileMatcher, mostPatterns, mostStates, run, setsWith } from "./automaton.ts";
import { mostRawStates } from "./determinise.ts";
import { type Pattern, type PatternKind, readPattern } from "./pattern.ts";
import { printAutomaton } from "./print.ts";
import { mostSteps } from "./work.ts";

function pattern(kind: PatternKind, text: string): Pattern {
  const { pattern: found, faults } = readPattern(kind, text) as { pattern?: Pattern; faults?: unknown };
  if (found === undefined) throw new Error(JSON.stringify(faults));
  return found;
}

function print(...patterns: Pattern[]): string {
  return printAutomaton(compileMatcher(patterns).automaton!, patterns);
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
    const { automaton } = compileMatcher([]);
    expect(run(automaton!, Buffer.from("a"))).toBe(0);
    expect(automaton).toMatchObject({ stateCount: 1, classCount: 1, start: 0, settled: 1, acceptSets: [0n] });
  });

  it("finds the accept sets of a pattern", () => {
    const { automaton } = compileMatcher([pattern("startsWith", "a"), pattern("is", "ab"), pattern("is", "c")]);
    expect(automaton!.acceptSets.map(String)).toEqual(["0", "1", "4", "3"]);
    expect([0, 1, 2].map((index) => setsWith(automaton!, index))).toEqual([[1, 3], [3], [2]]);
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
    const { tooLarge, automaton, steps } = compileMatcher([pattern("matches", glob)]);
    expect(tooLarge?.limit).toBe(limit);
    if (limit === undefined) expect(automaton!.stateCount).toBeLessThanOrEqual(mostStates);
    else expect(tooLarge).toMatchObject({ pattern: 0, alone: true });
    // Twice: the second attempt finds out that it is this pattern.
    expect(steps).toBeLessThan(2 * (mostSteps + mostRawStates));
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

  it("name the first pattern that is too much with the others", () => {
    const patterns = many(20, (index) => pattern("matches", `**x${index}**y`));
    const { tooLarge } = compileMatcher(patterns);
    expect(tooLarge).toMatchObject({ alone: false, limit: "steps", help: expect.stringContaining("under") });
    expect(compileMatcher(patterns.slice(0, tooLarge!.pattern)).automaton).toBeDefined();
    expect(compileMatcher(patterns.slice(0, tooLarge!.pattern + 1)).automaton).toBeUndefined();
  });

  it("bound the number of patterns", () => {
    const patterns = many(mostPatterns + 1, (index) => pattern("is", `${index}`));
    expect(compileMatcher(patterns.slice(1)).automaton).toBeDefined();
    expect(compileMatcher(patterns).tooLarge).toMatchObject({ pattern: mostPatterns, limit: "patterns" });
  });

  it("leave room for long lists", () => {
    const files = many(400, (index) => pattern("is", `/usr/share/doc/package${(index * 7919) % 1000}/file${index}`));
    const endings = many(500, (index) => pattern("matches", `**/*.e${index}`));
    for (const list of [files, endings]) expect(compileMatcher(list).automaton?.stateCount).toBeLessThan(4000);
  });
});
