import { describe, expect, it } from "vitest";
import { faults, step } from "../../testing/compiled.ts";

const head = "const c = perTree.counter();";
const count = ["= ((0x7fffffffffffffff - $c) <u 1 ? 0x7fffffffffffffff : ($c + 1))", "$c = "];
/** The statements of `c.add()` with this local. */
const add = (local: string, indent = "  "): string[] => [
  `${indent}${local} ${count[0]}`,
  `${indent}${count[1]}${local}`,
];

describe("&& and ||", () => {
  it("are one expression if no operand has an effect", () => {
    expect(step("return call.raw.arg0 > 3n && (call.raw.arg1 < 2n || call.raw.arg2 === 1n) ? allow : log;")).toEqual([
      "if (3 <u argument0 and (argument1 <u 2 or argument2 == 1))",
      "  return 1 allow",
      "else",
      "  return 2 log",
    ]);
  });

  it("evaluate an operand with an effect only if the left side does not decide", () => {
    expect(step("if (call.number > 3n && c.add() > 2n) return trap(); return allow;", { head })).toEqual([
      "if 3 <u number",
      ...add("i0"),
      "  b1 = 2 <u i0",
      "else",
      "  b1 = false",
      "if b1",
      "  return 1 trap",
      "return 2 allow",
    ]);
    expect(step("if (call.number > 3n || c.add() > 2n) return trap(); return allow;", { head })).toEqual([
      "if 3 <u number",
      "  b1 = true",
      "else",
      ...add("i0"),
      "  b1 = 2 <u i0",
      "if b1",
      "  return 1 trap",
      "return 2 allow",
    ]);
  });

  it("leave out operands that constants decide, and their effects", () => {
    const flag = 'const on = parameter.flag("on", { default: false });';
    expect(step("return on && c.add() > 2n ? trap() : allow;", { head: `${head} ${flag}` })).toEqual([
      "return 1 allow",
    ]);
    expect(step("return on || call.number > 3n ? trap() : allow;", { head: flag })[0]).toBe("if 3 <u number");
  });

  it("narrow what the next operand sees", () => {
    expect(step("return call.raw.arg0 < 100n && call.raw.arg0 + 1n > 5n ? trap() : allow;")[0]).toBe(
      "if (argument0 <u 100 and 5 <u (argument0 + 1))",
    );
    // Where the left side of || is false, the number is small.
    expect(step("return call.raw.arg0 > 100n || call.raw.arg0 + 1n > 5n ? trap() : allow;")[0]).toBe(
      "if (100 <u argument0 or 5 <u (argument0 + 1))",
    );
  });
});

describe("? :", () => {
  it("is one expression if neither side has an effect", () => {
    expect(step("const x = call.number > 4n ? call.raw.arg0 : 3n; return x > 2n ? trap() : allow;")[0]).toBe(
      "if 2 <u (4 <u number ? argument0 : 3)",
    );
    expect(step("const v = call.number > 3n ? trap() : allow; return v;")).toEqual([
      "return (3 <u number ? 1 trap : 2 allow)",
    ]);
  });

  it("runs the effect of the side that is taken", () => {
    expect(step("const n = call.number > 3n ? c.add() : 0n; return n > 2n ? trap() : allow;", { head })).toEqual([
      "if 3 <u number",
      ...add("i0"),
      "  i1 = i0",
      "else",
      "  i1 = 0",
      "if 2 <u i1",
      "  return 1 trap",
      "else",
      "  return 2 allow",
    ]);
  });

  it("is true only with its test, if the other side is false", () => {
    // In the branch both are known: the sum fits.
    const body = "const small = call.number > 4n ? call.raw.arg0 < 9n : false; return small && call.raw.arg0 + 1n > 3n";
    expect(step(`${body} ? trap() : allow;`)[0]).toBe("if (4 <u number and argument0 <u 9 and 3 <u (argument0 + 1))");
  });
});

describe("a fault of a condition", () => {
  it.each([
    ["return call.number ? allow : log;", "3:8 P0202 an integer is not a condition → compare it: `call.number !== 0n`"],
    ['return "x" ? allow : log;', '3:8 P0205 a string is not a condition: this is always true → compare it: `=== "…"`'],
    ['return "" ? allow : log;', '3:8 P0205 a string is not a condition: this is always false → compare it: `=== "…"`'],
    [
      'return call.name === "read" || "mmap" ? allow : log;',
      '3:32 P0205 a string is not a condition: this is always true → call.name === "mmap", or calls(…, "mmap").has(call)',
    ],
    ["return call ? allow : log;", '3:8 P0207 the call is not a condition → write `call.name === "…"`'],
    [
      'return call.name === "openat" && call.args.flags ? allow : log;',
      "3:34 P0202 an argument with named values is not a condition → test a flag: `call.args.flags.has(…)`",
    ],
    [
      'return call.name === "socket" && call.args.family ? allow : log;',
      "3:34 P0202 an argument with named values is not a condition → test a value: `call.args.family.is(…)`",
    ],
    [
      "const x = call.number > 4n ? 1n : true; return allow;",
      "3:11 P0207 the two outcomes have different types: an integer and a boolean",
    ],
    [
      "const x = call.number > 4n ? BigInt.asIntN(64, call.raw.arg0) : call.raw.arg1; return allow;",
      "3:11 P0203 on one path this is negative, on another above 2^63 − 1: no 64-bit type holds both → BigInt.asUintN(64, …) or BigInt.asIntN(64, …) if a bit pattern is intended",
    ],
  ])("%s", (body, fault) => {
    expect(faults(body)).toEqual([`policy.ts:${fault}`]);
  });

  it("is not followed by others about the same value", () => {
    expect(faults("const both = call.number && call.raw.arg0 > 3n; return both || !both ? allow : log;")).toEqual([
      "policy.ts:3:14 P0202 an integer is not a condition → compare it: `call.number !== 0n`",
    ]);
  });
});
