import { describe, expect, it } from "vitest";
import { compiled, faults, step } from "../../testing/compiled.ts";

describe("a set of calls", () => {
  it("has groups and names, and .without takes both away", () => {
    const head = 'const s = calls("@timer", "read", "write").without("write", "@timer");';
    expect(step("return s.has(call) ? trap() : allow;", { head })[0]).toBe("if number == read");
  });

  it("of a family has its calls on this architecture", () => {
    expect(step("return calls.open.has(call) ? trap() : allow;")[0]).toBe(
      "if number in {open, creat, openat, openat2}",
    );
    expect(step("return calls.open.has(call) ? trap() : allow;", { architecture: "aarch64" })[0]).toBe(
      "if number in {openat, openat2}",
    );
  });

  it("narrows the call for the code that follows", () => {
    const head = 'const s = calls("read", "write");';
    expect(step("return s.has(call) && call.args.fd > 2n ? trap() : allow;", { head })[0]).toBe(
      "if (number in {read, write} and 2 <u u32(argument0))",
    );
    expect(faults('if (!s.has(call)) return allow; return call.name === "mmap" ? log : allow;', { head })).toEqual([
      'policy.ts:4:40 P0204 never true: the call cannot be "mmap" here → it can be read, write',
    ]);
  });

  it("that contains no call of this architecture is a warning", () => {
    const head = 'const s = calls("open", "creat");';
    const { diagnostics, program } = compiled("return s.has(call) ? trap() : allow;", {
      head,
      architecture: "aarch64",
    });
    expect(diagnostics.map(({ code, message }) => `${code} ${message}`)).toEqual([
      "P0505 aarch64 has none of these calls: this is never true",
    ]);
    expect(program!.verdicts.map(({ action }) => action)).toEqual(["allow", "allow"]);
  });
});

it.each([
  ["calls()", '2:11 P0212 `calls()` needs the name of a call → name at least one: calls("openat")'],
  ['calls("opne")', '2:17 P0101 no system call is named "opne" → write "open" (x86_64 2)'],
  ["calls(call)", "2:17 P0105 there is no `call` → did you mean `calls`?"],
  ['calls("read").without()', '2:11 P0212 `without()` needs the name of a call → name at least one: calls("openat")'],
  ['calls("@timers")', '2:17 P0101 there is no group of calls "@timers" → write "@timer"'],
])("a fault of a set: %s", (set, fault) => {
  expect(faults("return allow;", { head: `const s = ${set};` })).toEqual([`policy.ts:${fault}`]);
});

it.each([
  ['s.has("read")', "4:14 P0207 `.has` takes the call, not a string → set.has(call), not its name"],
  ["s.has(call, call)", "4:8 P0212 `.has` takes the call"],
])("a fault of a set's method: %s", (test, fault) => {
  expect(faults(`return ${test} ? log : allow;`, { head: 'const s = calls("read");' })).toEqual([`policy.ts:${fault}`]);
});
