/**
 * Rewrites `if x + 1 ≥ 11` as `if x ≥ 10` where the sum is known not to wrap. An atomic addition returns a counter's value
 * from before the addition, so the sum is then dead.
 */
import { type Block, type GraphInstruction, reversePostorder, type Value, written } from "../graph/graph.ts";
import type { JumpCondition } from "../instructions/instruction.ts";

const unsigned: ReadonlySet<JumpCondition> = new Set(["equal", "not-equal", "greater", "at-least", "less", "at-most"]);

export function compareBeforeSums(entry: Block): void {
  for (const block of reversePostorder(entry)) {
    const { terminator } = block;
    if (terminator?.kind !== "branch" || terminator.width !== 64 || !unsigned.has(terminator.condition)) continue;
    if (!("immediate" in terminator.right) || terminator.right.immediate < 0) continue;
    const sum = sumIn(block.instructions, terminator.left);
    if (sum === undefined || sum.amount > terminator.right.immediate) continue;
    block.terminator = { ...terminator, left: sum.of, right: { immediate: terminator.right.immediate - sum.amount } };
  }
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
