/**
 * Small passes over the graph, in this order:
 *
 * 1. `propagate`: constants and copies go forward; branches whose outcome is known on some way are passed by it.
 * 2. `compareBeforeSums`: comparisons of a sum that is known to fit are of what it is the sum of.
 * 3. `hoistContextLoads`: what is read of the context behind calls is read before them, where that is little.
 * 4. `threadExits`: a block that only returns a value, reached from where the value has just been set to a constant,
 *    becomes an exit there: `v = 3; goto B` … `B: exit v` is `exit 3`. Verdicts in variables mostly vanish by it.
 * 5. `skipEmpty`: jumps to a block that only jumps go where it goes.
 * 6. `joinReturns`, `narrowReturned`, `setBeforeBranch`: what is done before different returns is there once.
 * 7. `dropDead`: what is written and never read is not written.
 */
import { Destinations } from "./destinations.ts";
import {
  type Block,
  type Ending,
  endingReads,
  type GraphInstruction,
  inOrder,
  isPure,
  reads,
  successors,
  type Value,
  written,
} from "./graph.ts";
import { hoistContextLoads } from "./hoist.ts";
import { propagate } from "./propagate.ts";
import { joinReturns, narrowReturned, setBeforeBranch } from "./returns.ts";
import { compareBeforeSums } from "./sums.ts";

export function optimise(entry: Block): void {
  propagate(entry);
  compareBeforeSums(entry);
  hoistContextLoads(entry);
  dropDead(entry);
  threadExits(entry);
  skipEmpty(entry);
  joinReturns(entry);
  narrowReturned(entry);
  setBeforeBranch(entry);
  dropDead(entry);
}

function threadExits(entry: Block): void {
  // Later blocks first, so that what becomes an exit can be threaded into what comes before it.
  for (const block of inOrder(entry).reverse()) {
    const { ending } = block;
    if (ending?.kind !== "goto" || ending.to.instructions.length > 0) continue;
    const next = ending.to.ending;
    if (next?.kind !== "exit") continue;
    if ("immediate" in next.result) {
      block.ending = next;
      continue;
    }
    const constant = lastConstant(block.instructions, next.result.value);
    if (constant !== undefined) block.ending = { ...next, result: { immediate: constant } };
  }
}

/** The 32 bits that the value holds at the end of the instructions, where they are a constant. */
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

function skipEmpty(entry: Block): void {
  const destinations = new Destinations();
  for (const block of inOrder(entry)) {
    const { ending } = block;
    if (ending?.kind === "goto") block.ending = { kind: "goto", to: destinations.of(ending.to) };
    if (ending?.kind === "branch") {
      const [then, otherwise] = [destinations.of(ending.then), destinations.of(ending.otherwise)];
      block.ending = then === otherwise ? { kind: "goto", to: then } : { ...ending, then, otherwise };
    }
  }
}

function dropDead(entry: Block): void {
  const liveAtStart = new Map<Block, ReadonlySet<Value>>();
  for (const block of inOrder(entry).reverse()) {
    const live = new Set<Value>();
    for (const next of successors(block)) for (const value of liveAtStart.get(next)!) live.add(value);
    for (const value of endingReads(block.ending as Ending)) live.add(value);
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
