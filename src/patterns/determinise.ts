/**
 * The subset construction: from positions over characters to a deterministic automaton over bytes, not yet minimal. A state
 * is a set of positions, and in the middle of a UTF-8 sequence also its known bits.
 *
 * Bytes that turn out to be no valid sequence are a character each. So a state in the middle of one remembers where each
 * possible end of it leads, and no set of positions; so states with equal continuations are equal.
 */
import { byteClasses, type Decoder, makeDecoder, type Partial } from "./decoder.ts";
import type { Position, Positions } from "./positions.ts";
import { type Symbols, symbolsOf } from "./symbols.ts";
import { LimitReached, type Work } from "./work.ts";

export interface RawAutomaton {
  /** The class of each byte. */
  readonly classes: Uint8Array;
  readonly classCount: number;
  /** state × classCount + class. State 0 is the start. */
  readonly transitions: Uint16Array;
  /** For each state an index into `acceptSets`. */
  readonly accepts: Uint16Array;
  /** Sorted numbers of patterns, each set once. */
  readonly acceptSets: readonly (readonly number[])[];
}

/** More states than this are given up, minimal or not. */
export const mostRawStates = 32_768;

/** A closed set of positions. */
interface PositionSet {
  readonly id: number;
  readonly positions: readonly number[];
  /** The next state for each symbol, computed at the first request. */
  steps: readonly PositionSet[] | undefined;
}

type State = { readonly set: PositionSet; readonly partial: Partial | undefined };

/** Throws a LimitReached. */
export function determinise(graph: Positions, work: Work): RawAutomaton {
  const symbols = symbolsOf(graph.sets, work);
  const decoder = makeDecoder(symbols, work);
  const { of: classes, byteOf } = byteClasses(symbols, decoder);
  const sets = new PositionSets(graph, symbols, work);
  const states = new States(sets, symbols, decoder);
  const accepts = new AcceptSets(graph.positions, work);

  states.number({ set: sets.start, partial: undefined });
  const rows: number[][] = [];
  const accepting: number[] = [];
  for (let next = 0; next < states.all.length; next++) {
    const state = states.all[next]!;
    work.spend(byteOf.length);
    rows.push(byteOf.map((byte) => states.number(states.after(state, byte))));
    accepting.push(accepts.of(states.atEnd(state)));
  }
  return {
    classes,
    classCount: byteOf.length,
    transitions: Uint16Array.from(rows.flat()),
    accepts: Uint16Array.from(accepting),
    acceptSets: accepts.sets,
  };
}

class PositionSets {
  readonly start: PositionSet;
  readonly #positions: readonly Position[];
  readonly #symbols: Symbols;
  /** The symbol of `/`, and of nothing else. */
  readonly #slash: number;
  readonly #work: Work;
  readonly #known = new Map<string, PositionSet>();
  /** For `#closed`: in which of its calls a position was last met, times two, plus whether it was marked. */
  readonly #met: Float64Array;
  #calls = 0;

  constructor({ positions }: Positions, symbols: Symbols, work: Work) {
    this.#positions = positions;
    this.#symbols = symbols;
    this.#slash = symbols.members[0]![0]!;
    this.#work = work;
    this.#met = new Float64Array(positions.length);
    this.start = this.#closed([0], true);
  }

  step(set: PositionSet, symbol: number): PositionSet {
    set.steps ??= this.#steps(set);
    return set.steps[symbol]!;
  }

  #steps({ positions }: PositionSet): PositionSet[] {
    const reached: number[][] = Array.from({ length: this.#symbols.count }, () => []);
    this.#work.spend(this.#symbols.count);
    for (const position of positions)
      for (const { set, to } of this.#positions[position]!.edges) {
        const members = this.#symbols.members[set]!;
        this.#work.spend(members.length);
        for (const symbol of members) reached[symbol]!.push(to);
      }
    return reached.map((to, symbol) => this.#closed(to, symbol === this.#slash));
  }

  /** With all that is reached without a character. `atSlash`: at the start, or behind a `/`. */
  #closed(from: readonly number[], atSlash: boolean): PositionSet {
    this.#calls += 2;
    const [plain, marked] = [this.#calls, this.#calls + 1];
    const found: number[] = [];
    const pending: { position: number; mark: boolean }[] = [];
    const visit = (position: number, mark: boolean): void => {
      const met = this.#met[position]!;
      if (met === marked || (met === plain && !mark)) return;
      if (met !== plain) found.push(position);
      this.#met[position] = mark ? marked : plain;
      pending.push({ position, mark });
    };
    for (const position of from) visit(position, false);
    for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
      const { free } = this.#positions[at.position]!;
      this.#work.spend(1 + free.length);
      for (const { to, by } of free) {
        if (by === "plain") visit(to, at.mark);
        else if (by === "into-star") visit(to, false);
        else if (by === "into-globstar") visit(to, atSlash);
        else if (at.mark) visit(to, false);
      }
    }
    // A position with free steps only is redundant, because their targets were found, too.
    const relevant = found.filter((position) => {
      const { edges, accepts } = this.#positions[position]!;
      return edges.length > 0 || accepts.length > 0;
    });
    this.#work.spend(relevant.length);
    const positions = Int32Array.from(relevant).sort();
    const key = positions.join();
    let set = this.#known.get(key);
    if (set === undefined) {
      set = { id: this.#known.size, positions: [...positions], steps: undefined };
      this.#known.set(key, set);
    }
    return set;
  }
}

class States {
  readonly all: State[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #sets: PositionSets;
  readonly #symbols: Symbols;
  readonly #decoder: Decoder;

  constructor(sets: PositionSets, symbols: Symbols, decoder: Decoder) {
    this.#sets = sets;
    this.#symbols = symbols;
    this.#decoder = decoder;
  }

  number(state: State): number {
    const { set, partial } = state;
    const key = partial === undefined ? `${set.id}` : `${partial.id}: ${this.#ends(set, partial).map(({ id }) => id)}`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      if (this.all.length === mostRawStates) throw new LimitReached("states");
      number = this.all.push(state) - 1;
      this.#numbers.set(key, number);
    }
    return number;
  }

  after({ set, partial }: State, byte: number): State {
    if (partial !== undefined) {
      const next = byte >= 0x80 && byte <= 0xbf ? partial.next[byte - 0x80] : undefined;
      if (typeof next === "number") return { set: this.#sets.step(set, next), partial: undefined };
      if (next !== undefined) return this.#within(set, next);
      return this.after({ set: this.atEnd({ set, partial }), partial: undefined }, byte);
    }
    if (byte < 0x80) return { set: this.#sets.step(set, this.#symbols.of(byte)), partial: undefined };
    const first = this.#decoder.first[byte - 0x80];
    if (first === undefined) return { set: this.#sets.step(set, this.#symbols.invalid), partial: undefined };
    return this.#within(set, first);
  }

  /** The positions where the text ends here: bytes of a sequence that stays incomplete are a character each. */
  atEnd({ set, partial }: State): PositionSet {
    let at = set;
    for (let byte = 0; byte < (partial?.bytes ?? 0); byte++) at = this.#sets.step(at, this.#symbols.invalid);
    return at;
  }

  /** In the middle of a sequence, unless nothing depends on its rest: then it counts as complete. */
  #within(set: PositionSet, partial: Partial): State {
    const ends = this.#ends(set, partial);
    const end = ends[0]!;
    const isAlike = ends.every((other) => other === end) && this.#sets.step(end, this.#symbols.invalid) === end;
    return isAlike ? { set: end, partial: undefined } : { set, partial };
  }

  /** The next states at all ends of a sequence: by the number of bytes if it is invalid, and if it is complete. */
  #ends(set: PositionSet, { bytes, missing, symbols }: Partial): PositionSet[] {
    const ends: PositionSet[] = [];
    let at = set;
    for (let count = 1; count < bytes + missing; count++) {
      at = this.#sets.step(at, this.#symbols.invalid);
      if (count >= bytes) ends.push(at);
    }
    return [...ends, ...symbols.map((symbol) => this.#sets.step(set, symbol))];
  }
}

class AcceptSets {
  readonly sets: (readonly number[])[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #positions: readonly Position[];
  readonly #work: Work;

  constructor(positions: readonly Position[], work: Work) {
    this.#positions = positions;
    this.#work = work;
  }

  of({ positions }: PositionSet): number {
    this.#work.spend(positions.length);
    const patterns = new Set(positions.flatMap((position) => this.#positions[position]!.accepts));
    const sorted = [...patterns].sort((a, b) => a - b);
    const key = sorted.join();
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.sets.push(sorted) - 1;
      this.#numbers.set(key, number);
    }
    return number;
  }
}
