/** Verdicts as return words of a seccomp filter. */

import { returnWord } from "../../abi/return-word.ts";
import { actions, type Verdict } from "../../ir/verdicts.ts";

/** The word for a verdict that the filter enforces itself. */
export function verdictWord(verdict: Verdict): number {
  return returnWord(actions[verdict.action].seccomp, verdict.action === "deny" ? verdict.errno : 0);
}
