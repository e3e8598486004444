/**
 * State in memory: what a scope's holder starts with, what a child inherits, and reading it back.
 *
 * An address is where a holder's state begins: `layout.tree` for the tree, and for threads and processes what
 * `SlotAllocator` gives.
 */
import type { ScopeState } from "../../ir/evaluation.ts";
import type { Program, Scope } from "../../ir/program.ts";
import { bucketSize, type MemoryLayout, pageSize, type TableLayout, tableHeaderSize } from "./layout.ts";

/** A `WebAssembly.Memory`; its buffer is replaced when it grows. */
export interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** Makes the state of a new holder at `address`. */
export function initialise(memory: Memory, layout: MemoryLayout, scope: Scope, address: number): void {
  const { size, cells } = layout.scopes[scope];
  new Uint8Array(memory.buffer, address, size).fill(0); // zeroed memory is an empty table
  const view = new DataView(memory.buffer, address, size);
  for (const { offset, initial } of cells) view.setBigUint64(offset, BigInt(initial), true);
}

/**
 * Makes the state of a new process, or of its first thread, at `child`, from its maker's at `maker` as that is now.
 * (A new thread of the same process is `initialise`d.) Only for thread and process scope.
 */
export function inherit(
  memory: Memory,
  layout: MemoryLayout,
  scope: "thread" | "process",
  maker: number,
  child: number,
): void {
  const { size, cells, tables } = layout.scopes[scope];
  const bytes = new Uint8Array(memory.buffer);
  bytes.copyWithin(child, maker, maker + size);
  const view = new DataView(memory.buffer, child, size);
  for (const { offset, initial, onFork } of cells) {
    if (onFork === "copy") continue;
    const value = view.getBigUint64(offset, true);
    const mapped = onFork === "fresh" ? undefined : onFork.map[Number(value)];
    view.setBigUint64(offset, BigInt(mapped ?? initial), true);
  }
  for (const { offset, size: length, onFork } of tables) {
    if (onFork === "fresh") bytes.fill(0, child + offset, child + offset + length);
  }
}

/** The state of a holder as the interpreter has it. For tests and for showing; not for the path of a judgement. */
export function readState(
  program: Program,
  memory: Memory,
  layout: MemoryLayout,
  scope: Scope,
  address: number,
): ScopeState {
  const { size, cells, tables } = layout.scopes[scope];
  const view = new DataView(memory.buffer, address, size);
  const state: ScopeState = {
    cells: new BigUint64Array(program.cells.length),
    tables: program.tables.map(() => new Map<bigint, bigint>()),
  };
  for (const { cell, offset } of cells) state.cells[cell] = view.getBigUint64(offset, true);
  for (const table of tables) readTable(view, table, state.tables[table.table]!);
  return state;
}

/** One cell, by its index in `Program.cells`, of a holder of its scope. */
export function readCell(memory: Memory, layout: MemoryLayout, scope: Scope, cell: number, address: number): bigint {
  const found = layout.scopes[scope].cells.find((candidate) => candidate.cell === cell);
  if (found === undefined) throw new RangeError(`scope ${scope} has no cell ${cell}`);
  return new DataView(memory.buffer).getBigUint64(address + found.offset, true);
}

function readTable(view: DataView, layout: TableLayout, into: Map<bigint, bigint>): void {
  const { offset, buckets, holdsValues } = layout;
  const value = (at: number) => (holdsValues ? view.getBigUint64(at, true) : 0n);
  if (view.getUint32(offset + 4, true) !== 0) into.set(0n, value(offset + 8));
  const first = offset + tableHeaderSize(holdsValues);
  for (let bucket = 0; bucket < buckets; bucket++) {
    const at = first + bucket * bucketSize(holdsValues);
    const key = view.getBigUint64(at, true);
    if (key !== 0n) into.set(key, value(at + 8));
  }
  if (into.size !== view.getUint32(offset, true)) throw new Error("a table's count of keys is wrong");
}

/**
 * Gives the tables their secret, before any key is in one: 24 random bytes, new at each launch and known to nobody in
 * the confined tree (`tables.ts` says why).
 */
export function seedTables(memory: Memory, layout: MemoryLayout, random: Uint8Array): void {
  if (random.length !== 24) throw new RangeError(`the tables' secret has 24 bytes, not ${random.length}`);
  const secret = new Uint8Array(memory.buffer, layout.secret, 24);
  secret.set(random);
  // Factors must be odd, else the multiplication loses bits.
  secret[8]! |= 1;
  secret[16]! |= 1;
}

/** Hands out the free area of the memory, a slot for each thread's and each process's state. Freed slots come back. */
export class SlotAllocator {
  private readonly memory: Memory;
  private readonly layout: MemoryLayout;
  private readonly free: { readonly thread: number[]; readonly process: number[] } = { thread: [], process: [] };
  private next: number;

  /** `from` is where the area begins, for a host that keeps something else at the layout's `heap`. */
  constructor(memory: Memory, layout: MemoryLayout, from: number = layout.heap) {
    this.memory = memory;
    this.layout = layout;
    this.next = Math.ceil(from / 8) * 8;
  }

  /**
   * An address for one holder's state, which holds anything until it is made by `initialise` or `inherit`. The memory
   * may grow, so views of its old buffer end here.
   */
  take(scope: "thread" | "process"): number {
    const { size } = this.layout.scopes[scope];
    if (size === 0) return this.layout.heap;
    const free = this.free[scope].pop();
    if (free !== undefined) return free;
    const address = this.next;
    const missing = address + size - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.max(Math.ceil(missing / pageSize), 16));
    this.next = address + size;
    return address;
  }

  giveBack(scope: "thread" | "process", address: number): void {
    if (this.layout.scopes[scope].size > 0) this.free[scope].push(address);
  }
}
