/**
 * The classic back end: compiles the static part of a policy to a small and shallow seccomp filter.
 *
 * The filter reads the architecture and refuses a foreign one, reads the call's number, finds its interval by a search, and
 * returns or tests argument registers. Numbers with one decision form one interval; unknown numbers and x32 numbers have
 * intervals of their own.
 */

import { auditArchitecture } from "../../abi/architecture.ts";
import { callNumber } from "../../abi/call-numbers.ts";
import { returnWord } from "../../abi/return-word.ts";
import type { DecisionLeaf, SplitPolicy } from "../../analysis/decision.ts";
import { holds } from "../../ir/intervals.ts";
import type { Location } from "../../ir/location.ts";
import type { Program } from "../../ir/program.ts";
import { ConditionLowering, searchNode } from "./conditions.ts";
import { Graph, type GraphNode } from "./graph.ts";
import { argumentOffset, type ClassicInstruction, encodeInstructions, offset } from "./instruction.ts";
import { layOut } from "./layout.ts";
import { type DecidedNumber, searchNumbers } from "./numbers.ts";
import { locateReturns } from "./provenance.ts";

/** The return words of the filter, each `SECCOMP_RET_… | data`. */
export interface ClassicTarget {
  leaf(leaf: DecisionLeaf): number;
  /** For numbers that are neither judged nor always allowed, including −1 (a tracer's skip). */
  readonly unknown: number;
  /** For callers of another ABI, including x32. If it equals `unknown`, x32 costs no test. */
  readonly foreign: number;
  /** For restart_syscall, rt_sigreturn, exit and exit_group. */
  readonly always: number;
  /**
   * Allows the launcher's own execve before the policy: a call with these four words in argument registers 4 and 5 (low
   * half of 4, high half of 4, low half of 5, high half of 5).
   */
  readonly launcherToken: LauncherToken | undefined;
  /** The same for the launcher's seccomp(2), if it installs a second filter after this one. */
  readonly launcherInstalls?: boolean;
}

export type LauncherToken = readonly [number, number, number, number];

export interface ClassicProgram {
  readonly instructions: readonly ClassicInstruction[];
  /** For each return, the location of a verdict that it gives; undefined for other instructions. */
  readonly locations: readonly (Location | undefined)[];
  /**
   * Indexes of the instructions whose `k` is a word of the launcher's token, in the token's order, for one call after
   * the other; empty without a token. `rearmClassic` replaces the words.
   */
  readonly tokenPositions: readonly number[];
}

/**
 * Compiles the static part. The result depends only on the input. Throws a FilterTooLargeError for more than 4096
 * instructions.
 */
export function compileClassic(program: Program, split: SplitPolicy, target: ClassicTarget): ClassicProgram {
  const graph = new Graph();
  const foreign = graph.return(target.foreign);
  const search = searchNode(
    graph,
    searchNumbers(
      program.architecture,
      decidedNumbers(program, split, target, graph),
      graph.return(target.unknown),
      foreign,
    ),
  );
  const native = graph.test(
    "equal",
    auditArchitecture[program.architecture],
    graph.load(offset.number, search),
    foreign,
  );
  const { instructions, tokenPositions } = layOut(graph.load(offset.architecture, native));
  return { instructions, locations: locateReturns(program, split, target, instructions), tokenPositions };
}

/** `struct sock_filter[]` for seccomp(2). */
export function encodeClassic(program: ClassicProgram): Uint8Array {
  return encodeInstructions(program.instructions);
}

/** Replaces the token. Throws a RangeError if the filter has none. */
export function rearmClassic(program: ClassicProgram, token: LauncherToken): ClassicProgram {
  if (program.tokenPositions.length === 0) throw new RangeError("this filter has no launcher's token");
  const instructions = [...program.instructions];
  program.tokenPositions.forEach((position, index) => {
    instructions[position] = { ...instructions[position]!, k: token[index % token.length]! >>> 0 };
  });
  return { ...program, instructions };
}

/** The numbers that are always allowed or judged, ascending, with their decisions. */
function decidedNumbers(program: Program, split: SplitPolicy, target: ClassicTarget, graph: Graph): DecidedNumber[] {
  const conditions = new ConditionLowering(graph, target.leaf);
  const decided = new Map<number, GraphNode>();
  for (const interval of program.admission.always) {
    for (let number = interval.from; number <= interval.to; number++) {
      decided.set(Number(number), graph.return(target.always));
    }
  }
  for (const interval of program.admission.judged) {
    for (let number = interval.from; number <= interval.to; number++) {
      const decision = split.get(Number(number));
      if (decision === undefined) throw new Error(`the split has no decision for call number ${number}`);
      decided.set(Number(number), conditions.lower(decision));
    }
  }
  if (target.launcherToken !== undefined) {
    for (const name of target.launcherInstalls === true ? (["execve", "seccomp"] as const) : (["execve"] as const)) {
      const number = callNumber(name, program.architecture);
      const decision = decided.get(number) ?? graph.return(target.unknown);
      decided.set(number, launcherCheck(graph, target.launcherToken, decision));
    }
  }
  const { always } = program.admission;
  return [...decided]
    .map(([number, node]) => ({ number, node, always: holds(always, BigInt(number)) }))
    .sort((a, b) => a.number - b.number);
}

/** If registers 4 and 5, which neither execve nor seccomp uses, hold the token: allow. Else the policy decides. */
function launcherCheck(graph: Graph, token: LauncherToken, decision: GraphNode): GraphNode {
  const words = [
    argumentOffset(4, "low"),
    argumentOffset(4, "high"),
    argumentOffset(5, "low"),
    argumentOffset(5, "high"),
  ];
  return words.reduceRight<GraphNode>(
    (then, wordOffset, index) => graph.load(wordOffset, graph.tokenTest(token[index]! >>> 0, then, decision)),
    graph.return(returnWord("ALLOW")),
  );
}
