/** Random programs and random lives of a tree: the interpreter and the compiled form agree, after every step. */
import { expect } from "vitest";
import { InterpreterEvaluator } from "../../src/engines/simulate/interpreter-evaluator.ts";
import type { Birth, SimulatedDecision, SimulatedTask } from "../../src/engines/simulate/model.ts";
import { SimulatedTree, type TreeOptions } from "../../src/engines/simulate/tree.ts";
import { WasmEvaluator } from "../../src/engines/simulate/wasm-evaluator.ts";
import { printProgram } from "../../src/ir/print.ts";
import type { Program } from "../../src/ir/program.ts";
import {
  type CallOutcome,
  generateEvent,
  generateProgram,
  generateTrace,
  identifier,
  runTrace,
  SeededChoices,
  type TraceStep,
} from "../../src/ir/testing/arbitrary.ts";
import { campaign } from "./campaign.ts";
import { treeState } from "./state.ts";

const secret = Uint8Array.from({ length: 24 }, (_, index) => (index * 151 + 17) & 0xff);

function bothTrees(program: Program, options: TreeOptions): readonly [SimulatedTree, SimulatedTree] {
  return [
    new SimulatedTree(new InterpreterEvaluator(program), options),
    new SimulatedTree(new WasmEvaluator(program, undefined, secret), options),
  ];
}

function traceOf(seed: number): { program: Program; trace: TraceStep[] } {
  const choices = new SeededChoices(seed);
  const program = generateProgram(choices);
  return { program, trace: generateTrace(choices, program, 40) };
}

/** Applies a step to a tree; forks that a call asks for fail, since the trace has its own. */
function apply(tree: SimulatedTree, step: TraceStep): Plain | undefined {
  const task = (number: number) => tree.task(identifier(number))!;
  switch (step.kind) {
    case "call": {
      const caller = task(step.task);
      caller.uid = step.uid;
      caller.gid = step.gid;
      tree.advanceTo(step.now);
      const decision = caller.call(step.event);
      decision.birth?.fail();
      return withoutBirth(decision);
    }
    case "fork":
      task(step.maker).make("process", identifier(step.child));
      return undefined;
    case "thread":
      task(step.maker).make("thread", identifier(step.child));
      return undefined;
    case "exit":
      task(step.task).exit();
      return undefined;
  }
}

function expectOutcome(program: Program, decision: Plain, wanted: CallOutcome): void {
  expect(decision.admission).toBe(wanted.admission);
  if (wanted.admission !== "judged") return;
  const { verdict, reports } = wanted.evaluation;
  expect(decision.possible).toEqual([verdict]);
  expect(decision.reports.map(({ text }) => text)).toEqual(reports.map(({ report }) => program.reports[report]!.text));
}

function printTrace(trace: readonly TraceStep[]): string {
  const print = (_: string, value: unknown) => (typeof value === "bigint" ? `0x${value.toString(16)}` : value);
  return trace.map((step) => JSON.stringify(step, print)).join("\n");
}

campaign("the compiled form over the simulated tree, the interpreter over it, and the interpreter alone", {
  runs: 600,
  check(seed) {
    const { program, trace } = traceOf(seed);
    const outcomes = [...runTrace(program, trace).calls];
    const [reference, compiled] = bothTrees(program, { pid: identifier(0), highestPid: 0x7fff_0000 });
    for (const step of trace) {
      const wanted = apply(reference, step);
      expect(apply(compiled, step)).toEqual(wanted);
      if (wanted !== undefined) expectOutcome(program, wanted, outcomes.shift()!);
      expect(treeState(compiled)).toEqual(treeState(reference));
    }
  },
  explain(seed) {
    const { program, trace } = traceOf(seed);
    return `${printProgram(program)}\n\n${printTrace(trace)}`;
  },
});

/** Births that happen, late or never, by the calls that ask for them; execs; numbers that are used again. */
campaign("lives in which the judged calls make the tasks", {
  runs: 400,
  check(seed) {
    const choices = new SeededChoices(seed);
    const program = generateProgram(choices);
    const trees = bothTrees(program, { pid: 10, highestPid: 14 });
    const births: [Birth, Birth][] = [];
    for (let step = 0; step < 60; step++) {
      const place = choices.below(trees[0].livingTasks.length);
      const act = <T>(action: (task: SimulatedTask) => T) => trees.map((tree) => action(tree.livingTasks[place]!));
      const what = choices.below(20);
      if (what < 12) {
        const event = generateEvent(choices, program);
        const [wanted, found] = act((task) => task.call(event));
        expect(withoutBirth(found!)).toEqual(withoutBirth(wanted!));
        if (wanted!.birth !== undefined) births.push([wanted!.birth, found!.birth!]);
      } else if (what < 16 && births.length > 0) {
        const [pair] = births.splice(choices.below(births.length), 1);
        const outcome = choices.below(3);
        const results = pair!.map((birth) => outcomeOf(() => settle(birth, outcome)));
        expect(results[1]).toEqual(results[0]);
      } else if (what === 16) {
        act((task) => task.execute());
      } else if (what === 17 && trees[0].livingTasks.length > 1) {
        act((task) => task.exit());
      } else if (what === 18 && trees[0].alive > 1n && trees[0].livingTasks[place]!.process.tasks.length > 1) {
        act((task) => task.exitGroup());
        if (trees[0].livingTasks.length === 0) return;
      } else {
        const nanoseconds = BigInt(choices.below(1000));
        for (const tree of trees) tree.advance(nanoseconds);
      }
      expect(treeState(trees[1])).toEqual(treeState(trees[0]));
    }
  },
  explain: (seed) => printProgram(generateProgram(new SeededChoices(seed))),
});

type Plain = Omit<SimulatedDecision, "birth"> & { readonly birth: Birth["kind"] | undefined };

function withoutBirth({ birth, ...rest }: SimulatedDecision): Plain {
  return { ...rest, birth: birth?.kind };
}

function settle(birth: Birth, outcome: number): number | undefined {
  if (outcome === 0) return birth.process().tid;
  if (outcome === 1) return birth.thread().tid;
  birth.fail();
  return undefined;
}

function outcomeOf(action: () => number | undefined): number | string | undefined {
  try {
    return action();
  } catch (fault) {
    return (fault as Error).message;
  }
}
