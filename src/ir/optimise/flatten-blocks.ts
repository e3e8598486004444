/**
 * Pass: drops each `leave` that is the last statement executed in its block, then blocks without a `leave`. This
 * removes the blocks that inlining makes of a function whose `return` comes last.
 */
import type { Program, Statement } from "../program.ts";
import { bodiesOf, mapStatement, sameExpressions } from "../traverse.ts";
import type { Pass } from "./pass.ts";

/**
 * ```
 * block 0            v0 = 3
 *   v0 = 3      ⇒
 *   leave 0
 * ```
 */
export const flattenBlocks: Pass = {
  name: "flatten-blocks",
  run(program: Program): Program {
    const body = flatten(program.body, new Set());
    return body === program.body ? program : { ...program, body };
  },
};

/** `ending`: labels of the blocks that end where these statements end. */
function flatten(statements: readonly Statement[], ending: ReadonlySet<number>): readonly Statement[] {
  const flat: Statement[] = [];
  statements.forEach((statement, index) => {
    const isLast = index === statements.length - 1;
    for (const part of flattenStatement(statement, isLast ? ending : nothing)) flat.push(part);
  });
  const same = flat.length === statements.length && flat.every((part, index) => part === statements[index]);
  return same ? statements : flat;
}

const nothing: ReadonlySet<number> = new Set();

function flattenStatement(statement: Statement, ending: ReadonlySet<number>): readonly Statement[] {
  if (statement.kind === "leave") return ending.has(statement.label) ? [] : [statement];
  if (statement.kind === "block") {
    const body = flatten(statement.body, new Set([...ending, statement.label]));
    if (!leavesTo(body, statement.label)) return body;
    return [body === statement.body ? statement : { ...statement, body }];
  }
  return [mapStatement(statement, sameExpressions, (body) => flatten(body, ending))];
}

function leavesTo(statements: readonly Statement[], label: number): boolean {
  return statements.some(
    (statement) =>
      (statement.kind === "leave" && statement.label === label) ||
      bodiesOf(statement).some((body) => leavesTo(body, label)),
  );
}
