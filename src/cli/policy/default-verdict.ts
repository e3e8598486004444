/** The verdict on calls that no rule of a policy names, for `check`. */

import { leavesOf } from "../../analysis/explain/paths.ts";
import { unnamedNumber } from "../../analysis/explain/unnamed.ts";
import { splitPolicy } from "../../analysis/split/split.ts";
import { printLocation } from "../../events/describe.ts";
import type { Program } from "../../ir/program.ts";
import { explainedVerdict } from "../../ir/verdicts.ts";

/** "deny EPERM, nginx.ts:40:3". */
export function describeDefault(program: Program): string {
  const unnamed = BigInt(unnamedNumber);
  const judged = { ...program, admission: { always: [], judged: [{ from: unnamed, to: unnamed }] } };
  const decision = splitPolicy(judged, { superviseProcessCreation: false }).get(unnamedNumber);
  const possible = decision === undefined ? [] : leavesOf(decision).flatMap((leaf) => leaf.possible);
  const answers = [...new Set(possible)].map((index) => {
    const verdict = program.verdicts[index]!;
    return verdict.at === undefined
      ? explainedVerdict(verdict)
      : `${explainedVerdict(verdict)}, ${printLocation(program.files, verdict.at)}`;
  });
  return answers.length === 0 ? "deny ENOSYS" : answers.join(", or ");
}
