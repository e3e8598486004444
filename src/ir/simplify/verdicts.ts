/** Smart constructors of verdict expressions; operands are already simplified. */
import { equalExpressions } from "../equality.ts";
import type { BooleanExpression, VerdictExpression } from "../program.ts";
import { actionNames, strictness, type Verdict } from "../verdicts.ts";

/** Bounds of a verdict's strictness, from the program's list of verdicts. */
interface Bounds {
  readonly minimum: number;
  readonly maximum: number;
}

const anything: Bounds = { minimum: strictness.allow, maximum: actionNames.length - 1 };

/** Without the program's verdicts, every strictness is possible. */
function boundsOf(expression: VerdictExpression, verdicts: readonly Verdict[] | undefined): Bounds {
  switch (expression.kind) {
    case "verdict": {
      const verdict = verdicts?.[expression.verdict];
      if (verdict === undefined) return anything;
      return { minimum: strictness[verdict.action], maximum: strictness[verdict.action] };
    }
    case "verdict-local":
      return anything;
    case "verdict-select": {
      const then = boundsOf(expression.then, verdicts);
      const otherwise = boundsOf(expression.otherwise, verdicts);
      return {
        minimum: Math.min(then.minimum, otherwise.minimum),
        maximum: Math.max(then.maximum, otherwise.maximum),
      };
    }
    case "strictest": {
      const of = expression.of.map((part) => boundsOf(part, verdicts));
      return {
        minimum: Math.max(...of.map((bounds) => bounds.minimum)),
        maximum: Math.max(...of.map((bounds) => bounds.maximum)),
      };
    }
  }
}

/** The order of operands matters: of equally strict ones, the first wins. */
export function strictest(
  of: readonly VerdictExpression[],
  verdicts: readonly Verdict[] | undefined,
): VerdictExpression {
  const flat = of.flatMap((part) => (part.kind === "strictest" ? part.of : [part]));
  const different = flat.filter(
    (part, index) => !flat.slice(0, index).some((earlier) => equalExpressions(earlier, part)),
  );
  const bounds = different.map((part) => boundsOf(part, verdicts));
  // Drops an operand that cannot win, because an earlier one is always as strict or a later one always stricter.
  const left = different.filter(
    (_, index) =>
      !bounds.some(({ minimum }, other) =>
        other < index ? minimum >= bounds[index]!.maximum : other > index && minimum > bounds[index]!.maximum,
      ),
  );
  return left.length === 1 ? left[0]! : { kind: "strictest", of: left };
}

export function verdictSelect(
  condition: BooleanExpression,
  then: VerdictExpression,
  otherwise: VerdictExpression,
): VerdictExpression {
  if (condition.kind === "boolean") return condition.value ? then : otherwise;
  if (equalExpressions(then, otherwise)) return then;
  if (condition.kind === "not") return verdictSelect(condition.value, otherwise, then);
  return { kind: "verdict-select", condition, then, otherwise };
}
