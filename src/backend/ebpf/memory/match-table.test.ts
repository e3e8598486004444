/** The kernel's form of an automaton, run by the model of the kernel's function, against the automaton itself. */
import { describe, expect, it } from "vitest";
import { seeds } from "../../../ir/testing/seeds.ts";
import { compileMatcher, matching } from "../../../patterns/matcher.ts";
import type { Pattern } from "../../../patterns/pattern.ts";
import { PatternChoices } from "../../../patterns/testing/arbitrary.ts";
import { Budget, matchTexts } from "../testing/match-texts.ts";
import { matchTable } from "./match-table.ts";

const [enoent, e2big, einval] = [-2n, -7n, -22n];

const tableOf = (...patterns: Pattern[]): Uint8Array => matchTable(compileMatcher(patterns).matcher![0]!);
const bytes = (text: string): Uint8Array => Buffer.from(text);
const match = (table: Uint8Array, ...texts: string[]): bigint => matchTexts(table, texts.map(bytes), new Budget(false));

describe("the table of an automaton", () => {
  it("gives the patterns that the automaton gives", () => {
    for (const seed of seeds(200)) {
      const choices = new PatternChoices(seed);
      const patterns = choices.patterns(4);
      const matcher = compileMatcher(patterns).matcher!;
      expect(matcher).toHaveLength(1);
      const table = matchTable(matcher[0]!);
      for (let subject = 0; subject < 16; subject += 1) {
        const text = choices.subject(patterns);
        expect(matchTexts(table, [text], new Budget(false))).toBe(matching(matcher, text));
      }
    }
  });

  it("gives of several texts the patterns of all", () => {
    const table = tableOf({ kind: "endsWith", text: "a" }, { kind: "startsWith", text: "b" });
    expect(match(table, "a", "c")).toBe(0b01n);
    expect(match(table, "ca", "bc")).toBe(0b11n);
    expect(match(table)).toBe(enoent);
  });

  it("is refused if it does not fit, or if the first state does not exist", () => {
    const table = tableOf({ kind: "is", text: "/etc/passwd" });
    const changed = (offset: number, value: number): Uint8Array => {
      const copy = table.slice();
      new DataView(copy.buffer).setUint32(offset, value, true);
      return copy;
    };
    const states = new DataView(table.buffer).getUint32(0, true);
    const bad = [
      table.subarray(0, -2),
      table.subarray(0, 279),
      new Uint8Array(),
      ...[0, states + 1, 0x1_0001, 0xffff_ffff].map((value) => changed(0, value)),
      ...[0, 257, 0xffff_ffff].map((value) => changed(4, value)),
      ...[states, 0xffff_ffff].map((value) => changed(8, value)),
      ...[16, 20].map((offset) => changed(offset, 1)),
    ];
    for (const one of bad) expect(match(one, "/etc/passwd")).toBe(einval);
    expect(match(table, "/etc/passwd")).toBe(1n);
  });

  it("is refused where a state leads out of it", () => {
    const table = tableOf({ kind: "is", text: "ab" });
    const states = new DataView(table.buffer).getUint32(0, true);
    const all = table.slice();
    for (let at = 280 + 8 * states; at < all.length; at += 2) new DataView(all.buffer).setUint16(at, states, true);
    expect([match(all, "a"), match(all, "ab")]).toEqual([einval, einval]);
    expect(match(all, "")).toBe(0n);
    const classes = table.slice();
    classes.fill(255, 24, 280);
    expect(match(classes, "a")).toBe(einval);
  });

  it("reads no more than the kernel's bound, and nothing where it is settled", () => {
    const [end, start] = [tableOf({ kind: "endsWith", text: "x" }), tableOf({ kind: "startsWith", text: "a" })];
    const budget = new Budget(false);
    const text = new Uint8Array(budget.left).fill(97);
    expect(matchTexts(start, [text], budget)).toBe(1n);
    expect(budget.left).toBe(256 * 1024 - 16 - 1);
    expect(matchTexts(end, [text], budget)).toBe(e2big);
    expect(matchTexts(end, [new Uint8Array()], budget)).toBe(e2big);
  });
});
