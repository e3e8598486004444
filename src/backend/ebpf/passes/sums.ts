/**
 * Rewrites `if x + 1 ≥ 11` as `if x ≥ 10` where the sum is known not to wrap. An atomic addition returns a counter's value
 * from before the addition, so the sum is then dead.
 */
import {
  type Block,
  type GraphInstruction,
  type GraphOperand,
  reads,
  reversePostorder,
  terminatorReads,
  type Value,
  written,
} from "../graph/graph.ts";
import type { JumpCondition } from "../instructions/instruction.ts";
import { isImmediate } from "./facts.ts";

const unsigned: ReadonlySet<JumpCondition> = new Set(["equal", "not-equal", "greater", "at-least", "less", "at-most"]);

export function compareBeforeSums(entry: Block): void {
  const order = reversePostorder(entry);
  let readers: ReadonlyMap<Value, number> | undefined;
  for (const block of order) {
    const { terminator, instructions } = block;
    if (terminator?.kind !== "branch" || terminator.width !== 64 || !unsigned.has(terminator.condition)) continue;
    const sum = sumIn(instructions, terminator.left);
    if (sum === undefined) continue;
    const { right } = terminator;
    if ("immediate" in right) {
      if (right.immediate < sum.amount) continue;
      block.terminator = { ...terminator, left: sum.of, right: { immediate: right.immediate - sum.amount } };
      continue;
    }
    readers ??= countReaders(order);
    // Another reader would need the constant as it is, which takes two instructions.
    if (readers.get(right.value) !== 1) continue;
    const lowered = lowerConstant(instructions, right.value, BigInt(sum.amount));
    if (lowered !== undefined) block.terminator = { ...terminator, left: sum.of, right: lowered };
  }
}

/** Reduces the constant that the last of these instructions to write this value gives it; undefined if it cannot. */
function lowerConstant(instructions: GraphInstruction[], value: Value, by: bigint): GraphOperand | undefined {
  const index = instructions.findLastIndex((instruction) => written(instruction) === value);
  const constant = instructions[index];
  if (constant?.kind !== "constant" || constant.value.is !== "value" || constant.value.value < by) return undefined;
  const lower = constant.value.value - by;
  if (isImmediate(lower)) return { immediate: Number(BigInt.asIntN(32, lower)) };
  instructions[index] = { ...constant, value: { is: "value", value: lower } };
  return { value };
}

function countReaders(order: readonly Block[]): ReadonlyMap<Value, number> {
  const readers = new Map<Value, number>();
  const count = (value: Value): void => void readers.set(value, 1 + (readers.get(value) ?? 0));
  for (const { instructions, terminator } of order) {
    for (const instruction of instructions) reads(instruction).forEach(count);
    terminatorReads(terminator).forEach(count);
  }
  return readers;
}

/** `value = of + amount` at the end of these instructions; undefined where that is not known. */
function sumIn(instructions: readonly GraphInstruction[], value: Value): { of: Value; amount: number } | undefined {
  for (let index = instructions.length - 1; index >= 0; index -= 1) {
    const instruction = instructions[index]!;
    if (written(instruction) !== value) continue;
    if (instruction.kind !== "arithmetic" || instruction.exact !== true) return undefined;
    const { left: of, right } = instruction;
    if (!("immediate" in right) || right.immediate < 0 || of === value) return undefined;
    const changed = instructions.slice(index).some((later) => written(later) === of);
    return changed ? undefined : { of, amount: right.immediate };
  }
  return undefined;
}
