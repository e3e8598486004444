/** Gives a compiled text filter to the addon. Loads no compiler. */
import type { Matchers } from "../../ir/observe.ts";
import { native, required } from "../../machine/native.ts";
import { statusWords } from "../engine/status.ts";
import type { TextFilter } from "./policy/policy.ts";

/** `words` (engines/engine/status.ts) count its verdicts. Throws a SystemCallError. */
export function startTextFilter(
  { registers, observations, instructions }: TextFilter,
  matchers: Matchers,
  words: Uint32Array = new Uint32Array(0),
): void {
  const { wanted, verdicts } = statusWords;
  const started = native().startTextFilter(registers, observations, instructions, words, wanted, verdicts);
  required("startTextFilter", started);
  const judged = observations.filter((_, number) => registers[number] !== 0);
  for (const observation of new Set(judged)) {
    const matcher = matchers[observation] ?? [];
    required("startTextMatcher", native().startTextMatcher(observation, matcher.length));
    for (const { classes, classCount, transitions, accepts, acceptSets, start, settled } of matcher) {
      const sets = BigUint64Array.from(acceptSets, (set) => BigInt.asUintN(64, set));
      required(
        "addTextAutomaton",
        native().addTextAutomaton(observation, classes, classCount, transitions, accepts, sets, start, settled),
      );
    }
  }
}
