/** Expressions under an environment: what an expression of the IR is, as a term, a formula or a verdict term. */
import type { BooleanExpression, Expression, IntegerExpression, VerdictExpression } from "../../ir/program.ts";
import { operands } from "../../ir/traverse.ts";
import type { Environment, Environments } from "./environment.ts";
import { wordMask } from "./intervals.ts";
import { combine, comparison, pullback } from "./pullback.ts";
import type { Formula, Term, Universe, VerdictTerm } from "./terms.ts";

export class Evaluator {
  readonly #universe: Universe;
  readonly #environments: Environments;
  /** Of expressions that read no local, cell or table: they mean the same everywhere. */
  readonly #fixedTerms = new Map<IntegerExpression, Term>();
  readonly #fixedFormulas = new Map<BooleanExpression, Formula>();
  readonly #fixed = new Map<Expression, boolean>();

  constructor(environments: Environments) {
    this.#universe = environments.universe;
    this.#environments = environments;
  }

  /** Does the expression depend on inputs and parameters only? */
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
    if (expression.kind === "constant") return this.#universe.constant(expression.value);
    if (expression.kind === "input") return this.#universe.input(expression.input);
    if (!this.#isFixed(expression)) return this.#integer(expression, environment);
    let term = this.#fixedTerms.get(expression);
    if (term === undefined) {
      term = this.#integer(expression, environment);
      this.#fixedTerms.set(expression, term);
    }
    return term;
  }

  #integer(expression: IntegerExpression, environment: Environment): Term {
    const universe = this.#universe;
    switch (expression.kind) {
      case "constant":
        return universe.constant(expression.value);
      case "input":
        return universe.input(expression.input);
      case "local":
        return this.#environments.local(environment, expression.local) as Term;
      case "cell":
        return this.#environments.cell(environment, expression.cell);
      case "parameter":
        return universe.parameter(expression.parameter);
      case "observed":
        return universe.observed(expression.word);
      case "binary":
        return combine(
          universe,
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
          return universe.constant(BigInt.asUintN(64, extended));
        }
        return universe.extend(expression.width, expression.signed, value);
      }
      case "select": {
        const condition = this.boolean(expression.condition, environment);
        return universe.select(
          condition,
          condition === universe.no ? universe.constant(0n) : this.integer(expression.then, environment),
          condition === universe.yes ? universe.constant(0n) : this.integer(expression.otherwise, environment),
        );
      }
      case "table-get":
        return universe.tableGet(
          expression.table,
          this.#environments.table(environment, expression.table),
          this.integer(expression.key, environment),
          this.integer(expression.otherwise, environment),
        );
      case "from-boolean":
        return universe.select(
          this.boolean(expression.value, environment),
          universe.constant(1n),
          universe.constant(0n),
        );
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
    const universe = this.#universe;
    switch (expression.kind) {
      case "boolean":
        return expression.value ? universe.yes : universe.no;
      case "boolean-local":
        return this.#environments.local(environment, expression.local) as Formula;
      case "compare":
        return comparison(
          universe,
          expression.operator,
          this.integer(expression.left, environment),
          this.integer(expression.right, environment),
        );
      case "within":
        return pullback(universe, this.integer(expression.value, environment), wordMask, expression.intervals);
      case "not":
        return universe.not(this.boolean(expression.value, environment));
      case "all":
        return universe.all(expression.of.map((part) => this.boolean(part, environment)));
      case "any":
        return universe.any(expression.of.map((part) => this.boolean(part, environment)));
      case "table-has":
        return universe.test(
          universe.tableHas(
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
    const universe = this.#universe;
    switch (expression.kind) {
      case "verdict":
        return universe.verdict(expression.verdict);
      case "verdict-local":
        return this.#environments.local(environment, expression.local) as VerdictTerm;
      case "strictest":
        return universe.strictest(expression.of.map((part) => this.verdict(part, environment)));
      case "verdict-select": {
        const condition = this.boolean(expression.condition, environment);
        return universe.verdictSelect(
          condition,
          this.verdict(expression.then, environment),
          this.verdict(expression.otherwise, environment),
        );
      }
    }
  }
}
