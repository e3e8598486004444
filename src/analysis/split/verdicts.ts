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

  resolve(term: VerdictTerm, environment: Environment, numbers: NumberSet): VerdictTerm {
    return this.#resolved(term, environment, numbers, new Map());
  }

  #resolved(
    term: VerdictTerm,
    environment: Environment,
    numbers: NumberSet,
    done: Map<VerdictTerm, VerdictTerm>,
  ): VerdictTerm {
    const { shape } = term;
    if (shape.kind === "verdict") return term;
    let result = done.get(term);
    if (result !== undefined) return result;
    if (shape.kind === "select") {
      const condition = this.#formulas.resolve(shape.condition, environment, numbers);
      if (condition === this.#pool.yes) result = this.#resolved(shape.then, environment, numbers, done);
      else if (condition === this.#pool.no) result = this.#resolved(shape.otherwise, environment, numbers, done);
      else
        result = this.#pool.verdictSelect(
          condition,
          this.#resolved(shape.then, environment, numbers, done),
          this.#resolved(shape.otherwise, environment, numbers, done),
        );
    } else result = this.#strictest(shape.of.map((part) => this.#resolved(part, environment, numbers, done)));
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
