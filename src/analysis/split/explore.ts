/**
 * Symbolic execution of a program for all its call numbers at once.
 *
 * A set of numbers walks the graph together until a condition distinguishes them. A condition on arguments becomes a test
 * of the decision. A condition on anything else (state, identity, time, a value that no classic filter can compute) is
 * explored both ways and joined. The facts of a path decide later conditions, so impossible paths are not walked: excluded
 * phases stay excluded, and a stored cell is known when it is loaded.
 *
 * It terminates because control only goes forward. It terminates soon because a place that is reached twice with equal
 * facts is explored once, and because of a budget: calls that exceed it get a leaf that says so.
 */
import { type Continuation, name, positionOf, retainedFor } from "./continuations.ts";
import type { DecisionNode, Decisions, ReasonSet } from "./decisions.ts";
import type { Environment, Environments } from "./environment.ts";
import { FormulaResolver } from "./formulas.ts";
import type { Graph } from "./graph.ts";
import { type NumberSet, NumberSets } from "./numbers.ts";
import { combine, gather, isList, type Result, resultAt } from "./results.ts";
import type { Formula, TermPool, Test } from "./terms.ts";
import { type Effects, isNothing, Walker } from "./walk.ts";

type Task =
  | { readonly do: "visit"; readonly at: Continuation; readonly environment: Environment; readonly numbers: NumberSet }
  | {
      readonly do: "branch";
      readonly formula: Formula;
      readonly then: Continuation;
      readonly otherwise: Continuation;
      readonly environment: Environment;
      readonly numbers: NumberSet;
    }
  | { readonly do: "test"; readonly test: Test }
  | { readonly do: "join"; readonly reasons: ReasonSet }
  | { readonly do: "numbers"; readonly whole: NumberSet; readonly parts: readonly NumberSet[] }
  | { readonly do: "effects"; readonly effects: Effects }
  | { readonly do: "remember"; readonly key: string };

class OutOfBudget extends Error {}

export class Explorer {
  readonly decisions: Decisions;
  readonly numbers = new NumberSets();
  readonly #pool: TermPool;
  readonly #environments: Environments;
  readonly #formulas: FormulaResolver;
  readonly #walker: Walker;
  readonly #memo = new Map<string, Result>();
  readonly #graph: Graph;
  /**
   * Whether paths learn from tests of arguments. Without, there are far fewer distinct states, but impossible paths are
   * walked.
   */
  readonly #learnsArguments: boolean;

  constructor(environments: Environments, graph: Graph, decisions: Decisions, learnsArguments: boolean) {
    this.#pool = environments.pool;
    this.#environments = environments;
    this.#formulas = new FormulaResolver(environments, this.numbers);
    this.#walker = new Walker(environments, this.numbers, this.#formulas);
    this.#graph = graph;
    this.decisions = decisions;
    this.#learnsArguments = learnsArguments;
  }

  /**
   * The decision of each number of the set, and the classes of numbers that need more than `budget` steps each, or come
   * after `total` steps or `mostWork` work.
   */
  explore(
    numbers: NumberSet,
    initial: Environment,
    budget: number,
    total: number,
    mostWork: number,
  ): { readonly found: Map<number, DecisionNode>; readonly left: readonly (readonly number[])[] } {
    const left: (readonly number[])[] = [];
    const found = new Map<number, DecisionNode>();
    interface Item {
      readonly at: Continuation;
      readonly environment: Environment;
      readonly numbers: NumberSet;
      readonly effects: readonly Effects[];
    }
    // While only numbers are distinguished, the parts never rejoin: no recursion, no merging.
    const items: Item[] = [
      { at: { kind: "node", node: this.#graph.start }, environment: initial, numbers, effects: [] },
    ];
    for (let item = items.pop(); item !== undefined; item = items.pop()) {
      const walk = this.#walker.walk(item.at, item.environment, item.numbers);
      const effects = isNothing(walk.effects) ? item.effects : [...item.effects, walk.effects];
      const { stop } = walk;
      if (stop.kind === "numbers") {
        for (const group of stop.groups)
          items.push({ at: group.to, environment: walk.environment, numbers: group.numbers, effects });
        continue;
      }
      try {
        let result: Result =
          stop.kind === "end"
            ? this.#leaf(stop.verdict)
            : this.#run(
                { do: "branch", ...stop, environment: walk.environment, numbers: item.numbers },
                Math.min(budget, total - this.steps),
                mostWork,
              );
        for (let i = effects.length - 1; i >= 0; i--) result = this.#withEffects(result, effects[i]!);
        item.numbers.members.forEach((number, index) => {
          found.set(number, resultAt(result, index));
        });
      } catch (error) {
        if (!(error instanceof OutOfBudget)) throw error;
        left.push(item.numbers.members);
      }
    }
    return { found, left };
  }

  /** The cost of everything except the choices. */
  get work(): number {
    return this.decisions.work + this.#environments.work + this.#environments.base.work;
  }

  get steps(): number {
    return this.#walker.steps;
  }

  // ── Choices ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #run(first: Task, budget: number, mostWork: number): Result {
    const tasks: Task[] = [first];
    const values: Result[] = [];
    const end = this.#walker.steps + budget;
    for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
      if (this.#walker.steps > end || this.work > mostWork) throw new OutOfBudget();
      switch (task.do) {
        case "visit":
          this.#visit(task, tasks, values);
          break;
        case "branch":
          this.#branch(task, tasks, values);
          break;
        case "test": {
          const otherwise = values.pop()!;
          const { test } = task;
          values.push(combine(values.pop()!, otherwise, (a, b) => this.decisions.test(test, a, b)));
          break;
        }
        case "join": {
          const otherwise = values.pop()!;
          const { reasons } = task;
          values.push(combine(values.pop()!, otherwise, (a, b) => this.decisions.join(a, b, reasons)));
          break;
        }
        case "numbers": {
          const parts = values.splice(values.length - task.parts.length);
          values.push(gather(task.whole, task.parts, parts));
          break;
        }
        case "effects":
          values.push(this.#withEffects(values.pop()!, task.effects));
          break;
        case "remember":
          this.#memo.set(task.key, values[values.length - 1]!);
          break;
      }
    }
    return values[0]!;
  }

  #visit(task: Extract<Task, { do: "visit" }>, tasks: Task[], values: Result[]): void {
    const { numbers } = task;
    const walk = this.#walker.walk(task.at, task.environment, numbers);
    if (!isNothing(walk.effects)) tasks.push({ do: "effects", effects: walk.effects });
    const { stop, environment } = walk;
    if (stop.kind === "end") values.push(this.#leaf(stop.verdict));
    else if (stop.kind === "branch") tasks.push({ do: "branch", ...stop, environment, numbers });
    else {
      // The first group's task is on top of the stack, so results come in order.
      tasks.push({ do: "numbers", whole: numbers, parts: stop.groups.map((group) => group.numbers) });
      for (const group of stop.groups.toReversed())
        tasks.push({ do: "visit", at: group.to, environment, numbers: group.numbers });
    }
  }

  #branch(task: Extract<Task, { do: "branch" }>, tasks: Task[], values: Result[]): void {
    this.#walker.steps++;
    const { then, otherwise, numbers } = task;
    const environment = this.#environments.trim(
      task.environment,
      Math.min(positionOf(then), positionOf(otherwise)),
      retainedFor(task.formula, then, otherwise),
    );
    const formula = this.#formulas.resolve(task.formula, environment, numbers);
    if (formula === this.#pool.yes || formula === this.#pool.no) {
      tasks.push({ do: "visit", at: formula === this.#pool.yes ? then : otherwise, environment, numbers });
      return;
    }
    const key = `${formula.id},${name(then)},${name(otherwise)},${this.#environments.intern(environment)},${numbers.id}`;
    const known = this.#memo.get(key);
    if (known !== undefined) {
      values.push(known);
      return;
    }
    tasks.push({ do: "remember", key });
    const test = formula.first!;
    if (test.rank === 0) {
      const parts = this.numbers.decide(numbers, test) as readonly [NumberSet, NumberSet];
      tasks.push({ do: "numbers", whole: numbers, parts });
      for (const part of parts.toReversed())
        tasks.push({ do: "branch", formula, then, otherwise, environment, numbers: part });
      return;
    }
    const learns = test.rank === 2 || this.#learnsArguments;
    const yes = learns ? this.#environments.learn(environment, test, true) : environment;
    const no = learns ? this.#environments.learn(environment, test, false) : environment;
    if (yes === undefined || no === undefined) {
      const certain = { ...task, formula: this.#formulas.assume(formula, test, yes !== undefined) };
      tasks.push({ ...certain, environment: (yes ?? no)! });
      return;
    }
    tasks.push(
      test.rank === 1
        ? { do: "test", test }
        : { do: "join", reasons: this.decisions.reasons(this.#pool.reasons(test)) },
    );
    tasks.push({ ...task, formula: this.#formulas.assume(formula, test, false), environment: no });
    tasks.push({ ...task, formula: this.#formulas.assume(formula, test, true), environment: yes });
  }

  #leaf(verdict: number): DecisionNode {
    return this.decisions.leaf([verdict], this.decisions.none);
  }

  #withEffects(result: Result, effects: Effects): Result {
    const reasons = this.decisions.reasons(effects.reasons);
    const change = (node: DecisionNode) => {
      let changed = node;
      for (let i = effects.raised.length - 1; i >= 0; i--)
        changed = this.decisions.mayRaise(changed, effects.raised[i]!);
      return this.decisions.addReasons(changed, reasons);
    };
    return isList(result) ? combine(result, result, change) : change(result);
  }
}
