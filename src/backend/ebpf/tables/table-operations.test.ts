/** Tests large tables: filled, emptied and refilled, until keys collide and gaps close. */

import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../../abi/architecture.ts";
import { splitPolicy } from "../../../analysis/split/split.ts";
import type { Circumstances, EvaluationState, SystemCallEvent } from "../../../ir/evaluation.ts";
import { evaluate } from "../../../ir/interpreter.ts";
import type { IntegerExpression, Program, Scope, Table } from "../../../ir/program.ts";
import { SeededChoices } from "../../../ir/testing/choices.ts";
import { emptyLists, freshState } from "../../../ir/testing/parts.ts";
import { compileEbpf } from "../compile.ts";
import { InterpretedTrial, KernelTrial, type Trial } from "../testing/trial.ts";
import { trialTarget } from "../testing/trial-target.ts";

const argument = (index: 0 | 1 | 2): IntegerExpression => ({ kind: "input", input: `argument${index}` });

/** Calls 1 and 2 insert argument 0 → argument 1, 3 deletes, 4 answers whether, 5 gets into a cell. */
function tableProgram(scope: Scope, capacity: number, holdsValues: boolean): Program {
  const at = undefined;
  const table: Table = { name: "table", scope, capacity, full: 2, onFork: "fresh", holdsValues, at };
  const key = argument(0);
  const verdict = (index: number) => ({ kind: "return", verdict: { kind: "verdict", verdict: index } }) as const;
  const call = (number: bigint) => [{ from: number, to: number }];
  return {
    architecture: "x86_64",
    name: `${capacity} for each ${scope}`,
    files: [],
    admission: { always: [], judged: [{ from: 0n, to: 10n }] },
    verdicts: [
      { action: "allow", errno: 0, reason: undefined, at },
      { action: "log", errno: 0, reason: undefined, at },
      { action: "deny", errno: 28, reason: undefined, at },
      { action: "deny", errno: 1, reason: undefined, at },
    ],
    ...emptyLists,
    cells: [
      { name: "before", scope, kind: { is: "value" }, initial: 7n, onFork: "fresh", at },
      { name: "found", scope, kind: { is: "value" }, initial: 0n, onFork: "fresh", at },
    ],
    tables: [table],
    body: [
      {
        kind: "switch",
        value: { kind: "input", input: "number" },
        arms: [
          { intervals: call(1n), body: [{ kind: "table-set", table: 0, key, value: argument(1) }, verdict(0)] },
          // An equally strict returned verdict wins over the one that the full table raises.
          { intervals: call(2n), body: [{ kind: "table-set", table: 0, key, value: argument(1) }, verdict(3)] },
          { intervals: call(3n), body: [{ kind: "table-delete", table: 0, key }, verdict(0)] },
          {
            intervals: call(4n),
            body: [
              {
                kind: "if",
                condition: { kind: "table-has", table: 0, key },
                then: [verdict(1)],
                otherwise: [verdict(0)],
              },
            ],
          },
          {
            intervals: call(5n),
            body: [
              {
                kind: "store",
                cell: 1,
                value: { kind: "table-get", table: 0, key, otherwise: { kind: "cell", cell: 0 } },
              },
              verdict(0),
            ],
          },
        ],
        otherwise: [verdict(0)],
      },
    ],
  };
}

const circumstances: Circumstances = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };

function event(number: number, key: bigint, value: bigint): SystemCallEvent {
  return {
    number,
    architecture: auditArchitecture.x86_64,
    instructionPointer: 0n,
    arguments: [key, value, 0n, 0n, 0n, 0n],
  };
}

/** Keys of a few kinds, so that they recur: small numbers, extremes, and neighbours by hash. */
function someKey(choices: SeededChoices, capacity: number): bigint {
  const index = BigInt(choices.below(capacity + 4));
  switch (choices.below(3)) {
    case 0:
      return index;
    case 1:
      return BigInt.asUintN(64, -index);
    default:
      return index << 48n;
  }
}

/** Alternates between mostly inserting and mostly deleting; compares the entries every `compareEvery` steps. */
function exercise(program: Program, trial: Trial, seed: number, steps: number, compareEvery: number): number {
  const choices = new SeededChoices(seed);
  const [scope, capacity] = [program.tables[0]!.scope, program.tables[0]!.capacity];
  const state: EvaluationState = freshState(program);
  let full = 0;
  for (let step = 0; step < steps; step += 1) {
    const inserting = Math.floor(step / (3 * capacity)) % 2 === 0;
    const usual = inserting ? 1 : 3;
    const number = choices.below(3) === 0 ? 1 + choices.below(5) : usual;
    const call = event(number, someKey(choices, capacity), BigInt(step));
    const wanted = evaluate(program, call, circumstances, state);
    const where = `${program.name}, ${trial.constructor.name}, seed ${seed}, step ${step}`;
    expect(trial.evaluate(call, circumstances).result, where).toBe(wanted.verdict);
    if (wanted.verdict === 2) full += 1;
    if (step % compareEvery === 0 || step === steps - 1) {
      expect(trial.table(0), where).toEqual(state[scope].tables[0]);
      expect(trial.state(scope)[1], where).toBe(state[scope].cells[1]);
    }
  }
  return full;
}

const shapes: readonly [Scope, number, boolean, number][] = [
  ["tree", 1, true, 100],
  ["tree", 32, false, 600],
  ["tree", 33, true, 1200],
  ["tree", 64, false, 1200],
  ["process", 120, true, 1500],
  ["thread", 511, false, 4000],
];

describe("tables", () => {
  for (const [scope, capacity, holdsValues, steps] of shapes) {
    const program = tableProgram(scope, capacity, holdsValues);
    const compile = () => compileEbpf(program, splitPolicy(program, { superviseProcessCreation: false }), trialTarget);

    // The tests' interpreter takes microseconds for an instruction, and a list of 511 has many to execute.
    if (capacity < 200)
      it(`hold exactly ${capacity} for each ${scope}`, () => {
        const trial = new InterpretedTrial(program, compile().instructions);
        expect(exercise(program, trial, capacity, steps, 50)).toBeGreaterThan(0);
      });

    it(`hold exactly ${capacity} for each ${scope} on the running kernel`, (context) => {
      if (process.getuid?.() !== 0) context.skip("loading a program of type BPF_PROG_TYPE_SYSCALL needs root");
      const trial = new KernelTrial(program, compile().instructions);
      try {
        expect(exercise(program, trial, capacity, steps, 20)).toBeGreaterThan(0);
      } finally {
        trial.close();
      }
    });
  }

  it("hold 65,536 entries of the tree, and not one more", (context) => {
    if (process.getuid?.() !== 0) context.skip("loading a program of type BPF_PROG_TYPE_SYSCALL needs root");
    const program = tableProgram("tree", 65_536, true);
    const object = compileEbpf(program, splitPolicy(program, { superviseProcessCreation: false }), trialTarget);
    const trial = new KernelTrial(program, object.instructions);
    try {
      const results = new Map<number, number>();
      for (let key = 0n; key < 65_540n; key += 1n) {
        const { result } = trial.evaluate(event(1, key * 0x1_0001n, key), circumstances);
        results.set(result, (results.get(result) ?? 0) + 1);
      }
      expect([...results]).toEqual([
        [0, 65_536],
        [2, 4],
      ]);
      expect(trial.table(0).size).toBe(65_536);
      expect(trial.evaluate(event(2, 1n, 1n), circumstances).result).toBe(3);
      for (let key = 0n; key < 65_536n; key += 1n) trial.evaluate(event(3, key * 0x1_0001n, 0n), circumstances);
      expect(trial.table(0).size).toBe(0);
    } finally {
      trial.close();
    }
  });
});
