/**
 * State in memory: initialises, inherits and reads the state of threads, processes and the tree.
 *
 * An address is the start of an owner's state: `layout.tree` for the tree; `SlotAllocator` returns those of threads and
 * processes.
 */
import type { ScopeState } from "../../ir/evaluation.ts";
import type { Program, Scope } from "../../ir/program.ts";
import { bucketSize, type MemoryLayout, pageSize, type TableLayout, tableHeaderSize } from "./layout.ts";

/** A `WebAssembly.Memory`; its buffer is replaced when it grows. */
export interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** Initialises the state of a new owner at `address`. */
export function initialise(memory: Memory, layout: MemoryLayout, scope: Scope, address: number): void {
  const { size, cells } = layout.scopes[scope];
  new Uint8Array(memory.buffer, address, size).fill(0); // zeroed memory is an empty table
  const view = new DataView(memory.buffer, address, size);
  for (const { offset, initial } of cells) view.setBigUint64(offset, BigInt(initial), true);
}

/**
 * Initialises the state of a new process, or of its first thread, at `child`, from its parent's current state at
 * `parent`. (A new thread of the same process gets `initialise`.) Only for thread and process scope.
 */
export function inherit(
  memory: Memory,
  layout: MemoryLayout,
  scope: "thread" | "process",
  parent: number,
  child: number,
): void {
  const { size, cells, tables } = layout.scopes[scope];
  const bytes = new Uint8Array(memory.buffer);
  bytes.copyWithin(child, parent, parent + size);
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

/**
 * Copies the state of a thread, its process and the tree. The result writes the copy back; the owners must still have
 * these addresses.
 */
export function rememberState(
  memory: Memory,
  { scopes, tree }: MemoryLayout,
  { thread, process }: { readonly thread: number; readonly process: number },
): () => void {
  const addresses = { thread, process, tree };
  const copies = (["thread", "process", "tree"] as const).map((scope) => {
    const address = addresses[scope];
    return { address, bytes: new Uint8Array(memory.buffer.slice(address, address + scopes[scope].size)) };
  });
  return () => {
    const present = new Uint8Array(memory.buffer);
    for (const { address, bytes } of copies) present.set(bytes, address);
  };
}

/** The state of an owner in the interpreter's form. For tests and display, not for judging. */
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
 * Sets the tables' secret before they have any key: 24 random bytes, new at each launch and unknown to the confined
 * tree (`tables.ts` gives the reason).
 */
export function seedTables(memory: Memory, layout: MemoryLayout, random: Uint8Array): void {
  if (random.length !== 24) throw new RangeError(`the tables' secret has 24 bytes, not ${random.length}`);
  const secret = new Uint8Array(memory.buffer, layout.secret, 24);
  secret.set(random);
  // Factors must be odd, or the multiplication loses bits.
  secret[8]! |= 1;
  secret[16]! |= 1;
}

/** Allocates slots in the free area of the memory for the state of threads and processes. Freed slots are reused. */
export class SlotAllocator {
  private readonly memory: Memory;
  private readonly layout: MemoryLayout;
  private readonly free: { readonly thread: number[]; readonly process: number[] } = { thread: [], process: [] };
  private next: number;

  /** `from` is the start of the area, for a host that uses the layout's `heap` for other data. */
  constructor(memory: Memory, layout: MemoryLayout, from: number = layout.heap) {
    this.memory = memory;
    this.layout = layout;
    this.next = Math.ceil(from / 8) * 8;
  }

  /**
   * The address of a slot, whose content is undefined until `initialise` or `inherit`. The memory may grow, which
   * invalidates views of its old buffer.
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

  /** The slots in use, for another allocator of the same memory. */
  save(): { readonly next: number; readonly thread: readonly number[]; readonly process: readonly number[] } {
    return { next: this.next, thread: [...this.free.thread], process: [...this.free.process] };
  }

  restore({ next, thread, process }: ReturnType<SlotAllocator["save"]>): void {
    this.next = next;
    this.free.thread.push(...thread);
    this.free.process.push(...process);
  }

  giveBack(scope: "thread" | "process", address: number): void {
    if (this.layout.scopes[scope].size > 0) this.free[scope].push(address);
  }
}
