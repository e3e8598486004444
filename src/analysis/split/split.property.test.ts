import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../abi/architecture.ts";
import type { EvaluationState, ScopeState, SystemCallEvent } from "../../ir/evaluation.ts";
import type { CallWord } from "../../ir/inputs.ts";
import { evaluate, initialState } from "../../ir/interpreter.ts";
import { cellMaximum } from "../../ir/limits.ts";
import { printProgram } from "../../ir/print.ts";
import type { Program, Scope } from "../../ir/program.ts";
import {
  arbitraryWords,
  boundaryValues,
  type Choices,
  generateCircumstances,
  generateProgram,
  programValues,
  SeededChoices,
} from "../../ir/testing/arbitrary.ts";
import { seeds } from "../../ir/testing/seeds.ts";
import { strictness } from "../../ir/verdicts.ts";
import type { Decision, DecisionLeaf, StatefulReason } from "../decision.ts";
import { splitPolicy } from "./split.ts";

const programs = 150;
const eventsOfNumber = 8;
const statesOfEvent = 6;

function wordOf(event: SystemCallEvent, word: CallWord): bigint {
  return word === "instructionPointer" ? event.instructionPointer : event.arguments[Number(word.slice(-1))]!;
}

function leafFor(decision: Decision, event: SystemCallEvent): DecisionLeaf {
  let node = decision;
  while (node.kind === "test") {
    const { word, mask, intervals } = node.test;
    const value = wordOf(event, word) & mask;
    node = intervals.some(({ from, to }) => from <= value && value <= to) ? node.then : node.otherwise;
  }
  return node;
}

/** Any state that the declarations permit, reachable or not. */
function randomScope(choices: Choices, program: Program, scope: Scope, pool: readonly bigint[]): ScopeState {
  const state = initialState(program, scope);
  const value = () => pool[choices.below(pool.length)]!;
  program.cells.forEach((cell, index) => {
    const most = cellMaximum(cell);
    const wanted = choices.below(3) === 0 ? (value() as bigint) : BigInt(choices.below(6));
    if (cell.scope === scope) state.cells[index] = wanted <= most ? wanted : wanted % (most + 1n);
  });
  program.tables.forEach((table, index) => {
    if (table.scope !== scope) return;
    const entries = choices.below(table.capacity + 1);
    while (state.tables[index]!.size < entries) {
      const key = choices.below(2) === 0 ? value() : BigInt(choices.below(8));
      state.tables[index]!.set(key, table.holdsValues ? value() : 0n);
    }
  });
  return state;
}

function snapshot(state: EvaluationState): string {
  const scopes = [state.thread, state.process, state.tree];
  return scopes
    .map(({ cells, tables }) => `${[...cells].join()}|${tables.map((table) => [...table].join(";")).join("|")}`)
    .join("\n");
}

/** The values around every boundary of a decision. */
function decisionValues(decision: Decision, into: Set<bigint>): void {
  const seen = new Set<Decision>([decision]);
  for (const node of seen) {
    if (node.kind === "leaf") continue;
    for (const { from, to } of node.test.intervals)
      for (const value of [from - 1n, from, to, to + 1n, from | ~node.test.mask]) into.add(BigInt.asUintN(64, value));
    seen.add(node.then);
    seen.add(node.otherwise);
  }
}

function check(program: Program, choices: Choices, describeProgram: () => string): { exact: number; leaves: number } {
  const split = splitPolicy(program, { superviseProcessCreation: false });
  const counts = { exact: 0, leaves: 0 };
  for (const [number, decision] of split) {
    const values = new Set([...boundaryValues, ...programValues(program)]);
    decisionValues(decision, values);
    const pool = [...values];
    for (let i = 0; i < eventsOfNumber; i++) {
      const value = () => pool[choices.below(pool.length)]!;
      const event: SystemCallEvent = {
        number,
        architecture: auditArchitecture[program.architecture],
        instructionPointer: value(),
        arguments: [value(), value(), value(), value(), value(), value()],
      };
      const leaf = leafFor(decision, event);
      counts.leaves++;
      if (leaf.stateful.length === 0) counts.exact++;
      const rank = (verdict: number) => strictness[program.verdicts[verdict]!.action];
      for (let j = 0; j < statesOfEvent; j++) {
        const state: EvaluationState = {
          thread: randomScope(choices, program, "thread", pool),
          process: randomScope(choices, program, "process", pool),
          tree: randomScope(choices, program, "tree", pool),
        };
        const before = snapshot(state);
        const who = generateCircumstances(choices, program);
        const words = arbitraryWords(choices, program);
        const { verdict, entered, reports } = evaluate(program, event, who, state, words);
        const context = () =>
          `number ${number}, ${JSON.stringify(leaf)}, ${event.arguments.map((argument) => argument.toString(16)).join()} ip ${event.instructionPointer.toString(16)} parameters ${words}\n${before}\n${describeProgram()}`;
        if (!leaf.possible.includes(verdict)) expect.fail(`impossible verdict ${verdict}: ${context()}`);
        if (rank(verdict) < rank(leaf.weakest)) expect.fail(`weaker than the weakest: ${verdict}: ${context()}`);
        for (const { room, side } of entered)
          if (!leaf.stateful.some((reason) => enters(reason, room, side)))
            expect.fail(`enters side ${side} of room ${room}: ${context()}`);
        if (leaf.stateful.length > 0) continue;
        if (verdict !== leaf.weakest) expect.fail(`stateless, but another verdict ${verdict}: ${context()}`);
        if (snapshot(state) !== before) expect.fail(`stateless, but the state changed: ${context()}`);
        if (reports.length > 0) expect.fail(`stateless, but it reports: ${context()}`);
      }
    }
  }
  return counts;
}

function enters(reason: StatefulReason, room: number, side: number): boolean {
  if (reason.because === "too-complex") return true;
  return reason.because === "enters-room" && reason.room === room && reason.side === side;
}

describe("the split against the interpreter", () => {
  it("holds for random programs", () => {
    for (const seed of seeds(programs)) {
      const choices = new SeededChoices(seed);
      const program = generateProgram(choices, {
        asks: seed % 4 === 0,
        observations: seed % 2 === 0,
        rooms: seed % 3 === 0,
      });
      check(program, choices, () => `seed ${seed}\n${printProgram(program)}`);
    }
  });

  it("holds for every value of open parameters", () => {
    for (const seed of seeds(programs)) {
      const choices = new SeededChoices(seed);
      const program = generateProgram(choices, { parameters: true, stateless: seed % 2 === 0 });
      check(program, choices, () => `seed ${seed}\n${printProgram(program)}`);
    }
  });

  it("holds for random programs without state, and decides most of them exactly", () => {
    let exact = 0;
    let leaves = 0;
    for (const seed of seeds(programs)) {
      const choices = new SeededChoices(seed);
      const program = generateProgram(choices, { stateless: true, depth: 4 });
      const counts = check(program, choices, () => `seed ${seed}\n${printProgram(program)}`);
      exact += counts.exact;
      leaves += counts.leaves;
    }
    // Products, quotients by odd numbers and sums of two arguments are not exact.
    expect(exact / leaves).toBeGreaterThan(0.6);
  });
});
