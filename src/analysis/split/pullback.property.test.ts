import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../abi/architecture.ts";
import { evaluate } from "../../ir/interpreter.ts";
import type { BooleanExpression, IntegerExpression, Program } from "../../ir/program.ts";
import { satisfying } from "../../ir/simplify/booleans.ts";
import { boundaryValues, type Choices, SeededChoices } from "../../ir/testing/arbitrary.ts";
import { binaryOperators, compareOperators } from "../../ir/testing/expressions.ts";
import { freshState, smallProgram } from "../../ir/testing/parts.ts";
import { seeds } from "../../ir/testing/seeds.ts";
import type { Decision } from "../decision.ts";
import { splitPolicy } from "./split.ts";

const conditions = 3000;

const pick = <T>(choices: Choices, list: readonly T[]): T => list[choices.below(list.length)]!;
const smallValues = [0n, 1n, 2n, 3n, 5n, 8n, 10n, 16n, 63n, 100n, 255n, 4096n];

/** One register through a few operations with constants. */
function chain(choices: Choices, pool: readonly bigint[], depth: number): IntegerExpression {
  if (depth === 0) return { kind: "input", input: "argument0" };
  const value = chain(choices, pool, depth - 1);
  const which = choices.below(binaryOperators.length + 4);
  if (which >= binaryOperators.length + 1)
    return { kind: "extend", width: pick(choices, [8, 16, 32] as const), signed: choices.below(2) === 1, value };
  const constant = { kind: "constant", value: pick(choices, pool) } as const;
  if (which === binaryOperators.length) return { kind: "binary", operator: "subtract", left: constant, right: value };
  const right = choices.below(3) === 0 ? constant : ({ kind: "constant", value: pick(choices, smallValues) } as const);
  return { kind: "binary", operator: binaryOperators[which]!, left: value, right };
}

function programOf(condition: BooleanExpression): Program {
  return smallProgram([{ action: "kill-process", errno: 0 }], {
    admission: { always: [], judged: [{ from: 0n, to: 0n }] },
    body: [
      { kind: "if", condition, then: [{ kind: "return", verdict: { kind: "verdict", verdict: 1 } }], otherwise: [] },
      { kind: "return", verdict: { kind: "verdict", verdict: 0 } },
    ],
  });
}

function follow(decision: Decision, register: bigint) {
  let node = decision;
  while (node.kind === "test") {
    const value = register & node.test.mask;
    node = node.test.intervals.some(({ from, to }) => from <= value && value <= to) ? node.then : node.otherwise;
  }
  return node;
}

describe("conditions on one register", () => {
  it("have the interpreter's results", () => {
    let [exact, tried] = [0, 0];
    for (const seed of seeds(conditions)) {
      tried++;
      const choices = new SeededChoices(seed);
      const pool = [...boundaryValues, ...smallValues];
      const parts = Array.from({ length: 1 + choices.below(2) }, (): BooleanExpression => {
        const value = chain(choices, pool, choices.below(4));
        const operator = pick(choices, compareOperators);
        const limit = pick(choices, pool);
        return choices.below(4) === 0
          ? { kind: "within", value, intervals: satisfying(operator, limit) }
          : { kind: "compare", operator, left: value, right: { kind: "constant", value: limit } };
      });
      const condition: BooleanExpression =
        parts.length === 1 ? parts[0]! : { kind: choices.below(2) === 0 ? "all" : "any", of: parts };
      const program = programOf(condition);
      const decision = splitPolicy(program, { superviseProcessCreation: false }).get(0)!;
      const registers = new Set(pool);
      const nodes = new Set<Decision>([decision]);
      for (const node of nodes) {
        if (node.kind === "leaf") continue;
        for (const { from, to } of node.test.intervals)
          for (const near of [from - 1n, from, to, to + 1n, from | ~node.test.mask])
            registers.add(BigInt.asUintN(64, near));
        nodes.add(node.then);
        nodes.add(node.otherwise);
      }
      if ([...nodes].every((node) => node.kind === "test" || node.stateful.length === 0)) exact++;
      const state = freshState(program);
      const who = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n };
      for (const register of registers) {
        const event = {
          number: 0,
          architecture: auditArchitecture.x86_64,
          instructionPointer: 0n,
          arguments: [register, 0n, 0n, 0n, 0n, 0n] as const,
        };
        const { verdict } = evaluate(program, event, who, state);
        const leaf = follow(decision, register);
        if (leaf.stateful.length === 0 ? leaf.weakest !== verdict : !leaf.possible.includes(verdict)) {
          const shown = JSON.stringify(condition, (_, value) =>
            typeof value === "bigint" ? `0x${value.toString(16)}` : value,
          );
          expect.fail(`seed ${seed}: register 0x${register.toString(16)} gets ${verdict}: ${shown}`);
        }
      }
    }
    // Products that may wrap, and quotients and remainders of possibly negative values, have no inverse image.
    expect(exact / tried).toBeGreaterThan(0.7);
  });
});
