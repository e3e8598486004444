/** P0405: no rule enters a phase, so rules about it never apply. */

import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { spanOf } from "../../ir/location.ts";
import type { IntegerExpression, Program } from "../../ir/program.ts";
import { forEachStatement } from "../../ir/traverse.ts";

export function findUnenteredPhases(program: Program): Diagnostic[] {
  const found: Diagnostic[] = [];
  program.cells.forEach((cell, index) => {
    if (cell.kind.is !== "phases") return;
    const { names } = cell.kind;
    const entered = new Set([cell.initial]);
    let known = true;
    forEachStatement(program.body, (statement) => {
      if (statement.kind !== "store" || statement.cell !== index) return;
      const values = valuesOf(statement.value, index);
      if (values === undefined) known = false;
      else for (const value of values) entered.add(value);
    });
    if (!known) return;
    // The set grows during the walk, so it covers children of children.
    if (typeof cell.onFork === "object")
      for (const from of entered) entered.add(BigInt(cell.onFork.map[Number(from)]!));
    const missing = names.filter((_, phase) => !entered.has(BigInt(phase)));
    for (const name of missing) {
      found.push(
        diagnostic("P0405", `no rule enters the phase "${name}" of \`${cell.name}\``, {
          span: spanOf(program, cell.at),
          help: `${cell.name}.enter("${name}") where the phase begins, or leave it out`,
        }),
      );
    }
  });
  return found;
}

/** The possible constants of the value, besides the cell's own word; undefined if it can have other values. */
function valuesOf(value: IntegerExpression, cell: number): readonly bigint[] | undefined {
  switch (value.kind) {
    case "constant":
      return [value.value];
    case "cell":
      return value.cell === cell ? [] : undefined;
    case "select": {
      const then = valuesOf(value.then, cell);
      const otherwise = valuesOf(value.otherwise, cell);
      return then === undefined || otherwise === undefined ? undefined : [...then, ...otherwise];
    }
    default:
      return undefined;
  }
}
