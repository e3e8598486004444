/** Every operator × operand width × place of a constant, at boundary values, on the running kernel. */

import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../../abi/architecture.ts";
import { splitPolicy } from "../../../analysis/split/split.ts";
import type { Circumstances, EvaluationState, SystemCallEvent } from "../../../ir/evaluation.ts";
import { evaluate } from "../../../ir/interpreter.ts";
import type {
  BinaryOperator,
  BooleanExpression,
  CompareOperator,
  IntegerExpression,
  Program,
} from "../../../ir/program.ts";
import { emptyLists, freshState } from "../../../ir/testing/parts.ts";
import { compileEbpf } from "../compile.ts";
import { KernelTrial } from "../testing/trial.ts";
import { trialTarget } from "../testing/trial-target.ts";
import { conditions, operators } from "./operators.ts";

const values = [
  ...new Set(
    [0n, 1n << 7n, 1n << 8n, 1n << 15n, 1n << 16n, 1n << 31n, 1n << 32n, 1n << 63n]
      .flatMap((corner) => [corner - 1n, corner, corner + 1n, -corner])
      .concat(63n, 64n, 65n, 0x0123_4567_89ab_cdefn)
      .map((value) => BigInt.asUintN(64, value)),
  ),
];

const first: IntegerExpression = { kind: "input", input: "argument0" };
const second: IntegerExpression = { kind: "input", input: "argument1" };

const widths: readonly [string, (of: IntegerExpression) => IntegerExpression][] = [
  ["64 bits", (value) => value],
  ...([8, 16, 32] as const).flatMap((width) =>
    [false, true].map((signed): [string, (of: IntegerExpression) => IntegerExpression] => [
      `${width} bits, ${signed ? "signed" : "unsigned"}`,
      (value) => ({ kind: "extend", width, signed, value }),
    ]),
  ),
];

const fromBoolean = (value: BooleanExpression): IntegerExpression => ({ kind: "from-boolean", value });

/** The tested operations, as functions of two operands. */
const operations: readonly [string, (left: IntegerExpression, right: IntegerExpression) => IntegerExpression][] = [
  ...(Object.keys(operators) as BinaryOperator[]).map((operator): (typeof operations)[number] => [
    operator,
    (left, right) => ({ kind: "binary", operator, left, right }),
  ]),
  ...(Object.keys(conditions) as CompareOperator[]).flatMap((operator): (typeof operations)[number][] => [
    [operator, (left, right) => fromBoolean({ kind: "compare", operator, left, right })],
    [
      `${operator} of a masked operand`,
      (left, right) =>
        fromBoolean({
          kind: "compare",
          operator,
          left: { kind: "binary", operator: "and", left, right },
          right: { kind: "constant", value: 0n },
        }),
    ],
  ]),
];

/** A program with one call number for each expression, which it stores in its only cell. */
function programOf(expressions: readonly IntegerExpression[]): Program {
  const at = undefined;
  const allow = { kind: "return", verdict: { kind: "verdict", verdict: 0 } } as const;
  return {
    architecture: "x86_64",
    name: "operators",
    files: [],
    admission: { always: [], judged: [{ from: 0n, to: BigInt(expressions.length) }] },
    verdicts: [{ action: "allow", errno: 0, reason: undefined, at }],
    ...emptyLists,
    cells: [{ name: "result", scope: "tree", kind: { is: "value" }, initial: 0n, onFork: "fresh", at }],
    body: [
      {
        kind: "switch",
        value: { kind: "input", input: "number" },
        arms: expressions.map((value, index) => ({
          intervals: [{ from: BigInt(index), to: BigInt(index) }],
          body: [{ kind: "store", cell: 0, value }, allow],
        })),
        otherwise: [allow],
      },
    ],
  };
}

const circumstances: Circumstances = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };

describe("operators", () => {
  for (const [name, operation] of operations) {
    it(`${name}: has the interpreter's result on the kernel`, (context) => {
      if (process.getuid?.() !== 0) context.skip("loading a program of type BPF_PROG_TYPE_SYSCALL needs root");
      const expressions = widths.flatMap(([, widen], index) => {
        // Combines every constant with the whole word, and a subset with its parts.
        const constants = index === 0 ? values : values.filter((_, at) => at % 3 === index % 3);
        return [
          operation(widen(first), widen(second)),
          ...constants.flatMap((value) => {
            const constant: IntegerExpression = { kind: "constant", value };
            return [operation(widen(first), constant), operation(constant, widen(first))];
          }),
        ];
      });
      const program = programOf(expressions);
      const object = compileEbpf(program, splitPolicy(program, { superviseProcessCreation: false }), trialTarget);
      const trial = new KernelTrial(program, object.instructions);
      const state: EvaluationState = freshState(program);
      try {
        for (let number = 0; number < expressions.length; number += 1) {
          values.forEach((value, index) => {
            const other = values[(index * 7 + number) % values.length]!;
            const event: SystemCallEvent = {
              number,
              architecture: auditArchitecture.x86_64,
              instructionPointer: 0n,
              arguments: [value, other, 0n, 0n, 0n, 0n],
            };
            const wanted = evaluate(program, event, circumstances, state);
            const outcome = trial.evaluate(event, circumstances);
            const [got, expected] = [trial.state("tree")[0]!, state.tree.cells[0]!];
            if (outcome.result !== wanted.verdict || got !== expected)
              expect.fail(
                `${JSON.stringify(expressions[number], hexadecimal)}: ${value}, ${other} → ${got}, not ${expected}`,
              );
          });
        }
      } finally {
        trial.close();
      }
    });
  }
});

function hexadecimal(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? `0x${value.toString(16)}` : value;
}
