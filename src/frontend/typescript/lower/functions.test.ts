import { describe, expect, it } from "vitest";
import { faults, step } from "../../testing/compiled.ts";

describe("a call is inlined", () => {
  it("without a trace, if the function is one expression", () => {
    const head = "function over(a: bigint, b = 5n): boolean { return a > b; }";
    expect(
      step("return over(call.raw.arg0) || over(call.raw.arg1, call.raw.arg2) ? trap() : allow;", { head })[0],
    ).toBe("if (5 <u argument0 or argument2 <u argument1)");
  });

  it("as a block that its returns leave, if they end paths", () => {
    const head = "function f(n: bigint): bigint { if (n > 7n) return 1n; if (n > 5n) return 2n; return 3n; }";
    expect(step("return f(call.raw.arg0) === call.raw.arg1 ? trap() : allow;", { head }).slice(0, 9)).toEqual([
      "block 0",
      "  if 7 <u argument0",
      "    i0 = 1",
      "    leave 0",
      "  if 5 <u argument0",
      "    i0 = 2",
      "    leave 0",
      "  i0 = 3",
      "  leave 0",
    ]);
  });

  it("with a return for each verdict, behind `return f(…)`", () => {
    const head = "const f = (one: Call): Verdict => (one.number > 3n ? log : trap());";
    expect(step("return f(call);", { head })).toEqual(["if 3 <u number", "  return 1 log", "else", "  return 2 trap"]);
  });

  it("with arguments as they were before later ones changed the state", () => {
    const head = "const c = perTree.counter(); function less(a: bigint, b: bigint): boolean { return a < b; }";
    expect(step("return less(c.get(), c.add()) ? trap() : allow;", { head })).toEqual([
      "i1 = $c",
      "i0 = ((0x7fffffffffffffff - $c) <u 1 ? 0x7fffffffffffffff : ($c + 1))",
      "$c = i0",
      "if i1 <u i0",
      "  return 1 trap",
      "else",
      "  return 2 allow",
    ]);
  });

  it("that changes a variable of its surroundings", () => {
    const body = "let n = 0n; const up = () => { n += 3n; }; up(); up(); return call.raw.arg0 === n ? trap() : allow;";
    expect(step(body)[0]).toBe("if argument0 == 6");
  });

  it("with a list in the place of its arguments", () => {
    const head = "function sum(a: bigint, b: bigint): bigint { return a + b; } const two = [1n, 2n];";
    expect(step("return sum(...two) === call.raw.arg0 ? trap() : allow;", { head })[0]).toBe("if 3 == argument0");
  });
});

describe("a fault of a function", () => {
  it.each([
    ["(a: bigint): boolean { return a > 1n; }", "f(1n, 2n)", "4:8 P0212 `f` takes 1 argument, and gets 2"],
    ["(a: bigint, b = 2n): boolean { return a > b; }", "f()", "4:8 P0212 `f` takes 1 to 2 arguments, and gets 0"],
    [
      "(n: bigint): boolean { return n > 0n ? f(n - 1n) : true; }",
      "f(3n)",
      "2:50 P0302 `f` calls itself: the number of steps has no bound → loop over a constant list, `for (const bit of bits)`, or over a constant range",
    ],
    [
      "(...n: bigint[]): boolean { return true; }",
      "f(1n)",
      "2:12 P0309 a function takes a fixed number of arguments → one argument that is a list: `names: readonly string[]`",
    ],
    [
      "(n?: bigint): boolean { return true; }",
      "f(1n)",
      "2:12 P0309 there are no optional parameters: the language has no undefined → give it a default: `n = 0n`",
    ],
    [
      "(n): boolean { return n > 1n; }",
      "f(1n)",
      "2:12 P0309 a parameter without a type → write its type: bigint, boolean, string, Call, Verdict …",
    ],
    [
      "<T>(n: T): boolean { return true; }",
      "true",
      "2:11 P0309 the language has no type parameters → write the types out",
    ],
    ["(): boolean { return true; }", "f<bigint>()", "4:9 P0309 the language has no type parameters → leave them out"],
    [
      "(a: bigint): boolean { if (a > 3n) return true; return a; }",
      "f(1n)",
      "2:66 P0207 the result of `f` must be boolean, not an integer",
    ],
    [
      "(a: bigint): boolean { if (a > 3n) return true; }",
      "f(call.number)",
      "2:59 P0305 this path returns nothing, and `f` returns boolean → return a value on every path",
    ],
  ])("function f%s", (rest, call, fault) => {
    expect(faults(`return ${call} ? log : allow;`, { head: `function f${rest}` })).toEqual([`policy.ts:${fault}`]);
  });

  it("whose results have no common type", () => {
    const head = "const f = (a: bigint) => { if (a > 3n) return 1n; return true; };";
    expect(faults("return f(call.number) ? log : allow;", { head })).toEqual([
      "policy.ts:2:58 P0207 this function returns values of different types → return one type on every path",
    ]);
  });

  it("that nothing calls", () => {
    const head = "function f(v: Verdict): Verdict { if (cal.number > 3n) return v; return 3n; }";
    expect(faults("return allow;", { head })).toEqual([
      "policy.ts:2:39 P0105 there is no `cal` → declare it with const, or import it",
      "policy.ts:2:73 P0207 the result of `f` must be Verdict, not an integer",
    ]);
  });

  it.each([
    ["call.number(3n) > 1n", "an integer cannot be called → leave out `(…)`"],
    ["on()", "a boolean cannot be called → leave out `()`"],
  ])("that is none: %s", (call, fault) => {
    expect(faults(`const on = call.number > 3n; return ${call} ? allow : log;`)).toEqual([
      `policy.ts:3:37 P0207 ${fault}`,
    ]);
  });
});
