import { describe, expect, it } from "vitest";
import { parseTap } from "./tap.ts";

describe("parseTap", () => {
  it("reads cases, with the comments before each", () => {
    const text =
      "TAP version 13\n1..3\n# RUN  a ...\nok 1 a\n# b.c:12: expected 1\nnot ok 2 - b\nok 3 c # SKIP no kcmp\n";
    expect(parseTap(text)).toEqual([
      { name: "a", passed: true, detail: "RUN  a ..." },
      { name: "b", passed: false, detail: "b.c:12: expected 1" },
      { name: "c", passed: true, skipped: "no kcmp", detail: "" },
    ]);
  });

  it("preserves a # in a name, and names unnamed cases", () => {
    expect(parseTap("ok 1 a #1\nnot ok 2\n").map((each) => each.name)).toEqual(["a #1", "case 2"]);
  });

  it("uses the program's result for expected failures", () => {
    expect(parseTap("ok 1 a # XFAIL known\n")).toEqual([{ name: "a", passed: true, detail: "" }]);
  });

  it("ignores other output", () => {
    expect(parseTap("okay 1\nnot okay\n  ok 1 nested\nok one\n")).toEqual([]);
  });
});
