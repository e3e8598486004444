import { describe, expect, test } from "vitest";
import { argument, constant, eventOf, programOf, quiet } from "../../../test/differential/hand-made.ts";
import { Lockstep } from "../../../test/differential/lockstep.ts";
import type { BooleanExpression, IntegerExpression, Program, Statement, ValueType } from "../../ir/program.ts";
import { mostWasmLocals, placeVariables } from "./variables.ts";

const set = (local: number, value: bigint): Statement => ({ kind: "set-integer", local, value: constant(value) });
const local = (index: number): IntegerExpression => ({ kind: "local", local: index });
const integers = (count: number): ValueType[] => Array.from({ length: count }, () => "integer");
const report = (...values: IntegerExpression[]): Statement => ({ kind: "report", report: 0, values });
const done: Statement = { kind: "return", verdict: { kind: "verdict", verdict: 1 } };
const isArgument = (value: bigint): BooleanExpression => ({
  kind: "compare",
  operator: "equal",
  left: argument(0),
  right: constant(value),
});

function reporting(values: number, parts: Partial<Program>): Program {
  const declared = Array.from({ length: values }, (_, index) => ({ name: `v${index}`, print: "unsigned" as const }));
  return programOf({ reports: [{ text: "values", values: declared, at: undefined }], ...parts });
}

function run(program: Program, words: readonly bigint[]): void {
  const lockstep = new Lockstep(program);
  const thread = lockstep.create("thread");
  const process = lockstep.create("process");
  // Twice, to show that nothing remains from the previous evaluation.
  for (const word of [...words, ...words]) lockstep.step(thread, process, eventOf(1, word), quiet);
}

describe("locals", () => {
  test("with disjoint uses share a place", () => {
    const count = 1000;
    const body = Array.from({ length: count }, (_, index): Statement[] => [
      set(index, BigInt(index)),
      report(local(index)),
    ]);
    const program = reporting(1, { locals: integers(count), body: [...body.flat(), done] });
    expect(placeVariables(program).count).toEqual({ i64: 1, i32: 0 });
    run(program, [0n]);
  });

  test("that are read before they are set are 0, even in a shared place", () => {
    // 0 is dead before; 1 is set in one arm only and read in both and after; 2 is never set.
    const program = reporting(2, {
      locals: integers(4),
      body: [
        set(0, 77n),
        report(local(0), local(0)),
        {
          kind: "if",
          condition: isArgument(1n),
          then: [set(1, 5n), set(3, 8n), report(local(1), local(3))],
          otherwise: [report(local(1), local(2))],
        },
        report(local(1), constant(0n)),
        done,
      ],
    });
    expect(placeVariables(program).count.i64).toBe(2);
    run(program, [0n, 1n]);
  });

  test("that are first used in an arm that is not taken are cleared on every path", () => {
    const program = reporting(1, {
      locals: integers(2),
      body: [
        set(0, 99n),
        report(local(0)),
        {
          kind: "block",
          label: 1,
          body: [
            { kind: "if", condition: isArgument(1n), then: [set(1, 5n), { kind: "leave", label: 1 }], otherwise: [] },
            { kind: "if", condition: isArgument(2n), then: [report(local(1))], otherwise: [] },
          ],
        },
        report(local(1)),
        done,
      ],
    });
    run(program, [0n, 1n, 2n]);
  });

  test("of every type, more at once than WebAssembly's, are in memory", () => {
    const count = mostWasmLocals * 2 + 10;
    const types: ValueType[] = Array.from({ length: count * 3 }, (_, index) =>
      index < count ? "integer" : index < 2 * count ? "boolean" : "verdict",
    );
    const all = Array.from({ length: count }, (_, index) => index);
    const body: Statement[] = [
      ...all.map(
        (index): Statement => ({
          kind: "set-integer",
          local: index,
          value: { kind: "binary", operator: "add", left: argument(0), right: constant(BigInt(index)) },
        }),
      ),
      ...all.map(
        (index): Statement => ({
          kind: "set-boolean",
          local: count + index,
          value: { kind: "within", value: local(index), intervals: [{ from: 3n, to: BigInt(3 + index) }] },
        }),
      ),
      ...all.map(
        (index): Statement => ({
          kind: "set-verdict",
          local: 2 * count + index,
          value: {
            kind: "verdict-select",
            condition: { kind: "boolean-local", local: count + index },
            then: { kind: "verdict", verdict: index % 7 },
            otherwise: { kind: "verdict", verdict: 0 },
          },
        }),
      ),
      report(...all.map(local), ...all.map((index) => fromBoolean(count + index))),
      {
        kind: "return",
        verdict: { kind: "strictest", of: all.map((index) => ({ kind: "verdict-local", local: 2 * count + index })) },
      },
    ];
    const program = reporting(2 * count, { locals: types, body });
    expect(placeVariables(program).count).toEqual({ i64: count, i32: 2 * count });
    run(program, [0n, 1n, 5n, 1000n, (1n << 64n) - 4n]);
  });

  test("of statements that are shared between places", () => {
    const shared: Statement[] = [report(local(0)), set(0, 4n), report(local(0))];
    const program = reporting(1, {
      locals: integers(2),
      body: [
        set(1, 9n),
        report(local(1)),
        { kind: "if", condition: isArgument(1n), then: shared, otherwise: shared },
        { kind: "if", condition: isArgument(2n), then: shared, otherwise: [] },
        done,
      ],
    });
    run(program, [0n, 1n, 2n]);
  });
});

function fromBoolean(index: number): IntegerExpression {
  return { kind: "from-boolean", value: { kind: "boolean-local", local: index } };
}
