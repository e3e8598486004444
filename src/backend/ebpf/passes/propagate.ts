/**
 * Constant and copy propagation, forward through the graph: folds operations on constants, reads the source of a copy, and
 * replaces a branch whose outcome is known by a jump.
 *
 * Jump threading: where several edges enter a block that ends in a branch and the outcome is known for one of them
 * (`flag = 1; goto B` … `B: if flag`), that edge gets a copy of the block that jumps to the known arm. This removes most
 * conditions that are held in variables.
 */

import {
  Block,
  type GraphInstruction,
  type GraphOperand,
  reversePostorder,
  successors,
  type Terminator,
  written,
} from "../graph/graph.ts";
import { liveness } from "../graph/liveness.ts";
import { conditionHolds, foldArithmetic } from "../instructions/semantics.ts";
import { Facts, isImmediate } from "./facts.ts";
import { withReads } from "./rewrite.ts";

/** Longer blocks are not copied: the branch that is saved is one instruction. */
const longestCopied = 6;
/** The total number of instructions that copies may add: paths multiply where conditions follow each other. */
const mostCopied = 256;

type Edge = { readonly from: Block; readonly facts: Facts };

export function propagate(entry: Block): void {
  const order = reversePostorder(entry);
  const live = liveness(order);
  const incoming = new Map<Block, Edge[]>([[entry, []]]);
  let copied = 0;
  for (const block of order) {
    const arriving = incoming.get(block);
    // The block has become unreachable.
    if (arriving === undefined) continue;
    const remaining: Edge[] = [];
    for (const edge of arriving) {
      const copy = arriving.length > 1 && copied < mostCopied ? threaded(block, edge) : undefined;
      if (copy === undefined) {
        remaining.push(edge);
        continue;
      }
      copied += copy.instructions.length;
      redirect(edge.from, block, copy);
      depart(copy, edge.facts.copy());
    }
    if (arriving.length > 0 && remaining.length === 0) continue;
    const [first, ...others] = remaining;
    const facts = first === undefined ? new Facts() : first.facts.copy();
    for (const { facts: known } of others) facts.meet(known);
    facts.restrictTo(live.get(block)!.in);
    depart(block, facts);
  }

  function depart(block: Block, facts: Facts): void {
    rewriteBlock(block, facts);
    for (const next of new Set(successors(block))) {
      const known = incoming.get(next);
      const edge = { from: block, facts };
      if (known === undefined) incoming.set(next, [edge]);
      else known.push(edge);
    }
  }
}

function redirect(from: Block, old: Block, to: Block): void {
  const { terminator } = from;
  if (terminator?.kind === "goto") from.terminator = { kind: "goto", to };
  if (terminator?.kind === "branch") {
    const arm = (block: Block): Block => (block === old ? to : block);
    from.terminator = { ...terminator, then: arm(terminator.then), otherwise: arm(terminator.otherwise) };
  }
}

/**
 * A copy of the block that jumps to the arm that this edge takes; undefined if the arm is unknown or the copy too long.
 */
function threaded(block: Block, edge: Edge): Block | undefined {
  const { terminator } = block;
  if (terminator?.kind !== "branch") return undefined;
  const facts = edge.facts.copy();
  let remaining = 0;
  for (const instruction of block.instructions) {
    const value = written(instruction);
    learn(facts, instruction);
    if (value === undefined || facts.constant(value) === undefined) remaining += 1;
  }
  if (remaining > longestCopied) return undefined;
  const outcome = decided(terminator, facts);
  if (outcome === undefined) return undefined;
  const copy = new Block();
  copy.instructions.push(...block.instructions);
  copy.terminator = { kind: "goto", to: outcome };
  return copy;
}

function decided(terminator: Terminator & { kind: "branch" }, facts: Facts): Block | undefined {
  const [left, right] = [facts.constant(terminator.left), facts.constantOf(terminator.right)];
  if (left === undefined || right === undefined) return undefined;
  return conditionHolds(terminator.condition, terminator.width, left, right) ? terminator.then : terminator.otherwise;
}

/** Updates the facts with the instruction's effect. */
function learn(facts: Facts, instruction: GraphInstruction): void {
  const value = written(instruction);
  if (value === undefined) return;
  if (instruction.kind === "copy") return facts.setCopy(value, instruction.source);
  if (instruction.kind === "constant" && instruction.value.is === "value")
    return facts.setConstant(value, instruction.value.value);
  if (instruction.kind === "arithmetic") {
    const [left, right] = [facts.constant(instruction.left), facts.constantOf(instruction.right)];
    const result =
      left === undefined || right === undefined
        ? undefined
        : foldArithmetic(instruction.operator, instruction.width, left, right);
    if (result !== undefined) return facts.setConstant(value, result);
  }
  facts.invalidate(value);
}

function rewriteBlock(block: Block, facts: Facts): void {
  block.instructions.forEach((instruction, index) => {
    const { at } = instruction;
    if (instruction.kind === "call") facts.invalidateHolders();
    let rewritten = withReads(
      instruction,
      (value) => facts.source(value),
      (operand) => operandOf(operand, facts),
    );
    if (rewritten.kind === "constant" && rewritten.value.is === "value") {
      // A register with the same value is shorter than a 64-bit constant.
      const holder = facts.holder(rewritten.value.value);
      if (holder !== undefined && holder !== rewritten.destination)
        rewritten = { kind: "copy", destination: rewritten.destination, source: holder, at };
    }
    learn(facts, rewritten);
    const value = written(rewritten);
    const constant = value === undefined ? undefined : facts.constant(value);
    // A register copy is shorter than a 64-bit constant.
    if (value !== undefined && constant !== undefined && rewritten.kind !== "constant")
      if (rewritten.kind !== "copy" || isImmediate(constant))
        rewritten = { kind: "constant", destination: value, value: { is: "value", value: constant }, at };
    block.instructions[index] = rewritten;
  });
  const { terminator } = block;
  if (terminator?.kind === "branch") {
    const outcome = decided(terminator, facts);
    block.terminator =
      outcome !== undefined
        ? { kind: "goto", to: outcome }
        : { ...terminator, left: facts.source(terminator.left), right: operandOf(terminator.right, facts) };
  }
  if (terminator?.kind === "exit") {
    const constant = facts.constantOf(terminator.result);
    const result = constant === undefined ? undefined : { immediate: Number(BigInt.asIntN(32, constant)) };
    block.terminator = { ...terminator, result: result ?? operandOf(terminator.result, facts) };
  }
  if (terminator?.kind === "finish") block.terminator = { ...terminator, word: facts.source(terminator.word) };
}

function operandOf(operand: GraphOperand, facts: Facts): GraphOperand {
  if ("immediate" in operand) return operand;
  const constant = facts.constant(operand.value);
  if (constant !== undefined && isImmediate(constant)) return { immediate: Number(BigInt.asIntN(32, constant)) };
  return { value: facts.source(operand.value) };
}
