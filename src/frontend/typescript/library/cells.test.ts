import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maximumSigned } from "../../../abi/word.ts";
import { property } from "../../../ir/testing/property.ts";
import { faults, judge, programOf, step } from "../../testing/compiled.ts";

const amount = fc.oneof(
  fc.bigInt(0n, 3n),
  fc.constantFrom(maximumSigned, 2n ** 63n, 2n ** 64n - 1n),
  fc.bigInt(0n, 2n ** 64n - 1n),
);

describe("a counter", () => {
  const head = (start: bigint) => `const c = perTree.counter(${start}n);`;

  const starts = [0n, 5n, maximumSigned - 1n];
  const body = `const n = call.raw.arg0 === 1n ? c.add(call.raw.arg1) : c.subtract(call.raw.arg1);
    return n === call.raw.arg2 && c.get() === call.raw.arg2 ? trap() : kill("thread");`;
  const programs = new Map(starts.map((start) => [start, programOf(body, { head: head(start) })]));

  property([fc.constantFrom(...starts), fc.array(fc.tuple(fc.boolean(), amount), { maxLength: 8 })])(
    "counts from 0 to 2^63 - 1, and stops at both ends",
    (start, changes) => {
      const ask = judge(programs.get(start)!);
      let count = start;
      for (const [isAdded, by] of changes) {
        const exact = isAdded ? count + by : count - by;
        count = exact < 0n ? 0n : exact > maximumSigned ? maximumSigned : exact;
        expect(ask([isAdded ? 1n : 0n, by, count])).toBe("trap");
      }
    },
  );

  it("counts by one without an amount, and gives the new count, which keeps", () => {
    expect(
      step("const n = c.add(); c.subtract(2n); return n > 3n ? trap() : kill(`thread`);", { head: head(0n) }),
    ).toEqual([
      "i0 = ((0x7fffffffffffffff - $c) <u 1 ? 0x7fffffffffffffff : ($c + 1))",
      "$c = i0",
      "i1 = ($c <u 2 ? 0 : ($c - 2))",
      "$c = i1",
      "if 3 <u i0",
      "  return 1 trap",
      "else",
      "  return 2 kill thread",
    ]);
  });

  it("is 0 after the subtraction of more than it can hold", () => {
    expect(faults("return c.subtract(0x8000_0000_0000_0000n) > 0n ? trap() : allow;", { head: head(0n) })).toEqual([
      "policy.ts:4:8 P0204 never true: `c.subtract(0x8000_0000_0000_0000n)` is 0, and 0 decides it",
    ]);
  });

  it("that has just counted is positive", () => {
    expect(faults("return c.add() > 0n ? trap() : allow;", { head: head(0n) })).toEqual([
      "policy.ts:4:8 P0204 always true: `c.add()` is 1 … 9223372036854775807, and 0 lies outside",
    ]);
  });
});

it("a flag is one word, 0 or 1", () => {
  const head = "const f = perTree.flag(true);";
  const body = "if (f.get()) f.set(call.raw.arg0 > 3n); return f.get() ? trap() : kill(`thread`);";
  expect(step(body, { head })).toEqual([
    "if $f != 0",
    "  $f = integer(3 <u argument0)",
    "if $f != 0",
    "  return 1 trap",
    "else",
    "  return 2 kill thread",
  ]);
  const ask = judge(programOf(body, { head }));
  expect([ask([9n]), ask([3n]), ask([9n])]).toEqual(["trap", "kill-thread", "kill-thread"]);
});

it("a value holds any word", () => {
  const ask = judge(
    programOf("const was = v.get(); v.set(call.raw.arg0); return was === call.raw.arg1 ? trap() : allow;", {
      head: "const v = perTree.value(0xffff_ffff_ffff_ffffn);",
    }),
  );
  expect([ask([7n, 2n ** 64n - 1n]), ask([2n ** 63n, 7n]), ask([0n, 2n ** 63n])]).toEqual(["trap", "trap", "trap"]);
});

const head = "const c = perTree.counter(); const f = perTree.flag(); const v = perTree.value(0n);";
it.each([
  ["c.add(-1n)", "4:7 P0213 this amount can be negative (−1) → use `.subtract(…)`"],
  [
    "c.subtract(BigInt.asIntN(8, call.raw.arg0))",
    "4:12 P0213 this amount can be negative (−128 … 127) → use `.add(…)`",
  ],
  ["c.subtract(true)", "4:12 P0207 a counter counts by an integer, not a boolean"],
  ["c.add(1n, 2n)", "4:1 P0212 `.add` takes 0 to 1 arguments, and gets 2"],
  ["f.set(3n)", "4:7 P0207 a flag is true or false, not an integer"],
  [
    "v.set(-1n)",
    "4:7 P0213 the content of a value is 0 … 2^64 − 1, and this can be −1 → BigInt.asUintN(64, …) gives its 64 bits",
  ],
  ["v.set(`x`)", "4:7 P0207 the content of a value is an integer, not a string"],
])("a fault: %s", (call, fault) => {
  expect(faults(`${call}; return allow;`, { head })).toEqual([`policy.ts:${fault}`]);
});
