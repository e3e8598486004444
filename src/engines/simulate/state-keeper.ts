/**
 * Holds the state of a tree across judgements. As long as all state is known, the evaluator holds it. When unknown bits of a
 * call decide about state, the state is no longer known, and this class holds the possible states instead.
 */
import type { Circumstances, EnteredRoom, ScopeState, SystemCallEvent } from "../../ir/evaluation.ts";
import { type Input, inputs } from "../../ir/inputs.ts";
import type { Program, Scope } from "../../ir/program.ts";
import { asks } from "../../ir/verdicts.ts";
import type { Evaluator, HolderScope } from "./evaluator.ts";
import { inputsOfCall } from "./read-inputs.ts";
import { type Bits, bits, known } from "./unknown/known-bits.ts";
import { evaluatePossible, type PossibleEvaluation, type PossibleInputs } from "./unknown/possible-evaluation.ts";
import { type PossibleReport, PossibleScope } from "./unknown/possible-state.ts";

/** The state of one thread or process, opaque to all but its keeper. */
export class Holder<H> {
  readonly scope: HolderScope;
  content: H | PossibleScope;

  constructor(scope: HolderScope, content: H | PossibleScope) {
    this.scope = scope;
    this.content = content;
  }
}

/** Unknown bits of a call: masks, 1 where a bit is unknown. Unknown bits of the call itself are 0. */
export interface UnknownBits {
  readonly inputs: { readonly [I in Input]?: bigint };
  /** For each of `Program.words`. */
  readonly observed: readonly bigint[];
}

export interface KeptJudgement {
  /** All possible verdicts, sorted; at least one. */
  readonly verdicts: readonly number[];
  /** The rooms that the call takes if it passes; with unknown effects, those that it certainly takes. */
  readonly entered: readonly EnteredRoom[];
  readonly reports: readonly PossibleReport[];
  /** True if neither state, rooms nor reports depend on unknown bits. */
  readonly effectsKnown: boolean;
}

export class StateKeeper<H> {
  readonly program: Program;
  private readonly evaluator: Evaluator<H>;
  private readonly holders = new Set<Holder<H>>();
  /** Undefined as long as all state is known. */
  private possibleTree: PossibleScope | undefined;
  private readonly mayAsk: boolean;

  constructor(evaluator: Evaluator<H>) {
    this.program = evaluator.program;
    this.evaluator = evaluator;
    this.mayAsk = evaluator.program.verdicts.some(asks);
  }

  /** Whether all state is known. */
  get isKnown(): boolean {
    return this.possibleTree === undefined;
  }

  create(scope: HolderScope): Holder<H> {
    const content = this.evaluator.create(scope);
    return this.keep(scope, this.possibleTree === undefined ? content : this.possible(scope, content));
  }

  inherit(parent: Holder<H>): Holder<H> {
    const { scope, content } = parent;
    return this.keep(
      scope,
      content instanceof PossibleScope ? content.inherit(this.program, scope) : this.evaluator.inherit(scope, content),
    );
  }

  release(holder: Holder<H>): void {
    this.holders.delete(holder);
    if (!(holder.content instanceof PossibleScope)) this.evaluator.release(holder.scope, holder.content);
  }

  judge(
    event: SystemCallEvent,
    circumstances: Circumstances,
    unknown: UnknownBits,
    thread: Holder<H>,
    process: Holder<H>,
    allowed = false,
  ): KeptJudgement {
    const { program, evaluator, possibleTree } = this;
    const unknownInputs = inputs.filter((input) => (unknown.inputs[input] ?? 0n) !== 0n);
    const read = unknownInputs.length === 0 ? undefined : inputsOfCall(program, event.number);
    const isKnown = unknownInputs.every((input) => !read!.has(input)) && unknown.observed.every((mask) => mask === 0n);
    if (possibleTree === undefined && isKnown) {
      const { verdict, entered, reports } = this.evaluateKnown(event, circumstances, thread, process, allowed);
      return { verdicts: [verdict], entered, reports, effectsKnown: true };
    }
    const result = evaluatePossible(program, possibleInputs(event, circumstances, unknown), {
      thread: this.look(thread),
      process: this.look(process),
      tree: possibleTree ?? PossibleScope.from(evaluator.readTree()),
    });
    const { verdicts, states, entered, enteredKnown, reports, reportsKnown } = allowed
      ? result
      : this.withoutAsked(result, thread, process);
    const statesKnown = states.thread.isKnown() && states.process.isKnown() && states.tree.isKnown();
    if (possibleTree === undefined && statesKnown && enteredKnown && reportsKnown) {
      // Every completion of the call has the same effect on state, so one suffices: that with zeros.
      const { reports: made } = this.evaluateKnown(event, circumstances, thread, process, allowed);
      return { verdicts, entered, reports: made, effectsKnown: true };
    }
    if (possibleTree === undefined) {
      for (const holder of this.holders) holder.content = this.look(holder);
    }
    thread.content = states.thread;
    process.content = states.process;
    this.possibleTree = states.tree;
    return { verdicts, entered, reports, effectsKnown: statesKnown && enteredKnown && reportsKnown };
  }

  /** The present value of a cell of its holder, or of the tree. */
  cell(index: number, thread: Holder<H>, process: Holder<H>): Bits {
    const { scope } = this.program.cells[index]!;
    if (scope === "tree") {
      return this.possibleTree?.cells[index] ?? known(this.evaluator.readCell(index, undefined));
    }
    const { content } = scope === "thread" ? thread : process;
    return content instanceof PossibleScope ? content.cells[index]! : known(this.evaluator.readCell(index, content));
  }

  /** The present state if it is known: read-only, and valid until the next judgement. */
  state(scope: Scope, thread: Holder<H>, process: Holder<H>): ScopeState | undefined {
    if (this.possibleTree !== undefined) return undefined;
    if (scope === "tree") return this.evaluator.readTree();
    const { content } = scope === "thread" ? thread : process;
    return content instanceof PossibleScope ? undefined : this.evaluator.read(scope, content);
  }

  private evaluateKnown(
    event: SystemCallEvent,
    circumstances: Circumstances,
    thread: Holder<H>,
    process: Holder<H>,
    allowed: boolean,
  ): { verdict: number; entered: readonly EnteredRoom[]; reports: PossibleReport[] } {
    const [ofThread, ofProcess] = [thread.content as H, process.content as H];
    const restore = this.mayAsk && !allowed ? this.evaluator.remember(ofThread, ofProcess) : undefined;
    const { verdict, entered, reports } = this.evaluator.evaluate(event, circumstances, ofThread, ofProcess);
    if (restore !== undefined && asks(this.program.verdicts[verdict]!)) {
      restore();
      return { verdict, entered: [], reports: [] };
    }
    return { verdict, entered, reports: reports.map(({ report, values }) => ({ report, values: values.map(known) })) };
  }

  /** A call that is not allowed has no effects. */
  private withoutAsked(result: PossibleEvaluation, thread: Holder<H>, process: Holder<H>): PossibleEvaluation {
    const { program, possibleTree, evaluator } = this;
    const asked = result.verdicts.filter((verdict) => asks(program.verdicts[verdict]!));
    if (asked.length === 0) return result;
    const isCertain = asked.length === result.verdicts.length;
    const before = {
      thread: this.look(thread),
      process: this.look(process),
      tree: possibleTree ?? PossibleScope.from(evaluator.readTree()),
    };
    if (isCertain)
      return { ...result, states: before, entered: [], enteredKnown: true, reports: [], reportsKnown: true };
    for (const scope of ["thread", "process", "tree"] as const) result.states[scope].join(before[scope]);
    const [enteredKnown, reportsKnown] = [result.entered.length === 0, result.reports.length === 0];
    return {
      ...result,
      entered: [],
      enteredKnown: result.enteredKnown && enteredKnown,
      reports: [],
      reportsKnown: result.reportsKnown && reportsKnown,
    };
  }

  private keep(scope: HolderScope, content: H | PossibleScope): Holder<H> {
    const holder = new Holder<H>(scope, content);
    this.holders.add(holder);
    return holder;
  }

  private look({ scope, content }: Holder<H>): PossibleScope {
    return content instanceof PossibleScope ? content : this.possible(scope, content);
  }

  private possible(scope: HolderScope, content: H): PossibleScope {
    return PossibleScope.from(this.evaluator.read(scope, content));
  }
}

function possibleInputs(event: SystemCallEvent, circumstances: Circumstances, unknown: UnknownBits): PossibleInputs {
  const [argument0, argument1, argument2, argument3, argument4, argument5] = event.arguments;
  const { now, alive, pid, tid, uid, gid } = circumstances;
  const values: { readonly [I in Input]: bigint } = {
    number: BigInt(event.number >>> 0),
    instructionPointer: event.instructionPointer,
    ...{ argument0, argument1, argument2, argument3, argument4, argument5 },
    ...{ now, alive },
    ...{ pid: BigInt(pid >>> 0), tid: BigInt(tid >>> 0), uid: BigInt(uid >>> 0), gid: BigInt(gid >>> 0) },
  };
  const possible = Object.fromEntries(
    inputs.map((input) => [input, bits(values[input], unknown.inputs[input] ?? 0n)]),
  ) as { [I in Input]: Bits };
  const observed = (circumstances.observed ?? []).map((word, index) => bits(word, unknown.observed[index] ?? 0n));
  return { ...possible, observed };
}
