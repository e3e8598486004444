/** The verdict on calls that no rule of a policy names, for `check`. */
import { leavesOf } from "../../analysis/explain/paths.ts";
import { splitPolicy } from "../../analysis/split/split.ts";
import { printLocation } from "../../events/describe.ts";
import type { Program } from "../../ir/program.ts";
import { explainedVerdict } from "../../ir/verdicts.ts";

/** No architecture has this number, so no rule can name it. */
const unnamed = 1_000_003n;

/** "deny EPERM, nginx.ts:40:3". */
export function describeDefault(program: Program): string {
  const judged = { ...program, admission: { always: [], judged: [{ from: unnamed, to: unnamed }] } };
  const decision = splitPolicy(judged, { superviseProcessCreation: false }).get(Number(unnamed));
  const possible = decision === undefined ? [] : leavesOf(decision).flatMap((leaf) => leaf.possible);
  const answers = [...new Set(possible)].map((index) => {
    const verdict = program.verdicts[index]!;
    return verdict.at === undefined
      ? explainedVerdict(verdict)
      : `${explainedVerdict(verdict)}, ${printLocation(program.files, verdict.at)}`;
  });
  return answers.length === 0 ? "deny ENOSYS" : answers.join(", or ");
}
