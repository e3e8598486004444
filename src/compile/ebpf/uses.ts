/** What a body of statements touches. */
import type { Program, Scope, Statement } from "../../ir/program.ts";
import { expressionsOf, forEachExpression, forEachStatement } from "../../ir/traverse.ts";

/** The scopes whose state a body reads or writes. */
export function scopesOf(program: Program, body: readonly Statement[]): ReadonlySet<Scope> {
  const scopes = new Set<Scope>();
  forEachStatement(body, (statement) => {
    if (statement.kind === "store") scopes.add(program.cells[statement.cell]!.scope);
    if (statement.kind === "table-set" || statement.kind === "table-delete")
      scopes.add(program.tables[statement.table]!.scope);
    for (const root of expressionsOf(statement)) {
      forEachExpression(root, (expression) => {
        if (expression.kind === "cell") scopes.add(program.cells[expression.cell]!.scope);
        if (expression.kind === "table-get" || expression.kind === "table-has")
          scopes.add(program.tables[expression.table]!.scope);
      });
    }
  });
  return scopes;
}

/** Whether a body inserts into any table, and so may find one full. */
export function insertsInto(body: readonly Statement[]): boolean {
  let inserts = false;
  forEachStatement(body, (statement) => {
    inserts ||= statement.kind === "table-set";
  });
  return inserts;
}
