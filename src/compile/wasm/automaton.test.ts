import { describe, expect, it } from "vitest";
import { seeds } from "../../ir/testing/seeds.ts";
import { type Automaton, compileMatcher, run } from "../../patterns/automaton.ts";
import { describePattern, type Pattern } from "../../patterns/pattern.ts";
import { PatternChoices } from "../../patterns/testing/arbitrary.ts";
import { matches } from "../../patterns/testing/reference.ts";
import { automatonFunction } from "./automaton.ts";
import { encodeModule } from "./encoding.ts";

declare const WebAssembly: {
  readonly Memory: new (descriptor: { readonly initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> };
};

/** Where the text lies; the tables lie behind it. */
const [textAddress, tablesAddress] = [100, 8192];

function instantiate(automaton: Automaton): (text: Uint8Array) => number {
  const data: { address: number; bytes: Uint8Array }[] = [];
  const code = automatonFunction(automaton, (bytes) => {
    data.push({ address: tablesAddress, bytes });
    return tablesAddress;
  });
  const exports = [{ name: "match", functionIndex: 0 }];
  const module = encodeModule({ minimumPages: 32, functions: [code], exports, data });
  const memory = new WebAssembly.Memory({ initial: 32 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module), { env: { memory } });
  const match = instance.exports["match"] as (address: number, length: number) => number;
  return (text) => {
    // What is behind the text must not matter.
    new Uint8Array(memory.buffer).fill(0x61, textAddress, tablesAddress).set(text, textAddress);
    return match(textAddress, text.length);
  };
}

function check(patterns: readonly Pattern[], subjects: readonly Uint8Array[], where: string): void {
  const { automaton } = compileMatcher(patterns);
  const match = instantiate(automaton!);
  for (const subject of subjects) {
    const set = match(subject);
    const text = `${where}: ${patterns.map(describePattern)} on ${Buffer.from(subject).toString("latin1")}`;
    expect(set, text).toBe(run(automaton!, subject));
    for (const [index, pattern] of patterns.entries())
      expect(((automaton!.acceptSets[set]! >> BigInt(index)) & 1n) === 1n, text).toBe(matches(pattern, subject));
  }
}

describe("an automaton in WebAssembly", () => {
  it("says what the reference says of random patterns", () => {
    for (const seed of seeds(300)) {
      const choices = new PatternChoices(seed);
      const patterns = choices.patterns(4);
      check(
        patterns,
        Array.from({ length: 10 }, () => choices.subject(patterns)),
        `seed ${seed}`,
      );
    }
  });

  it("takes a path of the greatest length, the empty text, and no patterns", () => {
    const path = Buffer.from("/a".repeat(2047));
    const subjects = [path, path.subarray(1), Buffer.from(""), Buffer.from(`${path}b`)];
    check(
      [
        { kind: "endsWith", text: "/a" },
        { kind: "is", text: path.toString() },
      ],
      subjects,
      "long",
    );
    expect(instantiate(compileMatcher([]).automaton!)(path)).toBe(0);
    check([{ kind: "matches", text: "**" }], subjects, "everything");
  });

  it("takes tables of a megabyte", () => {
    const patterns = Array.from(
      { length: 400 },
      (_, index): Pattern => ({ kind: "is", text: `/${"x".repeat(index % 9)}/${index}` }),
    );
    const { automaton } = compileMatcher([...patterns, { kind: "matches", text: `*a${"?".repeat(7)}` }]);
    const match = instantiate(automaton!);
    for (const { text } of patterns) expect(match(Buffer.from(text))).toBe(run(automaton!, Buffer.from(text)));
  });
});
