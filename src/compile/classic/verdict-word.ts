/** Verdicts as words that a seccomp filter returns. */
import { actions, type Verdict } from "../../ir/verdicts.ts";
import { returnWord } from "../../linux/return-word.ts";

/** The word for a verdict that the filter enforces by itself. */
export function verdictWord(verdict: Verdict): number {
  return returnWord(actions[verdict.action].seccomp, verdict.action === "deny" ? verdict.errno : 0);
}
