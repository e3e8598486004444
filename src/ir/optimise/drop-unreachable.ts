/**
 * Pass: drops unreachable statements, which follow a `return`, a `leave`, a branch whose arms all end, or a block that
 * is never left.
 */
import type { Program, Statement } from "../program.ts";
import { mapStatement, sameExpressions } from "../traverse.ts";
import type { Pass } from "./pass.ts";

export const dropUnreachable: Pass = {
  name: "drop-unreachable",
  run(program: Program): Program {
    const { statements } = reachable(program.body);
    return statements === program.body ? program : { ...program, body: statements };
  },
};

interface Reached {
  readonly statements: readonly Statement[];
  readonly continues: boolean;
  /** Labels of the blocks that the statements leave. */
  readonly leaves: ReadonlySet<number>;
}

function reachable(statements: readonly Statement[]): Reached {
  const reachableStatements: Statement[] = [];
  const leaves = new Set<number>();
  let continues = true;
  for (const statement of statements) {
    const result = reachableIn(statement);
    reachableStatements.push(result.statement);
    for (const label of result.leaves) leaves.add(label);
    if (!result.continues) {
      continues = false;
      break;
    }
  }
  const same =
    reachableStatements.length === statements.length &&
    reachableStatements.every((statement, index) => statement === statements[index]);
  return { statements: same ? statements : reachableStatements, continues, leaves };
}

function reachableIn(statement: Statement): Omit<Reached, "statements"> & { readonly statement: Statement } {
  if (statement.kind === "return") return { statement, continues: false, leaves: new Set() };
  if (statement.kind === "leave") return { statement, continues: false, leaves: new Set([statement.label]) };
  const leaves = new Set<number>();
  const bodies: boolean[] = [];
  const inside = mapStatement(statement, sameExpressions, (body) => {
    const result = reachable(body);
    for (const label of result.leaves) leaves.add(label);
    bodies.push(result.continues);
    return result.statements;
  });
  const left = inside.kind === "block" && leaves.delete(inside.label);
  return { statement: inside, continues: left || bodies.length === 0 || bodies.some((continues) => continues), leaves };
}
