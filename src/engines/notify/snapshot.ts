/** The state of the policy at one moment, for the status of a running tree. */
import type { ScopeLayout } from "../../backend/wasm/layout.ts";
import type { OwnerState, StateSnapshot } from "../engine/status.ts";
import type { JudgementMemory } from "./policy/memory.ts";
import type { TaskRegistry } from "./tasks/tasks.ts";

/** The most processes in a snapshot, during which calls wait. */
const mostProcesses = 256;

export function takeSnapshot(memory: JudgementMemory, registry: TaskRegistry): StateSnapshot {
  const { layout, memory: wasm } = memory.instance;
  const view = new DataView(wasm.buffer);
  const processes = [];
  for (const { pid, slot, threads } of registry.processes) {
    if (processes.length >= mostProcesses) break;
    processes.push({ pid, threads: threads.size, ...ownerState(view, layout.scopes.process, slot) });
  }
  return {
    time: Date.now(),
    tree: ownerState(view, layout.scopes.tree, layout.tree),
    processes,
    more: registry.knownProcesses - processes.length,
  };
}

function ownerState(view: DataView, { cells, tables }: ScopeLayout, address: number): OwnerState {
  return {
    cells: cells.map(({ cell, offset }) => [cell, String(view.getBigUint64(address + offset, true))]),
    // The first word of a table is its number of keys (backend/wasm/layout.ts).
    tables: tables.map(({ table, offset }) => [table, view.getUint32(address + offset, true)]),
  };
}
