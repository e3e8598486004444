/**
 * Limits of a policy's size. They are the same on every engine, so a policy that compiles for one compiles for all.
 *
 * Byte counts are for the simplest layout: a word for each cell; for each table a word with the number of entries, then
 * keys, and values if the table holds values.
 */
import { durationUnits } from "../abi/durations.ts";
import { maximumSigned, maximumWord } from "../abi/word.ts";
import type { Cell, Program, Scope, Table } from "./program.ts";

/** State of a thread or a process: the kernel engine allocates this much with each task. */
export const maximumScopeBytes: { readonly [S in Scope]: number } = {
  thread: 4096,
  process: 4096,
  /** There is one tree, so its state may be large: sixteen full tables with values. */
  tree: 16 * (8 + 65_536 * 16),
};

export const maximumTreeCapacity = 65_536;

export const maximumRooms = 32;

export const maximumSides = 32;

/** The wait for admission, in nanoseconds: 1 ms to 60 s. */
export const roomTimeout = { least: durationUnits.ms, most: durationUnits.min } as const;

/** The rooms that one evaluation may enter. */
export const maximumEnteredRooms = 4;

/** Statements and expressions of a program (`size.ts`): about ten thousand lines of dense policy. */
export const maximumNodes = 250_000;

/** Nesting of statements and expressions: recursive passes stay well inside the stack. */
export const maximumDepth = 500;

/** Declarations of each kind: verdicts, reports, locals. */
export const maximumDeclarations = 65_535;

/** Parameters that stay open until a start. */
export const maximumParameters = 64;

export function tableBytes(table: Pick<Table, "capacity" | "holdsValues">): number {
  return 8 + table.capacity * (table.holdsValues ? 16 : 8);
}

export function scopeBytes(program: Pick<Program, "cells" | "tables">, scope: Scope): number {
  const cells = program.cells.filter((cell) => cell.scope === scope).length * 8;
  return program.tables.reduce((sum, table) => sum + (table.scope === scope ? tableBytes(table) : 0), cells);
}

/** The largest capacity of a table that is its scope's only state. */
export function maximumCapacity(scope: Scope, holdsValues: boolean): number {
  if (scope === "tree") return maximumTreeCapacity;
  return Math.floor((maximumScopeBytes[scope] - 8) / (holdsValues ? 16 : 8));
}

/** The largest word that a cell of this kind can hold. */
export function cellMaximum(cell: Pick<Cell, "kind">): bigint {
  switch (cell.kind.is) {
    case "flag":
      return 1n;
    case "counter":
      return maximumSigned;
    case "value":
      return maximumWord;
    case "phases":
      return BigInt(Math.max(0, cell.kind.names.length - 1));
  }
}
