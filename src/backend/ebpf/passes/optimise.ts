/** The passes over the graph of one body. Each rewrites the blocks in place; none adds a loop. */
import { Destinations } from "../graph/destinations.ts";
import {
  type Block,
  type GraphInstruction,
  isPure,
  reads,
  reversePostorder,
  successors,
  type Terminator,
  terminatorReads,
  type Value,
  written,
} from "../graph/graph.ts";
import { hoistContextLoads } from "./hoist.ts";
import { joinMasks } from "./masks.ts";
import { propagate } from "./propagate.ts";
import { joinReturns, narrowReturned, setBeforeBranch } from "./returns.ts";
import { compareBeforeSums } from "./sums.ts";
import { dropAnswered } from "./unseen.ts";

/** Each pass prepares for the next. */
const passes: readonly ((entry: Block) => void)[] = [
  // First: the other passes look for constants.
  propagate,
  // Before dead code goes: it leaves sums without a reader.
  compareBeforeSums,
  // After branches are folded, so that it sees the calls that remain.
  hoistContextLoads,
  // Empties blocks, which `threadExits` and `skipEmpty` then bypass.
  dropDead,
  threadExits,
  skipEmpty,
  // After `skipEmpty`, by which the tests that these join follow each other.
  joinMasks,
  dropAnswered,
  // After `threadExits`, which makes the exits that these merge.
  joinReturns,
  narrowReturned,
  setBeforeBranch,
  // Again, for values that the previous passes have left without a reader.
  dropDead,
];

export function optimise(entry: Block): void {
  for (const pass of passes) pass(entry);
}

/**
 * `v = 3; goto B` … `B: exit v` becomes `exit 3`, where B does nothing but return. This removes most verdicts that are held
 * in variables.
 */
function threadExits(entry: Block): void {
  // Later blocks first, so that a new exit can be threaded into the blocks before it.
  for (const block of reversePostorder(entry).reverse()) {
    const { terminator } = block;
    if (terminator?.kind !== "goto" || terminator.to.instructions.length > 0) continue;
    const next = terminator.to.terminator;
    if (next?.kind !== "exit") continue;
    if ("immediate" in next.result) {
      block.terminator = next;
      continue;
    }
    const constant = lastConstant(block.instructions, next.result.value);
    if (constant !== undefined) block.terminator = { ...next, result: { immediate: constant } };
  }
}

/** The low 32 bits of the value at the end of the instructions, where they are constant. */
function lastConstant(instructions: readonly GraphInstruction[], value: Value): number | undefined {
  let wanted = value;
  for (let index = instructions.length - 1; index >= 0; index -= 1) {
    const instruction = instructions[index]!;
    if (written(instruction) !== wanted) continue;
    if (instruction.kind === "constant" && instruction.value.is === "value")
      return Number(BigInt.asIntN(32, instruction.value.value));
    if (instruction.kind !== "copy") return undefined;
    wanted = instruction.source;
  }
  return undefined;
}

/** Jumps to a block that only jumps go to its target. */
function skipEmpty(entry: Block): void {
  const destinations = new Destinations();
  for (const block of reversePostorder(entry)) {
    const { terminator } = block;
    if (terminator?.kind === "goto") block.terminator = { kind: "goto", to: destinations.of(terminator.to) };
    if (terminator?.kind === "branch") {
      const [then, otherwise] = [destinations.of(terminator.then), destinations.of(terminator.otherwise)];
      block.terminator = then === otherwise ? { kind: "goto", to: then } : { ...terminator, then, otherwise };
    }
  }
}

/** Removes pure instructions whose results are never read. */
function dropDead(entry: Block): void {
  const liveAtStart = new Map<Block, ReadonlySet<Value>>();
  for (const block of reversePostorder(entry).reverse()) {
    const live = new Set<Value>();
    for (const next of successors(block)) for (const value of liveAtStart.get(next)!) live.add(value);
    for (const value of terminatorReads(block.terminator as Terminator)) live.add(value);
    for (let index = block.instructions.length - 1; index >= 0; index -= 1) {
      const instruction = block.instructions[index]!;
      const value = written(instruction);
      if (isPure(instruction) && value !== undefined && !live.has(value)) {
        block.instructions.splice(index, 1);
        continue;
      }
      if (value !== undefined) live.delete(value);
      for (const read of reads(instruction)) live.add(read);
    }
    liveAtStart.set(block, live);
  }
}
