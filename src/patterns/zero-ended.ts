/** The automaton of texts that end at their first zero, like paths in socket addresses, or where the memory ends. */
import type { Automaton } from "./automaton.ts";

/**
 * For every text, the result has the accept set that `automaton` has for the text before its first zero. A zero leads to a
 * settled state, so nothing behind it is read.
 */
export function zeroEnded(automaton: Automaton): Automaton {
  const { classes, classCount, stateCount, transitions, settled, accepts } = automaton;
  const ends = new Map<number, number>();
  for (let state = 0; state < settled; state += 1) ends.set(accepts[state]!, state);
  const added: number[] = [];
  for (let state = settled; state < stateCount; state += 1) {
    const accept = accepts[state]!;
    if (ends.has(accept)) continue;
    ends.set(accept, settled + added.length);
    added.push(accept);
  }

  // A class that only the zero is in becomes that of the end.
  const end = classes.indexOf(classes[0]!, 1) < 0 ? classes[0]! : classCount;
  const width = Math.max(classCount, end + 1);
  const moved = (state: number): number => (state < settled ? state : state + added.length);
  const row = (state: number): number[] => {
    const to = Array.from(transitions.subarray(state * classCount, (state + 1) * classCount), moved);
    to[end] = state < settled ? state : ends.get(accepts[state]!)!;
    return to;
  };
  const rows = Array.from({ length: stateCount }, (_, state) => row(state));
  rows.splice(settled, 0, ...added.map((_, index) => new Array<number>(width).fill(settled + index)));
  const all = [...accepts];
  all.splice(settled, 0, ...added);
  return {
    ...automaton,
    classes: classes.map((of, byte) => (byte === 0 ? end : of)),
    classCount: width,
    stateCount: stateCount + added.length,
    transitions: Uint16Array.from(rows.flat()),
    start: moved(automaton.start),
    settled: settled + added.length,
    accepts: Uint16Array.from(all),
  };
}
