/** Conditions that only certain calls can meet: policies are lists of rules, and most rules are not about a given call. */
import type { BooleanExpression, Expression, Interval } from "./program.ts";

/** The call numbers without which the condition is false, where that can be seen. */
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
