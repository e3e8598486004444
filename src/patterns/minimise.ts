/**
 * Finds the equivalent states of a deterministic automaton (Hopcroft 1971): classes of states that no text distinguishes.
 * Takes time in the order of classes of bytes × states × log states.
 */
import { type Automaton, numbered } from "./automaton.ts";
import type { RawAutomaton } from "./determinise.ts";
import type { Fits, Work } from "./work.ts";

/**
 * The minimal automaton. `fits` is asked about its states and its classes of bytes; throws a LimitReached where they are too
 * many.
 */
export function minimise(raw: RawAutomaton, fits: Fits, work: Work): Automaton {
  const { classOf, count } = equivalentStates(raw, work);
  fits(count, 1);
  const members = new Int32Array(count).fill(-1);
  for (const [state, of] of classOf.entries()) if (members[of] === -1) members[of] = state;
  const { classes, columns } = mergedClasses(raw, members, classOf);
  fits(count, columns.length);

  // A walk from the start.
  const numbers = new Int32Array(count).fill(-1);
  const met: number[] = [];
  const number = (of: number): number => {
    if (numbers[of] === -1) numbers[of] = met.push(of) - 1;
    return numbers[of]!;
  };
  number(classOf[0]!);
  const transitions: number[] = [];
  for (let next = 0; next < met.length; next++) {
    const begin = members[met[next]!]! * raw.classCount;
    for (const column of columns) transitions.push(number(classOf[raw.transitions[begin + column]!]!));
  }
  const acceptSets = raw.acceptSets.map((patterns) =>
    patterns.reduce((bits, pattern) => bits | (1n << BigInt(pattern)), 0n),
  );
  return numbered({
    classes,
    classCount: columns.length,
    transitions,
    patternsOf: (state) => acceptSets[raw.accepts[members[met[state]!]!]!]!,
  });
}

/** Classes of bytes that lead to the same states everywhere are one. `columns` has a former class for each. */
function mergedClasses(
  { classes: former, classCount: formerCount, transitions }: RawAutomaton,
  members: Int32Array,
  classOf: Uint16Array,
): { classes: Uint8Array; columns: number[] } {
  const keys = Array.from({ length: formerCount }, (_, column) =>
    Array.from(members, (state) => classOf[transitions[state * formerCount + column]!]).join(),
  );
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
  return { classes, columns };
}

/** For each state the number of its class. */
function equivalentStates(raw: RawAutomaton, work: Work): { readonly classOf: Uint16Array; readonly count: number } {
  const { classCount, transitions, accepts } = raw;
  const states = accepts.length;
  work.spend(transitions.length);
  const inverse = invert(raw);
  const partition = new Partition(accepts);

  // A splitter is a class and a byte class, as one number.
  const pending: number[] = [];
  const isPending = new Uint8Array(states * classCount);
  const push = (of: number, byte: number): void => {
    const splitter = of * classCount + byte;
    if (isPending[splitter] === 1) return;
    isPending[splitter] = 1;
    pending.push(splitter);
  };
  for (let of = 0; of < partition.count; of++) for (let byte = 0; byte < classCount; byte++) push(of, byte);

  for (let splitter = pending.pop(); splitter !== undefined; splitter = pending.pop()) {
    isPending[splitter] = 0;
    const byte = splitter % classCount;
    const of = (splitter - byte) / classCount;
    for (const state of partition.members(of)) {
      const begin = inverse.begin[byte * states + state]!;
      const end = inverse.begin[byte * states + state + 1]!;
      for (let at = begin; at < end; at++) partition.mark(inverse.from[at]!);
    }
    partition.splitMarked((old, added) => {
      for (let each = 0; each < classCount; each++) {
        // A splitter that waits for the whole class waits for both parts; otherwise the smaller part suffices.
        const isWaiting = isPending[old * classCount + each] === 1;
        push(isWaiting || partition.size(added) <= partition.size(old) ? added : old, each);
      }
    });
  }
  return { classOf: partition.classOf, count: partition.count };
}

/** The states that lead to a state by a byte class: `from`, between two entries of `begin`. */
function invert({ classCount, transitions, accepts }: RawAutomaton): { begin: Uint32Array; from: Uint16Array } {
  const states = accepts.length;
  const begin = new Uint32Array(classCount * states + 1);
  for (let state = 0; state < states; state++)
    for (let byte = 0; byte < classCount; byte++)
      begin[byte * states + transitions[state * classCount + byte]! + 1]! += 1;
  for (let index = 1; index < begin.length; index++) begin[index]! += begin[index - 1]!;
  const next = begin.slice();
  const from = new Uint16Array(transitions.length);
  for (let state = 0; state < states; state++)
    for (let byte = 0; byte < classCount; byte++) {
      const at = byte * states + transitions[state * classCount + byte]!;
      from[next[at]!] = state;
      next[at]! += 1;
    }
  return { begin, from };
}

/** States in classes; those of one class stand side by side, the marked ones first. */
class Partition {
  readonly classOf: Uint16Array;
  count = 0;
  readonly #order: Uint16Array;
  readonly #place: Uint16Array;
  readonly #begin: number[] = [];
  readonly #end: number[] = [];
  readonly #marked: number[] = [];
  #touched: number[] = [];

  /** At first, states with the same number are in one class. */
  constructor(numbers: Uint16Array) {
    const order = Array.from(numbers, (_, state) => state).sort((a, b) => numbers[a]! - numbers[b]! || a - b);
    this.#order = Uint16Array.from(order);
    this.#place = new Uint16Array(order.length);
    this.classOf = new Uint16Array(order.length);
    for (const [place, state] of order.entries()) {
      this.#place[state] = place;
      if (place === 0 || numbers[state] !== numbers[order[place - 1]!]) this.#add(place, place);
      this.#end[this.count - 1] = place + 1;
      this.classOf[state] = this.count - 1;
    }
  }

  size(of: number): number {
    return this.#end[of]! - this.#begin[of]!;
  }

  /** A copy: marking moves them. */
  members(of: number): Uint16Array {
    return this.#order.slice(this.#begin[of]!, this.#end[of]!);
  }

  mark(state: number): void {
    const of = this.classOf[state]!;
    const border = this.#begin[of]! + this.#marked[of]!;
    const place = this.#place[state]!;
    if (place < border) return;
    if (this.#marked[of] === 0) this.#touched.push(of);
    const other = this.#order[border]!;
    this.#order[border] = state;
    this.#order[place] = other;
    this.#place[state] = border;
    this.#place[other] = place;
    this.#marked[of]! += 1;
  }

  /** The marked states of each class become a class of their own where others remain. */
  splitMarked(then: (old: number, added: number) => void): void {
    const touched = this.#touched;
    this.#touched = [];
    for (const old of touched) {
      const begin = this.#begin[old]!;
      const border = begin + this.#marked[old]!;
      this.#marked[old] = 0;
      if (border === this.#end[old]) continue;
      this.#begin[old] = border;
      const added = this.#add(begin, border);
      for (let place = begin; place < border; place++) this.classOf[this.#order[place]!] = added;
      then(old, added);
    }
  }

  #add(begin: number, end: number): number {
    this.#begin.push(begin);
    this.#end.push(end);
    this.#marked.push(0);
    this.count += 1;
    return this.count - 1;
  }
}
