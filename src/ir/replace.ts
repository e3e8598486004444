/** Replaces integers that stand for something outside of the program (parameters, observed words) by other expressions. */
import type { BooleanExpression, IntegerExpression, Statement, VerdictExpression } from "./program.ts";
import { type ExpressionMap, mapBoolean, mapInteger, mapList, mapStatement, mapVerdict } from "./traverse.ts";

/** Gives the expression that takes the place of a leaf; undefined where the leaf stays. */
export type Replacement = (leaf: IntegerExpression) => IntegerExpression | undefined;

/** The same statements with the leaves replaced. Shared expressions stay shared. */
export function replaceLeaves(body: readonly Statement[], replacement: Replacement): readonly Statement[] {
  const map = new LeafMap(replacement);
  const list = (statements: readonly Statement[]): readonly Statement[] =>
    mapList(statements, (statement) => mapStatement(statement, map, list));
  return list(body);
}

/** Preserves the sharing of expressions. */
class LeafMap implements ExpressionMap {
  readonly #replacement: Replacement;
  readonly #done = new WeakMap<object, unknown>();

  constructor(replacement: Replacement) {
    this.#replacement = replacement;
  }

  readonly integer = (expression: IntegerExpression): IntegerExpression =>
    this.#once(expression, () => this.#replacement(expression) ?? mapInteger(expression, this));

  readonly boolean = (expression: BooleanExpression): BooleanExpression =>
    this.#once(expression, () => mapBoolean(expression, this));

  readonly verdict = (expression: VerdictExpression): VerdictExpression =>
    this.#once(expression, () => mapVerdict(expression, this));

  #once<T extends object>(expression: T, make: () => T): T {
    const known = this.#done.get(expression) as T | undefined;
    if (known !== undefined) return known;
    const made = make();
    this.#done.set(expression, made);
    return made;
  }
}
