import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prompt } from "./prompt.ts";

const answerOf = (keys: string, repeatable = true) => new Prompt("4831", repeatable).read(keys).answer;

describe("Prompt", () => {
  test.each([
    ["4831\r", "allow"],
    ["  4831 \n", "allow"],
    ["48\x7f831\r", "allow"],
    ["4831 always\r", "always"],
    ["d\r", "deny"],
    ["deny\r", "deny"],
    ["\x03", "deny"],
    ["48\x04", "deny"],
    ["483\r", undefined],
    ["48311\r", undefined],
    ["allow\r", undefined],
    ["y\r", undefined],
    ["\r\r\r\r", undefined],
    ["\r\r\r\r\r", "deny"],
    ["1\r2\r3\r4\r5\r4831\r", "deny"],
    ["1\r2\r3\r4\r4831\r", "allow"],
    ["4831", undefined],
    ["\x1b]l4831\r", undefined],
    ["always 4831\r", undefined],
    ["４８３１\r", undefined],
  ])("%j: %s", (keys, answer) => {
    expect(answerOf(keys)).toBe(answer);
  });

  test("does not repeat a call whose memory is not known", () => {
    expect(answerOf("4831 always\r", false)).toBeUndefined();
    expect(new Prompt("4831", false).text("x")).not.toContain("always");
  });

  test("asks again after other words", () => {
    expect(new Prompt("4831", true).read("y\r")).toEqual({
      echo: "y\r\n4831: allow, 4831 always: also equal calls, d: deny> ",
    });
  });

  test("takes the answer before what follows, and shows no control character of the question", () => {
    expect(new Prompt("4831", true).read("d\r4831\r")).toEqual({ echo: "d\r\n", answer: "deny", rest: "4831\r" });
    const shown = new Prompt("4831", true).text("a\x1b[2Jb\u202ec\r\nportcullis: harmless");
    expect(shown).toContain("portcullis: a\ufffd[2Jb\ufffdc\ufffd\ufffdportcullis: harmless\r\n");
  });

  test("allows by no keys without the number", () => {
    const keys = fc.array(fc.oneof(fc.string(), fc.constantFrom("\r", "\x7f", "\x1b", "483", "1", " ", "always")));
    fc.assert(
      fc.property(keys, (parts) => {
        const prompt = new Prompt("9999", true);
        for (const part of parts) {
          const { answer, echo } = prompt.read(part.replaceAll("9", "8"));
          expect(answer === undefined || answer === "deny").toBe(true);
          expect(echo).not.toContain("\x1b");
        }
      }),
    );
  });
});
