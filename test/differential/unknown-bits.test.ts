/**
 * Recordings with unknown bits: the tree's results for them cover its results for the original calls, with any values
 * of the unknown bits.
 */
import { expect, test } from "vitest";
import { InterpreterEvaluator } from "../../src/engines/simulate/interpreter-evaluator.ts";
import type {
  CallOptions,
  SimulatedCall,
  SimulatedDecision,
  SimulatedReport,
  SimulatedTask,
} from "../../src/engines/simulate/model.ts";
import { SimulatedTree } from "../../src/engines/simulate/tree.ts";
import { WasmEvaluator } from "../../src/engines/simulate/wasm-evaluator.ts";
import { printProgram } from "../../src/ir/print.ts";
import type { Program } from "../../src/ir/program.ts";
import {
  type Choices,
  generateEvent,
  generateProgram,
  generateTrace,
  identifier,
  SeededChoices,
} from "../../src/ir/testing/arbitrary.ts";
import { campaign } from "./campaign.ts";
import { treeState } from "./state.ts";

const upperHalf = 0xffff_ffff_0000_0000n;

function mask(choices: Choices): bigint {
  switch (choices.below(5)) {
    case 0:
      return upperHalf;
    case 1:
      return 1n << BigInt(choices.below(64));
    case 2:
      return 0xffff_ffff_ffff_ffffn;
    default:
      return 0n;
  }
}

/** Counts known results over all seeds of a run: the test is meaningless without any. */
const tally = { known: 0, unknown: 0, uncertainTrees: 0 };

campaign("the result for a call with unknown bits holds for every call that it can be", {
  runs: 250,
  check(seed) {
    const choices = new SeededChoices(seed);
    const program = generateProgram(choices, {
      asks: seed % 4 === 0,
      observations: seed % 2 === 0,
      rooms: seed % 3 === 0,
    });
    const trace = generateTrace(choices, program, 40);
    const options = { pid: identifier(0), highestPid: 0x7fff_0000 };
    const actual = new SimulatedTree(new InterpreterEvaluator(program), options);
    const recorded = [
      new SimulatedTree(new InterpreterEvaluator(program), options),
      new SimulatedTree(new WasmEvaluator(program), options),
    ];
    for (const step of trace) {
      const inAll = (act: (task: SimulatedTask, tree: SimulatedTree) => void, task: number) => {
        for (const tree of [actual, ...recorded]) act(tree.task(identifier(task))!, tree);
      };
      if (step.kind === "fork") inAll((task) => task.make("process", identifier(step.child)), step.parent);
      else if (step.kind === "thread") inAll((task) => task.make("thread", identifier(step.child)), step.parent);
      else if (step.kind === "exit") inAll((task) => task.exit(), step.task);
      else {
        inAll((task, tree) => {
          task.uid = step.uid;
          task.gid = step.gid;
          tree.advanceTo(step.now);
        }, step.task);
        const unknown = step.event.arguments.map(() => mask(choices));
        const unknownObserved = step.observed.map(() => mask(choices));
        const given: CallOptions = { unknown, unknownInstructionPointer: mask(choices), unknownObserved };
        const settled = choices.below(3) === 0 ? ("fail" as const) : ("later" as const);
        const real = judge(actual, step.task, { ...step.event, observed: step.observed }, {}, settled);
        for (const tree of recorded) {
          // The values of unknown bits must not matter.
          const noise = generateEvent(choices, program);
          const event: SimulatedCall = {
            ...step.event,
            arguments: step.event.arguments.map((word, index) => {
              const hidden = unknown[index]!;
              return (word & ~hidden) | (noise.arguments[index]! & hidden);
            }),
            observed: step.observed.map((word, index) => word ^ unknownObserved[index]!),
          };
          expectCovered(program, judge(tree, step.task, event, given, settled), real);
        }
      }
      const states = recorded.map(treeState);
      expect(states[1]).toEqual(states[0]);
      // The number of pending forks may be uncertain although all state is known.
      if (states[0] !== undefined) expect({ ...states[0], alive: actual.alive }).toEqual(treeState(actual));
    }
    if (treeState(recorded[0]!) === undefined) tally.uncertainTrees++;
  },
  explain: (seed) =>
    printProgram(
      generateProgram(new SeededChoices(seed), {
        asks: seed % 4 === 0,
        observations: seed % 2 === 0,
        rooms: seed % 3 === 0,
      }),
    ),
});

test("and most results are known", () => {
  expect(tally.known).toBeGreaterThan(tally.unknown);
  expect(tally.unknown).toBeGreaterThan(0);
  expect(tally.uncertainTrees).toBeGreaterThan(0);
});

function judge(
  tree: SimulatedTree,
  task: number,
  call: SimulatedCall,
  options: CallOptions,
  settled: "fail" | "later",
): SimulatedDecision {
  const decision = tree.task(identifier(task))!.call(call, options);
  // A pending fork counts as alive, certainly or not, until its parent ends.
  if (settled === "fail") decision.birth?.fail();
  return decision;
}

function expectCovered(program: Program, said: SimulatedDecision, real: SimulatedDecision): void {
  expect(said.admission).toBe(real.admission);
  if (real.admission !== "judged") return expect(said.verdict).toBe(real.verdict);
  expect(said.possible).toContain(real.possible[0]);
  if (said.possible.length === 1) expect(said.rule).toBe(real.rule);
  if (said.verdict === "unknown") tally.unknown++;
  else {
    tally.known++;
    expect([said.verdict, said.passes]).toEqual([real.verdict, real.passes]);
  }
  if (said.passes === false) expect(said.birth).toBe(undefined);
  if (real.birth !== undefined) expect(["either", real.birth.kind]).toContain(said.birth?.kind);
  if (said.effectsKnown) expect(said.reports.length).toBe(real.reports.length);
  for (const entered of said.entered) expect(real.entered).toContainEqual(entered);
  if (said.effectsKnown) expect(said.entered).toEqual(real.entered);
  // The certain reports, in order; others may occur in between.
  let rest = real.reports;
  for (const report of said.reports) {
    const place = rest.findIndex((candidate) => isCovered(report, candidate));
    expect(place).toBeGreaterThanOrEqual(0);
    rest = rest.slice(place + 1);
  }
  for (const when of ["before", "after"] as const) {
    for (const [name, phase] of Object.entries(said.phases[when])) {
      if (phase !== "unknown") expect(phase).toBe(real.phases[when][name]);
    }
  }
  expect(program.verdicts.length).toBeGreaterThan(real.possible[0]!);
}

function isCovered(said: SimulatedReport, real: SimulatedReport): boolean {
  const values = Object.entries(said.values);
  return said.text === real.text && values.every(([name, value]) => value === undefined || value === real.values[name]);
}
