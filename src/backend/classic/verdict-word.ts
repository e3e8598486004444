/** Verdicts as return words of a seccomp filter. */
import { actions, type Verdict } from "../../ir/verdicts.ts";
import { returnWord } from "../../linux/return-word.ts";

/** The word for a verdict that the filter enforces itself. */
export function verdictWord(verdict: Verdict): number {
  return returnWord(actions[verdict.action].seccomp, verdict.action === "deny" ? verdict.errno : 0);
}
