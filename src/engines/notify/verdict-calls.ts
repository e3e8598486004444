/** The names of the calls that each verdict of the supervisor is about, for the status of a running tree. */

import { callByNumber } from "../../abi/calls.ts";
import { type Decision, type DecisionLeaf, isStateful, type SplitPolicy } from "../../analysis/decision.ts";
import { leavesOf } from "../../analysis/explain/paths.ts";
import type { Program } from "../../ir/program.ts";
import type { VerdictCalls } from "../engine/status.ts";

/** Names that are stored of a verdict. */
const mostNames = 8;

/** By the index of the verdict. Calls that the filter decides are left out, unless it decides all of a verdict. */
export function verdictCalls({ architecture, verdicts }: Program, split: SplitPolicy): readonly VerdictCalls[] {
  const all = verdicts.map(() => ({ supervised: new Set<string>(), filtered: new Set<string>() }));
  // Most calls share a decision.
  const known = new Map<Decision, readonly DecisionLeaf[]>();
  for (const [number, decision] of split) {
    const name = callByNumber(architecture, number)?.name;
    if (name === undefined) continue;
    const leaves = known.get(decision) ?? leavesOf(decision);
    known.set(decision, leaves);
    for (const leaf of leaves) {
      for (const verdict of leaf.possible) {
        // Denials are events, which the supervisor makes.
        const isSupervised = isStateful(leaf) || verdicts[verdict]!.action !== "allow";
        all[verdict]![isSupervised ? "supervised" : "filtered"].add(name);
      }
    }
  }
  return all.map(({ supervised, filtered }) => {
    const names = supervised.size > 0 ? supervised : filtered;
    return { names: [...names].sort().slice(0, mostNames), more: Math.max(0, names.size - mostNames) };
  });
}
