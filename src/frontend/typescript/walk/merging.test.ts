import { describe, expect, it } from "vitest";
import { faults, step } from "../../testing/compiled.ts";

const choose = (a: string, b: string) => `let x = ${a}; if (call.number > 3n) { report("r"); x = ${b}; }`;

describe("a variable after two paths", () => {
  it("is a constant if both have the same one", () => {
    expect(step(`${choose("5n", "2n + 3n")} return call.raw.arg0 === x ? trap() : allow;`)).toContain(
      "if argument0 == 5",
    );
    expect(step(`${choose("`EPERM`", "`EPERM`")} return deny(x);`).at(-1)).toBe("return 1 deny EPERM");
  });

  it.each([
    ["1n", "call.raw.arg0", "x === 7n", "i0", "if i0 == 7"],
    ["false", "call.raw.arg0 > 3n", "x", "b0", "if b0"],
    ['"a"', '"b"', 'x === "b"', "i0", "if i0 == 0"],
  ])("is a local that each path sets: %s or %s", (a, b, test, local, printed) => {
    const lines = step(`${choose(a, b)} return ${test} ? trap() : allow;`);
    expect(lines.filter((line) => line.startsWith(`  ${local} = `))).toHaveLength(2);
    expect(lines).toContain(printed);
  });

  it("that is a verdict is a local, too", () => {
    const lines = step(`${choose("trap()", "deny(`EPERM`)")} return x;`);
    expect(lines.slice(-4)).toEqual(["  v0 = 2 deny EPERM", "else", "  v0 = 1 trap", "return v0"]);
  });

  it("is set before the jump that ends its path", () => {
    const body = "let x = 1n; for (const n of [3n]) { if (call.raw.arg0 === n) { x = 2n; break; } x = call.raw.arg1; }";
    expect(step(`${body} return x === 7n ? trap() : allow;`).slice(0, 5)).toEqual([
      "block 0",
      "  if argument0 == 3",
      "    i0 = 2",
      "    leave 0",
      "  i0 = argument1",
    ]);
  });

  it("has the range of both, narrowed by the facts of each path", () => {
    const body = "let x = 0n; if (call.raw.arg0 < 10n) { report(`r`); x = call.raw.arg0; }";
    expect(step(`${body} return x + 1n === 7n ? trap() : allow;`)).toContain("if (i0 + 1) == 7");
    expect(faults(`${body} return x > 9n ? trap() : allow;`)).toEqual([
      "policy.ts:3:81 P0204 never true: `x` is 0 … 9, and 9 decides it",
    ]);
  });

  it.each([
    [
      choose("BigInt.asIntN(64, call.raw.arg0)", "call.raw.arg1"),
      "3:5 P0203 on one path this is negative, on another above 2^63 − 1: no 64-bit type holds both → BigInt.asUintN(64, …) or BigInt.asIntN(64, …) if a bit pattern is intended",
    ],
    [
      choose("[1n]", "[2n]"),
      "3:5 P0310 this depends on the path, so it is not known at compile time → only integers, booleans, strings and verdicts may depend on the path",
    ],
  ])("that has no common type is a fault: %s", (body, fault) => {
    expect(faults(`${body} return allow;`)).toEqual([`policy.ts:${fault}`]);
  });

  it("that is a string of more than 64 kinds is a fault", () => {
    const cases = (count: number) =>
      Array.from({ length: count }, (_, index) => `case ${index}n: x = "text ${index}"; break;`).join(" ");
    const body = (count: number) =>
      `let x = "none"; switch (call.raw.arg0) { ${cases(count)} } return x === "none" ? trap() : allow;`;
    expect(faults(body(63))).toEqual([]);
    expect(faults(body(64))[0]).toContain("P0310 this depends on the path");
  });
});
