/**
 * Rewrites `if x & 3 != 0 goto A; if x & 12 != 0 goto A` as `if x & 15 != 0 goto A`: a condition on a text asks for some of
 * its patterns, whose bits lie in one word, and `||` of such conditions asks for more of them.
 */
import {
  type Block,
  countPredecessors,
  type GraphInstruction,
  reads,
  reversePostorder,
  terminatorReads,
  type Value,
} from "../graph/graph.ts";

/** The last instruction of a block with its branch: where to go if one of these bits of the word is set. */
interface Test {
  readonly instruction: GraphInstruction & { readonly kind: "arithmetic" };
  readonly word: Value;
  readonly masked: Value;
  readonly mask: number;
  readonly set: Block;
  readonly clear: Block;
}

export function joinMasks(entry: Block): void {
  const order = reversePostorder(entry);
  const readers = countReaders(order);
  const predecessors = countPredecessors(entry);
  // Later blocks first, so that each has already absorbed the tests that follow it.
  for (const block of order.reverse()) {
    const first = testIn(block, readers);
    if (first === undefined || predecessors.get(first.clear) !== 1) continue;
    const second = testIn(first.clear, readers);
    if (second === undefined || first.clear.instructions.length !== 1) continue;
    if (second.word !== first.word || second.set !== first.set || first.masked === first.word) continue;
    const { terminator } = first.clear;
    block.instructions.pop();
    block.instructions.push({ ...second.instruction, right: { immediate: first.mask | second.mask } });
    block.terminator = terminator;
  }
}

function testIn({ instructions, terminator }: Block, readers: ReadonlyMap<Value, number>): Test | undefined {
  const last = instructions.at(-1);
  if (last?.kind !== "arithmetic" || last.operator !== "and" || !("immediate" in last.right)) return undefined;
  // The branch may not see all bits of a negative mask.
  if (last.right.immediate < 0) return undefined;
  if (terminator?.kind !== "branch" || terminator.left !== last.destination) return undefined;
  if (!("immediate" in terminator.right) || terminator.right.immediate !== 0) return undefined;
  if (terminator.condition !== "equal" && terminator.condition !== "not-equal") return undefined;
  if (readers.get(last.destination) !== 1) return undefined;
  const { then, otherwise } = terminator;
  const [set, clear] = terminator.condition === "not-equal" ? [then, otherwise] : [otherwise, then];
  return { instruction: last, word: last.left, masked: last.destination, mask: last.right.immediate, set, clear };
}

function countReaders(order: readonly Block[]): ReadonlyMap<Value, number> {
  const readers = new Map<Value, number>();
  const count = (values: readonly Value[]): void => {
    for (const value of values) readers.set(value, 1 + (readers.get(value) ?? 0));
  };
  for (const { instructions, terminator } of order) {
    for (const instruction of instructions) count(reads(instruction));
    count(terminatorReads(terminator));
  }
  return readers;
}
