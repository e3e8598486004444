/** Simplifies verdict terms on a path: drops decided parts, and finds the condition to decide next. */
import { strictness } from "../../ir/verdicts.ts";
import type { Environment } from "./environment.ts";
import type { FormulaResolver } from "./formulas.ts";
import type { NumberSet } from "./numbers.ts";
import type { Formula, TermPool, VerdictTerm } from "./terms.ts";

export class VerdictResolver {
  readonly #pool: TermPool;
  readonly #formulas: FormulaResolver;

  constructor(pool: TermPool, formulas: FormulaResolver) {
    this.#pool = pool;
    this.#formulas = formulas;
  }

  /** The term without the conditions that the path or the numbers decide. */
  resolve(term: VerdictTerm, environment: Environment, numbers: NumberSet): VerdictTerm {
    return this.#rewrite(term, new Map(), (condition) => this.#formulas.resolve(condition, environment, numbers));
  }

  /** The term where this condition has this outcome. */
  assume(term: VerdictTerm, condition: Formula, outcome: boolean): VerdictTerm {
    const known = outcome ? this.#pool.yes : this.#pool.no;
    return this.#rewrite(term, new Map(), (each) => (each === condition ? known : each));
  }

  #rewrite(
    term: VerdictTerm,
    done: Map<VerdictTerm, VerdictTerm>,
    decide: (condition: Formula) => Formula,
  ): VerdictTerm {
    const { shape } = term;
    if (shape.kind === "verdict") return term;
    let result = done.get(term);
    if (result !== undefined) return result;
    if (shape.kind === "select") {
      const condition = decide(shape.condition);
      if (condition === this.#pool.yes) result = this.#rewrite(shape.then, done, decide);
      else if (condition === this.#pool.no) result = this.#rewrite(shape.otherwise, done, decide);
      else
        result = this.#pool.verdictSelect(
          condition,
          this.#rewrite(shape.then, done, decide),
          this.#rewrite(shape.otherwise, done, decide),
        );
    } else result = this.#strictest(shape.of.map((part) => this.#rewrite(part, done, decide)));
    done.set(term, result);
    return result;
  }

  /** The first of equally strict verdicts wins, so a known one decides all known ones after it. */
  #strictest(parts: readonly VerdictTerm[]): VerdictTerm {
    const { verdicts } = this.#pool.program;
    const remaining: VerdictTerm[] = [];
    let open = false;
    let strictest: { readonly at: number; readonly rank: number } | undefined;
    for (const part of parts) {
      if (part.shape.kind !== "verdict") {
        open = true;
        remaining.push(part);
        continue;
      }
      const rank = strictness[verdicts[part.shape.verdict]!.action];
      if (strictest !== undefined && rank <= strictest.rank) continue;
      strictest = { at: remaining.length, rank };
      remaining.push(part);
    }
    if (!open && strictest !== undefined) return remaining[strictest.at]!;
    return this.#pool.strictest(remaining);
  }

  firstCondition(term: VerdictTerm): Formula {
    const found = conditionOf(term, new Set());
    if (found === undefined) throw new Error("a verdict term without a condition is a verdict");
    return found;
  }
}

function conditionOf(term: VerdictTerm, seen: Set<VerdictTerm>): Formula | undefined {
  if (seen.has(term)) return undefined;
  seen.add(term);
  const { shape } = term;
  if (shape.kind === "select") return shape.condition;
  if (shape.kind === "strictest")
    for (const part of shape.of) {
      const found = conditionOf(part, seen);
      if (found !== undefined) return found;
    }
  return undefined;
}
