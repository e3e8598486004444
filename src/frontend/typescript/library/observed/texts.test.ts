/** Texts and paths behind pointers: the patterns that a program reads them by, and mistakes. */
import { describe, expect, it } from "vitest";
import { conditionOn, faults, programOf, reads } from "../../../testing/compiled.ts";

describe("a text", () => {
  it("has one word for each part, and a bit of it for each pattern", () => {
    expect(
      reads("openat", 'call.args.path.text.is("/a", "/b") && !call.args.path.text.endsWith(".so", "/b", "")'),
    ).toEqual([
      "observation 0 path: path of openat(1)",
      'word 0 %path.0 whole is "/a", is "/b", endsWith ".so", endsWith "/b", endsWith ""',
      "if (number == openat and (%path.0 & 3) != 0 and (%path.0 & 28) == 0)",
    ]);
  });

  it("is compared with each pattern once", () => {
    expect(reads("openat", 'call.args.path.text.under("/a") || call.args.path.text.under("/b", "/a")')).toEqual([
      "observation 0 path: path of openat(1)",
      'word 0 %path.0 whole under "/a", under "/b"',
      expect.stringContaining("if "),
    ]);
  });

  it("of several calls is one observation, with the register of each", () => {
    const body =
      'return (call.name === "openat" || call.name === "open") && call.args.path.text.is("/a") ? log : allow;';
    expect(programOf(body).observations).toMatchObject([
      {
        sources: [
          { number: 2, register: 0 },
          { number: 257, register: 1 },
        ],
      },
    ]);
  });

  it("of a parameter may decide nothing: that is no fault", () => {
    const head = 'const names = parameter.texts("names", { default: ["/a"] });';
    expect(reads("openat", "call.args.path.text.is(...names)", { head })[1]).toBe('word 0 %path.0 whole is "/a"');
  });
});

describe("the object of a path", () => {
  it("has a word of its own", () => {
    expect(reads("openat", 'call.args.path.resolved.is("/a") || call.args.path.resolved.under("/b", "/c")')).toEqual([
      "observation 0 path: path of openat(1)",
      'word 0 %path.0 resolved is "/a", under "/b", under "/c"',
      expect.stringContaining("if "),
    ]);
  });
});

const absolute = '→ an absolute path: "/srv/www"';
it.each([
  [
    "openat",
    "path.text.endsWith()",
    '4:1 P0212 `.endsWith()` compares with nothing → name at least one: `.endsWith("…")`',
  ],
  [
    "openat",
    'path.text.is(["/a"])',
    "4:24 P0207 `.is` takes constant strings, and this is a list → leave out the brackets, or spread a list: .is(...list)",
  ],
  ["openat", "path.text.is(call.name)", "4:24 P0207 `.is` takes constant strings, and this string depends on the call"],
  ["openat", "path.text.is(call.number)", "4:24 P0207 `.is` takes constant strings, and this is an integer"],
  ["openat", "path.text.is(name)", "4:24 P0105 there is no `name` → declare it with const, or import it"],
  [
    "openat",
    'path.text.matches("a\\0")',
    '4:29 P0214 "a\\u0000": a NUL byte ends a text, so no pattern has one → leave it out',
  ],
  [
    "openat",
    'path.text.matches("[")',
    '4:29 P0214 "[": a [ that is not closed → end it with ], or write \\[ for a bracket',
  ],
  [
    "openat",
    'path.is("/a")',
    '4:16 P0106 a Path has no `is` → `.text.startsWith("…")` tests the caller\'s bytes, `.resolved.under("…")` the object',
  ],
  ["openat", 'path.resolved.is("a")', `4:28 P0214 "a" is not an absolute path ${absolute}`],
  ["openat", 'path.resolved.is("/a\\0")', `4:28 P0214 "/a\\u0000" contains a NUL ${absolute}`],
  [
    "openat",
    `path.resolved.under("/${"a".repeat(4095)}")`,
    `4:31 P0214 "/${"a".repeat(4095)}" is longer than any path can be ${absolute}`,
  ],
  [
    "unlinkat",
    'path.resolved.is("/a")',
    "4:1 P0601 no engine can hold the object that unlinkat's `path` leads to → compare `.text`; `.resolved` is known of open, openat, openat2, creat, connect",
  ],
  [
    "mount",
    'source.under("/a")',
    "4:18 P0106 a Text has no `under` → it has isNull, address, is, startsWith, endsWith, matches",
  ],
])("a fault of %s: %s", (call, condition, fault) => {
  expect(faults(conditionOn(call, `call.args.${condition}`))).toEqual([`policy.ts:${fault}`]);
});

it("each wrong pattern of a method is a fault", () => {
  expect(faults(conditionOn("openat", 'call.args.path.text.matches("[", "/a", 3n, "]\\0")'))).toHaveLength(1);
  expect(faults(conditionOn("openat", 'call.args.path.text.matches("[", "/a", "\\0")'))).toHaveLength(2);
  expect(faults(conditionOn("openat", 'call.args.path.resolved.is("a", "/a", "b")'))).toHaveLength(2);
});

it("the longest path is one byte shorter than the kernel's limit, in bytes", () => {
  const ofBytes = (count: number) => `call.args.path.resolved.is("/${"ä".repeat((count - 1) / 2)}")`;
  expect(faults(conditionOn("openat", ofBytes(4095)))).toEqual([]);
  expect(faults(conditionOn("openat", ofBytes(4097)))).toHaveLength(1);
});
