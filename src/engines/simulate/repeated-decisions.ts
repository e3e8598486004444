/**
 * Remembers decisions that change nothing: the same call in the same state has the same decision again. A recording repeats
 * few calls in few states, and an evaluation with unknown bits takes long.
 */

import { auditArchitecture } from "../../abi/architecture.ts";
import { argumentInputs } from "../../ir/inputs.ts";
import type { Program } from "../../ir/program.ts";
import { inputsOf } from "../../ir/traverse.ts";
import { asks } from "../../ir/verdicts.ts";
import type { SimulatedCall, SimulatedDecision } from "./model.ts";
import { inputsOfCall } from "./read-inputs.ts";
import type { Holder, StateKeeper } from "./state-keeper.ts";

/** Different states whose decisions are remembered. */
const mostStates = 256;

/** The state of one task, as of a change of any state. */
export interface SeenState {
  readonly change: number;
  readonly key: string;
}

export class RepeatedDecisions {
  readonly #program: Program;
  readonly #observed: ReadonlySet<number>;
  /** By number, the object in place of the contents of its calls; undefined if the policy reads arguments of them. */
  readonly #alike = new Map<number, object | undefined>();
  /** By the state, then by the content of the call. */
  #known = new Map<string, WeakMap<object, SimulatedDecision>>();
  #change = 0;

  private constructor(program: Program) {
    this.#program = program;
    this.#observed = new Set(program.observations.flatMap(({ sources }) => sources.map(({ number }) => number)));
  }

  /** Undefined for a policy whose decisions depend on more than its cells and the call. */
  static of(program: Program): RepeatedDecisions | undefined {
    const { body, tables, rooms, verdicts } = program;
    const inputs = inputsOf(body);
    const readsMore = (["now", "alive", "pid", "tid", "uid", "gid"] as const).some((input) => inputs.has(input));
    if (readsMore || tables.length > 0 || rooms.length > 0 || verdicts.some(asks)) return undefined;
    return new RepeatedDecisions(program);
  }

  /** The state of a task; `before` is what this returned for it earlier. */
  look<H>(before: SeenState | undefined, keeper: StateKeeper<H>, thread: Holder<H>, process: Holder<H>): SeenState {
    if (before?.change === this.#change) return before;
    return { change: this.#change, key: this.#keyOf(keeper, thread, process) };
  }

  /**
   * The same object for calls with the same decision in the same state: their content, or less if the policy reads none of
   * their arguments. Undefined if the caller has not compared them.
   */
  contentOf({ number, architecture, content }: SimulatedCall): object | undefined {
    const own = auditArchitecture[this.#program.architecture];
    if (content === undefined || (architecture ?? own) !== own) return content;
    if (!this.#alike.has(number)) this.#alike.set(number, this.#readsArguments(number) ? undefined : {});
    return this.#alike.get(number) ?? content;
  }

  #readsArguments(number: number): boolean {
    const { objects } = this.#program;
    if (objects.length > 0 || this.#observed.has(number)) return true;
    const inputs = inputsOfCall(this.#program, number);
    return [...argumentInputs, "instructionPointer" as const].some((input) => inputs.has(input));
  }

  get(state: SeenState, call: object): SimulatedDecision | undefined {
    return this.#known.get(state.key)?.get(call);
  }

  /** Remembers the decision if it has changed nothing. `before` is the state in which it was made. */
  made<H>(
    decision: SimulatedDecision,
    call: object | undefined,
    before: SeenState,
    keeper: StateKeeper<H>,
    thread: Holder<H>,
    process: Holder<H>,
  ): void {
    if (this.#keyOf(keeper, thread, process) !== before.key) this.#change++;
    else if (call !== undefined && decision.birth === undefined) {
      if (this.#known.size === mostStates) this.#known = new Map();
      const known = this.#known.get(before.key) ?? new WeakMap<object, SimulatedDecision>();
      this.#known.set(before.key, known.set(call, decision));
    }
  }

  #keyOf<H>(keeper: StateKeeper<H>, thread: Holder<H>, process: Holder<H>): string {
    let key = keeper.isKnown ? "known" : "possible";
    for (let cell = 0; cell < this.#program.cells.length; cell++) {
      const { value, unknown } = keeper.cell(cell, thread, process);
      key += unknown === 0n ? ` ${value}` : ` ${value}?${unknown}`;
    }
    return key;
  }
}
