/** Evaluates IR expressions in an environment, to a term, a formula or a verdict term. */

import { maximumWord } from "../../abi/word.ts";
import type { BooleanExpression, Expression, IntegerExpression, VerdictExpression } from "../../ir/program.ts";
import { operands } from "../../ir/traverse.ts";
import type { Environment, Environments } from "./environment.ts";

import { combine, comparison, pullback } from "./pullback.ts";
import type { Formula, Term, TermPool, VerdictTerm } from "./terms.ts";

export class Evaluator {
  readonly #pool: TermPool;
  readonly #environments: Environments;
  /** Cache for expressions without locals, cells and tables, which have the same value everywhere. */
  readonly #fixedTerms = new Map<IntegerExpression, Term>();
  readonly #fixedFormulas = new Map<BooleanExpression, Formula>();
  readonly #fixed = new Map<Expression, boolean>();

  constructor(environments: Environments) {
    this.#pool = environments.pool;
    this.#environments = environments;
  }

  /** Whether the expression depends only on inputs and parameters. */
  #isFixed(expression: Expression): boolean {
    let fixed = this.#fixed.get(expression);
    if (fixed === undefined) {
      fixed =
        expression.kind !== "local" &&
        expression.kind !== "boolean-local" &&
        expression.kind !== "verdict-local" &&
        expression.kind !== "cell" &&
        expression.kind !== "table-get" &&
        expression.kind !== "table-has" &&
        operands(expression).every((operand) => this.#isFixed(operand));
      this.#fixed.set(expression, fixed);
    }
    return fixed;
  }

  integer(expression: IntegerExpression, environment: Environment): Term {
    if (expression.kind === "constant") return this.#pool.constant(expression.value);
    if (expression.kind === "input") return this.#pool.input(expression.input);
    if (!this.#isFixed(expression)) return this.#integer(expression, environment);
    let term = this.#fixedTerms.get(expression);
    if (term === undefined) {
      term = this.#integer(expression, environment);
      this.#fixedTerms.set(expression, term);
    }
    return term;
  }

  #integer(expression: IntegerExpression, environment: Environment): Term {
    const pool = this.#pool;
    switch (expression.kind) {
      case "constant":
        return pool.constant(expression.value);
      case "input":
        return pool.input(expression.input);
      case "local":
        return this.#environments.local(environment, expression.local) as Term;
      case "cell":
        return this.#environments.cell(environment, expression.cell);
      case "parameter":
        return pool.parameter(expression.parameter);
      case "observed":
        return pool.observed(expression.word);
      case "binary":
        return combine(
          pool,
          expression.operator,
          this.integer(expression.left, environment),
          this.integer(expression.right, environment),
        );
      case "extend": {
        const value = this.integer(expression.value, environment);
        if (value.shape.kind === "constant") {
          const extended = expression.signed
            ? BigInt.asIntN(expression.width, value.shape.value)
            : BigInt.asUintN(expression.width, value.shape.value);
          return pool.constant(BigInt.asUintN(64, extended));
        }
        return pool.extend(expression.width, expression.signed, value);
      }
      case "select": {
        const condition = this.boolean(expression.condition, environment);
        return pool.select(
          condition,
          condition === pool.no ? pool.constant(0n) : this.integer(expression.then, environment),
          condition === pool.yes ? pool.constant(0n) : this.integer(expression.otherwise, environment),
        );
      }
      case "table-get":
        return pool.tableGet(
          expression.table,
          this.#environments.table(environment, expression.table),
          this.integer(expression.key, environment),
          this.integer(expression.otherwise, environment),
        );
      case "from-boolean":
        return pool.select(this.boolean(expression.value, environment), pool.constant(1n), pool.constant(0n));
    }
  }

  boolean(expression: BooleanExpression, environment: Environment): Formula {
    if (!this.#isFixed(expression)) return this.#boolean(expression, environment);
    let formula = this.#fixedFormulas.get(expression);
    if (formula === undefined) {
      formula = this.#boolean(expression, environment);
      this.#fixedFormulas.set(expression, formula);
    }
    return formula;
  }

  #boolean(expression: BooleanExpression, environment: Environment): Formula {
    const pool = this.#pool;
    switch (expression.kind) {
      case "boolean":
        return expression.value ? pool.yes : pool.no;
      case "boolean-local":
        return this.#environments.local(environment, expression.local) as Formula;
      case "compare":
        return comparison(
          pool,
          expression.operator,
          this.integer(expression.left, environment),
          this.integer(expression.right, environment),
        );
      case "within":
        return pullback(pool, this.integer(expression.value, environment), maximumWord, expression.intervals);
      case "not":
        return pool.not(this.boolean(expression.value, environment));
      case "all":
        return pool.all(expression.of.map((part) => this.boolean(part, environment)));
      case "any":
        return pool.any(expression.of.map((part) => this.boolean(part, environment)));
      case "table-has":
        return pool.test(
          pool.tableHas(
            expression.table,
            this.#environments.table(environment, expression.table),
            this.integer(expression.key, environment),
          ),
          1n,
          [{ from: 1n, to: 1n }],
        );
    }
  }

  verdict(expression: VerdictExpression, environment: Environment): VerdictTerm {
    const pool = this.#pool;
    switch (expression.kind) {
      case "verdict":
        return pool.verdict(expression.verdict);
      case "verdict-local":
        return this.#environments.local(environment, expression.local) as VerdictTerm;
      case "strictest":
        return pool.strictest(expression.of.map((part) => this.verdict(part, environment)));
      case "verdict-select": {
        const condition = this.boolean(expression.condition, environment);
        return pool.verdictSelect(
          condition,
          this.verdict(expression.then, environment),
          this.verdict(expression.otherwise, environment),
        );
      }
    }
  }
}
