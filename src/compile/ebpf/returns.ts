/**
 * Returns of variables:
 *
 * - `joinReturns`: blocks that do the same before they return different constants (give back a lock) become one, which
 *   returns a variable.
 * - `narrowReturned`: a constant that is only ever returned needs its low 32 bits, which an immediate holds.
 * - `setBeforeBranch`: `if c: v = 1 else: v = 2` is `v = 2; if c: v = 1`, where nothing else happens: a jump less.
 */
import { Block, endingReads, type GraphInstruction, inOrder, reads, type Value, written } from "./graph.ts";
import { liveness } from "./liveness.ts";

export function joinReturns(entry: Block): void {
  const order = inOrder(entry);
  const groups = new Map<string, Block[]>();
  for (const block of order) {
    const { ending, instructions } = block;
    if (ending?.kind !== "exit" || !("immediate" in ending.result)) continue;
    if (!instructions.some(({ kind }) => kind === "call")) continue;
    const key = textOf(instructions);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [block]);
    else group.push(block);
  }
  let next = 1 + highestValue(order);
  for (const group of groups.values()) {
    if (group.length < 2) continue;
    const value = next;
    next += 1;
    const joined = new Block();
    joined.instructions.push(...group[0]!.instructions);
    joined.ending = { ...group[0]!.ending!, kind: "exit", result: { value } };
    for (const block of group) {
      const { ending } = block;
      if (ending?.kind !== "exit" || !("immediate" in ending.result)) continue;
      const constant = { is: "value", value: BigInt.asUintN(64, BigInt(ending.result.immediate)) } as const;
      block.instructions.splice(0, Infinity, { kind: "constant", destination: value, value: constant, at: ending.at });
      block.ending = { kind: "goto", to: joined };
    }
  }
}

/** Equal instructions have equal texts; where in the policy they stand is no part of it. */
function textOf(instructions: readonly GraphInstruction[]): string {
  return JSON.stringify(instructions, (key, value) =>
    key === "at" ? undefined : typeof value === "bigint" ? `${value}n` : value,
  );
}

function highestValue(order: readonly Block[]): Value {
  let highest = -1;
  for (const { instructions, ending } of order) {
    for (const instruction of instructions)
      for (const value of [...reads(instruction), written(instruction) ?? -1]) highest = Math.max(highest, value);
    for (const value of endingReads(ending)) highest = Math.max(highest, value);
  }
  return highest;
}

export function narrowReturned(entry: Block): void {
  const order = inOrder(entry);
  const wide = new Set<Value>();
  const copies: { readonly destination: Value; readonly source: Value }[] = [];
  const returned = new Set<Value>();
  for (const { instructions, ending } of order) {
    for (const instruction of instructions) {
      if (instruction.kind === "copy") copies.push(instruction);
      else for (const value of reads(instruction)) wide.add(value);
    }
    if (ending?.kind === "exit") for (const value of endingReads(ending)) returned.add(value);
    else for (const value of endingReads(ending)) wide.add(value);
  }
  // What is copied to where all bits count counts as well; what is copied to what is returned is returned.
  for (let changed = true; changed; ) {
    changed = false;
    for (const { destination, source } of copies) {
      if (wide.has(destination) && !wide.has(source)) changed = Boolean(wide.add(source));
      if (returned.has(destination) && !returned.has(source)) changed = Boolean(returned.add(source));
    }
  }
  for (const { instructions } of order) {
    instructions.forEach((instruction, index) => {
      if (instruction.kind !== "constant" || instruction.value.is !== "value") return;
      const { destination } = instruction;
      if (!returned.has(destination) || wide.has(destination)) return;
      const value = BigInt.asUintN(64, BigInt.asIntN(32, instruction.value.value));
      instructions[index] = { ...instruction, value: { is: "value", value } };
    });
  }
}

export function setBeforeBranch(entry: Block): void {
  const order = inOrder(entry);
  const live = liveness(order);
  for (const block of order) {
    const { ending } = block;
    if (ending?.kind !== "branch") continue;
    const [then, otherwise] = [onlySets(ending.then), onlySets(ending.otherwise)];
    if (then === undefined || otherwise === undefined || then.to !== otherwise.to) continue;
    if (then.value !== otherwise.value || endingReads(ending).includes(then.value)) continue;
    if (live.get(ending.then)!.in.has(then.value) || live.get(ending.otherwise)!.in.has(then.value)) continue;
    block.instructions.push(otherwise.set);
    block.ending = { ...ending, otherwise: otherwise.to };
  }
}

/** What a block sets and where it goes, where it does nothing else. */
function onlySets(block: Block): { value: Value; set: GraphInstruction; to: Block } | undefined {
  const { instructions, ending } = block;
  const [set, ...more] = instructions;
  if (set?.kind !== "constant" || more.length > 0 || ending?.kind !== "goto") return undefined;
  return { value: set.destination, set, to: ending.to };
}
