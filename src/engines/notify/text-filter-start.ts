/** Gives a compiled text filter to the addon. Loads no compiler. */
import type { Automata } from "../../ir/observe.ts";
import { native, required } from "../../linux/native.ts";
import { statusWords } from "../status.ts";
import type { TextFilter } from "./policy.ts";

/** `words` (engines/status.ts) count its verdicts. Throws a SystemCallError. */
export function startTextFilter(
  { registers, observations, instructions }: TextFilter,
  automata: Automata,
  words: Uint32Array = new Uint32Array(0),
): void {
  const { wanted, verdicts } = statusWords;
  const started = native().startTextFilter(registers, observations, instructions, words, wanted, verdicts);
  required("startTextFilter", started);
  const judged = observations.filter((_, number) => registers[number] !== 0);
  for (const observation of new Set(judged)) {
    const automaton = automata[observation];
    const { classes, classCount, transitions, accepts, start, settled } = automaton ?? none;
    const sets = BigUint64Array.from(automaton?.acceptSets ?? [], (set) => BigInt.asUintN(64, set));
    required(
      "addTextAutomaton",
      native().addTextAutomaton(observation, classes, classCount, transitions, accepts, sets, start, settled),
    );
  }
}

const none = {
  classes: new Uint8Array(0),
  classCount: 0,
  transitions: new Uint16Array(0),
  accepts: new Uint16Array(0),
  start: 0,
  settled: 0,
} as const;
