/**
 * Patterns as a minimal deterministic automaton, which reads each byte once: the form that is interpreted here, and
 * compiled for each engine (backend/ebpf/memory/, native/addon/pin/text_filter.c). `matcher.ts` makes it.
 */

/**
 * States are numbered as a walk from the start meets them, bytes in ascending order; but settled states, which all bytes
 * lead back to, stand first, and of those the dead one. Equal patterns in another order give the same tables, and accept
 * sets whose bits are permuted.
 */
export interface Automaton {
  /** The class of each of the 256 bytes. */
  readonly classes: Uint8Array;
  readonly classCount: number;
  readonly stateCount: number;
  /** state × classCount + class gives the next state. */
  readonly transitions: Uint16Array;
  readonly start: number;
  /** States below this one are settled: further bytes change nothing. State 0 is dead: it also matches nothing. */
  readonly settled: number;
  /** For each state an index into `acceptSets`. */
  readonly accepts: Uint16Array;
  /** Bit n stands for pattern n. Each set once; the first is empty, the others in the order in which states have them. */
  readonly acceptSets: readonly bigint[];
}

/** The dead state. */
export const dead = 0;

/**
 * An automaton whose states are numbered by a walk from the start, which is state 0, bytes in ascending order; so are the
 * classes. It is minimal and no two classes are equal.
 */
export interface Walked {
  readonly classes: Uint8Array;
  readonly classCount: number;
  /** state × classCount + class. */
  readonly transitions: ArrayLike<number>;
  /** The patterns of a state: bit n stands for pattern n. */
  readonly patternsOf: (state: number) => bigint;
}

/** The same automaton in the order of `Automaton`. */
export function numbered({ classes, classCount, transitions, patternsOf }: Walked): Automaton {
  const count = transitions.length / classCount;
  const isSettled = (state: number): boolean => {
    for (let at = state * classCount; at < (state + 1) * classCount; at++) if (transitions[at] !== state) return false;
    return true;
  };
  const [settled, others]: [number[], number[]] = [[], []];
  const numbers = new Uint16Array(count);
  for (let state = 0; state < count; state++) {
    if (!isSettled(state)) others.push(state);
    else if (patternsOf(state) !== 0n) settled.push(state);
  }
  // A dead state stands first although there may be no way to it.
  const order = [...settled, ...others];
  for (const [index, state] of order.entries()) numbers[state] = index + 1;

  const ordered = new Uint16Array((order.length + 1) * classCount);
  const accepts = new Uint16Array(order.length + 1);
  const acceptSets = [0n];
  const setNumbers = new Map([[0n, 0]]);
  for (const [index, state] of order.entries()) {
    const to = (index + 1) * classCount;
    for (let column = 0; column < classCount; column++)
      ordered[to + column] = numbers[transitions[state * classCount + column]!]!;
    const patterns = patternsOf(state);
    let number = setNumbers.get(patterns);
    if (number === undefined) {
      number = acceptSets.push(patterns) - 1;
      setNumbers.set(patterns, number);
    }
    accepts[index + 1] = number;
  }
  return {
    classes,
    classCount,
    stateCount: order.length + 1,
    transitions: ordered,
    start: numbers[0]!,
    settled: 1 + settled.length,
    accepts,
    acceptSets,
  };
}

/** The index of the accept set for this text, as each compiled form must give it. */
export function run(automaton: Automaton, text: Uint8Array): number {
  const { classes, classCount, transitions, settled } = automaton;
  let state = automaton.start;
  for (const byte of text) {
    if (state < settled) break;
    state = transitions[state * classCount + classes[byte]!]!;
  }
  return automaton.accepts[state]!;
}
