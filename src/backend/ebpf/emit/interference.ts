/**
 * Interference of values: which are live at the same time and need different registers, and which are copies of each
 * other.
 */
import {
  type Block,
  type GraphInstruction,
  reads,
  readsContext,
  terminatorReads,
  type Value,
  written,
} from "../graph/graph.ts";
import { liveness } from "../graph/liveness.ts";
import { commutative } from "../graph/operators.ts";

/** Represents the context pointer among the values. */
export const contextPointer: Value = -1;

export interface Interference {
  /** In the order of their first appearance. */
  readonly values: readonly Value[];
  /** The values that must not share a place with a value. */
  readonly neighbours: ReadonlyMap<Value, Set<Value>>;
  /** Values that are live across a call. */
  readonly crossing: ReadonlySet<Value>;
  /** A value, and the source of which it is a copy or from which it is computed in place. */
  readonly copies: readonly { readonly destination: Value; readonly source: Value }[];
  readonly computed: readonly { readonly destination: Value; readonly source: Value }[];
}

const usesContext = ({ terminator }: Block): boolean => terminator?.kind === "body" || terminator?.kind === "finish";

/** `order`: each block before its successors. */
export function interference(order: readonly Block[]): Interference {
  const live = liveness(order);
  const contextLive = contextLiveness(order);
  const neighbours = new Map<Value, Set<Value>>();
  const crossing = new Set<Value>();
  const copies: { destination: Value; source: Value }[] = [];
  const computed: { destination: Value; source: Value }[] = [];
  const met = (value: Value): Set<Value> => {
    let set = neighbours.get(value);
    if (set === undefined) {
      set = new Set();
      neighbours.set(value, set);
    }
    return set;
  };
  const apart = (a: Value, b: Value): void => {
    if (a === b) return;
    met(a).add(b);
    met(b).add(a);
  };
  if (contextLive.size > 0) met(contextPointer);
  for (const block of order) {
    for (const instruction of block.instructions) {
      for (const value of reads(instruction)) met(value);
      const value = written(instruction);
      if (value !== undefined) met(value);
      if (instruction.kind === "copy")
        copies.push({ destination: instruction.destination, source: instruction.source });
      if (instruction.kind === "arithmetic")
        computed.push({ destination: instruction.destination, source: instruction.left });
    }
    for (const value of terminatorReads(block.terminator)) met(value);
    const now = new Set(live.get(block)!.out);
    if (contextLive.has(block) && contextLive.get(block)!.out) now.add(contextPointer);
    for (let at = block.instructions.length - 1; at >= 0; at -= 1) {
      const instruction = block.instructions[at]!;
      const value = written(instruction);
      if (value !== undefined) {
        now.delete(value);
        const copied = instruction.kind === "copy" ? instruction.source : undefined;
        for (const other of now) if (other !== copied) apart(value, other);
        const operand = readWhileWritten(instruction);
        if (operand !== undefined) apart(value, operand);
      }
      if (instruction.kind === "call") for (const other of now) crossing.add(other);
      for (const read of reads(instruction)) now.add(read);
      if (readsContext(instruction)) now.add(contextPointer);
    }
  }
  return { values: [...neighbours.keys()], neighbours, crossing, copies, computed };
}

/** The operand that is still read after the result has been partly written. */
function readWhileWritten(instruction: GraphInstruction): Value | undefined {
  // The sum goes through the result's register.
  if (instruction.kind === "atomic-add") return instruction.base;
  // `a = b − c` is `a = b; a −= c`.
  if (instruction.kind !== "arithmetic" || !("value" in instruction.right)) return undefined;
  const { left, right, operator } = instruction;
  return right.value === left || commutative.has(operator) ? undefined : right.value;
}

/** For the blocks from which the context pointer is still read: whether it is live at their end. */
function contextLiveness(order: readonly Block[]): ReadonlyMap<Block, { readonly out: boolean }> {
  const needed = new Map<Block, { readonly out: boolean }>();
  for (let index = order.length - 1; index >= 0; index -= 1) {
    const block = order[index]!;
    const { terminator } = block;
    const next =
      terminator?.kind === "goto"
        ? [terminator.to]
        : terminator?.kind === "branch"
          ? [terminator.then, terminator.otherwise]
          : [];
    const out = usesContext(block) || next.some((other) => needed.has(other));
    if (out || block.instructions.some(readsContext)) needed.set(block, { out });
  }
  return needed;
}
