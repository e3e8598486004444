/** Recognises stores by their form, for tests that rely on the invariants of cell kinds (program.ts). */
import { maximumSigned } from "../../abi/word.ts";
import type { IntegerExpression, Program } from "../program.ts";
import { forEachStatement } from "../traverse.ts";

export function isCell(value: IntegerExpression, cell: number): boolean {
  return value.kind === "cell" && value.cell === cell;
}

/**
 * Matches `cell < phase ? phase : cell` and returns the phase; 0 if the value is the cell itself; undefined for other
 * forms.
 */
export function phaseEntered(cell: number, value: IntegerExpression): number | undefined {
  if (isCell(value, cell)) return 0;
  if (value.kind !== "select" || value.condition.kind !== "compare") return undefined;
  const { condition, then, otherwise } = value;
  const moves = condition.operator === "less-unsigned" && isCell(condition.left, cell) && isCell(otherwise, cell);
  if (!moves || then.kind !== "constant" || condition.right.kind !== "constant") return undefined;
  return condition.right.value === then.value ? Number(then.value) : undefined;
}

/** Matches `cell < 2^63 − 1 ? cell + 1 : cell`. */
export function addsOne(cell: number, value: IntegerExpression): boolean {
  if (value.kind !== "select" || value.condition.kind !== "compare") return false;
  const { condition, then, otherwise } = value;
  if (condition.operator !== "less-unsigned" || !isCell(condition.left, cell) || !isCell(otherwise, cell)) return false;
  if (condition.right.kind !== "constant" || condition.right.value !== maximumSigned) return false;
  if (then.kind !== "binary" || then.operator !== "add" || !isCell(then.left, cell)) return false;
  return then.right.kind === "constant" && then.right.value === 1n;
}

/** Whether the form of every store shows that flags are 0 or 1, counters are below 2^63 and phases never decrease. */
export function keepsPromises({ cells, body }: Program): boolean {
  let keeps = true;
  forEachStatement(body, (statement) => {
    if (statement.kind === "store") keeps &&= keepsPromise(cells, statement.cell, statement.value);
  });
  return keeps;
}

function keepsPromise(cells: Program["cells"], index: number, value: IntegerExpression): boolean {
  if (isCell(value, index)) return true;
  switch (cells[index]!.kind.is) {
    case "value":
      return true;
    case "flag":
      return value.kind === "from-boolean" || (value.kind === "constant" && value.value < 2n);
    case "phases":
      return phaseEntered(index, value) !== undefined;
    case "counter":
      if (value.kind === "constant") return value.value <= maximumSigned;
      return addsOne(index, value) || isHalved(value);
  }
}

function isHalved(value: IntegerExpression): boolean {
  if (value.kind !== "binary" || value.operator !== "shift-right-unsigned") return false;
  return value.right.kind === "constant" && (value.right.value & 63n) > 0n;
}
