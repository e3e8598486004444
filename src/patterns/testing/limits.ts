/** Limits that let few patterns have several automata. */
import type { Limits } from "../matcher.ts";
import { LimitReached } from "../work.ts";

export function smallLimits(states: number): Limits {
  const few = (count: number): void => {
    if (count > states) throw new LimitReached("states");
  };
  return { pattern: () => {}, one: few, several: few, steps: () => 2000 };
}
