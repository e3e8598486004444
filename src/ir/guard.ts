/**
 * Guards: the call numbers for which a condition can be true. Most rules of a policy are about few calls, so a pass
 * that works on one call can skip the others.
 */
import type { BooleanExpression, Expression, Interval } from "./program.ts";

/** Returns the call numbers outside of which the condition is false; undefined if its form does not show them. */
export function guardOf(condition: BooleanExpression): readonly Interval[] | undefined {
  switch (condition.kind) {
    case "compare": {
      if (condition.operator !== "equal") return undefined;
      const { left, right } = condition;
      const other = isNumber(left) ? right : isNumber(right) ? left : undefined;
      return other?.kind === "constant" ? [{ from: other.value, to: other.value }] : undefined;
    }
    case "within":
      return isNumber(condition.value) ? condition.intervals : undefined;
    case "all":
      for (const part of condition.of) {
        const guard = guardOf(part);
        if (guard !== undefined) return guard;
      }
      return undefined;
    default:
      return undefined;
  }
}

export function isNumber(expression: Expression): boolean {
  return expression.kind === "input" && expression.input === "number";
}
