/**
 * The status that an engine publishes about a running tree, beside events: counts in shared memory, and on request the
 * state of the policy. A judgement never waits for a reader.
 */
import type { Program } from "../../ir/program.ts";

/** Calls of one verdict: some names, and the number of the others. */
export interface VerdictCalls {
  readonly names: readonly string[];
  readonly more: number;
}

/** Names of a policy's state, small because they are stored with the compiled policy. Indexes are the program's. */
export interface StateDescription {
  /** The calls of each verdict; absent if the engine does not know them. */
  readonly calls?: readonly VerdictCalls[];
  readonly cells: readonly Pick<Program["cells"][number], "name" | "scope" | "kind">[];
  readonly tables: readonly Pick<Program["tables"][number], "name" | "scope" | "capacity">[];
}

export function describeState(
  { cells, tables }: Pick<Program, "cells" | "tables">,
  calls?: readonly VerdictCalls[],
): StateDescription {
  return {
    ...(calls === undefined ? {} : { calls }),
    cells: cells.map(({ name, scope, kind }) => ({ name, scope, kind })),
    tables: tables.map(({ name, scope, capacity }) => ({ name, scope, capacity })),
  };
}

/** The state of one process, or of the tree. A cell's word is in decimal, because JSON has no 64-bit integers. */
export interface OwnerState {
  readonly cells: readonly (readonly [cell: number, word: string])[];
  /** The number of keys in each table. */
  readonly tables: readonly (readonly [table: number, keys: number])[];
}

export interface ProcessState extends OwnerState {
  readonly pid: number;
  readonly threads: number;
}

export interface StateSnapshot {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly tree: OwnerState;
  readonly processes: readonly ProcessState[];
  /** The number of further processes. */
  readonly more: number;
}

/** Words of the shared memory; the count of each verdict follows, by its index, then `latencyWords`. Counts wrap at 2^32. */
export const statusWords = { wanted: 0, refusals: 1, verdicts: 2 } as const;

/** The most milliseconds that the judgements of a bucket have taken; those of the last bucket have taken longer. */
export const latencyBounds = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100] as const;

/** Words behind the verdicts: the number of judgements of each bucket, and the sum of their time in microseconds. */
export const latencyWords = latencyBounds.length + 2;

/** The side of the process that waits for the command. */
export interface EngineStatus {
  /** Counts, by `statusWords`. Setting `wanted` to 1 asks for a snapshot after the next judgement. */
  readonly words: Uint32Array;
  readonly onSnapshot: (snapshot: StateSnapshot) => void;
}

export function newStatusWords(verdicts: number): Uint32Array {
  return new Uint32Array(new SharedArrayBuffer(4 * (statusWords.verdicts + verdicts + latencyWords)));
}
