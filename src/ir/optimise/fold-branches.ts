/** Pass: replaces a branch by its only possible arm, and drops unreachable arms and branches with empty arms. */
import { difference, emptySet, equalSets, holds, type IntervalSet, intersection, union } from "../intervals.ts";
import type { Program, Statement } from "../program.ts";
import { Ranges } from "../simplify/ranges.ts";
import { mapStatement, sameExpressions } from "../traverse.ts";
import type { Pass } from "./pass.ts";

/**
 * ```
 * if true                 #seen add 1
 *   #seen add 1           return 0
 * switch 5           ⇒
 *   {5}: return 0
 * ```
 */
export const foldBranches: Pass = {
  name: "fold-branches",
  run(program: Program): Program {
    const body = foldStatements(program.body, new Ranges(program));
    return body === program.body ? program : { ...program, body };
  },
};

function foldStatements(statements: readonly Statement[], ranges: Ranges): readonly Statement[] {
  const folded: Statement[] = [];
  for (const statement of statements) {
    for (const part of foldStatement(statement, ranges)) folded.push(part);
  }
  const same = folded.length === statements.length && folded.every((part, index) => part === statements[index]);
  return same ? statements : folded;
}

function foldStatement(statement: Statement, ranges: Ranges): readonly Statement[] {
  if (statement.kind === "if") {
    const { condition } = statement;
    if (condition.kind === "boolean") {
      return foldStatements(condition.value ? statement.then : statement.otherwise, ranges);
    }
  }
  if (statement.kind === "switch" && statement.value.kind === "constant") {
    const { value } = statement.value;
    const taken = statement.arms.find((arm) => holds(arm.intervals, value));
    return foldStatements(taken?.body ?? statement.otherwise, ranges);
  }
  const inside = mapStatement(statement, sameExpressions, (body) => foldStatements(body, ranges));
  if (inside.kind === "if") return inside.then.length + inside.otherwise.length === 0 ? [] : [inside];
  return inside.kind === "switch" ? foldSwitch(inside, ranges) : [inside];
}

function foldSwitch(statement: Extract<Statement, { kind: "switch" }>, ranges: Ranges): readonly Statement[] {
  const possible = [ranges.of(statement.value)];
  let taken: IntervalSet = emptySet;
  const arms: (typeof statement.arms)[number][] = [];
  for (const arm of statement.arms) {
    const reached = intersection(difference(arm.intervals, taken), possible);
    taken = union(taken, arm.intervals);
    if (reached.length === 0) continue;
    arms.push(equalSets(reached, arm.intervals) ? arm : { ...arm, intervals: reached });
  }
  const { otherwise } = statement;
  if (arms.every((arm) => arm.body.length === 0) && otherwise.length === 0) return [];
  if (arms.length === 0) return otherwise;
  // An empty arm does the same as an empty else arm.
  const needed = otherwise.length === 0 ? arms.filter((arm) => arm.body.length > 0) : arms;
  const same = needed.length === statement.arms.length && needed.every((arm, index) => arm === statement.arms[index]);
  return [same ? statement : { ...statement, arms: needed }];
}
