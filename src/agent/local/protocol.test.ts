/** Requests of any client are parsed without an error, and only well-formed ones are understood. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { property } from "../../ir/testing/property.ts";
import { hasRightsOf, parseRights } from "./client.ts";
import { encodeText, message, parseHeader, parseStrings, request } from "./protocol.ts";

const header = (words: number, variables: number, size: number): Uint8Array => {
  const view = new DataView(new ArrayBuffer(request.size));
  for (const [index, word] of [request.magic, words, variables, size].entries()) view.setUint32(4 * index, word, true);
  return new Uint8Array(view.buffer);
};

const string = fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"));

describe("a request", () => {
  property([
    string,
    fc.array(string, { minLength: 1, maxLength: 6 }),
    string,
    fc.dictionary(
      string.filter((text) => text !== "" && !text.includes("=")),
      string,
      { noNullPrototype: true },
    ),
  ])("is understood as it was written", (script, words, directory, environment) => {
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const strings = [script, ...words, directory, ...variables];
    const bytes = Buffer.from(strings.map((one) => `${one}\0`).join(""));
    const parsed = parseHeader(header(1 + words.length, variables.length, bytes.length))!;
    expect(parseStrings(parsed, bytes)).toEqual({ script, words, directory, environment });
  });

  property([fc.uint8Array({ maxLength: 2 * request.size })])("of any bytes is no error", (bytes) => {
    const parsed = parseHeader(bytes);
    if (parsed !== undefined) expect(bytes.length).toBe(request.size);
  });

  property([fc.nat(8), fc.nat(8), fc.uint8Array({ maxLength: 64 })])(
    "of any strings has as many as its header says, or is not understood",
    (words, variables, bytes) => {
      const parsed = parseStrings(parseHeader(header(words, variables, bytes.length))!, bytes);
      if (parsed === undefined) return;
      expect(bytes.filter((byte) => byte === 0).length).toBe(words + 1 + variables);
      expect(parsed.words.length).toBe(words - 1);
    },
  );

  test("of more than 64 KiB, or of another version, is not understood", () => {
    expect(parseHeader(header(2, 0, request.mostStrings))).toBeDefined();
    expect(parseHeader(header(2, 0, request.mostStrings + 1))).toBeUndefined();
    const other = header(2, 0, 8);
    other[0]!++;
    expect(parseHeader(other)).toBeUndefined();
  });

  property([fc.uint8Array({ minLength: 1, maxLength: 3 * message.mostText })])("text is cut to a message", (text) => {
    const sent = encodeText(text);
    expect(sent.length).toBe(message.size + Math.min(text.length, message.mostText));
  });
});

const status = (changes: Readonly<Record<string, string>> = {}): string =>
  Object.entries({
    Uid: "1000\t1000\t1000\t1000",
    Gid: "1000\t1000\t1000\t1000",
    Groups: "27 1000 ",
    CapEff: "0000000000000000",
    NoNewPrivs: "0",
    Seccomp_filters: "0",
    ...changes,
  })
    .map(([name, value]) => `${name}:\t${value}\n`)
    .join("");

describe("a client", () => {
  const own = parseRights(status())!;
  test.each([
    ["with the same rights", {}, true],
    ["with more capabilities", { CapEff: "0000000000000001" }, true],
    ["in fewer groups", { Groups: "1000 " }, false],
    ["with a group of its own", { Groups: "1000 27 999 " }, false],
    ["with another effective user", { Uid: "1000\t1001\t1000\t1000" }, false],
    ["with another group", { Gid: "1000\t27\t1000\t1000" }, false],
    ["under a filter", { Seccomp_filters: "1" }, false],
    ["without new privileges", { NoNewPrivs: "1" }, false],
  ])("%s", (_, changes, isServed) => {
    expect(hasRightsOf(parseRights(status(changes))!, own)).toBe(isServed);
  });

  test("with fewer capabilities than the agent is not served", () => {
    const privileged = parseRights(status({ CapEff: "0000000000080000" }))!;
    expect(hasRightsOf(own, privileged)).toBe(false);
  });

  test("whose status lacks a line is not served", () => {
    expect(parseRights(status().replace(/^NoNewPrivs.*\n/m, ""))).toBeUndefined();
    expect(parseRights("")).toBeUndefined();
  });
});
