/**
 * Tests every operator and width at boundary values and their products. The oracle uses the definitions alone
 * (BigInt.asIntN and asUintN), none of the implementation.
 */

import { describe, expect, it } from "vitest";
import type { SystemCallEvent } from "./evaluation.ts";
import { evaluate } from "./interpreter.ts";
import type { BinaryOperator, CompareOperator, IntegerExpression, Program } from "./program.ts";
import { freshState } from "./testing/parts.ts";

const u = (value: bigint) => BigInt.asUintN(64, value);
const s = (value: bigint) => BigInt.asIntN(64, value);

const values = [
  ...new Set(
    [0n, 1n << 7n, 1n << 8n, 1n << 15n, 1n << 16n, 1n << 31n, 1n << 32n, 1n << 62n, 1n << 63n]
      .flatMap((corner) => [corner - 2n, corner - 1n, corner, corner + 1n, corner + 2n, -corner])
      .concat(3n, 10n, 63n, 64n, 65n, 0x0123_4567_89ab_cdefn, 0xaaaa_aaaa_aaaa_aaaan)
      .map(u),
  ),
];

/** Division that truncates towards zero, from magnitudes. */
function divideSigned(a: bigint, b: bigint): bigint {
  const magnitude = (s(a) < 0n ? -s(a) : s(a)) / (s(b) < 0n ? -s(b) : s(b));
  return u(s(a) < 0n === s(b) < 0n ? magnitude : -magnitude);
}

/** Works bit by bit, so that the oracle does not use the operator under test. */
function bitwise(a: bigint, b: bigint, combine: (a: boolean, b: boolean) => boolean): bigint {
  let result = 0n;
  for (let bit = 0n; bit < 64n; bit++) {
    if (combine((a / 2n ** bit) % 2n === 1n, (b / 2n ** bit) % 2n === 1n)) result += 2n ** bit;
  }
  return result;
}

const binaryOracle: { readonly [O in BinaryOperator]: (a: bigint, b: bigint) => bigint } = {
  add: (a, b) => (a + b) % 2n ** 64n,
  subtract: (a, b) => (a - b + 2n ** 64n) % 2n ** 64n,
  multiply: (a, b) => (a * b) % 2n ** 64n,
  "divide-unsigned": (a, b) => (b === 0n ? 0n : a / b),
  "divide-signed": (a, b) => (b === 0n ? 0n : divideSigned(a, b)),
  "remainder-unsigned": (a, b) => (b === 0n ? a : a - (a / b) * b),
  "remainder-signed": (a, b) => (b === 0n ? a : u(s(a) - s(divideSigned(a, b)) * s(b))),
  and: (a, b) => bitwise(a, b, (x, y) => x && y),
  or: (a, b) => bitwise(a, b, (x, y) => x || y),
  xor: (a, b) => bitwise(a, b, (x, y) => x !== y),
  "shift-left": (a, b) => (a * 2n ** (b % 64n)) % 2n ** 64n,
  "shift-right-unsigned": (a, b) => a / 2n ** (b % 64n),
  // Rounds towards minus infinity: the sign comes in from above.
  "shift-right-signed": (a, b) => {
    const by = 2n ** (b % 64n);
    return u(s(a) >= 0n ? s(a) / by : -((-s(a) + by - 1n) / by));
  },
};

const compareOracle: { readonly [O in CompareOperator]: (a: bigint, b: bigint) => boolean } = {
  equal: (a, b) => a - b === 0n,
  "not-equal": (a, b) => a - b !== 0n,
  "less-unsigned": (a, b) => a - b < 0n,
  "less-or-equal-unsigned": (a, b) => a - b <= 0n,
  "less-signed": (a, b) => s(a) - s(b) < 0n,
  "less-or-equal-signed": (a, b) => s(a) - s(b) <= 0n,
};

const x: IntegerExpression = { kind: "input", input: "argument0" };
const y: IntegerExpression = { kind: "input", input: "argument1" };

/** Returns a function that evaluates the expressions on two arguments. */
function evaluator(expressions: readonly IntegerExpression[]): (a: bigint, b: bigint) => readonly bigint[] {
  const program: Program = {
    architecture: "x86_64",
    name: "operators",
    files: [],
    admission: { always: [], judged: [{ from: 0n, to: 0n }] },
    verdicts: [{ action: "allow", errno: 0, reason: undefined, at: undefined }],
    cells: [],
    tables: [],
    rooms: [],
    reports: [{ text: "", values: expressions.map(() => ({ name: "", print: "unsigned" })), at: undefined }],
    parameters: [],
    observations: [],
    words: [],
    locals: [],
    readOnlyProc: false,
    objects: [],
    hosts: [],
    body: [
      { kind: "report", report: 0, values: expressions },
      { kind: "return", verdict: { kind: "verdict", verdict: 0 } },
    ],
  };
  const state = freshState(program);
  const circumstances = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };
  return (a, b) => {
    const event: SystemCallEvent = {
      number: 0,
      architecture: 0xc000_003e,
      instructionPointer: 0n,
      arguments: [a, b, 0n, 0n, 0n, 0n],
    };
    return evaluate(program, event, circumstances, state).reports[0]!.values;
  };
}

/** Throws at the first operands that disagree: a hundred thousand `expect`s would be slow. */
function agree(evaluated: (a: bigint, b: bigint) => readonly bigint[], oracle: (a: bigint, b: bigint) => bigint) {
  for (const a of values) {
    for (const b of values) {
      const wanted = oracle(a, b);
      const got = evaluated(a, b)[0];
      if (got !== wanted) expect.fail(`of ${a} and ${b}: ${got}, not ${wanted}`);
    }
  }
}

describe("binary operators", () => {
  it.each(Object.keys(binaryOracle) as BinaryOperator[])("%s", (operator) => {
    agree(evaluator([{ kind: "binary", operator, left: x, right: y }]), binaryOracle[operator]);
  });
});

describe("comparisons", () => {
  it.each(Object.keys(compareOracle) as CompareOperator[])("%s", (operator) => {
    const oracle = compareOracle[operator];
    agree(evaluator([{ kind: "from-boolean", value: { kind: "compare", operator, left: x, right: y } }]), (a, b) =>
      oracle(a, b) ? 1n : 0n,
    );
  });
});

describe("extensions", () => {
  it.each(([8, 16, 32] as const).flatMap((width) => [true, false].map((signed) => ({ width, signed }))))(
    "$width bits, signed: $signed",
    ({ width, signed }) => {
      const oracle = (a: bigint) => (signed ? u(BigInt.asIntN(width, a)) : BigInt.asUintN(width, a));
      agree(evaluator([{ kind: "extend", width, signed, value: x }]), oracle);
    },
  );

  it("an operator under an extension under an operator, for every operator and width", () => {
    for (const operator of Object.keys(binaryOracle) as BinaryOperator[]) {
      for (const width of [8, 16, 32] as const) {
        const inner: IntegerExpression = { kind: "binary", operator, left: x, right: y };
        const extended: IntegerExpression = { kind: "extend", width, signed: true, value: inner };
        agree(evaluator([{ kind: "binary", operator, left: extended, right: y }]), (a, b) =>
          binaryOracle[operator](u(BigInt.asIntN(width, binaryOracle[operator](a, b))), b),
        );
      }
    }
  });
});
