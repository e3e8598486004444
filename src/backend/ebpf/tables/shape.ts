/**
 * The layout of a table in its scope's memory. There are two forms, both in plain memory, so that an operation on a table is
 * part of its evaluation (under the same lock, where there is one: no helper may be called under bpf_spin_lock, which
 * rules out BPF's own hash maps), and so that the capacity is exact.
 *
 * ```
 * list    count (u64) | capacity keys (u64) | capacity values (u64), if it holds values
 *         The first `count` places are taken. A search compares each; a deletion moves the last into the hole.
 *         Takes exactly the bytes that `ir/limits.ts` counts, so 4 KiB are 4 KiB.
 * hashed  count (u64) | slots, each: taken (u64), key (u64), value (u64, if it holds values)
 *         Open addressing, linear probing; at least twice as many slots as entries, a power of two, so there is always
 *         an empty slot that ends a search. A deletion closes the gap by moving entries back, so none is ever marked
 *         "deleted" and a table does not age.
 * ```
 *
 * The hash is keyed by words that are secret and new at each launch, as that of the wasm form is.
 */
import type { Table } from "../../../ir/program.ts";

export interface TableShape {
  readonly form: "list" | "hashed";
  readonly capacity: number;
  readonly holdsValues: boolean;
}

/** The largest list in the tree's scope. Up to this size a linear search costs about as much as hashing. */
const largestTreeList = 32;

export const headerSize = 8;

export function tableShape(table: Pick<Table, "scope" | "capacity" | "holdsValues">): TableShape {
  const { capacity, holdsValues } = table;
  return { form: table.scope === "tree" && capacity > largestTreeList ? "hashed" : "list", capacity, holdsValues };
}

/** The binary logarithm of the number of slots of a hashed table. */
export function slotBits(shape: TableShape): number {
  return Math.ceil(Math.log2(2 * shape.capacity));
}

export function slotSize(shape: TableShape): number {
  return shape.holdsValues ? 24 : 16;
}

/** Bytes, a multiple of 8. */
export function tableSize(shape: TableShape): number {
  if (shape.form === "list") return headerSize + shape.capacity * (shape.holdsValues ? 16 : 8);
  return headerSize + (1 << slotBits(shape)) * slotSize(shape);
}

/** The entries of a table at the start of `words`. A set's values are 0. */
export function tableEntries(shape: TableShape, words: BigUint64Array): Map<bigint, bigint> {
  const entries = new Map<bigint, bigint>();
  if (shape.form === "list") {
    for (let index = 0; index < Number(words[0]); index += 1)
      entries.set(words[1 + index]!, shape.holdsValues ? words[1 + shape.capacity + index]! : 0n);
    return entries;
  }
  const stride = slotSize(shape) / 8;
  for (let slot = 1; slot < words.length; slot += stride)
    if (words[slot] === 1n) entries.set(words[slot + 1]!, shape.holdsValues ? words[slot + 2]! : 0n);
  return entries;
}
