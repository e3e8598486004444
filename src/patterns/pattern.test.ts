import { describe, expect, it } from "vitest";
import { compileMatcher, matching } from "./matcher.ts";
import { describePattern, type PatternKind, readPattern } from "./pattern.ts";

function faultsOf(kind: PatternKind, text: string): string[] {
  const { faults = [] } = readPattern(kind, text);
  return faults.map(({ offset, length, message, help }) => `${offset}+${length} ${message}: ${help}`);
}

function matches(kind: PatternKind, text: string, subject: string | Uint8Array): boolean {
  const reading = readPattern(kind, text);
  if ("faults" in reading && reading.faults !== undefined) throw new Error(reading.faults[0]!.message);
  return matching(compileMatcher([reading.pattern]).matcher!, Buffer.from(subject)) === 1n;
}

/** Each line: a glob, texts that it matches, `|`, texts that it does not. `""` is the empty text. */
const globs = `
  *            a .profile "" a.b | / a/ /a
  a*c          ac abc a.c abbc | a/c abcd xac
  **           "" / a/b /a//b
  a**b         ab a/b a/x/b axb | a b
  a/**/b       a/b a/x/b a/x/y/b a//b | ab a/xb axb a/x
  **/b         b a/b /b a/c/b | ab a/ab
  a/**         a/ a/b a/b/c | a ab
  a/**/        a/ a/b/ a/b/c/ | a a/b
  **/a/**      a/ x/a/ a/b x/a/b | a xa/b
  ***/b        b a/b | ab
  **/**/b      b a/b a/c/b | ab
  /**          / /a /a/b | a ""
  ?            a é 한 😀 | "" / ab
  a?c          abc aéc | a/c ac
  [a-c]x       ax cx | dx x /x
  [!a-c]x      dx éx 😀x | ax /x x
  [^a-c]x      dx | ax /x
  [+-9]        . 0 + | /
  [a-]         a - | b
  [-a]         a - | b
  [\\]a]       ] a | b
  [[]          [ | ]
  [!!]         a | !
  [a!]         a ! | b
  [é-ü]        é ï ü | e a
  [\\-a]       - a | b
  {a,b}c       ac bc | c abc
  {a,b{c,d}}e  ae bce bde | be ce
  {,a}b        b ab | aab
  {a/,}b       a/b b | ab
  {a/,x}**/b   a/b a/c/b x/b xc/b | b xb
  a/{**,c}/b   a/b a/c/b a/x/y/b | ab
  {**/,}b      b a/b | ab
  **{/a,b}     a b xb x/a x/b | xa
  **{*,a}/b    x/b /b a/b | b
  *{*,a}       ab "" | a/b
  \\*\\?\\a\\\\  *?a\\ | xa
  a,b          a,b | a b
  \\{a\\}       {a} | a
`;

describe("globs", () => {
  for (const line of globs.trim().split("\n")) {
    const [glob, ...texts] = line.trim().split(/ +/) as [string, ...string[]];
    const middle = texts.includes("|") ? texts.indexOf("|") : texts.length;
    it(`${glob} matches ${texts.join(" ")}`, () => {
      for (const [index, text] of texts.entries())
        if (index !== middle) expect(matches("matches", glob, text === '""' ? "" : text), text).toBe(index < middle);
    });
  }

  it("take a byte that is in no valid character for one, as far as stars, ? and negated classes go", () => {
    const bytes = (...of: number[]): Uint8Array => Uint8Array.from(of);
    for (const [invalid, count] of [
      [bytes(0xff), 1],
      [bytes(0x80), 1],
      [bytes(0xc3), 1],
      [bytes(0xc0, 0xaf), 2], // an overlong /
      [bytes(0xed, 0xa0, 0x80), 3], // half of a surrogate pair
      [bytes(0xf0, 0x9f, 0x98), 3],
      [bytes(0xf4, 0x90, 0x80, 0x80), 4], // above U+10FFFF
    ] as const) {
      expect(matches("matches", "?".repeat(count), invalid)).toBe(true);
      expect(matches("matches", "?".repeat(count - 1), invalid)).toBe(false);
      expect(matches("matches", "?".repeat(count + 1), invalid)).toBe(false);
      expect(matches("matches", "[!a]".repeat(count), invalid)).toBe(true);
      expect(matches("matches", `${"?".repeat(count)}é`, Buffer.concat([invalid, Buffer.from("é")]))).toBe(true);
      expect(matches("matches", "*", invalid)).toBe(true);
      expect(matches("matches", `[${String.fromCodePoint(1)}-${String.fromCodePoint(0x10ffff)}]`, invalid)).toBe(false);
    }
  });

  it("match a NUL as any other byte, where a socket's name has one", () => {
    expect(matches("matches", "*/a?b", "\0x/a\0b")).toBe(true);
    expect(matches("startsWith", "a", "a\0")).toBe(true);
    expect(matches("is", "a", "a\0")).toBe(false);
  });

  it.each([
    ["a[bc", "1+1 a [ that is not closed: end it with ], or write \\[ for a bracket"],
    ["[]", "0+2 a class without characters: write [\\]] for a closing bracket"],
    ["[!]", "0+3 a class without characters: write [\\]] for a closing bracket"],
    ["[]a]", "0+2 a class without characters: write [\\]] for a closing bracket"],
    ["é[z-a]", "2+3 the range z-a is reversed: write a-z"],
    ["[a/]", "2+1 a class never matches a /: write the / outside of it, or {a,/}"],
    ["[/-/]", "1+1 a class never matches a /: write the / outside of it, or {a,/}"],
    ["[[:alpha:]]", "1+2 a class by its name: write its characters, as in [0-9a-f], or \\[ for a bracket"],
    ["a\\", "1+1 a backslash with nothing behind it: write \\\\ for a backslash"],
    ["{a,b", "0+1 a { that is not closed: end it with }, or write \\{ for a brace"],
    ["a}", "1+1 a } that ends nothing: write \\} for a brace"],
    ["x{a}", "1+3 braces around a single alternative: write {a,b} for one of several, or \\{ and \\} for braces"],
    ["{}", "0+2 braces around a single alternative: write {a,b} for one of several, or \\{ and \\} for braces"],
    ["a\0b", "1+1 a NUL byte ends a text, so no pattern has one: leave it out"],
    ["\ud83d", "0+1 half of a surrogate pair is not a character: write the whole character"],
    ["{".repeat(51), "50+1 alternatives in each other more than 50 times: write them side by side"],
  ])("refuse %j", (glob, fault) => {
    expect(faultsOf("matches", glob)).toContain(fault);
  });

  it("have all faults reported, in order", () => {
    expect(faultsOf("matches", "[z-a]\0{x}[]").map((fault) => fault.split(" ")[0])).toEqual([
      "1+3",
      "5+1",
      "6+3",
      "9+2",
    ]);
    expect(faultsOf("matches", "[\\")).toHaveLength(2);
  });
});

describe("plain patterns", () => {
  it.each([
    ["is", "/a", ["/a"], ["/a/", "/", "", "/ab"]],
    ["is", "", [""], ["a"]],
    ["startsWith", "/a", ["/a", "/ab", "/a/b"], ["/", "a", "x/a"]],
    ["endsWith", ".so", [".so", "x.so", "/a/b.so", ".so.so"], [".s", ".so1", "so"]],
    ["endsWith", "aab", ["aaab", "aab", "aabaab"], ["aaba"]],
    ["under", "/srv", ["/srv", "/srv/", "/srv/a/b"], ["/srvx", "/", "/sr", "srv", "//srv"]],
    ["under", "/srv//", ["/srv", "/srv/a"], ["/srvx"]],
    ["under", "/", ["/", "/a", "//"], ["", "a"]],
    ["under", "//", ["/", "/a", "//"], ["", "a"]],
    ["under", "src", ["src", "src/a"], ["/src", "srcs"]],
    ["is", "é", ["é"], ["Ã©", "e\u0301"]],
    ["is", "[a]*?{b,c}\\", ["[a]*?{b,c}\\"], ["ab"]],
  ] as const)("%s %j", (kind, text, matched, others) => {
    for (const subject of matched) expect(matches(kind, text, subject), subject).toBe(true);
    for (const subject of others) expect(matches(kind, text, subject), subject).toBe(false);
  });

  it("keep a directory without the slashes at its end", () => {
    expect(readPattern("under", "/srv//")).toEqual({ pattern: { kind: "under", text: "/srv" } });
    expect(readPattern("under", "///")).toEqual({ pattern: { kind: "under", text: "/" } });
    expect(describePattern({ kind: "under", text: '/a"b' })).toBe('under "/a\\"b"');
  });

  it.each([
    ["under", "", '0+1 a directory without a name: write "/" for every absolute path'],
    ["under", "/a//b", '3+1 a directory with an empty name in it: write "/a/b"'],
    ["under", "/a/./b", '3+1 a directory with . in it: write "/a/b"'],
    ["under", "/a/../b", '3+2 a directory with .. in it: write "/b"'],
    ["under", "../b", "0+2 a directory with .. in it: write the whole path"],
    ["under", ".", "0+1 a directory with . in it: write the whole path"],
    ["is", "a\0", "1+1 a NUL byte ends a text, so no pattern has one: leave it out"],
    ["endsWith", "a\udc00b", "1+1 half of a surrogate pair is not a character: write the whole character"],
  ] as const)("%s %j is refused", (kind, text, fault) => {
    expect(faultsOf(kind, text)).toEqual([fault]);
  });

  it("are no longer than a path", () => {
    expect(faultsOf("is", "é".repeat(2047))).toEqual([]);
    expect(faultsOf("is", "é".repeat(2048))).toEqual([
      "0+2048 a pattern of 4096 bytes is longer than any path: the kernel takes at most 4095 bytes",
    ]);
  });
});
