/** Describes the state of a policy: each cell and table, its scope, its rule at a fork, and the calls that use it. */
import type { Cell, Program } from "../../ir/program.ts";
import type { SplitPolicy, StatefulReason } from "../decision.ts";
import type { StateDescription } from "./explanation.ts";
import { callName } from "./names.ts";
import { leavesOf } from "./paths.ts";
import { cellLabel, placeText, rateOf } from "./texts.ts";

export function describeState(program: Program, split: SplitPolicy): StateDescription[] {
  const touching = (wanted: (reason: StatefulReason) => boolean): string[] => {
    const names = new Set<string>();
    for (const [number, decision] of split) {
      if (leavesOf(decision).some((leaf) => leaf.stateful.some(wanted))) {
        names.add(callName(program.architecture, number));
      }
    }
    return [...names].sort();
  };
  const place = (at: Cell["at"]) => (at === undefined ? {} : { at: placeText(program, at) });
  // Shows a rate's two cells as one.
  const shown = [...program.cells.entries()].filter(
    ([index, cell]) => rateOf(program, index) === undefined || cell.name.endsWith(".level"),
  );
  const cells = shown.map(
    ([index, cell]): StateDescription => ({
      name: cellLabel(program, index),
      scope: cell.scope,
      kind: rateOf(program, index) === undefined ? cell.kind.is : "rate",
      starts: rateOf(program, index) === undefined ? startText(cell) : "full",
      onFork: forkText(cell),
      changedBy: touching((reason) => reason.because === "changes-state" && reason.cell === index),
      readBy: touching((reason) => reason.because === "reads-state" && reason.cell === index),
      ...place(cell.at),
    }),
  );
  const tables = program.tables.map(
    (table, index): StateDescription => ({
      name: table.name,
      scope: table.scope,
      kind: table.holdsValues ? "table" : "set",
      starts: `empty, at most ${table.capacity}`,
      onFork: table.scope === "tree" ? "shared" : table.onFork === "copy" ? "copied" : "fresh",
      changedBy: touching((reason) => reason.because === "changes-table" && reason.table === index),
      readBy: touching((reason) => reason.because === "reads-table" && reason.table === index),
      ...place(table.at),
    }),
  );
  return [...cells, ...tables];
}

function startText(cell: Cell): string {
  switch (cell.kind.is) {
    case "flag":
      return cell.initial === 0n ? "false" : "true";
    case "phases":
      return cell.kind.names[Number(cell.initial)] ?? String(cell.initial);
    case "counter":
    case "value":
      return String(cell.initial);
  }
}

function forkText(cell: Cell): string {
  if (cell.scope === "tree") return "shared";
  if (cell.onFork === "copy") return "copied";
  if (cell.onFork === "fresh" || cell.kind.is !== "phases") return "fresh";
  const { names } = cell.kind;
  const changes = cell.onFork.map.flatMap((to, from) => (to === from ? [] : [`${names[from]} → ${names[to]}`]));
  return changes.length === 0 ? "copied" : changes.join(", ");
}
