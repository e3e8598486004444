/**
 * Runs one trace through the compiled form and the interpreter over the simulated tree, and through the interpreter
 * alone.
 */
import { expect } from "vitest";
import { InterpreterEvaluator } from "../../src/engines/simulate/interpreter-evaluator.ts";
import type { Birth, SimulatedDecision } from "../../src/engines/simulate/model.ts";
import { SimulatedTree, type TreeOptions } from "../../src/engines/simulate/tree.ts";
import { WasmEvaluator } from "../../src/engines/simulate/wasm-evaluator.ts";
import { printProgram } from "../../src/ir/print.ts";
import type { Program } from "../../src/ir/program.ts";
import { type CallOutcome, identifier, runTrace, type TraceStep } from "../../src/ir/testing/arbitrary.ts";
import { treeState } from "./state.ts";

/** Fixed, so that failures are reproducible. */
const secret = Uint8Array.from({ length: 24 }, (_, index) => (index * 151 + 17) & 0xff);

export function bothTrees(program: Program, options: TreeOptions): readonly [SimulatedTree, SimulatedTree] {
  return [
    new SimulatedTree(new InterpreterEvaluator(program), options),
    new SimulatedTree(new WasmEvaluator(program, undefined, secret), options),
  ];
}

/** Decisions and all state, after every step. */
export function expectAgreement(program: Program, trace: readonly TraceStep[]): void {
  const outcomes = [...runTrace(program, trace).calls];
  const [reference, compiled] = bothTrees(program, { pid: identifier(0), highestPid: 0x7fff_0000 });
  for (const step of trace) {
    const wanted = apply(reference, step);
    expect(apply(compiled, step)).toEqual(wanted);
    if (wanted !== undefined) expectOutcome(program, wanted, outcomes.shift()!);
    expect(treeState(compiled)).toEqual(treeState(reference));
  }
}

export function explainRun(program: Program, trace: readonly TraceStep[]): string {
  const print = (_: string, value: unknown) => (typeof value === "bigint" ? `0x${value.toString(16)}` : value);
  return `${printProgram(program)}\n\n${trace.map((step) => JSON.stringify(step, print)).join("\n")}`;
}

export type PlainDecision = Omit<SimulatedDecision, "birth"> & { readonly birth: Birth["kind"] | undefined };

export function withoutBirth({ birth, ...rest }: SimulatedDecision): PlainDecision {
  return { ...rest, birth: birth?.kind };
}

/** Applies a step to a tree; forks by calls fail, because the trace has explicit forks. */
function apply(tree: SimulatedTree, step: TraceStep): PlainDecision | undefined {
  const task = (number: number) => tree.task(identifier(number))!;
  switch (step.kind) {
    case "call": {
      const caller = task(step.task);
      caller.uid = step.uid;
      caller.gid = step.gid;
      tree.advanceTo(step.now);
      const decision = caller.call({ ...step.event, observed: step.observed }, { allowed: true });
      decision.birth?.fail();
      return withoutBirth(decision);
    }
    case "fork":
      task(step.parent).make("process", identifier(step.child));
      return undefined;
    case "thread":
      task(step.parent).make("thread", identifier(step.child));
      return undefined;
    case "exit":
      task(step.task).exit();
      return undefined;
  }
}

function expectOutcome(program: Program, decision: PlainDecision, wanted: CallOutcome): void {
  expect(decision.admission).toBe(wanted.admission);
  if (wanted.admission !== "judged") return;
  const { verdict, entered, reports } = wanted.evaluation;
  expect(decision.possible).toEqual([verdict]);
  expect(decision.entered).toEqual(
    entered.map(({ room, side }) => ({ room: program.rooms[room]!.name, side: program.rooms[room]!.sides[side]! })),
  );
  expect(decision.reports.map(({ text }) => text)).toEqual(reports.map(({ report }) => program.reports[report]!.text));
}
