import { describe, expect, it } from "vitest";
import { faults, step } from "../../testing/compiled.ts";

describe("a return", () => {
  it("of ? : is a path for each verdict", () => {
    expect(step("return (call.number > 5n ? (call.raw.arg0 > 3n ? log : trap()) : allow);")).toEqual([
      "if 5 <u number",
      "  if 3 <u argument0",
      "    return 1 log",
      "  else",
      "    return 2 trap",
      "else",
      "  return 3 allow",
    ]);
  });

  it("may come before functions, which are visible in the whole block", () => {
    expect(step("return call.number > f() ? log : allow; function f(): bigint { return 1n; }")[0]).toBe(
      "if 1 <u number",
    );
  });
});

describe("an if", () => {
  it("that a constant decides is the taken branch, and the other one is checked", () => {
    const head = 'const on = parameter.flag("on", { default: true });';
    expect(step("if (on) return log; return allow;", { head })).toEqual(["return 1 log"]);
    expect(faults("if (on) return log; else return alow;", { head })).toEqual([
      "policy.ts:4:33 P0105 there is no `alow` → did you mean `allow`?",
    ]);
  });

  it("narrows the code after a branch that returns", () => {
    expect(
      step("if (call.raw.arg0 >= 10n) return log; return call.raw.arg0 + 1n > 5n ? trap() : allow;").slice(2, 3),
    ).toEqual(["if 5 <u (argument0 + 1)"]);
  });

  it("joins the values of its branches where it ends", () => {
    expect(step("let n = call.raw.arg0; if (n < 10n) n += 5n; return n === 12n ? trap() : allow;").slice(0, 5)).toEqual(
      ["if argument0 <u 10", "  i0 = (argument0 + 5)", "else", "  i0 = argument0", "if i0 == 12"],
    );
  });
});

const every = 'return a verdict for every other call: `return allow;` or `return deny("EPERM");`';

describe("a fault of a statement", () => {
  it.each([
    [
      "var x = 1n; return call.number > x ? allow : log;",
      "3:1 P0309 the language has no `var` → const, or let if it changes",
    ],
    ["declare const x: bigint; return allow;", "3:1 P0309 a `declare` has no value → const name = value"],
    ['throw new Error("x");', '3:1 P0309 a policy cannot throw: every path returns a verdict → return deny("EPERM")'],
    ["class A {} return allow;", "3:1 P0309 the language has no classes → const, function and perProcess state"],
    [
      "enum E { A } return allow;",
      '3:1 P0309 the language has no enums → a union of strings, `"a" | "b"`, or constants',
    ],
    [
      "debugger; return allow;",
      "3:1 P0309 the language does not have this statement → const, let, if, switch, for, return, function",
    ],
    ['import { x } from "./x.ts"; return allow;', "3:1 P0309 imports and exports stand at the top of a module"],
    [
      "return;",
      '3:1 P0207 a step returns a verdict, not nothing → return allow, deny("EPERM", "why"), kill("process") …',
    ],
    ["allow; return log;", "3:1 P0315 this verdict is not returned and has no effect → write `return` before it"],
    ["call.number; return log;", "3:1 P0315 this has no effect → remove it, or use its value"],
    [
      "if (call.number > 3n) return allow; else return log; report(`x`);",
      "3:54 P0317 this is unreachable → the path ends before it: remove it",
    ],
    [
      "{ const x = 1n; } return call.number > x ? allow : log;",
      "3:40 P0105 there is no `x` → declare it with const, or import it",
    ],
    ["const x = report(`x`); return allow;", "3:11 P0207 this has no value"],
    [
      'if (call.name === "read") return log;',
      `4:1 P0305 this path returns no verdict: any call but read ends here → ${every}`,
    ],
    [
      'switch (call.name) { case "read": case "write": case "mmap": return log; }',
      `4:1 P0305 this path returns no verdict: any call but mmap, read and write ends here → ${every}`,
    ],
    [
      'switch (call.name) { case "read": case "write": case "mmap": case "brk": return log; }',
      `4:1 P0305 this path returns no verdict: some calls end here → ${every}`,
    ],
  ])("%s", (body, fault) => {
    expect(faults(body)).toEqual([`policy.ts:${fault}`]);
  });
});
