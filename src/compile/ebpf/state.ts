/** Where each cell lies in its scope's memory: 8 bytes each, in the order of the program. */
import type { Program, Scope } from "../../ir/program.ts";

export interface StateOffsets {
  readonly cells: readonly number[];
  /** Bytes of each scope's state, a multiple of 8. */
  readonly sizes: Readonly<Record<Scope, number>>;
}

const known = new WeakMap<Program, StateOffsets>();

export function stateOffsets(program: Program): StateOffsets {
  let offsets = known.get(program);
  if (offsets === undefined) {
    const sizes: Record<Scope, number> = { thread: 0, process: 0, tree: 0 };
    const cells = program.cells.map(({ scope }) => {
      sizes[scope] += 8;
      return sizes[scope] - 8;
    });
    offsets = { cells, sizes };
    known.set(program, offsets);
  }
  return offsets;
}
