/** Simplifies formulas on a path: drops decided tests. */
import type { Environment, Environments } from "./environment.ts";
import type { NumberSet, NumberSets } from "./numbers.ts";
import type { Formula, TermPool, Test } from "./terms.ts";

export class FormulaResolver {
  readonly #pool: TermPool;
  readonly #environments: Environments;
  readonly #numbers: NumberSets;
  readonly #assumed = new Map<string, Formula>();

  constructor(environments: Environments, numbers: NumberSets) {
    this.#pool = environments.pool;
    this.#environments = environments;
    this.#numbers = numbers;
  }

  /** The formula without the tests that the path or the numbers decide. */
  resolve(formula: Formula, environment: Environment, numbers: NumberSet): Formula {
    return this.#rewrite(formula, new Map(), (test) => {
      if (test.rank === 0) {
        const outcome = this.#numbers.decide(numbers, test);
        return typeof outcome === "boolean" ? outcome : undefined;
      }
      return this.#environments.decide(environment, test);
    });
  }

  /** The formula after a test has this outcome. */
  assume(formula: Formula, test: Test, outcome: boolean): Formula {
    const key = `${formula.id},${test.id},${outcome}`;
    let result = this.#assumed.get(key);
    if (result === undefined) {
      result = this.#rewrite(formula, new Map(), (each) => (each === test ? outcome : undefined));
      this.#assumed.set(key, result);
    }
    return result;
  }

  #rewrite(formula: Formula, done: Map<Formula, Formula>, decide: (test: Test) => boolean | undefined): Formula {
    const pool = this.#pool;
    const { shape } = formula;
    if (shape.kind === "boolean") return formula;
    if (shape.kind === "test") {
      const outcome = decide(shape.test);
      return outcome === undefined ? formula : outcome !== shape.negated ? pool.yes : pool.no;
    }
    const known = done.get(formula);
    if (known !== undefined) return known;
    const absorbing = shape.kind === "all" ? pool.no : pool.yes;
    const parts: Formula[] = [];
    let changed = false;
    let result: Formula | undefined;
    for (const part of shape.of) {
      const rewritten = this.#rewrite(part, done, decide);
      if (rewritten === absorbing) {
        result = absorbing;
        break;
      }
      if (rewritten !== part) changed = true;
      parts.push(rewritten);
    }
    result ??= !changed ? formula : shape.kind === "all" ? pool.all(parts) : pool.any(parts);
    done.set(formula, result);
    return result;
  }
}
