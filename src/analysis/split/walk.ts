/**
 * The deterministic part of symbolic execution: follows a path, records its assignments and effects, and stops at its
 * end or at a condition that neither the path nor the numbers decide.
 */
import { maximumWord } from "../../abi/word.ts";
import type { StatefulReason } from "../decision.ts";
import { type Continuation, choice } from "./continuations.ts";
import type { Environment, Environments } from "./environment.ts";
import { Evaluator } from "./evaluate.ts";
import type { FormulaResolver } from "./formulas.ts";
import { type GraphNode, GuardChains } from "./graph.ts";
import type { NumberSet, NumberSets } from "./numbers.ts";
import { pullback } from "./pullback.ts";
import type { Formula, Term, TermPool, Test, VerdictTerm } from "./terms.ts";
import { VerdictResolver } from "./verdicts.ts";

/** The effects on the path, which are added to every leaf below. */
export interface Effects {
  readonly reasons: StatefulReason[];
  readonly raised: number[];
}

export interface Walk {
  readonly effects: Effects;
  readonly environment: Environment;
  readonly stop:
    | { readonly kind: "end"; readonly verdict: number }
    | {
        readonly kind: "branch";
        readonly formula: Formula;
        readonly then: Continuation;
        readonly otherwise: Continuation;
      }
    | {
        readonly kind: "numbers";
        readonly groups: readonly { readonly numbers: NumberSet; readonly to: Continuation }[];
      };
}

/**
 * The cost of one statement, relative to a choice. n rules on one argument are walked n times, once for each value that
 * decides all of them; that alone must not exhaust the budget.
 */
const costOfPassing = 1 / 4;

export class Walker {
  readonly #pool: TermPool;
  readonly #environments: Environments;
  readonly #numbers: NumberSets;
  readonly #formulas: FormulaResolver;
  readonly #evaluator: Evaluator;
  readonly #verdicts: VerdictResolver;
  readonly #chains = new GuardChains();
  /** The choices so far, with the cost of the statements between them. */
  steps = 0;

  constructor(environments: Environments, numbers: NumberSets, formulas: FormulaResolver) {
    this.#pool = environments.pool;
    this.#environments = environments;
    this.#numbers = numbers;
    this.#formulas = formulas;
    this.#evaluator = new Evaluator(environments);
    this.#verdicts = new VerdictResolver(this.#pool, formulas);
  }

  walk(start: Continuation, initial: Environment, numbers: NumberSet): Walk {
    const effects: Effects = { reasons: [], raised: [] };
    let at = start;
    let environment = initial;
    for (;;) {
      this.steps += costOfPassing;
      if (at.kind === "verdict") return { effects, environment, stop: this.#ending(at.verdict, environment, numbers) };
      let next: Continuation | Walk;
      if (at.kind === "choice") next = this.#branch(at.formula, at.then, at.otherwise, environment, numbers, effects);
      else if (at.kind === "arms") next = this.#arm(at, environment, numbers, effects);
      else {
        let { node }: { node: GraphNode } = at;
        if (node.guard !== undefined && numbers.members.length === 1 && numbers.members[0]! < 4096) {
          node = this.#chains.skip(node, numbers.members[0]!);
        }
        const { statement } = node;
        switch (statement.kind) {
          case "return":
            next = { kind: "verdict", verdict: this.#evaluator.verdict(statement.verdict, environment) };
            break;
          case "if":
            next = this.#branch(
              this.#evaluator.boolean(statement.condition, environment),
              { kind: "node", node: node.next[0]! },
              { kind: "node", node: node.next[1]! },
              environment,
              numbers,
              effects,
            );
            break;
          case "switch": {
            const value = this.#settled(this.#evaluator.integer(statement.value, environment), environment, numbers);
            next =
              value === this.#pool.input("number")
                ? this.#byNumber(node, environment, numbers, effects)
                : { kind: "arms", node, value, arm: 0 };
            break;
          }
          default:
            environment = this.#executed(node, environment, numbers, effects);
            next = { kind: "node", node: node.next[0]! };
        }
      }
      if ("stop" in next) return next;
      at = next;
    }
  }

  /** A verdict that is certain, or the first condition that it depends on. */
  #ending(verdict: VerdictTerm, environment: Environment, numbers: NumberSet): Walk["stop"] {
    const resolved = this.#verdicts.resolve(verdict, environment, numbers);
    if (resolved.shape.kind === "verdict") return { kind: "end", verdict: resolved.shape.verdict };
    const formula = this.#verdicts.firstCondition(resolved);
    // The continuations lack the condition: a path that learns nothing about arguments would otherwise ask it again.
    const after = (outcome: boolean): Continuation => ({
      kind: "verdict",
      verdict: this.#verdicts.assume(resolved, formula, outcome),
    });
    return { kind: "branch", formula, then: after(true), otherwise: after(false) };
  }

  /** The path's continuation; the path stops if the condition is undecided. */
  #branch(
    condition: Formula,
    then: Continuation,
    otherwise: Continuation,
    environment: Environment,
    numbers: NumberSet,
    effects: Effects,
  ): Continuation | Walk {
    const formula = this.#formulas.resolve(condition, environment, numbers);
    if (formula === this.#pool.yes) return then;
    if (formula === this.#pool.no) return otherwise;
    return this.#split(effects, environment, formula, then, otherwise, numbers);
  }

  /** One arm of a switch on another value than the call's number. */
  #arm(
    { node, value, arm }: Extract<Continuation, { readonly kind: "arms" }>,
    environment: Environment,
    numbers: NumberSet,
    effects: Effects,
  ): Continuation | Walk {
    if (node.statement.kind !== "switch") throw new Error("only a switch has arms");
    const then: Continuation = { kind: "node", node: node.next[arm]! };
    if (arm === node.statement.arms.length) return then;
    return this.#branch(
      pullback(this.#pool, value, maximumWord, node.statement.arms[arm]!.intervals),
      then,
      { kind: "arms", node, value, arm: arm + 1 },
      environment,
      numbers,
      effects,
    );
  }

  /** A switch on the call's number divides the calls of the path. */
  #byNumber(
    { statement, next }: GraphNode,
    environment: Environment,
    numbers: NumberSet,
    effects: Effects,
  ): Continuation | Walk {
    if (statement.kind !== "switch") throw new Error("only a switch has arms");
    const groups = this.#numbers
      .partition(
        numbers,
        statement.arms.map((arm) => arm.intervals),
      )
      .flatMap((part, arm) =>
        part === undefined ? [] : [{ numbers: part, to: { kind: "node", node: next[arm]! } as const }],
      );
    return groups.length > 1 ? { effects, environment, stop: { kind: "numbers", groups } } : groups[0]!.to;
  }

  /** The environment after a statement that has one successor. */
  #executed(node: GraphNode, environment: Environment, numbers: NumberSet, effects: Effects): Environment {
    const environments = this.#environments;
    const { statement, position } = node;
    switch (statement.kind) {
      case "set-integer": {
        const value = this.#evaluator.integer(statement.value, environment);
        const settled = this.#settled(value, environment, numbers);
        return environments.withLocal(environment, statement.local, settled, position);
      }
      case "set-boolean": {
        const value = this.#evaluator.boolean(statement.value, environment);
        const resolved = this.#formulas.resolve(value, environment, numbers);
        return environments.withLocal(environment, statement.local, resolved, position);
      }
      case "set-verdict": {
        const value = this.#evaluator.verdict(statement.value, environment);
        const resolved = this.#verdicts.resolve(value, environment, numbers);
        return environments.withLocal(environment, statement.local, resolved, position);
      }
      case "store": {
        const value = this.#settled(this.#evaluator.integer(statement.value, environment), environment, numbers);
        const before = environments.cell(environment, statement.cell);
        const known = environments.onlyValue(environment, before);
        const isSame = known !== undefined && known === environments.onlyValue(environment, value);
        if (value === before || isSame) return environment;
        effects.reasons.push({ because: "changes-state", cell: statement.cell });
        return environments.withCell(environment, statement.cell, value);
      }
      case "table-set": {
        const key = this.#evaluator.integer(statement.key, environment);
        const value = this.#evaluator.integer(statement.value, environment);
        return this.#tableSet(statement.table, key, value, environment, effects);
      }
      case "table-delete": {
        const key = this.#evaluator.integer(statement.key, environment);
        return this.#tableDelete(statement.table, key, environment, effects);
      }
      case "enter":
        effects.reasons.push({ because: "enters-room", room: statement.room, side: statement.side });
        effects.raised.push(this.#pool.program.rooms[statement.room]!.late);
        return environment;
      case "report":
        effects.reasons.push({ because: "reports", report: statement.report });
        return environment;
      default:
        throw new Error(`the graph has no ${statement.kind} here`);
    }
  }

  /** A branch; if the numbers disagree, it is first split by number. */
  #split(
    effects: Effects,
    environment: Environment,
    formula: Formula,
    then: Continuation,
    otherwise: Continuation,
    numbers: NumberSet,
  ): Walk {
    const test = formula.first!;
    if (test.rank === 0) {
      const parts = this.#numbers.decide(numbers, test);
      if (typeof parts !== "boolean") {
        const groups = parts.map((part, index) => ({
          numbers: part,
          to: choice(this.#formulas.assume(formula, test, index === 0), then, otherwise),
        }));
        return { effects, environment, stop: { kind: "numbers", groups } };
      }
    }
    return { effects, environment, stop: { kind: "branch", formula, then, otherwise } };
  }

  #tableSet(table: number, key: Term, value: Term, environment: Environment, effects: Effects): Environment {
    const environments = this.#environments;
    const version = environments.table(environment, table);
    effects.reasons.push({ because: "changes-table", table });
    const present = environments.decide(environment, this.#presence(table, version, key));
    if (present !== true) effects.raised.push(this.#pool.program.tables[table]!.full);
    const next = this.#pool.tableVersion(`set ${table},${version},${key.id},${value.id}`);
    const after = environments.withTable(environment, table, next);
    // After an insert the key is present unless the table was full.
    return present === true ? environments.learn(after, this.#presence(table, next, key), true)! : after;
  }

  #tableDelete(table: number, key: Term, environment: Environment, effects: Effects): Environment {
    const environments = this.#environments;
    const version = environments.table(environment, table);
    if (environments.decide(environment, this.#presence(table, version, key)) === false) return environment;
    effects.reasons.push({ because: "changes-table", table });
    const next = this.#pool.tableVersion(`delete ${table},${version},${key.id}`);
    const after = environments.withTable(environment, table, next);
    return environments.learn(after, this.#presence(table, next, key), false)!;
  }

  #presence(table: number, version: number, key: Term): Test {
    return this.#pool.test(this.#pool.tableHas(table, version, key), 1n, [{ from: 1n, to: 1n }]).first!;
  }

  /** The value without the selects that the path decides. */
  #settled(value: Term, environment: Environment, numbers: NumberSet): Term {
    const { shape } = value;
    if (shape.kind !== "select") return value;
    const condition = this.#formulas.resolve(shape.condition, environment, numbers);
    if (condition === this.#pool.yes) return this.#settled(shape.then, environment, numbers);
    if (condition === this.#pool.no) return this.#settled(shape.otherwise, environment, numbers);
    return value;
  }
}

export function isNothing(effects: Effects): boolean {
  return effects.reasons.length === 0 && effects.raised.length === 0;
}
