/** Diagnostics as text, the catalogue, and suggestions of names. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { property } from "../ir/testing/property.ts";
import { catalogue, diagnostic, sortDiagnostics } from "./catalogue.ts";
import { renderDiagnostic, renderDiagnostics } from "./render.ts";
import { nearestName } from "./suggest.ts";

const at = (line: number, column: number, length: number) => ({ file: "web.ts", line, column, length });

describe("a rendered diagnostic", () => {
  it("has the place, the line, a caret and the remedy", () => {
    const source = 'a\nb\nc\nd\n    case "openatt":\n';
    const one = diagnostic("P0101", 'no system call is named "openatt"', {
      span: at(5, 10, 9),
      help: 'write "openat" (x86_64 257, aarch64 56)',
    });
    expect(renderDiagnostic(one, new Map([["web.ts", source]]))).toBe(
      [
        'web.ts:5:10: error P0101: no system call is named "openatt"',
        '   5 |     case "openatt":',
        "     |          ^^^^^^^^^",
        '  help: write "openat" (x86_64 257, aarch64 56)',
        "",
      ].join("\n"),
    );
  });

  it("shows the second place", () => {
    const one = diagnostic("P0402", "broken", {
      span: at(2, 1, 1),
      related: { span: at(1, 3, 2), message: "promised" },
    });
    expect(renderDiagnostic(one, new Map([["web.ts", "ab cd\nx"]]))).toBe(
      "web.ts:2:1: error P0402: broken\n   2 | x\n     | ^\n  web.ts:1:3: promised\n   1 | ab cd\n     |   ^^\n",
    );
  });

  const carets = (line: string, column: number, length: number) => {
    const shown = renderDiagnostic(
      diagnostic("P0105", "m", { span: at(1, column, length) }),
      new Map([["web.ts", line]]),
    );
    const [, source, under] = shown.split("\n");
    return { source: source?.slice(7), under: under?.slice(7) };
  };

  it("puts the caret right after tabs", () => {
    expect(carets("\t\tx = y", 3, 1)).toEqual({ source: "        x = y", under: "        ^" });
    expect(carets("ab\tx", 4, 1)).toEqual({ source: "ab  x", under: "    ^" });
  });

  it("counts wide, combining and astral characters by cells", () => {
    expect(carets('"漢字" x', 6, 1).under).toBe("       ^");
    expect(carets("e\u0301 x", 4, 1).under).toBe("  ^");
    expect(carets("\u{1f600} x", 4, 1).under).toBe("   ^");
    expect(carets("漢", 1, 1).under).toBe("^^");
  });

  it("replaces control characters and changes of direction", () => {
    const shown = renderDiagnostic(
      diagnostic("P0105", "a\x1b[31mb\u202ec", { span: { ...at(1, 1, 1), file: "w\x07.ts" } }),
      new Map([["w\x07.ts", "\x1b]0;x\u202e"]]),
    );
    expect([...shown].filter((one) => (one < " " && one !== "\n") || one === "\u202e")).toEqual([]);
  });

  it("cuts a long line around the span", () => {
    const { source, under } = carets(`${"x".repeat(5000)}HERE${"y".repeat(5000)}`, 5001, 4);
    expect(source!.length).toBeLessThan(150);
    expect(source!.slice(under!.indexOf("^"), under!.lastIndexOf("^") + 1)).toBe("HERE");
    expect(source!.startsWith("…")).toBe(true);
    expect(source!.endsWith("…")).toBe(true);
  });

  it("works without a source and without a place", () => {
    expect(renderDiagnostic(diagnostic("P0110", "no value"), new Map())).toBe("error P0110: no value\n");
    expect(renderDiagnostic(diagnostic("P0105", "m", { span: at(9, 1, 1) }), new Map([["web.ts", "a"]]))).toBe(
      "web.ts:9:1: error P0105: m\n",
    );
    expect(renderDiagnostics([], new Map())).toBe("");
  });

  property([
    fc.string({ unit: "binary", maxLength: 400 }),
    fc.nat(500),
    fc.integer({ min: 1, max: 300 }),
    fc.boolean(),
  ])("never throws, and underlines within the line it shows", (line, column, length, colour) => {
    const shown = renderDiagnostic(
      diagnostic("P0105", line, { span: at(1, column + 1, length), help: line }),
      new Map([["web.ts", line.replaceAll("\n", " ")]]),
      { colour },
    );
    expect(shown.split("\n")).toHaveLength(5);
  });
});

describe("the catalogue", () => {
  it("is in order and has plain titles", () => {
    const codes = Object.keys(catalogue);
    expect(codes).toEqual([...codes].sort());
    for (const [code, entry] of Object.entries(catalogue)) {
      expect(code).toMatch(/^P0[1-9]\d\d$/);
      expect(entry.title).toMatch(/^[^.]+$/);
    }
  });

  it("sorts by place, stably", () => {
    const list = [
      diagnostic("P0105", "c", { span: at(2, 1, 1) }),
      diagnostic("P0105", "b", { span: at(1, 5, 1) }),
      diagnostic("P0106", "a", { span: at(1, 5, 1) }),
      diagnostic("P0110", "none"),
    ];
    expect(sortDiagnostics(list).map((one) => one.message)).toEqual(["none", "b", "a", "c"]);
  });
});

describe("the nearest name", () => {
  const known = ["open", "openat", "openat2", "read", "EPERM", "CLONE_THREAD"];
  it.each([
    ["openatt", "openat"],
    ["raed", "read"],
    ["eperm", "EPERM"],
    ["CLONE_TREAD", "CLONE_THREAD"],
    ["xyzzy", undefined],
    ["", undefined],
  ])("of %j is %j", (written, expected) => expect(nearestName(written, known)).toBe(expected));

  property([fc.string({ maxLength: 20 }), fc.array(fc.string({ maxLength: 20 }))])(
    "finds a known name",
    (name, others) => {
      expect(nearestName(name, [...others, name])?.toLowerCase()).toBe(name.toLowerCase());
    },
  );
});
