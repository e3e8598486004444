// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the policies stand here as texts
import { expect, it } from "vitest";
import { faults, step } from "../../testing/compiled.ts";

it("an object has the members that are spread, and those that are written out replace them", () => {
  const body = 'const o = { a: 1n, c: 3n }; const p = { ...o, a: 2n, "b": o["a"] };';
  expect(step(`${body} report("r", { a: p.a, b: p.b, c: p.c }); return allow;`)[0]).toBe("report 0 (2, 1, 3)");
});

it("a list has the elements of the lists that are spread", () => {
  expect(step("const some = [1n, 9n]; return [4n, ...some].includes(call.raw.arg0) ? trap() : allow;")[0]).toBe(
    "if argument0 in {1, 4, 9}",
  );
});

it("a template is a constant string", () => {
  const body = 'const errno = `E${"PERM"}`; return call.number > 3n ? deny(errno, `at most ${3n}`) : allow;';
  expect(step(body)[1]).toBe('  return 1 deny EPERM "at most 3"');
});

it("BigInt.asUintN of a sum wraps, and the sum alone would not", () => {
  expect(step("return BigInt.asUintN(64, call.raw.arg0 + call.raw.arg1) === 3n ? trap() : allow;")[0]).toBe(
    "if (argument0 + argument1) == 3",
  );
  expect(step("return BigInt.asUintN(8, ~call.raw.arg0) === 3n ? trap() : allow;")[0]).toBe(
    "if u8((argument0 ^ -1)) == 3",
  );
  expect(step("return BigInt.asIntN(16, -(call.raw.arg0 << 3n)) === -3n ? trap() : allow;")[0]).toBe(
    "if s16((0 - (argument0 << 3))) == -3",
  );
});

it.each([
  [
    "call.number > 0xff",
    "3:22 P0201 0xff is a floating-point number; the integers of a policy are bigint → write 0xffn",
  ],
  [
    "call.number > 1.5",
    "3:22 P0201 1.5 is a floating-point number; the integers of a policy are bigint → write an integer, such as 1n",
  ],
  ["call.number > 1e3", "3:22 P0201 1e3 is a floating-point number; the integers of a policy are bigint → write 1000n"],
  [
    "call.number > 0x1_0000_0000_0000_0000n",
    "3:22 P0203 this integer needs more than 64 bits → the largest is 0xffff_ffff_ffff_ffffn",
  ],
  ["call.number === null", "3:24 P0309 the language has no null → give a default value"],
  ["call.number >>> 3n > 1n", "3:8 P0309 the language has no `>>>` → write `>>`, which keeps the sign"],
  ['"read" in call', "3:8 P0309 the language has no `in` → use `.includes(…)` on a list, `.has(…)` on a set"],
  ["call.number != 3n", "3:8 P0309 the language has no `!=` → write `!==`"],
  ["+call.number > 3n", "3:8 P0309 a bigint has no unary `+` → leave it out"],
  ["typeof call", "3:8 P0309 the language has no `typeof`"],
  ["(call.number, true)", "3:9 P0309 the language has no comma operator → write two statements"],
  ["this.on", "3:8 P0309 the language has no `this` → name the value"],
  ["import.meta.url", "3:8 P0309 a policy has no import.meta → a parameter: parameter.path(…)"],
  [
    "call.number! > 3n",
    "3:8 P0307 the language has no casts: the compiler could not check one → no value is null here: leave out `!`",
  ],
  [
    "(call.number as bigint) > 3n",
    "3:20 P0307 the language has no casts: the compiler could not check one → `satisfies` checks a type; a test narrows it; `as const` is allowed",
  ],
  ["(call.number satisfies string) > 3n", "3:9 P0207 the expression must be string, not an integer"],
  ["[1n, , 2n].includes(call.number)", "3:8 P0309 there is no element between two commas → write the element"],
  ["[...5n].includes(call.number)", "3:12 P0207 an integer cannot be spread"],
  [
    "calls(`${call.name}`).has(call)",
    "3:17 P0310 a template contains only constants, not a string that is known only at each call → report(text, { name: value }) records values with the text",
  ],
])("a fault of an expression: %s", (test, fault) => {
  expect(faults(`return ${test} ? log : allow;`)).toEqual([`policy.ts:${fault}`]);
});

it.each([
  ["{ a: 1n, get b() { return 1n; } }", "3:20 P0309 a member of an object is written `name: value`"],
  ["{ a: 1n, a: 2n }", "3:20 P0109 `a` is listed twice in this object → leave one out"],
  ["{ ...5n }", "3:16 P0207 an integer cannot be spread here"],
])("a fault of an object: %s", (object, fault) => {
  expect(faults(`const o = ${object}; return allow;`)).toEqual([`policy.ts:${fault}`]);
});
