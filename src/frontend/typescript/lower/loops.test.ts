import { describe, expect, it } from "vitest";
import { faults, step } from "../../testing/compiled.ts";

describe("a loop is unrolled", () => {
  it("over a list, with patterns", () => {
    const body =
      "for (const [a, b] of [[1n, 2n], [3n, 4n]]) if (call.raw.arg0 === a && call.raw.arg1 === b) return trap();";
    expect(step(`${body} return allow;`)).toEqual([
      "if (argument0 == 1 and argument1 == 2)",
      "  return 1 trap",
      "if (argument0 == 3 and argument1 == 4)",
      "  return 1 trap",
      "return 2 allow",
    ]);
  });

  it("down to zero", () => {
    expect(step("for (let i = 2n; i >= 0n; i--) if (call.raw.arg0 === i) return trap(); return allow;")).toEqual([
      ...[2, 1, 0].flatMap((i) => [`if argument0 == ${i}`, "  return 1 trap"]),
      "return 2 allow",
    ]);
  });

  it("into nothing over an empty list", () => {
    expect(step("for (const x of []) return log; return allow;")).toEqual(["return 1 allow"]);
  });

  it("and computes constants at compile time", () => {
    expect(
      step("let n = 0n; for (let i = 0n; i < 4n; i++) n += i; return call.number === n ? trap() : allow;")[0],
    ).toBe("if number == lstat");
  });
});

describe("a jump", () => {
  it("by break leaves the loop, and its later rounds", () => {
    expect(
      step('for (let i = 0n; i < 2n; i++) { if (call.raw.arg0 === i) break; report("x", { i }); } return allow;'),
    ).toEqual([
      "block 0",
      ...[0, 1].flatMap((i) => [`  if argument0 == ${i}`, "    leave 0", `  report 0 (${i})`]),
      "return 1 allow",
    ]);
  });

  it("by continue leaves one round, and variables have the values of each path", () => {
    const body = "let n = 0n; for (const x of [1n, 2n]) { if (call.raw.arg0 === x) continue; n += x; }";
    expect(step(`${body} return n > 1n ? trap() : allow;`)).toEqual([
      "block 1",
      "  if argument0 == 1",
      "    i0 = 0",
      "    leave 1",
      "  i0 = 1",
      "block 2",
      "  if argument0 == 2",
      "    i1 = i0",
      "    leave 2",
      "  i1 = (i0 + 2)",
      "if 1 <u i1",
      "  return 1 trap",
      "else",
      "  return 2 allow",
    ]);
  });

  it("with a label leaves the outer loop or its round", () => {
    const inner =
      "for (const y of [3n]) { if (call.raw.arg0 === x * y) continue outer; if (call.raw.arg1 === y) break outer; }";
    expect(step(`outer: for (const x of [1n, 2n]) { ${inner} report("r", { x }); } return allow;`)).toEqual([
      "block 0",
      "  block 1",
      "    if argument0 == 3",
      "      leave 1",
      "    if argument1 == 3",
      "      leave 0",
      "    report 0 (1)",
      "  block 4",
      "    if argument0 == 6",
      "      leave 4",
      "    if argument1 == 3",
      "      leave 0",
      "    report 0 (2)",
      "return 1 allow",
    ]);
  });

  it("that a constant decides becomes no block", () => {
    expect(
      step(
        "for (let i = 0n; i < 9n; i++) { if (i === 1n) continue; if (i === 3n) break; report(`r`, { i }); } return allow;",
      ),
    ).toEqual(["report 0 (0)", "report 0 (2)", "return 1 allow"]);
  });
});

it("a function that a round makes sees the variables of its round", () => {
  const body = "let seen = () => 9n; for (let i = 0n; i < 3n; i++) if (i === 1n) seen = () => i;";
  expect(step(`${body} return call.raw.arg0 === seen() ? trap() : allow;`)[0]).toBe("if argument0 == 1");
});

const remedy = "→ loops run over constants: `for (let i = 0n; i < 8n; i++)` with a test inside";

describe("a fault of a loop", () => {
  it.each([
    ["for (;;) break; return allow;", "3:1 P0303 this loop has no bound → `for (let i = 0n; i < 8n; i++)`"],
    ["while (call.number > 3n) report(`x`); return allow;", `3:8 P0303 this loop has no bound ${remedy}`],
    ["do report(`x`); while (false); return allow;", `3:24 P0303 this loop has no bound ${remedy}`],
    [
      "for (const x of call.number) report(`x`); return allow;",
      "3:17 P0303 a loop runs over a constant list, not an integer → for (const one of [1n, 2n])",
    ],
    [
      "for (const k in [1n]) report(`x`); return allow;",
      '3:1 P0309 the language has no `for … in` → for (const name of ["a", "b"])',
    ],
    [
      'if (call.name !== "read") return allow; for (let i = 0n; i < call.args.count; i++) report(`x`); return allow;',
      `3:62 P0303 the bound of this loop is an argument ${remedy}`,
    ],
    [
      "let n = 3n; if (call.number > 3n) n = 5n; for (let i = 0n; i < n; i++) report(`x`); return allow;",
      `3:64 P0303 the bound of this loop is not known at compile time ${remedy}`,
    ],
    ["break; return allow;", "3:1 P0309 there is no loop here to break out of"],
    ["switch (call.name) { case `read`: continue; } return allow;", "3:35 P0309 there is no loop here to continue"],
    ["a: { report(`x`); } return allow;", "3:1 P0309 only a loop or a switch has a label"],
    [
      "a: switch (call.name) { case `read`: for (const x of [1n]) continue a; } return allow;",
      "3:60 P0309 `continue` does not apply to a switch → break",
    ],
    [
      "for (let i = 0n; i < 65_537n; i++) {} return allow;",
      "3:1 P0314 too large: this loop runs more than 65536 rounds, and each is unrolled → use fewer rounds, or a table instead of the loop",
    ],
  ])("%s", (body, fault) => {
    expect(faults(body)).toEqual([`policy.ts:${fault}`]);
  });

  it("unrolls as many rounds as the limit", () => {
    expect(faults("for (let i = 0n; i < 65_536n; i++) {} return allow;")).toEqual([]);
  });

  it("does not hide those in its body", () => {
    const alow = "P0105 there is no `alow` → did you mean `allow`?";
    expect(faults("for (const x of call.number) { alow; } return allow;")[1]).toBe(`policy.ts:3:32 ${alow}`);
    expect(faults("for (let i = 0n; call.raw.arg0 > i; i++) { alow; } return allow;")[1]).toBe(
      `policy.ts:3:44 ${alow}`,
    );
  });
});
