/**
 * The bounds that hold on every engine, so that a policy that compiles for one compiles for all.
 *
 * The byte counts are those of the plainest layout that an engine can use: a word for each cell; for a table a word with
 * the number of entries and then keys, and values where it holds any.
 */
import { maximumPattern } from "./arithmetic.ts";
import type { Cell, Program, Scope, Table } from "./program.ts";

/** State of a thread or a process: what the kernel engine allocates with each task. */
export const maximumScopeBytes: { readonly [S in Scope]: number } = {
  thread: 4096,
  process: 4096,
  /** One for the whole run, so it may be large: sixteen full tables with values. */
  tree: 16 * (8 + 65_536 * 16),
};

export const maximumTreeCapacity = 65_536;

/** Statements and expressions of a program (`size.ts`): some ten thousand lines of dense policy. */
export const maximumNodes = 250_000;

/** Nesting of statements and expressions: keeps every recursive pass well inside the stack. */
export const maximumDepth = 500;

/** Each kind of declaration: verdicts, reports, locals. */
export const maximumDeclarations = 65_535;

/** What stays open until a start: few, each with a place in what a start brings. */
export const maximumParameters = 64;

export function tableBytes(table: Pick<Table, "capacity" | "holdsValues">): number {
  return 8 + table.capacity * (table.holdsValues ? 16 : 8);
}

export function scopeBytes(program: Pick<Program, "cells" | "tables">, scope: Scope): number {
  const cells = program.cells.filter((cell) => cell.scope === scope).length * 8;
  return program.tables.reduce((sum, table) => sum + (table.scope === scope ? tableBytes(table) : 0), cells);
}

/** The largest capacity a table can have where it is its scope's only state. */
export function maximumCapacity(scope: Scope, holdsValues: boolean): number {
  if (scope === "tree") return maximumTreeCapacity;
  return Math.floor((maximumScopeBytes[scope] - 8) / (holdsValues ? 16 : 8));
}

/** The largest word that a cell can hold by its kind. */
export function cellMaximum(cell: Pick<Cell, "kind">): bigint {
  switch (cell.kind.is) {
    case "flag":
      return 1n;
    case "counter":
      return 0x7fff_ffff_ffff_ffffn;
    case "value":
      return maximumPattern;
    case "phases":
      return BigInt(Math.max(0, cell.kind.names.length - 1));
  }
}
