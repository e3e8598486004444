import type { Program, Statement } from "../program.ts";
import { mapStatement, sameExpressions } from "../traverse.ts";
import type { Pass } from "./pass.ts";

/**
 * Drops what stands after a statement that never goes on: a `return`, a `leave`, a branch each of whose arms ends, a
 * block that nothing leaves.
 */
export const dropUnreachable: Pass = {
  name: "drop-unreachable",
  run(program: Program): Program {
    const { statements } = reachable(program.body);
    return statements === program.body ? program : { ...program, body: statements };
  },
};

interface Reached {
  readonly statements: readonly Statement[];
  readonly goesOn: boolean;
  /** Labels of the blocks that are left from inside. */
  readonly leaves: ReadonlySet<number>;
}

function reachable(statements: readonly Statement[]): Reached {
  const kept: Statement[] = [];
  const leaves = new Set<number>();
  let goesOn = true;
  for (const statement of statements) {
    const result = reachableIn(statement);
    kept.push(result.statement);
    for (const label of result.leaves) leaves.add(label);
    if (!result.goesOn) {
      goesOn = false;
      break;
    }
  }
  const same = kept.length === statements.length && kept.every((statement, index) => statement === statements[index]);
  return { statements: same ? statements : kept, goesOn, leaves };
}

function reachableIn(statement: Statement): Omit<Reached, "statements"> & { readonly statement: Statement } {
  if (statement.kind === "return") return { statement, goesOn: false, leaves: new Set() };
  if (statement.kind === "leave") return { statement, goesOn: false, leaves: new Set([statement.label]) };
  const leaves = new Set<number>();
  const bodies: boolean[] = [];
  const inside = mapStatement(statement, sameExpressions, (body) => {
    const result = reachable(body);
    for (const label of result.leaves) leaves.add(label);
    bodies.push(result.goesOn);
    return result.statements;
  });
  const left = inside.kind === "block" && leaves.delete(inside.label);
  return { statement: inside, goesOn: left || bodies.length === 0 || bodies.some((goesOn) => goesOn), leaves };
}
