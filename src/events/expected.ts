/** Refusals that are no events, because nothing is wrong and nothing is to be done. */

import type { Verdict } from "../ir/verdicts.ts";
import { errno as numbers } from "../linux/errno-numbers.ts";

/**
 * clone3 denied with ENOSYS: the language demands that of every policy to which process creation matters, and C libraries
 * try clone3 for each thread and each process that they make, before clone.
 */
export function isExpectedRefusal(call: string, { action, errno }: Pick<Verdict, "action" | "errno">): boolean {
  return call === "clone3" && action === "deny" && errno === numbers.ENOSYS;
}
