/** A sound result for a call that would take too long to explore. */
import type { Program, VerdictExpression } from "../../ir/program.ts";
import type { Graph, GraphNode } from "./graph.ts";

/** The verdicts in all statements that are reachable if only switches on the call's number are decided. */
export function reachableVerdicts(program: Program, graph: Graph, number: bigint): number[] {
  const verdicts = new Set<number>();
  const seen = new Set<GraphNode>([graph.start]);
  const note = (expression: VerdictExpression): void => {
    switch (expression.kind) {
      case "verdict":
        verdicts.add(expression.verdict);
        break;
      case "verdict-local":
        // The verdicts that are stored in locals are collected at the stores; an unassigned local is verdict 0.
        verdicts.add(0);
        break;
      case "strictest":
        for (const part of expression.of) note(part);
        break;
      case "verdict-select":
        note(expression.then);
        note(expression.otherwise);
        break;
      default:
        expression satisfies never;
    }
  };
  for (const node of seen) {
    const { statement } = node;
    if (statement.kind === "set-verdict") note(statement.value);
    else if (statement.kind === "return") note(statement.verdict);
    else if (statement.kind === "table-set") verdicts.add(program.tables[statement.table]!.full);
    else if (statement.kind === "enter") verdicts.add(program.rooms[statement.room]!.late);
    if (statement.kind === "switch" && statement.value.kind === "input" && statement.value.input === "number") {
      const arm = statement.arms.findIndex(({ intervals }) =>
        intervals.some(({ from, to }) => from <= number && number <= to),
      );
      seen.add(node.next[arm === -1 ? statement.arms.length : arm]!);
    } else if (node.guard !== undefined && !node.guard.some(({ from, to }) => from <= number && number <= to)) {
      seen.add(node.next[1]!);
    } else if (statement.kind === "if" && node.guard !== undefined && statement.condition.kind !== "all") {
      // The condition depends only on the number.
      seen.add(node.next[0]!);
    } else for (const next of node.next) if (next !== undefined) seen.add(next);
  }
  return [...verdicts];
}
