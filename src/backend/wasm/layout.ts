/**
 * The layout of the memory that a compiled policy and its host share.
 *
 * ```
 *   0   struct seccomp_notif, as the kernel writes it (include/uapi/linux/seccomp.h)
 *  80   struct seccomp_notif_resp, for the host's use
 * 104   now (u64), alive (u64), pid, tid, uid, gid (u32 each)
 * 136   number of reports (u32), then from 144 the reports: u32 index, u32 number of values, u64 each value
 *       the words of observations (`Program.words`), u64 each
 *       number of entered rooms (u32), and for each of `Program.rooms` 1 + its side, or 0 (u32)
 *       the tables' secret: three u64
 *       the tree's state
 *       locals of `step` that do not fit WebAssembly's
 *       constants of the program
 *       the host's: a slot for each thread and process
 * ```
 *
 * A scope's state is its cells, a word each, and then its tables. `tables.ts` describes a table.
 * A layout is plain JSON, so it can be cached beside the module.
 */

import { seccompData } from "../../abi/seccomp-data.ts";
import type { OnFork, Program, Scope, Statement } from "../../ir/program.ts";

/** The offset of `struct seccomp_data` in `struct seccomp_notif`: behind id, pid and flags. */
const data = 16;

/** Addresses that do not depend on the program. */
export const addresses = {
  notification: 0,
  id: 0,
  notifiedPid: 8,
  flags: 12,
  number: data + seccompData.number.offset,
  architecture: data + seccompData.architecture.offset,
  instructionPointer: data + seccompData.instructionPointer.offset,
  arguments: data + seccompData.arguments.offset,
  response: 80,
  now: 104,
  alive: 112,
  pid: 120,
  tid: 124,
  uid: 128,
  gid: 132,
  reportCount: 136,
  reports: 144,
} as const;

export const pageSize = 65_536;

export interface MemoryLayout {
  /** The address of the words of observations, in sequence. */
  readonly words: number;
  /** The address of the number of entered rooms; see `enteredRooms`. */
  readonly entered: number;
  /** The address of the tables' three secret words; see `seedTables`. */
  readonly secret: number;
  /** The address of the tree's state. */
  readonly tree: number;
  readonly scopes: { readonly [S in Scope]: ScopeLayout };
  /** The start of the host's memory. A multiple of 8. */
  readonly heap: number;
  /** The initial size of the memory in pages of 64 KiB; it includes `heap`. */
  readonly pages: number;
}

export interface ScopeLayout {
  /** In bytes, a multiple of 8; 0 if the policy has no state of this scope. */
  readonly size: number;
  readonly cells: readonly CellLayout[];
  readonly tables: readonly TableLayout[];
}

export interface CellLayout {
  /** An index into `Program.cells`. */
  readonly cell: number;
  readonly offset: number;
  /** In decimal: JSON has no 64-bit integers. */
  readonly initial: string;
  readonly onFork: OnFork;
}

export interface TableLayout {
  /** An index into `Program.tables`. */
  readonly table: number;
  readonly offset: number;
  readonly size: number;
  readonly capacity: number;
  readonly buckets: number;
  readonly holdsValues: boolean;
  readonly onFork: "copy" | "fresh";
}

/**
 * The size of a table's header: number of keys (u32), whether key 0 is present (u32), and key 0's value if it has
 * values.
 */
export function tableHeaderSize(holdsValues: boolean): number {
  return holdsValues ? 16 : 8;
}

export function bucketSize(holdsValues: boolean): number {
  return holdsValues ? 16 : 8;
}

/**
 * The layout without the part after the tree's state, whose size is known only after compilation; `heap` is its start.
 */
export function layOut(program: Program): MemoryLayout {
  const words = addresses.reports + reportSpace(program);
  const entered = words + 8 * program.words.length;
  const secret = entered + enteredSize(program.rooms.length);
  const tree = secret + 24;
  const scopes = {
    thread: layOutScope(program, "thread"),
    process: layOutScope(program, "process"),
    tree: layOutScope(program, "tree"),
  };
  return withSpace({ words, entered, secret, tree, scopes, heap: tree + scopes.tree.size, pages: 1 }, 0);
}

/** A multiple of 8; 0 if the policy has no rooms. */
export function enteredSize(rooms: number): number {
  return rooms === 0 ? 0 : Math.ceil((4 + 4 * rooms) / 8) * 8;
}

/** The layout with `bytes` more before the heap. */
export function withSpace(layout: MemoryLayout, bytes: number): MemoryLayout {
  const heap = layout.heap + Math.ceil(bytes / 8) * 8;
  return { ...layout, heap, pages: Math.ceil((heap + 1) / pageSize) };
}

function layOutScope(program: Program, scope: Scope): ScopeLayout {
  let size = 0;
  const place = (bytes: number): number => {
    const offset = size;
    size += bytes;
    return offset;
  };
  const cells: CellLayout[] = [];
  for (const [cell, { scope: of, initial, onFork }] of program.cells.entries()) {
    if (of === scope) cells.push({ cell, offset: place(8), initial: initial.toString(), onFork });
  }
  const tables: TableLayout[] = [];
  for (const [table, { scope: of, capacity, holdsValues, onFork }] of program.tables.entries()) {
    if (of !== scope) continue;
    // At most two thirds full, so probes are short; one bucket is always empty, so they end.
    const buckets = capacity + (capacity >> 1) + 1;
    const bytes = tableHeaderSize(holdsValues) + buckets * bucketSize(holdsValues);
    tables.push({ table, offset: place(bytes), size: bytes, capacity, buckets, holdsValues, onFork });
  }
  return { size, cells, tables };
}

/** A report statement runs at most once in an evaluation. */
function reportSpace(program: Program): number {
  const ofBody = (body: readonly Statement[]): number => body.reduce((sum, statement) => sum + ofOne(statement), 0);
  const ofOne = (statement: Statement): number => {
    switch (statement.kind) {
      case "report":
        return 8 + 8 * statement.values.length;
      case "if":
        return ofBody(statement.then) + ofBody(statement.otherwise);
      case "switch":
        return statement.arms.reduce((sum, arm) => sum + ofBody(arm.body), ofBody(statement.otherwise));
      case "block":
        return ofBody(statement.body);
      default:
        return 0;
    }
  };
  return ofBody(program.body);
}
