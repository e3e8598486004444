/**
 * Passes over returns:
 *
 * - `joinReturns` merges blocks that differ only in the constant that they return (those that release a lock) into one
 *   block that returns a variable.
 * - `narrowReturned` shortens a constant that is only returned to its low 32 bits, which fit an immediate.
 * - `setBeforeBranch` rewrites `if c: v = 1 else: v = 2` as `v = 2; if c: v = 1`, which saves a jump.
 */
import {
  Block,
  type GraphInstruction,
  reads,
  reversePostorder,
  terminatorReads,
  type Value,
  written,
} from "../graph/graph.ts";
import { liveness } from "../graph/liveness.ts";

export function joinReturns(entry: Block): void {
  const order = reversePostorder(entry);
  const groups = new Map<string, Block[]>();
  for (const block of order) {
    const { terminator, instructions } = block;
    if (terminator?.kind !== "exit" || !("immediate" in terminator.result)) continue;
    if (!instructions.some(({ kind }) => kind === "call")) continue;
    const key = keyOf(instructions);
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
    joined.terminator = { ...group[0]!.terminator!, kind: "exit", result: { value } };
    for (const block of group) {
      const { terminator } = block;
      if (terminator?.kind !== "exit" || !("immediate" in terminator.result)) continue;
      const constant = { is: "value", value: BigInt.asUintN(64, BigInt(terminator.result.immediate)) } as const;
      block.instructions.splice(0, Infinity, {
        kind: "constant",
        destination: value,
        value: constant,
        at: terminator.at,
      });
      block.terminator = { kind: "goto", to: joined };
    }
  }
}

/** A key that is equal for equal instructions, regardless of their locations. */
function keyOf(instructions: readonly GraphInstruction[]): string {
  return JSON.stringify(instructions, (key, value) =>
    key === "at" ? undefined : typeof value === "bigint" ? `${value}n` : value,
  );
}

function highestValue(order: readonly Block[]): Value {
  let highest = -1;
  for (const { instructions, terminator } of order) {
    for (const instruction of instructions)
      for (const value of [...reads(instruction), written(instruction) ?? -1]) highest = Math.max(highest, value);
    for (const value of terminatorReads(terminator)) highest = Math.max(highest, value);
  }
  return highest;
}

export function narrowReturned(entry: Block): void {
  const order = reversePostorder(entry);
  const wide = new Set<Value>();
  const copies: { readonly destination: Value; readonly source: Value }[] = [];
  const returned = new Set<Value>();
  for (const { instructions, terminator } of order) {
    for (const instruction of instructions) {
      if (instruction.kind === "copy") copies.push(instruction);
      else for (const value of reads(instruction)) wide.add(value);
    }
    if (terminator?.kind === "exit") for (const value of terminatorReads(terminator)) returned.add(value);
    else for (const value of terminatorReads(terminator)) wide.add(value);
  }
  // Both properties flow from a copy to its source.
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
  const order = reversePostorder(entry);
  const live = liveness(order);
  for (const block of order) {
    const { terminator } = block;
    if (terminator?.kind !== "branch") continue;
    const [then, otherwise] = [onlySets(terminator.then), onlySets(terminator.otherwise)];
    if (then === undefined || otherwise === undefined || then.to !== otherwise.to) continue;
    if (then.value !== otherwise.value || terminatorReads(terminator).includes(then.value)) continue;
    if (live.get(terminator.then)!.in.has(then.value) || live.get(terminator.otherwise)!.in.has(then.value)) continue;
    block.instructions.push(otherwise.set);
    block.terminator = { ...terminator, otherwise: otherwise.to };
  }
}

/** The assignment and the target of a block that only sets a constant and jumps. */
function onlySets(block: Block): { value: Value; set: GraphInstruction; to: Block } | undefined {
  const { instructions, terminator } = block;
  const [set, ...more] = instructions;
  if (set?.kind !== "constant" || more.length > 0 || terminator?.kind !== "goto") return undefined;
  return { value: set.destination, set, to: terminator.to };
}
