/** State of a tree in a comparable form: it ignores a table's order and a set's values. */
import type { SimulatedTree } from "../../src/engines/simulate/tree.ts";
import type { ScopeState } from "../../src/ir/evaluation.ts";
import type { Program, Scope } from "../../src/ir/program.ts";

export function plainState(program: Program, scope: Scope, { cells, tables }: ScopeState): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const [index, cell] of program.cells.entries()) {
    if (cell.scope === scope) plain[`cell ${index} ${cell.name}`] = cells[index];
  }
  for (const [index, table] of program.tables.entries()) {
    if (table.scope !== scope) continue;
    plain[`table ${index} ${table.name}`] = [...tables[index]!]
      .map(([key, value]) => (table.holdsValues ? `${key}: ${value}` : `${key}`))
      .sort();
  }
  return plain;
}

/** The state of all live tasks and of the tree; undefined if it is uncertain. */
export function treeState(tree: SimulatedTree): Record<string, unknown> | undefined {
  const { program } = tree;
  const all: Record<string, unknown> = { alive: tree.alive, now: tree.now };
  const shared = tree.state("tree");
  if (shared === undefined) return undefined;
  all["tree"] = plainState(program, "tree", shared);
  for (const task of tree.livingTasks) {
    const thread = tree.state("thread", task);
    const process = tree.state("process", task);
    if (thread === undefined || process === undefined) return undefined;
    all[`thread ${task.tid}`] = plainState(program, "thread", thread);
    all[`process ${task.pid}`] = plainState(program, "process", process);
  }
  return all;
}
