/** Live values. Control only goes forward, so one pass from the end suffices. */
import { type Block, reads, successors, terminatorReads, type Value, written } from "./graph.ts";

export interface Liveness {
  /** At the block's start. */
  readonly in: ReadonlySet<Value>;
  /** At its end, including the reads of its terminator. */
  readonly out: ReadonlySet<Value>;
}

/** `order`: each block before its successors. */
export function liveness(order: readonly Block[]): ReadonlyMap<Block, Liveness> {
  const all = new Map<Block, Liveness>();
  for (let index = order.length - 1; index >= 0; index -= 1) {
    const block = order[index]!;
    const out = new Set<Value>(terminatorReads(block.terminator));
    for (const next of successors(block)) for (const value of all.get(next)!.in) out.add(value);
    const live = new Set(out);
    for (let at = block.instructions.length - 1; at >= 0; at -= 1) {
      const instruction = block.instructions[at]!;
      const value = written(instruction);
      if (value !== undefined) live.delete(value);
      for (const read of reads(instruction)) live.add(read);
    }
    all.set(block, { in: live, out });
  }
  return all;
}
