/** How many system calls a policy may let pass in each phase: the attack surface that it leaves. */
import type { Decision } from "../analysis/decision.ts";
import { leavesOf } from "../analysis/explain/paths.ts";
import { splitPolicy } from "../analysis/split/split.ts";
import type { Program } from "../ir/program.ts";
import { mayPass } from "../ir/verdicts.ts";

export interface Surface {
  /** Calls of the table that the policy judges. */
  readonly table: number;
  /** By the name of a phase; "" for a policy without phases. */
  readonly allowed: ReadonlyMap<string, number>;
}

/** A call counts as allowed if some arguments, in some state with this phase, let it pass. */
export function surfaceOf(program: Program): Surface {
  const declared = program.cells.flatMap(({ kind, name }, cell) =>
    kind.is === "phases" ? [{ cell, name, names: kind.names }] : [],
  );
  const table = program.admission.judged.reduce((sum, { from, to }) => sum + Number(to - from) + 1, 0);
  const allowed = new Map<string, number>();
  const [only, ...more] = declared;
  // Most combinations of several phases never occur.
  if (only === undefined || more.length > 0) {
    const count = allowedIn(program, new Map());
    if (only === undefined) allowed.set("", count);
    return { table, allowed };
  }
  only.names.forEach((phase, index) => {
    allowed.set(phase, allowedIn(program, new Map([[only.cell, BigInt(index)]])));
  });
  return { table, allowed };
}

function allowedIn(program: Program, cells: ReadonlyMap<number, bigint>): number {
  const split = splitPolicy(program, { superviseProcessCreation: false, cells });
  const known = new Map<Decision, boolean>();
  let count = 0;
  for (const decision of split.values()) {
    let passes = known.get(decision);
    if (passes === undefined) {
      passes = leavesOf(decision).some(({ possible }) =>
        possible.some((verdict) => mayPass(program.verdicts[verdict]!)),
      );
      known.set(decision, passes);
    }
    if (passes) count++;
  }
  return count;
}
