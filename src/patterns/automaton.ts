/**
 * All patterns on one argument as one minimal deterministic automaton, which reads each byte once: the form that is
 * interpreted here, and compiled for each engine (compile/wasm/automaton.ts, compile/ebpf/memory/).
 */
import { determinise, type RawAutomaton } from "./determinise.ts";
import { equivalentStates } from "./minimise.ts";
import { describePattern, type Pattern } from "./pattern.ts";
import { positionsOf } from "./positions.ts";
import { type Limit, LimitReached, mostSteps, Work } from "./work.ts";

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

export const mostPatterns = 1024;
/** States of the minimal automaton. */
export const mostStates = 8192;
/** Bytes of its transitions. */
const mostTableBytes = 1 << 20;

/** Why patterns have no automaton. */
export interface TooLarge {
  /** The pattern that is too much, by its index. */
  readonly pattern: number;
  /** Whether it is too much without the others. */
  readonly alone: boolean;
  readonly limit: Limit | "patterns";
  /** One sentence, no full stop. */
  readonly message: string;
  /** The way out. */
  readonly help: string;
}

export type Compilation =
  | { readonly automaton: Automaton; readonly tooLarge?: never; readonly steps: number }
  | { readonly automaton?: never; readonly tooLarge: TooLarge; readonly steps: number };

/**
 * Makes the automaton of patterns that come from `readPattern`. The work is bounded: `steps` counts it, at most `mostSteps`
 * for each attempt. If the patterns exceed the bound, further attempts find those that do.
 */
export function compileMatcher(patterns: readonly Pattern[]): Compilation {
  if (patterns.length > mostPatterns)
    return { tooLarge: tooLarge(patterns, mostPatterns, false, "patterns"), steps: 0 };
  const attempts = new Attempts(patterns);
  const all = attempts.of(0, patterns.length);
  if (!("limit" in all)) return { automaton: all, steps: attempts.steps };
  const found = attempts.culprit(all.limit);
  return { tooLarge: tooLarge(patterns, found.pattern, found.alone, found.limit), steps: attempts.steps };
}

class Attempts {
  steps = 0;
  readonly #patterns: readonly Pattern[];

  constructor(patterns: readonly Pattern[]) {
    this.#patterns = patterns;
  }

  of(from: number, to: number): Automaton | { readonly limit: Limit } {
    const work = new Work();
    try {
      const raw = determinise(positionsOf(this.#patterns.slice(from, to)), work);
      return minimal(raw, equivalentStates(raw, work));
    } catch (error) {
      if (!(error instanceof LimitReached)) throw error;
      return { limit: error.limit };
    } finally {
      this.steps += work.steps;
    }
  }

  /** The first pattern that is too much alone, or with which those before it become too much. */
  culprit(limit: Limit): { pattern: number; alone: boolean; limit: Limit } {
    for (let pattern = 0; pattern < this.#patterns.length; pattern++) {
      const one = this.of(pattern, pattern + 1);
      if ("limit" in one) return { pattern, alone: true, limit: one.limit };
    }
    let [fits, fails, found] = [0, this.#patterns.length, limit];
    while (fails - fits > 1) {
      const middle = (fits + fails) >> 1;
      const some = this.of(0, middle);
      if ("limit" in some) [fails, found] = [middle, some.limit];
      else fits = middle;
    }
    return { pattern: fails - 1, alone: false, limit: found };
  }
}

function tooLarge(patterns: readonly Pattern[], pattern: number, alone: boolean, limit: TooLarge["limit"]): TooLarge {
  const name = describePattern(patterns[pattern]!);
  const reasons = {
    patterns: `an argument is compared with at most ${mostPatterns} patterns`,
    steps: `its automaton takes more than ${mostSteps} steps to make`,
    states: `its automaton has more than ${mostStates} states`,
    table: `the table of its automaton is larger than ${mostTableBytes} bytes`,
  };
  const message = alone
    ? `${name} is too complex: ${reasons[limit]}`
    : `with ${name} the patterns on this argument are too many: ${reasons[limit].replace("its", "their")}`;
  const help = alone
    ? "each ? or class behind a * multiplies the states; write a shorter text behind the *"
    : "one pattern for a whole directory (under) takes the place of many";
  return { pattern, alone, limit, message, help };
}

/** Throws a LimitReached. */
function minimal(raw: RawAutomaton, { classOf, count }: ReturnType<typeof equivalentStates>): Automaton {
  if (count > mostStates) throw new LimitReached("states");
  const members = new Int32Array(count).fill(-1);
  for (const [state, of] of classOf.entries()) if (members[of] === -1) members[of] = state;
  const row = (of: number): number[] => {
    const begin = members[of]! * raw.classCount;
    return Array.from(raw.transitions.subarray(begin, begin + raw.classCount), (to) => classOf[to]!);
  };
  const rows = Array.from(members, (_, of) => row(of));

  const { classes, classCount, columns } = mergedClasses(raw, rows);
  if ((count + 1) * classCount * 2 > mostTableBytes) throw new LimitReached("table");
  const met = walk(rows, classOf[0]!, columns);
  const isSettled = (of: number): boolean => rows[of]!.every((to) => to === of);
  const patternsOf = (of: number): readonly number[] => raw.acceptSets[raw.accepts[members[of]!]!]!;
  const isDead = (of: number): boolean => isSettled(of) && patternsOf(of).length === 0;

  // A dead state stands first although there may be no way to it.
  const order = [...met.filter((of) => isSettled(of) && !isDead(of)), ...met.filter((of) => !isSettled(of))];
  const numbers = new Uint16Array(count);
  for (const [index, of] of order.entries()) numbers[of] = index + 1;
  const acceptSets = [0n];
  const setNumbers = new Map([["", 0]]);
  const accept = (of: number): number => {
    const patterns = patternsOf(of);
    const key = patterns.join();
    let number = setNumbers.get(key);
    if (number === undefined) {
      number = acceptSets.push(patterns.reduce((bits, pattern) => bits | (1n << BigInt(pattern)), 0n)) - 1;
      setNumbers.set(key, number);
    }
    return number;
  };
  return {
    classes,
    classCount,
    stateCount: order.length + 1,
    transitions: Uint16Array.from([
      ...new Array<number>(classCount).fill(dead),
      ...order.flatMap((of) => columns.map((column) => numbers[rows[of]![column]!]!)),
    ]),
    start: numbers[classOf[0]!]!,
    settled: 1 + order.filter(isSettled).length,
    accepts: Uint16Array.from([0, ...order.map(accept)]),
    acceptSets,
  };
}

/** Classes of bytes that lead to the same states everywhere are one. `columns` has a former class for each. */
function mergedClasses(
  { classes: former, classCount: formerCount }: RawAutomaton,
  rows: readonly (readonly number[])[],
): { classes: Uint8Array; classCount: number; columns: number[] } {
  const keys = Array.from({ length: formerCount }, (_, column) => rows.map((row) => row[column]).join());
  const numbers = new Map<string, number>();
  const columns: number[] = [];
  const classes = former.map((column) => {
    const key = keys[column]!;
    let number = numbers.get(key);
    if (number === undefined) {
      number = columns.push(column) - 1;
      numbers.set(key, number);
    }
    return number;
  });
  return { classes, classCount: columns.length, columns };
}

/** States in the order in which they are met, nearest first. All can be met. */
function walk(rows: readonly (readonly number[])[], start: number, columns: readonly number[]): number[] {
  const met = new Set([start]);
  for (const of of met) for (const column of columns) met.add(rows[of]![column]!);
  return [...met];
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

/** The accept sets that hold a pattern, by index, ascending: a condition on one pattern tests for these. */
export function setsWith({ acceptSets }: Automaton, pattern: number): number[] {
  return acceptSets.flatMap((bits, index) => ((bits >> BigInt(pattern)) & 1n ? [index] : []));
}
