/** Provenance of returns: the calls and verdicts of the policy that end at each return of a filter. */

import { auditArchitecture } from "../../abi/architecture.ts";
import type { Decision, DecisionLeaf, SplitPolicy } from "../../analysis/decision.ts";
import type { Location } from "../../ir/location.ts";
import type { Program } from "../../ir/program.ts";
import { type ClassicInstruction, offset, opcode } from "./instruction.ts";

/** The part of a ClassicTarget that maps a leaf to a word. */
export interface LeafWords {
  leaf(leaf: DecisionLeaf): number;
}

/** A call that can reach a return, and the leaf of its decision with the return's word. */
export interface ReturnCause {
  readonly number: number;
  readonly leaf: DecisionLeaf;
}

/** The causes of each return, by its index, ordered by call number, then verdict. */
export function causesOfReturns(
  split: SplitPolicy,
  words: LeafWords,
  architecture: number,
  instructions: readonly ClassicInstruction[],
): ReadonlyMap<number, readonly ReturnCause[]> {
  const causes = new Map<number, ReturnCause[]>();
  const leavesOf = leavesByWord(words);
  for (const [number, decision] of [...split].sort(([a], [b]) => a - b)) {
    const leaves = leavesOf(decision);
    for (const index of returnsReachedBy(instructions, architecture, number)) {
      for (const leaf of leaves.get(instructions[index]!.k) ?? []) {
        const list = causes.get(index);
        if (list === undefined) causes.set(index, [{ number, leaf }]);
        else list.push({ number, leaf });
      }
    }
  }
  return causes;
}

/** For each return, the location of the first verdict that it gives. */
export function locateReturns(
  program: Program,
  split: SplitPolicy,
  words: LeafWords,
  instructions: readonly ClassicInstruction[],
): (Location | undefined)[] {
  const causes = causesOfReturns(split, words, auditArchitecture[program.architecture], instructions);
  return instructions.map((_, index) => {
    const placed = causes.get(index)?.find((cause) => program.verdicts[cause.leaf.weakest]?.at !== undefined);
    return placed === undefined ? undefined : program.verdicts[placed.leaf.weakest]?.at;
  });
}

/** The first instruction on this call's path that does not depend on its number alone, or the return at its end. */
export function entryOf(instructions: readonly ClassicInstruction[], architecture: number, number: number): number {
  let accumulator = 0;
  for (let index = 0; ; ) {
    const { code, jt, jf, k } = instructions[index]!;
    if (code === opcode.load && (k === offset.number || k === offset.architecture)) {
      accumulator = k === offset.number ? number : architecture;
      index += 1;
      continue;
    }
    if (code === opcode.jumpAlways) {
      index += 1 + k;
      continue;
    }
    const holds = testHolds(code, accumulator, k);
    if (holds === undefined) return index;
    index += 1 + (holds ? jt : jf);
  }
}

function testHolds(code: number, accumulator: number, k: number): boolean | undefined {
  switch (code) {
    case opcode.jumpEqual:
      return accumulator === k;
    case opcode.jumpGreater:
      return accumulator > k;
    case opcode.jumpAtLeast:
      return accumulator >= k;
    case opcode.jumpAnyBit:
      return (accumulator & k) !== 0;
    default:
      return undefined;
  }
}

function returnsReachedBy(instructions: readonly ClassicInstruction[], architecture: number, number: number): number[] {
  const reached: number[] = [];
  const seen = new Set<number>();
  const pending = [entryOf(instructions, architecture, number)];
  while (pending.length > 0) {
    const index = pending.pop()!;
    if (seen.has(index)) continue;
    seen.add(index);
    const { code, jt, jf, k } = instructions[index]!;
    if (code === opcode.return) reached.push(index);
    else if (code === opcode.jumpAlways) pending.push(index + 1 + k);
    else if (testHolds(code, 0, k) === undefined) pending.push(index + 1);
    else pending.push(index + 1 + jt, index + 1 + jf);
  }
  return reached;
}

/** The leaves of a decision by return word, ordered by verdict index. */
function leavesByWord(words: LeafWords): (decision: Decision) => ReadonlyMap<number, readonly DecisionLeaf[]> {
  const known = new Map<Decision, ReadonlyMap<number, readonly DecisionLeaf[]>>();
  return (root) => {
    const memo = known.get(root);
    if (memo !== undefined) return memo;
    const found = new Map<number, DecisionLeaf[]>();
    const seen = new Set<Decision>();
    const pending: Decision[] = [root];
    while (pending.length > 0) {
      const decision = pending.pop()!;
      if (seen.has(decision)) continue;
      seen.add(decision);
      if (decision.kind === "test") pending.push(decision.then, decision.otherwise);
      else {
        const word = words.leaf(decision);
        const leaves = found.get(word);
        if (leaves === undefined) found.set(word, [decision]);
        else leaves.push(decision);
      }
    }
    for (const leaves of found.values()) leaves.sort((a, b) => a.weakest - b.weakest);
    known.set(root, found);
    return found;
  };
}
