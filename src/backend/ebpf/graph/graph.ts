/**
 * The form between the IR and eBPF: a graph of basic blocks over an unlimited number of virtual registers ("values").
 * Control flow is acyclic, as in the IR, so every block precedes its successors in reverse postorder.
 *
 * A value may be written more than once (IR locals are). Addresses are the context, the stack, or a value.
 */
import type { Location } from "../../../ir/location.ts";
import type { ArithmeticOperator, JumpCondition, MemorySize, Wide } from "../instructions/instruction.ts";
import type { TableOperation } from "../tables/operations.ts";
import { opposite } from "./operators.ts";

export type Value = number;

export type GraphOperand = { readonly value: Value } | { readonly immediate: number };

export type Base = "context" | "stack" | Value;

export type GraphInstruction = (
  | {
      readonly kind: "arithmetic";
      readonly operator: Exclude<ArithmeticOperator, "move">;
      readonly width: 32 | 64;
      readonly destination: Value;
      readonly left: Value;
      readonly right: GraphOperand;
      /** A sum that is known to fit its width. */
      readonly exact?: true;
    }
  | { readonly kind: "constant"; readonly destination: Value; readonly value: Wide }
  | { readonly kind: "copy"; readonly destination: Value; readonly source: Value }
  | { readonly kind: "sign-extend"; readonly from: 8 | 16 | 32; readonly destination: Value; readonly source: Value }
  | {
      readonly kind: "load";
      readonly size: MemorySize;
      readonly destination: Value;
      readonly base: Base;
      readonly offset: number;
    }
  | {
      readonly kind: "store";
      readonly size: MemorySize;
      readonly base: Base;
      readonly offset: number;
      readonly source: GraphOperand;
    }
  /** `*(u64 *)(base + offset) += amount`, atomically; the result is the old value. */
  | {
      readonly kind: "atomic-add";
      readonly base: Value;
      readonly offset: number;
      readonly amount: GraphOperand;
      readonly result: Value;
    }
  /** The value of R2 at the part's start; it must be the first instruction. */
  | { readonly kind: "parameter"; readonly destination: Value }
  | {
      readonly kind: "call";
      readonly callee: Callee;
      readonly arguments: readonly CallArgument[];
      readonly result: Value | undefined;
    }
) & { readonly at?: Location | undefined };

export type Callee =
  | { readonly helper: number }
  | { readonly kernelFunction: string }
  /** One of the operations on tables (`tables/operations.ts`). */
  | { readonly operation: TableOperation };

export type CallArgument =
  | GraphOperand
  | { readonly wide: Wide }
  | { readonly stackAddress: number }
  | { readonly addressOf: Value; readonly offset: number };

export type Terminator =
  | { readonly kind: "goto"; readonly to: Block }
  | {
      readonly kind: "branch";
      readonly condition: JumpCondition;
      readonly width: 32 | 64;
      readonly left: Value;
      readonly right: GraphOperand;
      readonly then: Block;
      readonly otherwise: Block;
      readonly at?: Location | undefined;
    }
  /** Continues in the body for calls of this number, with only the context pointer (in R1). */
  | { readonly kind: "body"; readonly number: number }
  /** Continues in the program's epilogue with the context pointer in R1 and this word in R2. */
  | { readonly kind: "finish"; readonly word: Value; readonly at?: Location | undefined }
  /** R0 = the result, 32 bits; exit. */
  | { readonly kind: "exit"; readonly result: GraphOperand; readonly at?: Location | undefined };

export class Block {
  readonly instructions: GraphInstruction[] = [];
  terminator: Terminator | undefined = undefined;
}

export function successors(block: Block): readonly Block[] {
  switch (block.terminator?.kind) {
    case "goto":
      return [block.terminator.to];
    case "branch":
      return [block.terminator.then, block.terminator.otherwise];
    default:
      return [];
  }
}

/** The constant that a block returns; undefined if it does anything else. */
export function plainResult({ instructions, terminator }: Block): number | undefined {
  if (instructions.length > 0 || terminator?.kind !== "exit" || !("immediate" in terminator.result)) return undefined;
  return terminator.result.immediate;
}

/**
 * The reachable blocks in reverse postorder. If both successors of a branch may follow it, the one without other
 * predecessors does, so that it needs no jump.
 */
export function reversePostorder(entry: Block): Block[] {
  const predecessors = countPredecessors(entry);
  const seen = new Set<Block>();
  const reversed: Block[] = [];
  // The stack is explicit because policies of thousands of rules make graphs too deep for recursion.
  const stack: { block: Block; following: readonly Block[]; next: number }[] = [];
  const visit = (block: Block): void => {
    seen.add(block);
    stack.push({ block, following: followed(block, predecessors), next: 0 });
  };
  visit(entry);
  while (stack.length > 0) {
    const top = stack.at(-1)!;
    const successor = top.following[top.next];
    top.next += 1;
    if (successor === undefined) {
      reversed.push(top.block);
      stack.pop();
    } else if (!seen.has(successor)) visit(successor);
  }
  return reversed.reverse();
}

/** The number of edges into each reachable block; the entry has one more. */
export function countPredecessors(entry: Block): ReadonlyMap<Block, number> {
  const predecessors = new Map<Block, number>([[entry, 1]]);
  const pending = [entry];
  for (let block = pending.pop(); block !== undefined; block = pending.pop()) {
    for (const next of successors(block)) {
      const known = predecessors.get(next);
      predecessors.set(next, (known ?? 0) + 1);
      if (known === undefined) pending.push(next);
    }
  }
  return predecessors;
}

/** The successors; the last one visited follows the block in reverse postorder. */
function followed(block: Block, predecessors: ReadonlyMap<Block, number>): readonly Block[] {
  const next = successors(block);
  if (block.terminator?.kind !== "branch" || opposite[block.terminator.condition] === undefined) return next;
  const [then, otherwise] = next as [Block, Block];
  const isTarget = (one: Block): boolean =>
    one.terminator?.kind === "body" || plainResult(one) !== undefined || predecessors.get(one)! > 1;
  return isTarget(otherwise) && !isTarget(then) ? [otherwise, then] : next;
}

/** The values that an instruction reads. */
export function reads(instruction: GraphInstruction): Value[] {
  switch (instruction.kind) {
    case "arithmetic":
      return [instruction.left, ...operandReads(instruction.right)];
    case "constant":
    case "parameter":
      return [];
    case "atomic-add":
      return [instruction.base, ...operandReads(instruction.amount)];
    case "copy":
    case "sign-extend":
      return [instruction.source];
    case "load":
      return typeof instruction.base === "number" ? [instruction.base] : [];
    case "store":
      return [...(typeof instruction.base === "number" ? [instruction.base] : []), ...operandReads(instruction.source)];
    case "call":
      return instruction.arguments.flatMap((argument) =>
        "value" in argument ? [argument.value] : "addressOf" in argument ? [argument.addressOf] : [],
      );
  }
}

function operandReads(operand: GraphOperand): Value[] {
  return "value" in operand ? [operand.value] : [];
}

export function terminatorReads(terminator: Terminator | undefined): Value[] {
  if (terminator?.kind === "branch") return [terminator.left, ...operandReads(terminator.right)];
  if (terminator?.kind === "exit") return operandReads(terminator.result);
  if (terminator?.kind === "finish") return [terminator.word];
  return [];
}

/** The value that an instruction writes. */
export function written(instruction: GraphInstruction): Value | undefined {
  if (instruction.kind === "store") return undefined;
  return instruction.kind === "call" || instruction.kind === "atomic-add"
    ? instruction.result
    : instruction.destination;
}

/** Whether an instruction may be dropped where its result is not read. */
export function isPure(instruction: GraphInstruction): boolean {
  return instruction.kind !== "store" && instruction.kind !== "call" && instruction.kind !== "atomic-add";
}

/** Whether the instruction reads the context register. */
export function readsContext(instruction: GraphInstruction): boolean {
  return (instruction.kind === "load" || instruction.kind === "store") && instruction.base === "context";
}
