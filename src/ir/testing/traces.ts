/** Random traces of a tree of tasks under a policy, and the reference run of a trace. */
import { auditArchitecture, x32Bit } from "../../abi/architecture.ts";
import { admit } from "../admission.ts";
import type { Circumstances, Evaluation, EvaluationState, ScopeState, SystemCallEvent } from "../evaluation.ts";
import { evaluate, inheritState, initialState } from "../interpreter.ts";
import type { Program } from "../program.ts";
import { type Choices, chance, pick, weighted } from "./choices.ts";
import { arbitraryObserved, arbitraryValue, programValues } from "./values.ts";

/** Tasks are numbered from 0 (the command's first thread) in order of creation; numbers are not reused. */
export type TraceStep =
  | {
      readonly kind: "call";
      readonly task: number;
      readonly event: SystemCallEvent;
      readonly now: bigint;
      readonly uid: number;
      readonly gid: number;
      /** A word for each of `Program.words`. */
      readonly observed: readonly bigint[];
    }
  /** The child is the first thread of a new process and inherits the parent's state of this moment. */
  | { readonly kind: "fork"; readonly parent: number; readonly child: number }
  /** The child is a new thread of the parent's process. */
  | { readonly kind: "thread"; readonly parent: number; readonly child: number }
  | { readonly kind: "exit"; readonly task: number };

export function generateEvent(choices: Choices, program: Program, pool = programValues(program)): SystemCallEvent {
  const value = () => arbitraryValue(choices, pool);
  const native = auditArchitecture[program.architecture];
  return {
    number: callNumber(choices, program),
    architecture: chance(choices, 40) ? pick(choices, [0x4000_0003, 0]) : native,
    instructionPointer: value(),
    arguments: [value(), value(), value(), value(), value(), value()],
  };
}

/** Mostly judged numbers, above all the ends of each interval. */
function callNumber(choices: Choices, program: Program): number {
  const { judged, always } = program.admission;
  return weighted(choices, [
    [
      judged.length === 0 ? 0 : 20,
      () => {
        const { from, to } = pick(choices, judged);
        return Number(
          weighted(choices, [
            [2, () => from],
            [1, () => to],
            [1, () => (from + to) / 2n],
          ]),
        );
      },
    ],
    [always.length === 0 ? 0 : 1, () => Number(pick(choices, always).from)],
    [1, () => pick(choices, [0, -1, 1000, x32Bit, x32Bit + 59, 0x7fff_ffff])],
  ]);
}

export function generateCircumstances(choices: Choices, program: Program): Circumstances {
  const pool = programValues(program);
  const word = () => Number(BigInt.asUintN(32, arbitraryValue(choices, pool)));
  return {
    now: BigInt.asUintN(63, arbitraryValue(choices, pool)),
    pid: word(),
    tid: word(),
    uid: word(),
    gid: word(),
    alive: 1n + BigInt(choices.below(5)),
    observed: arbitraryObserved(choices, program),
  };
}

export function generateTrace(choices: Choices, program: Program, steps: number): TraceStep[] {
  const pool = programValues(program);
  const living = [0];
  let born = 1;
  let now = BigInt(choices.below(1000));
  const trace: TraceStep[] = [];
  const birth = (kind: "fork" | "thread") => {
    const step = { kind, parent: pick(choices, living), child: born++ } as const;
    living.push(step.child);
    return step;
  };
  const ids = [0, 1, 1000, 0xffff_ffff];
  while (trace.length < steps && living.length > 0) {
    trace.push(
      weighted<TraceStep>(choices, [
        [
          24,
          () => {
            now += weighted(choices, [
              [2, () => 0n],
              [2, () => BigInt(choices.below(1000))],
              [1, () => BigInt(choices.below(1_000_000_000))],
              [1, () => 60_000_000_000n],
            ]);
            const event = generateEvent(choices, program, pool);
            return {
              kind: "call",
              task: pick(choices, living),
              event,
              now,
              uid: pick(choices, ids),
              gid: pick(choices, ids),
              observed: arbitraryObserved(choices, program),
            };
          },
        ],
        [2, () => birth("fork")],
        [2, () => birth("thread")],
        [
          1,
          () => {
            // The last task rarely exits, because that ends the trace.
            const place = choices.below(living.length);
            if (living.length === 1 && !chance(choices, 8)) return birth("fork");
            return { kind: "exit", task: living.splice(place, 1)[0]! };
          },
        ],
      ]),
    );
  }
  return trace;
}

/** The outcome of one call of a trace. */
export type CallOutcome =
  | { readonly admission: "foreign" | "unknown" | "always" }
  | { readonly admission: "judged"; readonly evaluation: Evaluation };

export interface TraceOutcome {
  /** One for each call, in order. */
  readonly calls: readonly CallOutcome[];
  /** The final state of each living task. */
  readonly final: ReadonlyMap<number, EvaluationState>;
}

/** The process and thread id of a trace's task. */
export function identifier(task: number): number {
  return 100 + task;
}

/**
 * Runs a trace with the interpreter, or with another evaluator on the same state objects. Verdicts do not affect which
 * tasks live: the trace says so itself.
 */
export function runTrace(
  program: Program,
  trace: readonly TraceStep[],
  judge: typeof evaluate = evaluate,
): TraceOutcome {
  const tree = initialState(program, "tree");
  const first = { leader: 0, thread: initialState(program, "thread"), process: initialState(program, "process") };
  const tasks = new Map<number, { leader: number; thread: ScopeState; process: ScopeState }>([[0, first]]);
  const calls: CallOutcome[] = [];
  for (const step of trace) {
    switch (step.kind) {
      case "call": {
        const admission = admit(program, step.event);
        if (admission !== "judged") {
          calls.push({ admission });
          break;
        }
        const { leader, thread, process } = tasks.get(step.task)!;
        const alive = BigInt(new Set([...tasks.values()].map((task) => task.leader)).size);
        const { now, uid, gid, observed } = step;
        const who = { now, uid, gid, observed, pid: identifier(leader), tid: identifier(step.task), alive };
        calls.push({ admission, evaluation: judge(program, step.event, who, { thread, process, tree }) });
        break;
      }
      case "fork": {
        const parent = tasks.get(step.parent)!;
        tasks.set(step.child, {
          leader: step.child,
          thread: inheritState(program, "thread", parent.thread),
          process: inheritState(program, "process", parent.process),
        });
        break;
      }
      case "thread": {
        const { leader, process } = tasks.get(step.parent)!;
        tasks.set(step.child, { leader, process, thread: initialState(program, "thread") });
        break;
      }
      case "exit":
        tasks.delete(step.task);
    }
  }
  const final = [...tasks].map(([task, { thread, process }]) => [task, { thread, process, tree }] as const);
  return { calls, final: new Map(final) };
}
