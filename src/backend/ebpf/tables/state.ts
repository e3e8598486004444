/** The layout of a scope's state memory: the cells, 8 bytes each, then the tables, in the order of the program. */
import type { Program, Scope } from "../../../ir/program.ts";
import { type TableShape, tableShape, tableSize } from "./shape.ts";

export interface StateOffsets {
  readonly cells: readonly number[];
  readonly tables: readonly number[];
  readonly shapes: readonly TableShape[];
  /** Bytes of each scope's state, a multiple of 8. */
  readonly sizes: Readonly<Record<Scope, number>>;
}

const known = new WeakMap<Program, StateOffsets>();

export function stateOffsets(program: Program): StateOffsets {
  let offsets = known.get(program);
  if (offsets === undefined) {
    const sizes: Record<Scope, number> = { thread: 0, process: 0, tree: 0 };
    const place = (scope: Scope, size: number): number => {
      sizes[scope] += size;
      return sizes[scope] - size;
    };
    const cells = program.cells.map(({ scope }) => place(scope, 8));
    const shapes = program.tables.map(tableShape);
    const tables = program.tables.map(({ scope }, index) => place(scope, tableSize(shapes[index]!)));
    offsets = { cells, tables, shapes, sizes };
    known.set(program, offsets);
  }
  return offsets;
}
