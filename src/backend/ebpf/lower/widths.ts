/** Widths of values. */
import type { IntegerExpression } from "../../../ir/program.ts";
import type { EbpfTarget } from "./target.ts";

/** Whether the upper half of the value is zero, so that 32-bit comparisons suffice. */
export function isShort(target: EbpfTarget, expression: IntegerExpression): boolean {
  switch (expression.kind) {
    case "constant":
      return expression.value <= 0xffff_ffffn;
    case "input":
      return target.context[expression.input]?.size === 4;
    case "extend":
      return !expression.signed;
    case "binary":
      return expression.operator === "and" && (isShort(target, expression.left) || isShort(target, expression.right));
    case "from-boolean":
      return true;
    default:
      return false;
  }
}
