import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { property } from "../../../ir/testing/property.ts";
import { compiled, faults, faultsOf, judge, programOf, step } from "../../testing/compiled.ts";

const calculate: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
  "&": (a, b) => a & b,
  "|": (a, b) => a | b,
  "^": (a, b) => a ^ b,
  "<<": (a, b) => a << b,
  ">>": (a, b) => a >> b,
  "**": (a, b) => a ** b,
};

const edges = [0n, 1n, 2n, 3n, 7n, 31n, 32n, 63n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n];
const constant = fc.oneof(
  fc.constantFrom(...edges, -1n, -2n, -63n, -(2n ** 31n), -(2n ** 63n)),
  fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n),
);
const written = (value: bigint): string => (value < 0n ? `(${value}n)` : `${value}n`);

/** JavaScript's result, or undefined where the language has none. */
function resultOf(operator: string, a: bigint, b: bigint): bigint | undefined {
  if (operator === "**" && (b < 0n || b > 64n)) return undefined;
  if ((operator === "<<" || operator === ">>") && (b < 0n || b > 63n)) return undefined;
  // No 64-bit type holds a negative and a large operand.
  const isMixed = (a < 0n || b < 0n) && (a >= 2n ** 63n || b >= 2n ** 63n);
  if ((operator === "/" || operator === "%") && (b === 0n || isMixed)) return undefined;
  const result = calculate[operator]!(a, b);
  return result >= -(2n ** 63n) && result < 2n ** 64n ? result : undefined;
}

property([fc.constantFrom(...Object.keys(calculate)), constant, constant])(
  "constants are computed as in JavaScript, or refused",
  (operator, a, b) => {
    const loaded = compiled(`report("it", { it: ${written(a)} ${operator} ${written(b)} }); return allow;`);
    const result = resultOf(operator, a, b);
    if (result === undefined) expect(faultsOf(loaded).join()).toMatch(/^policy\.ts:3:\d+ P0(?:203|209|210|310) /);
    else
      expect(loaded.program!.body[0]).toMatchObject({
        values: [{ kind: "constant", value: BigInt.asUintN(64, result) }],
      });
  },
);

/** Operands in the language and here, which with these operators have a result for every word. */
type Form = readonly [text: string, value: (a: bigint, b: bigint) => bigint];
const any: readonly Form[] = [
  ["call.raw.arg0", (a) => a],
  ["BigInt.asIntN(64, call.raw.arg1)", (_, b) => BigInt.asIntN(64, b)],
  ["BigInt.asIntN(32, call.raw.arg0)", (a) => BigInt.asIntN(32, a)],
  ["(-3n)", () => -3n],
];
const small: readonly Form[] = [
  ["(call.raw.arg1 & 63n)", (_, b) => b & 63n],
  ["5n", () => 5n],
];
const signed: readonly Form[] = any.slice(1);
const operations: readonly (readonly [operators: readonly string[], left: readonly Form[], right: readonly Form[]])[] =
  [
    [["+", "-", "*", "&", "|", "^"], any, any],
    [["<<", ">>"], any, small],
    [["/", "%"], [["call.raw.arg0", (a) => a]], [["((call.raw.arg1 & 63n) + 1n)", (_, b) => (b & 63n) + 1n]]],
    [
      ["/", "%"],
      signed,
      [
        ["(-3n)", () => -3n],
        ["7n", () => 7n],
      ],
    ],
  ];
const operation = fc
  .constantFrom(...operations)
  .chain(([operators, left, right]) =>
    fc.tuple(fc.constantFrom(...operators), fc.constantFrom(...left), fc.constantFrom(...right)),
  );
const word = fc.oneof(fc.constantFrom(...edges), fc.bigInt(0n, 2n ** 64n - 1n));

property([operation, fc.array(fc.tuple(word, word), { minLength: 6, maxLength: 6 })])(
  "the low 64 bits of an operation are those of JavaScript",
  ([operator, [left, leftOf], [right, rightOf]], words) => {
    const program = programOf(
      `return BigInt.asUintN(64, ${left} ${operator} ${right}) === call.raw.arg2 ? trap() : allow;`,
    );
    const ask = judge(program);
    for (const [a, b] of words) {
      const result = BigInt.asUintN(64, calculate[operator]!(leftOf(a, b), rightOf(a, b)));
      expect([ask([a, b, result]), ask([a, b, result ^ 1n])]).toEqual(["trap", "allow"]);
    }
  },
);

describe("an operation that needs more than 64 bits is a fault", () => {
  const wrap = "or BigInt.asUintN(64, …) if wrapping is intended";
  it.each([
    [
      "call.raw.arg0 + 1n",
      "3:8 P0203 this sum can exceed 64 bits (1 … 18446744073709551616): a huge `arg0` would pass below a limit → test first: `a > limit || b > limit - a`; " +
        wrap,
    ],
    [
      "call.raw.arg0 - 1n",
      `3:8 P0203 this difference can exceed 64 bits (−1 … 18446744073709551614) → test first: \`a >= b ? a - b : 0n\`; ${wrap}`,
    ],
    [
      "(call.raw.arg0 & 3n) * call.raw.arg1",
      `3:8 P0203 this product can exceed 64 bits (0 … 55340232221128654845) → test its parts first; ${wrap}`,
    ],
    [
      "-call.raw.arg0",
      "3:8 P0203 this can exceed 64 bits (−18446744073709551615 … 0) → test it first, which narrows its range",
    ],
    [
      "~call.raw.arg0",
      "3:8 P0203 this can exceed 64 bits (−18446744073709551616 … −1) → BigInt.asUintN(64, ~BigInt.asIntN(64, …)) inverts 64 bits",
    ],
    [
      "call.raw.arg0 / -2n",
      "3:8 P0203 one side can be negative and the other above 2^63 − 1: no 64-bit type holds both → test one of them first; or BigInt.asIntN(64, …)",
    ],
  ])("%s", (operation, fault) => {
    expect(faults(`return ${operation} > 5n ? allow : log;`)).toEqual([`policy.ts:${fault}`]);
  });

  it.each([
    ["if (call.raw.arg0 > 100n) return log;", "call.raw.arg0 + 1n", "(argument0 + 1)"],
    ["if (call.raw.arg0 < call.raw.arg1) return log;", "call.raw.arg0 - call.raw.arg1", "(argument0 - argument1)"],
    ["if (call.raw.arg0 === 0n) return log;", "call.raw.arg1 / call.raw.arg0", "(argument1 /u argument0)"],
    ["if (call.raw.arg1 > 63n) return log;", "call.raw.arg0 >> call.raw.arg1", "(argument0 >>u argument1)"],
  ])("but not after %s", (test, operation, printed) => {
    expect(step(`${test} return ${operation} === 7n ? trap() : allow;`)[2]).toBe(`if ${printed} == 7`);
  });
});
