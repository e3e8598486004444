/**
 * Follows constants and copies forward through the graph. What is computed of constants is a constant, what is a copy is
 * read where it is a copy of, and a branch whose outcome is known is none.
 *
 * Where several ways meet in front of a branch and its outcome is known for one of them (`flag = 1; goto B` … `B: if flag`),
 * that way gets a copy of the block and goes straight on: conditions in variables mostly vanish by it.
 */
import { Facts, isImmediate } from "./facts.ts";
import { foldArithmetic, foldCondition } from "./fold.ts";
import { Block, type Ending, type GraphInstruction, type GraphOperand, inOrder, successors, written } from "./graph.ts";
import { liveness } from "./liveness.ts";
import { withReads } from "./rewrite.ts";

/** Longer blocks are not copied: the branch that is saved is one instruction. */
const longestCopied = 6;
/** How many instructions copies may add in all: ways multiply where conditions follow each other. */
const mostCopied = 256;

type Way = { readonly from: Block; readonly facts: Facts };

export function propagate(entry: Block): void {
  const order = inOrder(entry);
  const live = liveness(order);
  const ways = new Map<Block, Way[]>([[entry, []]]);
  let copied = 0;
  for (const block of order) {
    const arriving = ways.get(block);
    // Nothing leads here any more.
    if (arriving === undefined) continue;
    const remaining: Way[] = [];
    for (const way of arriving) {
      const copy = arriving.length > 1 && copied < mostCopied ? shortcut(block, way) : undefined;
      if (copy === undefined) {
        remaining.push(way);
        continue;
      }
      copied += copy.instructions.length;
      redirect(way.from, block, copy);
      depart(copy, way.facts.copy());
    }
    if (arriving.length > 0 && remaining.length === 0) continue;
    const [first, ...others] = remaining;
    const facts = first === undefined ? new Facts() : first.facts.copy();
    for (const { facts: known } of others) facts.meet(known);
    facts.keep(live.get(block)!.in);
    depart(block, facts);
  }

  function depart(block: Block, facts: Facts): void {
    rewriteBlock(block, facts);
    for (const next of new Set(successors(block))) {
      const known = ways.get(next);
      const way = { from: block, facts };
      if (known === undefined) ways.set(next, [way]);
      else known.push(way);
    }
  }
}

function redirect(from: Block, old: Block, to: Block): void {
  const { ending } = from;
  if (ending?.kind === "goto") from.ending = { kind: "goto", to };
  if (ending?.kind === "branch") {
    const arm = (block: Block): Block => (block === old ? to : block);
    from.ending = { ...ending, then: arm(ending.then), otherwise: arm(ending.otherwise) };
  }
}

/** A copy of the block that ends in the arm that this way takes, where that is known and worth it. */
function shortcut(block: Block, way: Way): Block | undefined {
  const { ending } = block;
  if (ending?.kind !== "branch") return undefined;
  const facts = way.facts.copy();
  let kept = 0;
  for (const instruction of block.instructions) {
    const value = written(instruction);
    learn(facts, instruction);
    if (value === undefined || facts.constant(value) === undefined) kept += 1;
  }
  if (kept > longestCopied) return undefined;
  const outcome = decided(ending, facts);
  if (outcome === undefined) return undefined;
  const copy = new Block();
  copy.instructions.push(...block.instructions);
  copy.ending = { kind: "goto", to: outcome };
  return copy;
}

function decided(ending: Ending & { kind: "branch" }, facts: Facts): Block | undefined {
  const [left, right] = [facts.constant(ending.left), facts.constantOf(ending.right)];
  if (left === undefined || right === undefined) return undefined;
  return foldCondition(ending.condition, ending.width, left, right) ? ending.then : ending.otherwise;
}

/** What is known behind the instruction. */
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
  facts.forget(value);
}

function rewriteBlock(block: Block, facts: Facts): void {
  block.instructions.forEach((instruction, index) => {
    const { at } = instruction;
    if (instruction.kind === "call") facts.forgetHolders();
    let rewritten = withReads(
      instruction,
      (value) => facts.source(value),
      (operand) => operandOf(operand, facts),
    );
    if (rewritten.kind === "constant" && rewritten.value.is === "value") {
      // A register that holds the same is shorter than a constant of 64 bits.
      const holder = facts.holder(rewritten.value.value);
      if (holder !== undefined && holder !== rewritten.destination)
        rewritten = { kind: "copy", destination: rewritten.destination, source: holder, at };
    }
    learn(facts, rewritten);
    const value = written(rewritten);
    const constant = value === undefined ? undefined : facts.constant(value);
    // A copy of a register is shorter than a constant of 64 bits.
    if (value !== undefined && constant !== undefined && rewritten.kind !== "constant")
      if (rewritten.kind !== "copy" || isImmediate(constant))
        rewritten = { kind: "constant", destination: value, value: { is: "value", value: constant }, at };
    block.instructions[index] = rewritten;
  });
  const { ending } = block;
  if (ending?.kind === "branch") {
    const outcome = decided(ending, facts);
    block.ending =
      outcome !== undefined
        ? { kind: "goto", to: outcome }
        : { ...ending, left: facts.source(ending.left), right: operandOf(ending.right, facts) };
  }
  if (ending?.kind === "exit") {
    const constant = facts.constantOf(ending.result);
    const result = constant === undefined ? undefined : { immediate: Number(BigInt.asIntN(32, constant)) };
    block.ending = { ...ending, result: result ?? operandOf(ending.result, facts) };
  }
  if (ending?.kind === "finish") block.ending = { ...ending, word: facts.source(ending.word) };
}

function operandOf(operand: GraphOperand, facts: Facts): GraphOperand {
  if ("immediate" in operand) return operand;
  const constant = facts.constant(operand.value);
  if (constant !== undefined && isImmediate(constant)) return { immediate: Number(BigInt.asIntN(32, constant)) };
  return { value: facts.source(operand.value) };
}
