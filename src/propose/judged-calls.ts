/** Counts the recorded calls that the supervisor of `notify` would judge while their program serves. */

import { callByName } from "../abi/calls.ts";
import { type Decision, isStateful } from "../analysis/decision.ts";
import { splitPolicy } from "../analysis/split/split.ts";
import { notifyProfile } from "../engines/notify/filter.ts";
import { argumentInputs, type CallWord } from "../ir/inputs.ts";
import type { Program } from "../ir/program.ts";
import type { Word } from "../traces/trace.ts";
import type { History } from "./history.ts";
import type { Permissions } from "./permissions.ts";
import { isSensitive } from "./sensitive.ts";

/** The calls of serving that the supervisor of `notify` would judge. */
export interface JudgedCalls {
  /** All calls of serving. */
  readonly calls: number;
  readonly judged: number;
  /** The length of the recordings; undefined without times. */
  readonly seconds: number | undefined;
  /** The judged ones, by name. */
  readonly byCall: ReadonlyMap<string, { readonly sensitive: number; readonly others: number }>;
}

/** By one example of each call and its arguments; `program` is the proposal. */
export function judgedCalls(
  program: Program,
  { signatures, examples, architecture, recordings }: History,
  { serving }: Permissions,
): JudgedCalls {
  const split = splitPolicy(program, notifyProfile.supervision(program));
  const byCall = new Map<string, { sensitive: number; others: number }>();
  let [judged, calls] = [0, 0];
  for (const [id, count] of serving) {
    calls += count;
    const signature = signatures[id]!;
    const number = callByName(signature.call)!.number[architecture]!;
    const decision = split.get(number);
    if (decision === undefined || !isJudged(decision, examples[id]!)) continue;
    judged += count;
    const entry = byCall.get(signature.call) ?? { sensitive: 0, others: 0 };
    byCall.set(signature.call, entry);
    entry[isSensitive(signature) ? "sensitive" : "others"] += count;
  }
  const seconds = recordings.reduce((sum: number | undefined, one) => add(sum, one.seconds), 0);
  return { calls, judged, seconds, byCall };
}

function add(sum: number | undefined, seconds: number | undefined): number | undefined {
  return sum === undefined || seconds === undefined ? undefined : sum + seconds;
}

function isJudged(decision: Decision, words: readonly Word[]): boolean {
  let node = decision;
  while (node.kind === "test") {
    const { word, mask, intervals } = node.test;
    const bits = bitsOf(word, words) & mask;
    node = intervals.some(({ from, to }) => bits >= from && bits <= to) ? node.then : node.otherwise;
  }
  return isStateful(node);
}

/** No proposal reads the instruction pointer; 0 for a register that the recording lacks. */
function bitsOf(word: CallWord, words: readonly Word[]): bigint {
  return words[(argumentInputs as readonly CallWord[]).indexOf(word)]?.value ?? 0n;
}
