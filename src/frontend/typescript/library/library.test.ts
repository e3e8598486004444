import { describe, expect, it } from "vitest";
import { compiled, faults, step } from "../../testing/compiled.ts";

it("duration is a number of nanoseconds", () => {
  expect(step('report("r", { a: duration("5us"), b: duration("2h") }); return allow;')[0]).toBe(
    `report 0 (5000, 0x${7_200_000_000_000n.toString(16)})`,
  );
});

describe("a report", () => {
  it("has a text, and values with the form in which they are printed", () => {
    const values = "{ a: call.raw.arg0, b: call.raw.arg0 > 3n, c: BigInt.asIntN(32, call.raw.arg0) }";
    expect(compiled(`report("seen", ${values}); return allow;`).program!.reports).toMatchObject([
      {
        text: "seen",
        values: [
          { name: "a", print: "unsigned" },
          { name: "b", print: "boolean" },
          { name: "c", print: "signed" },
        ],
        at: { line: 3, column: 1 },
      },
    ]);
  });

  it("that no call reaches has no entry", () => {
    const head = 'const on = parameter.flag("on", { default: false });';
    expect(compiled('if (on) report("x"); return allow;', { head }).program!.reports).toEqual([]);
  });
});

it.each([
  [
    "report(5n)",
    '3:8 P0207 a report has a constant string and optional values → report("a fork", { pid: call.caller.pid })',
  ],
  ['report("x", 5n)', "3:13 P0207 the values of a report are an object, not an integer"],
  ['report("x", { a: "y" })', "3:13 P0207 `a` of a report is an integer or a boolean, not a string"],
  [
    `report("x", { ${Array.from({ length: 17 }, (_, index) => `a${index}: 1n`).join(", ")} })`,
    "3:13 P0213 a report of 17 values → at most 16",
  ],
  [
    'duration("5 s")',
    '3:10 P0214 "5 s" is not a duration → a number and a unit: "50ms", "1s", "10min" (ns, us, ms, s, min, h)',
  ],
  [
    "duration(5n)",
    '3:10 P0207 `duration` takes a constant string → a number and a unit: "50ms", "1s", "10min" (ns, us, ms, s, min, h)',
  ],
  ["now(1n)", "3:1 P0212 `.now` takes no arguments, and gets 1"],
  [
    "BigInt.asUintN(63, call.raw.arg0)",
    "3:16 P0213 the number of bits is the literal 8, 16, 32 or 64 → BigInt.asUintN(64, x)",
  ],
  ["BigInt.asUintN(64)", "3:1 P0212 BigInt.asUintN takes a number of bits and an integer → BigInt.asUintN(64, x)"],
  ['BigInt.asIntN(64, "x")', "3:19 P0207 BigInt.asIntN takes an integer, not a string"],
])("a fault of a function: %s", (call, fault) => {
  expect(faults(`${call}; return allow;`)).toEqual([`policy.ts:${fault}`]);
});

it("the clock is known only in the step", () => {
  expect(faults("return allow;", { head: "const start = now();" })).toEqual([
    "policy.ts:2:15 P0319 state is known only at each call, not at the top of a module → inside the function that is given to policy(…)",
  ]);
});
