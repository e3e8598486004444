/**
 * Moves loads of the context before the first call if they are few. Then the loaded values, not the context pointer,
 * are live across the call, which saves moving the pointer to a callee-saved register.
 */
import { type Block, type GraphInstruction, readsContext, reversePostorder } from "../graph/graph.ts";

/** More would occupy the callee-saved registers that state needs. */
const mostHoisted = 2;
/**
 * A word with more reads is reloaded on purpose (`longestReusing` in bodies.ts), or belongs to rules of which an
 * evaluation reaches few.
 */
const mostReads = 8;

type ContextLoad = GraphInstruction & { kind: "load" };

export function hoistContextLoads(entry: Block): void {
  const first = entry.instructions.findIndex(({ kind }) => kind === "call");
  if (first < 0) return;
  const order = reversePostorder(entry);
  if (order.some(({ terminator }) => terminator?.kind === "body" || terminator?.kind === "finish")) return;
  const found = new Map<string, ContextLoad>();
  const later: { readonly block: Block; readonly index: number; readonly key: string }[] = [];
  for (const block of order) {
    for (const [index, instruction] of block.instructions.entries()) {
      if (!readsContext(instruction) || (block === entry && index < first)) continue;
      // A report is written to the context, so the pointer stays live.
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
