/**
 * Loads of the context go in front of the first call where they are few. The context pointer then need not be kept over
 * it, which takes a move, and what is loaded is kept instead.
 */
import { type Block, type GraphInstruction, inOrder, readsContext } from "./graph.ts";

/** More would take the registers that calls keep from state. */
const mostHoisted = 2;
/**
 * Where a word is read more often than this, it is read anew on purpose (`longestRemembering` in bodies.ts), or by rules of
 * which each evaluation meets few.
 */
const mostReads = 8;

type ContextLoad = GraphInstruction & { kind: "load" };

export function hoistContextLoads(entry: Block): void {
  const first = entry.instructions.findIndex(({ kind }) => kind === "call");
  if (first < 0) return;
  const order = inOrder(entry);
  if (order.some(({ ending }) => ending?.kind === "body" || ending?.kind === "finish")) return;
  const found = new Map<string, ContextLoad>();
  const later: { readonly block: Block; readonly index: number; readonly key: string }[] = [];
  for (const block of order) {
    for (const [index, instruction] of block.instructions.entries()) {
      if (!readsContext(instruction) || (block === entry && index < first)) continue;
      // A report is written to the context, which must be kept then.
      if (instruction.kind !== "load") return;
      const key = `${instruction.size} ${instruction.offset}`;
      later.push({ block, index, key });
      if (!found.has(key)) found.set(key, instruction);
    }
  }
  if (found.size === 0 || found.size > mostHoisted || later.length > mostReads) return;
  for (const { block, index, key } of later) {
    const load = block.instructions[index] as ContextLoad;
    const source = found.get(key)!.destination;
    block.instructions[index] = { kind: "copy", destination: load.destination, source, at: load.at };
  }
  entry.instructions.splice(first, 0, ...found.values());
}
