/** The product of two automata: one automaton that reads a text as both do, and ends in the patterns of both. */
import { type Automaton, numbered } from "./automaton.ts";
import type { Fits, Work } from "./work.ts";

/**
 * No pattern is in both. The product of minimal automata is minimal, because a text that distinguishes two states of one
 * distinguishes all pairs with them by a pattern of that one.
 *
 * `fits` is asked about the states that have been met, and about the classes of bytes. A step is a cell of the table.
 */
export function product(a: Automaton, b: Automaton, fits: Fits, work: Work): Automaton {
  const { classes, classCount, columns } = commonClasses(a, b);
  const numbers = new Map<number, number>();
  const [ofA, ofB]: [number[], number[]] = [[], []];
  const number = (inA: number, inB: number): number => {
    const pair = inA * b.stateCount + inB;
    let found = numbers.get(pair);
    if (found === undefined) {
      found = ofA.push(inA) - 1;
      ofB.push(inB);
      numbers.set(pair, found);
    }
    return found;
  };
  number(a.start, b.start);
  const transitions: number[] = [];
  for (let next = 0; next < ofA.length; next++) {
    fits(ofA.length, classCount);
    work.spend(classCount);
    const [rowA, rowB] = [ofA[next]! * a.classCount, ofB[next]! * b.classCount];
    for (const { inA, inB } of columns)
      transitions.push(number(a.transitions[rowA + inA]!, b.transitions[rowB + inB]!));
  }
  return numbered({
    classes,
    classCount,
    transitions,
    patternsOf: (state) => a.acceptSets[a.accepts[ofA[state]!]!]! | b.acceptSets[b.accepts[ofB[state]!]!]!,
  });
}

/** The bytes that neither automaton distinguishes. `columns` has the class in each for each common one. */
function commonClasses(
  a: Automaton,
  b: Automaton,
): { classes: Uint8Array; classCount: number; columns: { inA: number; inB: number }[] } {
  const numbers = new Map<number, number>();
  const columns: { inA: number; inB: number }[] = [];
  const classes = a.classes.map((inA, byte) => {
    const inB = b.classes[byte]!;
    const pair = inA * 256 + inB;
    let found = numbers.get(pair);
    if (found === undefined) {
      found = columns.push({ inA, inB }) - 1;
      numbers.set(pair, found);
    }
    return found;
  });
  return { classes, classCount: columns.length, columns };
}
