import { expect, it } from "vitest";
import { faults, step } from "../../testing/compiled.ts";

it("x++ is the value before, ++x the value after", () => {
  const body = "let n = 5n; const before = n++; const after = ++n; const down = n--;";
  const test = "call.raw.arg0 === before && call.raw.arg1 === after && call.raw.arg2 === down && call.raw.arg3 === n";
  expect(step(`${body} return ${test} ? trap() : allow;`)[0]).toBe(
    "if (argument0 == 5 and argument1 == 7 and argument2 == 7 and argument3 == 6)",
  );
});

it("an assignment is a value", () => {
  expect(step("let n = 0n; const m = (n = call.raw.arg0 & 7n); return n + m === 4n ? trap() : allow;")[0]).toBe(
    "if ((argument0 & 7) + (argument0 & 7)) == 4",
  );
});

it("a variable keeps the state that it was given", () => {
  const head = "const c = perTree.counter();";
  expect(step("let n = 0n; n = c.get(); c.add(); return n > 3n ? trap() : allow;", { head }).slice(0, 1)).toEqual([
    "i0 = $c",
  ]);
});

it.each([
  ["let n = 0n; n &&= 3n; return allow;", "3:13 P0309 the language has no `&&=` → write it out: `x = x && y`"],
  [
    "const o = { a: 1n }; o.a = 2n; return allow;",
    "3:22 P0309 only a variable can be assigned → objects and lists are constant; state is perProcess.value(…).set(…)",
  ],
  ["const [a] = [1n]; [a] = [2n]; return allow;", "3:19 P0309 only a variable can be assigned"],
  [
    "call.number++; return allow;",
    "3:1 P0309 only a variable can be counted up or down → perProcess.counter() and `.add()`",
  ],
  ["o = 2n; return allow;", "3:1 P0105 there is no `o` → declare it with const, or import it"],
  ["const n = 3n; n++; return allow;", "3:15 P0316 `n` is a constant → declare it with let"],
  ['let n = 1n; n = "x"; return allow;', "3:17 P0207 `n` is an integer and cannot become a string"],
  ['let n: "a" | "b" = "a"; n = "c"; return allow;', '3:29 P0207 `n` must be "a" | "b", not a string'],
  ["n = 3n; let n = 2n; return allow;", "3:1 P0320 `n` is used before its declaration (policy.ts:3:13 declared here)"],
  [
    "const f = (n: bigint) => { n = 2n; }; f(1n); return allow;",
    "3:28 P0316 `n` is a parameter and cannot be assigned → let copy = …, and assign to copy",
  ],
])("%s", (body, fault) => {
  expect(faults(body)).toEqual([`policy.ts:${fault}`]);
});

it("a module's variable is no state, and the report stands where it is declared", () => {
  expect(faults("k += 1n; return allow;", { head: "let k = 0n;" })).toEqual([
    "policy.ts:2:5 P0301 a module's variable cannot hold state: it has no scope and no rule for fork → const k = perProcess.counter(), and k.add(); or const, if it never changes",
  ]);
});
