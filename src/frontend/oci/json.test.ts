import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type JsonNode, readJson } from "./json.ts";

function plain(node: JsonNode): unknown {
  switch (node.kind) {
    case "object":
      return Object.fromEntries(node.members.map(({ name, value }) => [name, plain(value)]));
    case "array":
      return node.elements.map(plain);
    case "string":
    case "boolean":
      return node.value;
    case "number":
      return Number(node.text);
    case "null":
      return null;
  }
}

function rootOf(text: string): JsonNode {
  const outcome = readJson(text);
  if (!("root" in outcome)) throw new Error(`${outcome.problem} at ${outcome.at.start}`);
  return outcome.root;
}

describe("readJson", () => {
  it("agrees with JSON.parse on valid texts and accepts no others", () => {
    // Exception: JSON.parse accepts duplicate names.
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(undefined, 1, 3, "\t"), (compact, indent) => {
        const value = JSON.parse(compact) as unknown;
        const text = JSON.stringify(value, null, indent);
        const parsed = plain(rootOf(text));
        expect(JSON.stringify(parsed)).toBe(JSON.stringify(value));
      }),
    );
  });

  it("accepts the same texts as JSON.parse with one character changed", () => {
    let refused = 0;
    const text = JSON.stringify({ a: [1, -2.5e3, "x\u00e9\n\ud83d", null, true, { "": {} }], b: false }, null, 1);
    fc.assert(
      fc.property(
        fc.nat(text.length),
        fc.nat(2),
        fc.oneof(fc.constantFrom(...'{}[],:"\\ue0-.+\n\u0001tnf'), fc.string({ maxLength: 2 })),
        (place, cut, insert) => {
          const changed = text.slice(0, place) + insert + text.slice(place + cut);
          const outcome = readJson(changed);
          let wanted: unknown;
          try {
            wanted = JSON.parse(changed);
          } catch {
            expect("root" in outcome).toBe(false);
            refused++;
            return;
          }
          if ("root" in outcome) expect(JSON.stringify(plain(outcome.root))).toBe(JSON.stringify(wanted));
          else expect(outcome.problem).toContain("duplicate name");
        },
      ),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  it("gives the location of every node", () => {
    const text = '{ "a" : [ 1, "two" ] }';
    const root = rootOf(text);
    const at = ({ start, end }: { start: number; end: number }) => text.slice(start, end);
    expect(at(root)).toBe(text);
    if (root.kind !== "object") throw new Error();
    const { at: name, value } = root.members[0]!;
    expect(at(name)).toBe('"a"');
    if (value.kind !== "array") throw new Error();
    expect([value, ...value.elements].map(at)).toEqual(['[ 1, "two" ]', "1", '"two"']);
  });

  it("preserves the source of numbers", () => {
    expect(rootOf("18446744073709551615")).toMatchObject({ kind: "number", text: "18446744073709551615" });
    expect(rootOf(" 1e3 ")).toMatchObject({ text: "1e3", start: 1, end: 4 });
  });

  it.each([
    ["", "but the text ends", 0],
    ["{", "but the text ends", 0],
    ['{"a":1,}', "double quotes", 7],
    ["[1,]", "expected a value", 3],
    ["[1 2]", "a comma", 3],
    ["01", "not a JSON number", 0],
    ["0x10", "not a JSON number", 0],
    ["1.", "not a JSON number", 0],
    ["nul", "a value", 0],
    ["truer", "a value", 0],
    ['"abc', "does not end", 0],
    ['"a\nb"', "does not end", 0],
    ['"a\tb"', "control character", 2],
    ['"\\x41"', "invalid escape", 1],
    ['"\\u12g4"', "invalid escape", 1],
    ['"\\', "invalid escape", 1],
    ["{} {}", "after the end", 3],
    ['{"a":1,"a":2}', "duplicate name", 7],
    ["// a comment\n{}", "a value", 0],
    ["\uFEFF{}", "a value", 0],
    [`${"[".repeat(100_000)}`, "nested more than", 65],
  ])("refuses %j", (text, problem, place) => {
    const outcome = readJson(text);
    expect(outcome).toMatchObject({ problem: expect.stringContaining(problem), at: { start: place } });
  });
});
