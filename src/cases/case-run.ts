/**
 * Runs a case file on every form of a policy: the interpreter (the reference), WebAssembly (what the notify engine
 * runs), and the classic filter, for calls that it decides by itself.
 */

import { auditArchitecture } from "../abi/architecture.ts";
import { returnWord, splitReturnWord } from "../abi/return-word.ts";
import { runClassic } from "../backend/classic/interpreter.ts";
import { staticFilter } from "../engines/engine/static-filter.ts";
import { notifyProfile } from "../engines/notify/filter.ts";
import { failureText, lackingText } from "../engines/simulate/decision.ts";
import type { Evaluator } from "../engines/simulate/evaluator.ts";
import type { LackingMemory } from "../engines/simulate/given-memory.ts";
import { InterpreterEvaluator } from "../engines/simulate/interpreter-evaluator.ts";
import type { BegunCall, PhaseNames, SimulatedDecision, SimulatedTask } from "../engines/simulate/model.ts";
import { rulingOfObjects } from "../engines/simulate/object-rulings.ts";
import { RefusedError } from "../engines/simulate/task.ts";
import { SimulatedTree } from "../engines/simulate/tree.ts";
import { WasmEvaluator } from "../engines/simulate/wasm-evaluator.ts";
import type { Program } from "../ir/program.ts";
import { verdictText } from "../ir/verdicts.ts";
import type { Place } from "../traces/trace.ts";
import type { CaseFile, CaseStep, ExpectedVerdict } from "./cases.ts";
import type { Coverage } from "./coverage.ts";

export type CaseForm = "interpreter" | "wasm" | "classic";

export interface CaseFailure {
  readonly step: CaseStep;
  readonly place: Place;
  readonly expected: string;
  readonly given: string;
  /** The forms that gave the verdict. */
  readonly forms: readonly CaseForm[];
  /** The policy's line that decided, and its reason. */
  readonly rule: string | undefined;
  readonly reason: string | undefined;
  /** The number of the repetition, from 1, if there are several. */
  readonly repetition: number | undefined;
}

export interface CaseResults {
  /** The number of lines with a call. */
  readonly cases: number;
  readonly failures: readonly CaseFailure[];
  /** "phase serving (nginx.ts:3:15)": phases that no process entered. */
  readonly neverEntered: readonly { readonly phases: string; readonly phase: string }[];
}

type CallStep = Extract<CaseStep, { kind: "call" }>;
interface Given {
  readonly verdict: string;
  readonly rule: string | undefined;
  readonly reason: string | undefined;
}

/** @param coverage counts what the interpreter reaches */
export function runCases(program: Program, file: CaseFile, coverage?: Coverage): CaseResults {
  const reference = new InterpreterEvaluator(program, coverage?.add(program));
  const forms = [
    new Form("interpreter", reference, file, (decision) => coverage?.decided(decision)),
    new Form("wasm", new WasmEvaluator(program), file),
  ];
  const classic = classicAnswers(program);
  const failures: CaseFailure[] = [];
  let cases = 0;
  for (const step of file.steps) {
    if (step.kind === "call" || step.kind === "begun") cases++;
    const given = forms.map((form) => [form.name, form.take(step)] as const);
    failures.push(...gather(step, given));
    if (step.kind === "call") failures.push(...classicFailure(step, classic(step)));
  }
  const { neverEntered } = forms[0]!.tree;
  coverage?.entered(program, neverEntered);
  return { cases, failures, neverEntered };
}

/** The tasks that live and have no call in progress when the file has ended, with their phases. */
export function tasksAfter(program: Program, file: CaseFile): ReadonlyMap<string, PhaseNames> {
  const form = new Form("interpreter", new InterpreterEvaluator(program), file);
  for (const step of file.steps) form.take(step);
  return form.idle();
}

interface Mismatch extends Given {
  readonly expected: string;
  readonly repetition: number | undefined;
}

/** Equal failures of several forms are one failure. */
function gather(step: CaseStep, given: readonly (readonly [CaseForm, Mismatch | undefined])[]): CaseFailure[] {
  const groups = new Map<string, CaseFailure>();
  for (const [form, mismatch] of given) {
    if (mismatch === undefined) continue;
    const key = `${mismatch.verdict} ${mismatch.rule} ${mismatch.repetition}`;
    const before = groups.get(key);
    const place = "verdictPlace" in step ? step.verdictPlace : step.place;
    groups.set(key, {
      step,
      place,
      expected: mismatch.expected,
      given: mismatch.verdict,
      forms: [...(before?.forms ?? []), form],
      rule: mismatch.rule,
      reason: mismatch.reason,
      repetition: mismatch.repetition,
    });
  }
  return [...groups.values()];
}

/** One form of the policy, with the tasks of the case file. */
class Form {
  readonly name: CaseForm;
  readonly tree: SimulatedTree;
  readonly #tasks = new Map<string, SimulatedTask>();

  constructor(
    name: CaseForm,
    evaluator: Evaluator,
    file: CaseFile,
    onDecision: (decision: SimulatedDecision) => void = () => {},
  ) {
    this.name = name;
    this.tree = new SimulatedTree(evaluator, { onDecision });
    this.#tasks.set(file.command, this.tree.command);
  }

  /** Undefined if the result is as expected. */
  take(step: CaseStep): Mismatch | undefined {
    if (step.kind === "advance") {
      this.tree.advance(step.nanoseconds);
      return undefined;
    }
    const task = this.#tasks.get(step.who);
    if (task === undefined || !task.alive) {
      return {
        expected: `${step.who} exists`,
        verdict: "its creation was refused",
        rule: undefined,
        reason: undefined,
        repetition: undefined,
      };
    }
    switch (step.kind) {
      case "call":
        return this.#call(task, step);
      case "fork":
      case "thread":
        return this.#make(task, step.kind, step.child);
      case "birth":
        return this.#born(task, step);
      case "end":
      case "interrupt": {
        const needed = step.kind === "end" ? "runs" : "waits";
        const { begun } = task;
        if (begun?.is !== needed) return { expected: `the call ${needed}`, ...begunText(begun), repetition: undefined };
        task[step.kind]();
        return undefined;
      }
      case "begun": {
        const given = begunText(task.begun);
        if (fulfils(step, given)) return undefined;
        return { expected: expectation(step), ...given, repetition: undefined };
      }
      case "exit":
        task.exit();
        return undefined;
      case "identity":
        task[step.id] = step.value;
        return undefined;
    }
  }

  idle(): ReadonlyMap<string, PhaseNames> {
    const tasks = [...this.#tasks].filter(
      ([, task]) => task.alive && (task.begun === undefined || task.begun.is === "late"),
    );
    return new Map(tasks.map(([name, task]) => [name, this.tree.phasesOf(task)]));
  }

  #call(task: SimulatedTask, step: CallStep): Mismatch | undefined {
    const expected = expectation(step);
    const { begun } = task;
    if (begun !== undefined && begun.is !== "late")
      return { expected, verdict: "its earlier call has not ended", ...noRule, repetition: undefined };
    for (let repetition = 1; repetition <= step.times; repetition++) {
      const call = { number: step.number, arguments: step.registers, memory: step.memory };
      const { allowed } = step.expected;
      const decision = step.begins ? task.begin(call, { allowed }) : task.call(call, { allowed });
      decision.birth?.fail(); // the line only gives the verdict; `child = who.fork()` creates a child
      if (decision.lacking.length > 0) return { expected, ...lackingMemory(decision.lacking), repetition: undefined };
      const given = decision.waits === undefined ? decision : { ...decision, verdict: "waits" };
      if (!fulfils(step, given)) {
        const { verdict, rule, reason } = given;
        return { expected, verdict, rule, reason, repetition: step.times === 1 ? undefined : repetition };
      }
    }
    return undefined;
  }

  #born(task: SimulatedTask, { child, call }: Extract<CaseStep, { kind: "birth" }>): Mismatch | undefined {
    const decision = task.call({ number: call.number, arguments: call.registers, memory: call.memory });
    const { birth, lacking, passes, verdict, rule, reason } = decision;
    if (lacking.length > 0) return { expected: "allow", ...lackingMemory(lacking), repetition: undefined };
    if (passes !== true || birth === undefined) {
      this.#tasks.delete(child);
      return { expected: "allow", verdict, rule, reason, repetition: undefined };
    }
    this.#tasks.set(child, birth.kind === "thread" ? birth.thread() : birth.process());
    return undefined;
  }

  #make(task: SimulatedTask, kind: "fork" | "thread", child: string): Mismatch | undefined {
    try {
      this.#tasks.set(child, task[kind]());
      return undefined;
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      this.#tasks.delete(child);
      const { verdict, rule, reason } = error.decision;
      return { expected: "allow", verdict, rule, reason, repetition: undefined };
    }
  }
}

const noRule = { rule: undefined, reason: undefined } as const;

function begunText(begun: BegunCall | undefined): Given {
  switch (begun?.is) {
    case "runs":
      return { verdict: "allow", ...noRule };
    case "waits":
      return { verdict: "waits", ...noRule };
    case "late":
      return begun.ruling;
    case undefined:
      return { verdict: "no call is in progress", ...noRule };
  }
}

/** The line lacks memory on which the verdict depends, so the verdict is unknown. */
function lackingMemory(lacking: readonly LackingMemory[]): Given {
  const what = lackingText(lacking, (name) => `\`${name}\``);
  const verdict = `unknown: the policy asks about ${what}, and the line does not give it`;
  return { verdict, ...noRule };
}

function expectedVerdict({ action, errno = 0 }: Pick<ExpectedVerdict, "action" | "errno">): string {
  if (action === "waits") return action;
  return action === "fails" ? failureText(errno) : verdictText({ action, errno });
}

function expectation(step: Pick<CallStep, "expected">): string {
  const { action, errno, reason } = step.expected;
  const verdict = expectedVerdict({ action, errno });
  return reason === undefined ? verdict : `${verdict} @ ${JSON.stringify(reason)}`;
}

function fulfils(step: Pick<CallStep, "expected">, given: Given): boolean {
  const { action, errno, reason } = step.expected;
  return (
    given.verdict === expectedVerdict({ action, errno }) &&
    (reason === undefined || (given.reason ?? "").includes(reason))
  );
}

// ── The classic filter ──────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The verdict of the filter, and of the declarations about objects if it lets the call pass; undefined if it asks the
 * supervisor. Every verdict gets its own word, to identify it.
 */
function classicAnswers(program: Program): (step: CallStep) => Given | undefined {
  const ask = returnWord("USER_NOTIF");
  const word = (index: number) => (index <= 0xffff ? returnWord("TRACE", index) : ask);
  const { classic } = staticFilter(notifyProfile, program, { armed: false, word });
  return (step) => {
    const { word } = runClassic(classic.instructions, {
      number: step.number,
      architecture: auditArchitecture[program.architecture],
      instructionPointer: 0n,
      arguments: step.registers as [bigint, bigint, bigint, bigint, bigint, bigint],
    });
    const { action, data } = splitReturnWord(word);
    const verdict = action === "TRACE" ? program.verdicts[data] : undefined;
    if (action === "ALLOW" || verdict?.action === "allow" || verdict?.action === "log") {
      const denial = rulingOfObjects(program, { number: step.number, arguments: step.registers }, step.memory);
      if (denial !== undefined && denial !== "unknown") return denial;
    }
    if (verdict !== undefined) {
      const { at, reason } = verdict;
      const rule = at === undefined ? undefined : `${program.files[at.file]}:${at.line}:${at.column}`;
      return { verdict: verdictText(verdict), rule, reason };
    }
    const plain = { rule: undefined, reason: undefined };
    if (action === "ALLOW") return { verdict: "allow", ...plain };
    return action === "ERRNO" ? { verdict: "deny ENOSYS", ...plain } : undefined;
  };
}

/** The filter comes before any copy, so it may answer where the forms say that the copy fails. */
function classicFailure(step: CallStep, given: Given | undefined): CaseFailure[] {
  if (given === undefined || step.expected.action === "fails" || fulfils(step, given)) return [];
  return [
    {
      step,
      place: step.verdictPlace,
      expected: expectation(step),
      given: given.verdict,
      forms: ["classic"],
      rule: given.rule,
      reason: given.reason,
      repetition: undefined,
    },
  ];
}
