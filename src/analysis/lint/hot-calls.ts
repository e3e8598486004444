/** P0602: a frequent call is stateful, although no state changes its verdict. */

import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { Diagnostic } from "../../diagnostics/diagnostic.ts";
import { spanOf } from "../../ir/location.ts";
import type { DecisionLeaf, StatefulReason } from "../decision.ts";
import { hotCalls } from "../explain/hot-calls.ts";
import { enumerate, type View } from "./view.ts";

export function findHotCalls(view: View): Diagnostic[] {
  const { program } = view;
  const byReason = new Map<string, { readonly reason: StatefulReason; readonly calls: string[] }>();
  for (const number of view.decisions.keys()) {
    const name = view.name(number);
    if (!hotCalls.has(name)) continue;
    const leaves = view.leavesOf(name);
    // If state decides the verdict, the cost is necessary.
    if (leaves.some((leaf) => leaf.possible.length > 1)) continue;
    const reason = leaves.flatMap((leaf) => leaf.stateful).find((each) => each.because.startsWith("changes-"));
    if (reason === undefined || !neverRefused(view, leaves)) continue;
    const key = JSON.stringify(reason);
    const entry = byReason.get(key) ?? { reason, calls: [] };
    entry.calls.push(name);
    byReason.set(key, entry);
  }
  return [...byReason.values()].map(({ reason, calls }) => {
    const state =
      reason.because === "changes-state"
        ? program.cells[reason.cell]!
        : program.tables[(reason as { table: number }).table]!;
    const shown = calls.length > 6 ? [...calls.slice(0, 5), `${calls.length - 5} more`] : calls;
    return diagnostic(
      "P0602",
      `${enumerate(shown)} ${calls.length === 1 ? "changes" : "change"} \`${state.name}\` at every call, and are called very often`.replace(
        "and are",
        calls.length === 1 ? "and is" : "and are",
      ),
      {
        span: spanOf(program, state.at),
        help: "use a rarer call as the trigger: explain shows the cost of each call",
      },
    );
  });
}

function neverRefused(view: View, leaves: readonly DecisionLeaf[]): boolean {
  return leaves.every((leaf) => leaf.possible.every((verdict) => !view.isDenial(verdict)));
}
