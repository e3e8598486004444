import { describe, expect, it } from "vitest";
import { faults, step } from "../../testing/compiled.ts";

const phases = 'const p = perProcess.phases(["one", "two", "three"]);';

describe("a switch is one statement of the IR", () => {
  it("whose arms have the intervals of their cases", () => {
    const body = `switch (call.raw.arg0) {
      case 1n: case 2n: case 7n: return log;
      case 4n: { report("four"); break; }
      default: return trap();
    } return allow;`;
    expect(step(body)).toEqual([
      "switch argument0",
      "  {1 to 2, 7}:",
      "    return 1 log",
      "  {4}:",
      "    report 0 ()",
      "  else:",
      "    return 2 trap",
      "return 3 allow",
    ]);
  });

  it("whatever the place of its default", () => {
    const expected = ["switch argument0", "  {2}:", "    return 2 trap", "  else:", "    return 1 log"];
    expect(step("switch (call.raw.arg0) { default: return log; case 2n: return trap(); }")).toEqual(expected);
    expect(step("switch (call.raw.arg0) { case 1n: default: return log; case 2n: return trap(); }")).toEqual(expected);
  });

  it("whose last case is the default if the cases are exhaustive", () => {
    const body =
      'switch (p.get()) { case "one": return trap(); case "two": return kill("thread"); case "three": return kill("process"); }';
    expect(step(body, { head: phases })).toEqual([
      "i0 = $p",
      "switch i0",
      "  {0}:",
      "    return 1 trap",
      "  {1}:",
      "    return 2 kill thread",
      "  else:",
      "    return 3 kill process",
    ]);
    const named = 'if (call.name !== "read" && call.name !== "write") return allow;';
    expect(
      step(`${named} switch (call.name) { case "read": return log; case "write": return trap(); }`).slice(2),
    ).toEqual(["switch number", "  {read}:", "    return 2 log", "  else:", "    return 3 trap"]);
  });

  it("or only the case of a constant", () => {
    const head = 'const mode = parameter.text("mode", { default: "b" });';
    expect(
      step('switch (mode) { case "a": return log; case "b": return trap(); default: return allow; }', { head }),
    ).toEqual(["return 1 trap"]);
  });

  it("after which a variable has the value of its path", () => {
    const body = "let n = 0n; switch (call.raw.arg0) { case 1n: n = 5n; break; case 2n: n = 7n; }";
    expect(step(`${body} return call.raw.arg1 === n ? trap() : allow;`).slice(0, 7)).toEqual([
      "switch argument0",
      "  {1}:",
      "    i0 = 5",
      "  {2}:",
      "    i0 = 7",
      "  else:",
      "    i0 = 0",
    ]);
  });

  it("that reads its subject once, although a case changes the state", () => {
    const body = "switch (c.get()) { case 1n: c.add(); return trap(); case 2n: return kill(`thread`); } return allow;";
    expect(step(body, { head: "const c = perTree.counter();" }).slice(0, 2)).toEqual(["i0 = $c", "switch i0"]);
  });

  it("that a jump within a loop of a case leaves", () => {
    const body =
      "out: switch (call.raw.arg0) { case 1n: for (const x of [1n, 2n]) { if (call.raw.arg1 === x) break out; } return log; }";
    expect(step(`${body} return allow;`)).toEqual([
      "block 0",
      "  switch argument0",
      "    {1}:",
      ...[1, 2].flatMap((x) => [`      if argument1 == ${x}`, "        leave 0"]),
      "      return 1 log",
      "return 2 allow",
    ]);
  });
});

describe("a fault of a switch", () => {
  it.each([
    [
      'switch (call) { case "read": return log; } return allow;',
      "3:9 P0309 a switch takes a string or an integer, not the call → switch (call.name)",
    ],
    [
      "switch (call.number > 3n) { case true: return log; } return allow;",
      "3:9 P0309 a switch takes a string or an integer, not a boolean → if and else",
    ],
    [
      "switch (call.raw.arg0) { case call.raw.arg1: return log; } return allow;",
      "3:31 P0310 a case is a constant, not an integer that is known only at each call → if and else",
    ],
    [
      "switch (call.raw.arg0) { case 1n: report(`x`); case 5n: return log; } return allow;",
      "3:48 P0311 the previous case falls through into this one (policy.ts:3:26 it starts here) → end it with return or break",
    ],
    [
      "switch (call.raw.arg0) { case 1n: case 2n: return log; case 2n: return trap(); } return allow;",
      "3:61 P0204 unreachable: an earlier case has 2 already (policy.ts:3:40 the earlier case) → leave one out",
    ],
    [
      "switch (call.raw.arg0) { case 1n: const k = 3n; return log; case 2n: const k = 4n; return log; } return allow;",
      "3:76 P0109 `k` is declared twice (policy.ts:3:41 first declared here: the cases of a switch are one block) → give it another name, or put each case in braces",
    ],
    [
      "switch (call.raw.arg0) { case 1n: const k = 3n; report(`x`, { k }); break; case 2n: report(`x`, { k }); } return allow;",
      "3:99 P0320 `k` is used before its declaration (policy.ts:3:41 declared here)",
    ],
    [
      "switch (call.raw.arg0) { case 1n: function f(): bigint { return 1n; } break; case 2n: f(); } return allow;",
      "3:87 P0320 `f` is declared in another case of this switch (policy.ts:3:44 declared here) → declare it before the switch",
    ],
    [
      "if (call.raw.arg0 > 9n) return allow; switch (call.raw.arg0) { case 20n: return log; default: return trap(); }",
      "3:69 P0204 never true: `arg0` is a register, 0 … 9 here, and 20 lies outside",
    ],
  ])("%s", (body, fault) => {
    expect(faults(body)).toEqual([`policy.ts:${fault}`]);
  });

  it("is a path without a verdict, if a phase has no case", () => {
    expect(faults('switch (p.get()) { case "one": return trap(); case "two": return log; }', { head: phases })).toEqual(
      [
        'policy.ts:5:1 P0305 this path returns no verdict: some calls end here → return a verdict for every other call: `return allow;` or `return deny("EPERM");`',
      ],
    );
  });
});
