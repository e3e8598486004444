/** Refusals that are not events, because they are routine and need no remedy. */

import { errno as numbers } from "../abi/errno-numbers.ts";
import type { Verdict } from "../ir/verdicts.ts";

/**
 * clone3 denied with ENOSYS: the language requires it of every policy that depends on process creation, and C libraries
 * try clone3 before clone for each thread and process.
 */
export function isExpectedRefusal(call: string, { action, errno }: Pick<Verdict, "action" | "errno">): boolean {
  return call === "clone3" && action === "deny" && errno === numbers.ENOSYS;
}
