import { describe, expect, it } from "vitest";
import { patternsOf } from "../../../ir/observe.ts";
import { compiled, faults, faultsOf, step } from "../../testing/compiled.ts";

const set = (...settings: [string, string][]) => ({ set: new Map(settings) });

describe("a parameter", () => {
  it("is a constant: the given value, or the default", () => {
    const head = 'const most = parameter.integer("most", { default: 16n, from: -4n, to: 100n });';
    const over = "return BigInt.asIntN(32, call.raw.arg0) > most ? trap() : allow;";
    expect(step(over, { head })[0]).toBe("if 16 <s s32(argument0)");
    expect(step(over, { head, ...set(["most", "-0x4"]) })[0]).toBe("if -4 <s s32(argument0)");
  });

  it("that is a list has the items between commas, but not those of a pattern's braces", () => {
    const head = 'const files = parameter.texts("files", { default: ["a"] });';
    const test = 'return call.name === "openat" && call.args.path.text.is(...files) ? trap() : allow;';
    const items = (given: string): number =>
      patternsOf(compiled(test, { head, ...set(["files", given]) }).program!.words).length;
    expect([items("a"), items("*.{c,h},Makefile"), items("{a,b}{c,d}"), items("a},b")]).toEqual([1, 2, 1, 2]);
  });

  it("that is a list can be empty if its default is", () => {
    const head = 'const files = parameter.texts("files", { default: [] });';
    const test = 'return files.some((one) => call.name === "openat" && call.args.path.text.is(one)) ? trap() : allow;';
    expect(step(test, { head })).toEqual(["return 1 allow"]);
    expect(step(test, { head, ...set(["files", ""]) })).toEqual(["return 1 allow"]);
    expect(patternsOf(compiled(test, { head, ...set(["files", "a,b"]) }).program!.words)).toHaveLength(2);
  });

  it("is declared for the command line with its kind, its default and its value", () => {
    const head =
      'const a = parameter.flag("a", { default: false }); const b = parameter.paths("b", { default: ["/x", "/y"] });';
    expect(compiled("return allow;", { head, ...set(["a", "true"]) }).parameters).toEqual([
      { name: "a", kind: "flag", default: "false", value: "true", open: false },
      { name: "b", kind: "paths", default: "/x,/y", value: "/x,/y", open: false },
    ]);
  });
});

it.each([
  ['integer("a", { default: 11n, from: 1n, to: 10n })', "2:45 P0213 the default 11 lies outside 1 … 10"],
  ['integer("9b")', '2:29 P0214 "9b" is not a valid name for --set → letters, digits, - and _'],
  [
    'text("c", { default: 3n })',
    "2:33 P0310 `default` of the settings of a parameter must be a string that is known at compile time, not an integer",
  ],
  ['path("d", { default: "etc" })', '2:11 P0111 the parameter "d" must be an absolute path, not "etc" → --set d=…'],
  [
    'paths("e", { default: ["/a", "b"] })',
    '2:11 P0111 the parameter "e" must be absolute paths between commas, not "/a,b" → --set e=…',
  ],
  [
    'flag("g", { defualt: true })',
    "2:33 P0106 the settings of a parameter have no `defualt` → did you mean `default`?",
  ],
  ["flag()", '2:11 P0212 a parameter takes its name and optional settings → parameter.flag("name")'],
  ['integer("i")', '2:11 P0110 the parameter "i" has no default and no value → --set i=…'],
])("a fault of a declaration: parameter.%s", (declaration, fault) => {
  expect(faults("return allow;", { head: `const a = parameter.${declaration};` })).toEqual([`policy.ts:${fault}`]);
});

it.each([
  ["most", "x", 'P0111 the parameter "most" must be an integer from 1 to 100, not "x" → --set most=…'],
  ["most", "101", 'P0111 the parameter "most" must be an integer from 1 to 100, not "101" → --set most=…'],
  ["on", "yes", 'P0111 the parameter "on" must be true or false, not "yes" → --set on=…'],
  [
    "files",
    "/a,,/b",
    'P0111 the parameter "files" must be absolute paths between commas, not "/a,,/b" → --set files=…',
  ],
  ["mots", "3", 'P0112 the policy has no parameter "mots" → --set most=…'],
])("a fault of a value: %s=%s", (name, value, fault) => {
  const head = [
    'const most = parameter.integer("most", { default: 3n, from: 1n, to: 100n });',
    'const on = parameter.flag("on", { default: true });',
    'const files = parameter.paths("files", { default: ["/a"] });',
  ].join(" ");
  const found = faultsOf(compiled("return allow;", { head, ...set([name, value]) }));
  expect(found.map((one) => one.replace(/^policy\.ts:\d+:\d+ /, ""))).toEqual([fault]);
});
