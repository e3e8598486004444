import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  argument,
  boundaryWords,
  constant,
  eventOf,
  programOf,
  quiet,
  returnVerdict,
  sampleVerdicts,
} from "../../../test/differential/hand-made.ts";
import { Lockstep } from "../../../test/differential/lockstep.ts";
import { inputs } from "../../ir/inputs.ts";
import { normalise } from "../../ir/intervals.ts";
import type { BooleanExpression, IntegerExpression, Interval, Program, Statement } from "../../ir/program.ts";
import { binaryOperators, compareOperators } from "../../ir/testing/expressions.ts";
import { compileWasm } from "./compile.ts";

/** Runs calls with these arguments, one thread of one process; the comparison is in `step`. */
function run(program: Program, calls: readonly (readonly bigint[])[]): number[] {
  const lockstep = new Lockstep(program);
  const thread = lockstep.create("thread");
  const process = lockstep.create("process");
  return calls.map((given) => lockstep.step(thread, process, eventOf(1, ...given), quiet));
}

/** A program that reports the values of the expressions. */
function reporting(values: readonly IntegerExpression[], parts: Partial<Program> = {}): Program {
  return programOf({
    reports: [
      {
        text: "values",
        values: values.map((_, index) => ({ name: `v${index}`, print: "unsigned" as const })),
        at: undefined,
      },
    ],
    body: [{ kind: "report", report: 0, values }, returnVerdict(0)],
    ...parts,
  });
}

const asInteger = (value: BooleanExpression): IntegerExpression => ({ kind: "from-boolean", value });

const pairs = boundaryWords.flatMap((left) => boundaryWords.map((right) => [left, right] as const));

describe("integers", () => {
  test("every binary operator on every pair of boundary words", () => {
    const expressions = binaryOperators.map(
      (operator): IntegerExpression => ({ kind: "binary", operator, left: argument(0), right: argument(1) }),
    );
    run(reporting(expressions), pairs);
  });

  test("every binary operator with a constant on the right: divisions omit their guards where that is safe", () => {
    for (const right of boundaryWords) {
      const expressions = binaryOperators.map(
        (operator): IntegerExpression => ({ kind: "binary", operator, left: argument(0), right: constant(right) }),
      );
      run(
        reporting(expressions),
        boundaryWords.map((word) => [word]),
      );
    }
  });

  test("extension of arguments, which are loaded narrow, and of other operands", () => {
    const widths = [8, 16, 32] as const;
    const expressions = widths.flatMap((width) =>
      [true, false].flatMap((signed) =>
        [argument(0), { kind: "binary", operator: "xor", left: argument(0), right: constant(-1n) } as const].map(
          (value): IntegerExpression => ({ kind: "extend", width, signed, value }),
        ),
      ),
    );
    run(
      reporting(expressions),
      boundaryWords.map((word) => [word]),
    );
  });

  test("every input, whole and extended", () => {
    const whole = inputs.map((input): IntegerExpression => ({ kind: "input", input }));
    const extended = whole.flatMap((value) =>
      ([8, 16, 32] as const).flatMap((width) =>
        [true, false].map((signed): IntegerExpression => ({ kind: "extend", width, signed, value })),
      ),
    );
    const lockstep = new Lockstep(reporting([...whole, ...extended]));
    const thread = lockstep.create("thread");
    const process = lockstep.create("process");
    const high = 0xffff_fffe;
    lockstep.step(thread, process, eventOf(0x7fff_8081, 1n, 2n, -3n, 4n, 5n, 1n << 63n), {
      now: (1n << 63n) - 1n,
      pid: high,
      tid: high - 1,
      uid: high + 1,
      gid: 0x8080_8080,
      alive: 77n,
    });
  });

  test("a select with a branch and one without", () => {
    const condition: BooleanExpression = {
      kind: "compare",
      operator: "less-unsigned",
      left: argument(0),
      right: constant(100n),
    };
    const deep: IntegerExpression = {
      kind: "binary",
      operator: "divide-unsigned",
      left: constant(1000n),
      right: argument(0),
    };
    run(
      reporting([
        { kind: "select", condition, then: argument(1), otherwise: constant(5n) },
        { kind: "select", condition, then: deep, otherwise: argument(1) },
      ]),
      pairs,
    );
  });
});

describe("booleans", () => {
  test("every comparison of every pair of boundary words", () => {
    const expressions = compareOperators.map((operator) =>
      asInteger({ kind: "compare", operator, left: argument(0), right: argument(1) }),
    );
    run(reporting(expressions), pairs);
  });

  test("all and any of none, one and many", () => {
    const bits = [0, 1, 2].map(
      (bit): BooleanExpression => ({
        kind: "compare",
        operator: "not-equal",
        left: { kind: "binary", operator: "and", left: argument(0), right: constant(1n << BigInt(bit)) },
        right: constant(0n),
      }),
    );
    const expressions = [0, 1, 2, 3].flatMap((count) =>
      (["all", "any"] as const).flatMap((kind) => {
        const whole: BooleanExpression = { kind, of: bits.slice(0, count) };
        return [asInteger(whole), asInteger({ kind: "not", value: whole })];
      }),
    );
    run(
      reporting(expressions),
      [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n].map((word) => [word]),
    );
  });

  test("within, in each of its forms", () => {
    const word = fc.oneof(
      fc.bigInt({ min: 0n, max: 80n }),
      fc.bigInt({ min: 0n, max: 9000n }),
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      fc.constantFrom(...boundaryWords),
    );
    const intervals = fc
      .tuple(word, fc.array(fc.tuple(word, fc.bigInt({ min: 0n, max: 40n })), { minLength: 1, maxLength: 40 }))
      .map(([base, starts]) =>
        normalise(
          starts.map(([start, length]): Interval => {
            const from = BigInt.asUintN(64, base + start);
            const to = from + length;
            return { from, to: to >= 1n << 64n ? (1n << 64n) - 1n : to };
          }),
        ),
      );
    fc.assert(
      fc.property(intervals, (set) => {
        const near = set.flatMap(({ from, to }) => [from - 1n, from, from + 1n, to - 1n, to, to + 1n]);
        run(
          reporting([asInteger({ kind: "within", value: argument(0), intervals: set })]),
          [...near, ...boundaryWords].map((value) => [value]),
        );
      }),
      { numRuns: 60 },
    );
  });
});

describe("verdicts", () => {
  test("the strictest, and the first of equals, for all triples", () => {
    const indexes = sampleVerdicts.map((_, index) => index);
    const cases = indexes.flatMap((a) => indexes.flatMap((b) => indexes.map((c) => [a, b, c] as const)));
    const program = programOf({
      locals: ["verdict", "verdict", "verdict"],
      body: [
        ...([0, 1, 2] as const).map(
          (local): Statement => ({
            kind: "switch",
            value: argument(local),
            arms: indexes.map((index) => ({
              intervals: [{ from: BigInt(index), to: BigInt(index) }],
              body: [{ kind: "set-verdict", local, value: { kind: "verdict", verdict: index } }],
            })),
            otherwise: [],
          }),
        ),
        {
          kind: "return",
          verdict: { kind: "strictest", of: [0, 1, 2].map((local) => ({ kind: "verdict-local" as const, local })) },
        },
      ],
    });
    run(
      program,
      cases.map((triple) => triple.map(BigInt)),
    );
  });
});

describe("control", () => {
  test("a switch, sparse and dense, with arms that overlap and arms of several intervals", () => {
    const start = fc.oneof(fc.bigInt({ min: 0n, max: 400n }), fc.constantFrom(...boundaryWords));
    const interval = fc.tuple(start, fc.bigInt({ min: 0n, max: 5n })).map(([from, length]): Interval => {
      const to = from + length;
      return { from, to: to >= 1n << 64n ? (1n << 64n) - 1n : to };
    });
    const arms = fc.array(fc.array(interval, { minLength: 1, maxLength: 3 }).map(normalise), { maxLength: 60 });
    fc.assert(
      fc.property(arms, (sets) => {
        const program = programOf({
          locals: ["integer"],
          reports: [{ text: "arm", values: [{ name: "arm", print: "unsigned" }], at: undefined }],
          body: [
            {
              kind: "switch",
              value: argument(0),
              arms: sets.map((intervals, index) => ({
                intervals,
                body: [{ kind: "set-integer", local: 0, value: constant(BigInt(index + 1)) }],
              })),
              otherwise: [{ kind: "set-integer", local: 0, value: constant(-1n) }],
            },
            { kind: "report", report: 0, values: [{ kind: "local", local: 0 }] },
            returnVerdict(0),
          ],
        });
        const words = sets.flat().flatMap(({ from, to }) => [from - 1n, from, to, to + 1n]);
        run(
          program,
          [...words, ...boundaryWords].map((word) => [word]),
        );
      }),
      { numRuns: 60 },
    );
  });

  test("leaving a block from inside others, with state changed on the way", () => {
    const isArgument = (value: bigint): BooleanExpression => ({
      kind: "compare",
      operator: "equal",
      left: argument(0),
      right: constant(value),
    });
    const note = (value: bigint): Statement => ({
      kind: "store",
      cell: 0,
      value: {
        kind: "binary",
        operator: "add",
        left: { kind: "binary", operator: "multiply", left: { kind: "cell", cell: 0 }, right: constant(10n) },
        right: constant(value),
      },
    });
    const program = programOf({
      cells: [{ name: "trail", scope: "process", kind: { is: "value" }, initial: 7n, onFork: "copy", at: undefined }],
      body: [
        {
          kind: "block",
          label: 5,
          body: [
            note(1n),
            {
              kind: "block",
              label: 9,
              body: [
                {
                  kind: "if",
                  condition: isArgument(1n),
                  then: [note(2n), { kind: "leave", label: 5 }],
                  otherwise: [
                    {
                      kind: "switch",
                      value: argument(0),
                      arms: [
                        { intervals: [{ from: 2n, to: 2n }], body: [note(3n), { kind: "leave", label: 9 }] },
                        { intervals: [{ from: 3n, to: 3n }], body: [note(4n), returnVerdict(3)] },
                      ],
                      otherwise: [note(5n)],
                    },
                  ],
                },
                note(6n),
              ],
            },
            note(7n),
          ],
        },
        note(8n),
        returnVerdict(2),
      ],
    });
    expect(run(program, [[0n], [1n], [2n], [3n], [4n]])).toEqual([2, 2, 2, 3, 2]);
  });
});

test("the same program gives the same bytes", () => {
  const program = reporting([argument(0)]);
  expect(compileWasm(program).module).toEqual(compileWasm(structuredClone(program)).module);
});
