/**
 * A body first asks the kernel whether the program may read an argument, by `bpf_seccomp_arg_parts`. If it then has the
 * kernel match the same argument, without other effects in between, the match gives the same error: the pass removes the
 * first call.
 */
import {
  Block,
  countPredecessors,
  type GraphInstruction,
  type GraphOperand,
  isPure,
  reversePostorder,
  type Value,
} from "../graph/graph.ts";
import { liveness } from "../graph/liveness.ts";

const eperm = -1;
const [parts, match] = ["bpf_seccomp_arg_parts", "bpf_seccomp_arg_match"];

type Call = GraphInstruction & { readonly kind: "call"; readonly result: Value };

export function dropAnswered(entry: Block): void {
  const order = reversePostorder(entry);
  const predecessors = countPredecessors(entry);
  const live = liveness(order);
  for (const block of order) {
    const { terminator } = block;
    const asked = block.instructions.at(-1);
    if (terminator?.kind !== "branch" || terminator.condition !== "equal" || !isCall(asked, parts)) continue;
    if (terminator.left !== asked.result || !isImmediate(terminator.right, eperm)) continue;
    const { then: unseen, otherwise: next } = terminator;
    if (predecessors.get(next) !== 1) continue;
    const search = next.instructions.at(-1);
    const after = next.terminator;
    if (!isCall(search, match) || !isSame(search, asked) || !next.instructions.slice(0, -1).every(isPure)) continue;
    if (after?.kind !== "branch" || after.condition !== "less-signed") continue;
    if (after.left !== search.result || !isImmediate(after.right, 0)) continue;
    // The number of a list's parts may be read again.
    if (live.get(next)!.in.has(asked.result) || live.get(unseen)!.in.has(asked.result)) continue;
    const failed = new Block();
    failed.terminator = { ...terminator, left: search.result, then: unseen, otherwise: after.then };
    next.terminator = { ...after, then: failed };
    block.instructions.pop();
    block.terminator = { kind: "goto", to: next };
  }
}

function isCall(instruction: GraphInstruction | undefined, name: string): instruction is Call {
  if (instruction?.kind !== "call" || instruction.result === undefined) return false;
  return "kernelFunction" in instruction.callee && instruction.callee.kernelFunction === name;
}

/** Whether both calls are about the same argument, their first word. */
function isSame(one: Call, other: Call): boolean {
  const [left, right] = [one.arguments[0], other.arguments[0]];
  if (left === undefined || right === undefined || !("immediate" in left && "immediate" in right)) return false;
  return left.immediate === right.immediate;
}

function isImmediate(operand: GraphOperand, value: number): boolean {
  return "immediate" in operand && operand.immediate === value;
}
