/**
 * `if x + 1 ≥ 11` is `if x ≥ 10` where the sum is known to fit: what a counter was before it was counted up is what an
 * atomic addition gives, and the sum is then not needed.
 */
import { type Block, type GraphInstruction, inOrder, type Value, written } from "./graph.ts";
import type { JumpCondition } from "./instruction.ts";

const unsigned: ReadonlySet<JumpCondition> = new Set(["equal", "not-equal", "greater", "at-least", "less", "at-most"]);

export function compareBeforeSums(entry: Block): void {
  for (const block of inOrder(entry)) {
    const { ending } = block;
    if (ending?.kind !== "branch" || ending.width !== 64 || !unsigned.has(ending.condition)) continue;
    if (!("immediate" in ending.right) || ending.right.immediate < 0) continue;
    const sum = sumIn(block.instructions, ending.left);
    if (sum === undefined || sum.amount > ending.right.immediate) continue;
    block.ending = { ...ending, left: sum.of, right: { immediate: ending.right.immediate - sum.amount } };
  }
}

/** Of what, at the end of these instructions, the value is the sum with how much. */
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
