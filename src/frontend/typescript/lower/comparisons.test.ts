import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { property } from "../../../ir/testing/property.ts";
import { compiled, faults, faultsOf, judge, step } from "../../testing/compiled.ts";

/** Integers of each range, as a function of a register, in the language and here. */
const forms: readonly (readonly [text: (register: string) => string, value: (word: bigint) => bigint])[] = [
  [(register) => register, (word) => word],
  [(register) => `BigInt.asIntN(64, ${register})`, (word) => BigInt.asIntN(64, word)],
  [(register) => `BigInt.asIntN(32, ${register})`, (word) => BigInt.asIntN(32, word)],
  [(register) => `BigInt.asUintN(8, ${register})`, (word) => BigInt.asUintN(8, word)],
  ...[-(2n ** 63n), -1n, 0n, 1n, 2n ** 31n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n].map(
    (constant) => [() => `${constant}n`, () => constant] as const,
  ),
];
const compare: Readonly<Record<string, (a: bigint, b: bigint) => boolean>> = {
  "===": (a, b) => a === b,
  "!==": (a, b) => a !== b,
  "<": (a, b) => a < b,
  "<=": (a, b) => a <= b,
  ">": (a, b) => a > b,
  ">=": (a, b) => a >= b,
};
const boundary = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];
const word = fc.oneof(fc.constantFrom(...boundary), fc.bigInt(0n, 2n ** 64n - 1n));

property([
  fc.constantFrom(...forms),
  fc.constantFrom(...Object.keys(compare)),
  fc.constantFrom(...forms),
  fc.array(fc.tuple(word, word), { minLength: 8, maxLength: 8 }),
])("two integers of any ranges compare as in JavaScript", ([left, leftValue], operator, [right, rightValue], words) => {
  const loaded = compiled(`return ${left("call.raw.arg0")} ${operator} ${right("call.raw.arg1")} ? trap() : allow;`);
  const expected = words.map(([a, b]) => compare[operator]!(leftValue(a), rightValue(b)));
  if (loaded.program === undefined) {
    // The only refusal is that no call decides it.
    const [fault, ...others] = faultsOf(loaded);
    expect(others).toEqual([]);
    const [outcome] = /(?<=P0204 )(?:always|never)/.exec(fault!) ?? [];
    expect(expected).toEqual(expected.map(() => outcome === "always"));
  } else {
    const ask = judge(loaded.program);
    expect(words.map((pair) => ask(pair) === "trap")).toEqual(expected);
  }
});

describe("a comparison of integers", () => {
  it.each([
    ["call.raw.arg0 < call.raw.arg1", "argument0 <u argument1"],
    ["BigInt.asIntN(64, call.raw.arg0) <= BigInt.asIntN(32, call.raw.arg1)", "argument0 <=s s32(argument1)"],
    // No 64-bit type holds both sides.
    ["BigInt.asIntN(64, call.raw.arg0) === call.raw.arg1", "(0 <=s argument0 and argument0 == argument1)"],
    ["BigInt.asIntN(64, call.raw.arg0) < call.raw.arg1", "(argument0 <s 0 or argument0 <u argument1)"],
    ["call.raw.arg0 <= BigInt.asIntN(64, call.raw.arg1)", "(0 <=s argument1 and argument0 <=u argument1)"],
  ])("%s", (test, printed) => {
    expect(step(`return ${test} ? trap() : allow;`)[0]).toBe(`if ${printed}`);
  });

  it.each([
    [
      'return call.name === "openat" && call.args.dirfd === 0xffff_ff9cn ? log : allow;',
      "3:34 P0204 never true: `dirfd` is an int, −2147483648 … 2147483647, and 4294967196 lies outside → AT_FDCWD is -100n",
    ],
    [
      'return call.name === "openat" && call.args.dirfd < 0xffff_ffffn ? log : allow;',
      "3:34 P0204 always true: `dirfd` is an int, −2147483648 … 2147483647, and 4294967295 lies outside → as an int it is -1n",
    ],
    [
      "return (call.raw.arg0 & 0xffn) > 255n ? log : allow;",
      "3:8 P0204 never true: `(call.raw.arg0 & 0xffn)` is 0 … 255, and 255 decides it",
    ],
    [
      "if (call.raw.arg0 < 5n || call.raw.arg1 > 3n) return log; return call.raw.arg0 <= call.raw.arg1 ? log : allow;",
      "3:66 P0204 never true: `arg0` is a register, 5 … 18446744073709551615 here, and `call.raw.arg1` is 0 … 3",
    ],
    [
      "return 1n === 2n ? log : allow;",
      "3:8 P0204 never true: both sides are constants → compare with a value of the call, or leave the test out",
    ],
  ])("that no call decides: %s", (body, fault) => {
    expect(faults(body)).toEqual([`policy.ts:${fault}`]);
  });

  it("is not reported if another setting of a parameter decides otherwise", () => {
    const head = 'const most = parameter.integer("most", { default: 3n });';
    expect(step("return most > 5n ? log : allow;", { head })).toEqual(["return 1 allow"]);
  });

  it("is not reported if one of the calls of its function decides otherwise", () => {
    const head = "function over(n: bigint): boolean { return n > 5n; }";
    expect(faults("return over(call.raw.arg0 & 3n) || over(call.raw.arg1) ? log : allow;", { head })).toEqual([]);
    expect(faults("return over(call.raw.arg0 & 3n) || over(call.raw.arg1 & 1n) ? log : allow;", { head })).toEqual([
      "policy.ts:2:44 P0204 never true: `n` is 0 … 3, and 5 lies outside",
    ]);
  });
});

describe("a comparison of strings", () => {
  it("of two phases is true in the common ones", () => {
    const head =
      'const p = perTree.phases(["one", "two", "three"]); const q = perTree.phases(["zero", "two", "three"]);';
    expect(step("return p.get() === q.get() ? trap() : kill(`thread`);", { head })[0]).toBe(
      "if (($p == 1 and $q == 1) or ($p == 2 and $q == 2))",
    );
  });

  it.each([
    [
      'call.name === "read" && call.name === "write"',
      '3:32 P0204 never true: the call cannot be "write" here → it can be read',
    ],
    [
      'call.name !== "read" && call.name === "read"',
      '3:32 P0204 never true: the call cannot be "read" here → an earlier test excludes it',
    ],
    ['p.get() === "tow"', '4:20 P0409 there is no phase "tow" → did you mean "two"? they are one, two'],
    ["call.name > `read`", "3:8 P0208 a string and a string cannot be compared with >"],
    ["call.number > `3`", "3:8 P0208 an integer is compared with a string"],
    ["[1n] === [2n]", "3:8 P0208 a list and a list cannot be compared with ==="],
  ])("that cannot be: %s", (test, fault) => {
    const written = test.startsWith("p.") ? { head: 'const p = perTree.phases(["one", "two"]);' } : {};
    expect(faults(`return ${test} ? log : allow;`, written)).toEqual([`policy.ts:${fault}`]);
  });
});

it.each([
  ["(call.number > 3n) === true", "if 3 <u number"],
  ["(call.number > 3n) !== true", "if not 3 <u number"],
  [
    "(call.number > 3n) === (call.raw.arg0 > 4n)",
    "if ((3 <u number and 4 <u argument0) or (not 3 <u number and not 4 <u argument0))",
  ],
])("a comparison of booleans: %s", (test, printed) => {
  expect(step(`return ${test} ? trap() : allow;`)[0]).toBe(printed);
});
