/**
 * All patterns on one argument as deterministic automata: one if it stays small enough, else a few, each of some of the
 * patterns. A text ends in a state of each, and matches the patterns of all these states.
 *
 * Patterns can multiply each other's states: one that finds a text anywhere, with `**` before and behind it, doubles those of
 * all others. So an attempt to make an automaton of several patterns ends early, and smaller automata are joined by products.
 */
import { type Automaton, run } from "./automaton.ts";
import { determinise } from "./determinise.ts";
import { minimise } from "./minimise.ts";
import { describePattern, type Pattern } from "./pattern.ts";
import { positionsOf } from "./positions.ts";
import { product } from "./product.ts";
import { type Fits, type Limit, LimitReached, Work } from "./work.ts";

/** Each pattern is in one of the automata, and their accept sets number the patterns of all. At least one. */
export type Matcher = readonly Automaton[];

/** Bit n is set where the text matches pattern n, as each compiled form must give it. */
export function matching(matcher: Matcher, text: Uint8Array): bigint {
  let bits = 0n;
  for (const automaton of matcher) bits |= automaton.acceptSets[run(automaton, text)]!;
  return bits;
}

export const mostPatterns = 1024;
/** The most automata of a matcher; TEXT_AUTOMATA of native/addon/pin/text_filter.h. */
export const mostAutomata = 16;
/** States of an automaton. */
export const mostStates = 8192;
/** Bytes of its transitions. */
const mostTableBytes = 1 << 20;
/**
 * States × (classes of bytes + 1) that several patterns may have in one of several automata. Of larger automata the kernel
 * makes no checked copy (kernel/patches, 0084).
 */
const mostCells = 65_536;

/** For one pattern's automaton; for those of all single patterns; of several at once; to join all; to join groups. */
export const mostSteps = {
  pattern: 2_000_000,
  singles: 4_000_000,
  several: 2_000_000,
  one: 4_000_000,
  groups: 8_000_000,
} as const;

/** A group to which so many parts could not be added gets no further ones. */
const mostRefusals = 3;
/** For a message: so many parts are compared with the one that has no room. */
const mostRivals = 64;

/** Tests have other ones than `usualLimits`. */
export interface Limits {
  /** The automaton of one pattern. */
  readonly pattern: Fits;
  /** The only automaton of all patterns. */
  readonly one: Fits;
  /** Each of several automata. */
  readonly several: Fits;
  /** Several patterns at once: more steps for their positions mean that they multiply each other's states. */
  readonly steps: (positions: number) => number;
}

const fits: Fits = (states, classes) => {
  if (states > mostStates) throw new LimitReached("states");
  if ((states + 1) * classes * 2 > mostTableBytes) throw new LimitReached("table");
};

const usualLimits: Limits = {
  pattern: fits,
  one: fits,
  several: (states, classes) => {
    if ((states + 1) * (classes + 1) > mostCells) throw new LimitReached("table");
  },
  steps: (positions) => 4000 + 256 * positions,
};

/** Why patterns have no matcher. */
export interface TooLarge {
  /** The pattern that is too much, by its index. */
  readonly pattern: number;
  /** Whether it is too much without the others. */
  readonly alone: boolean;
  /** One of the others, with which it has the most states, if that is the reason. */
  readonly other: number | undefined;
  readonly limit: Limit | "patterns" | "automata";
  /** One sentence, no full stop. */
  readonly message: string;
  /** The way out. */
  readonly help: string;
}

export type Compilation =
  | { readonly matcher: Matcher; readonly tooLarge?: never; readonly steps: number }
  | { readonly matcher?: never; readonly tooLarge: TooLarge; readonly steps: number };

/** The latest compilations by their patterns: the front end, and then an engine's compiler, ask for the same ones. */
const latest = new Map<string, Compilation>();
const mostKept = 16;

/** Makes the matcher of patterns that come from `readPattern`. `steps` counts the work, which `mostSteps` bounds. */
export function compileMatcher(patterns: readonly Pattern[]): Compilation {
  const key = JSON.stringify(patterns.map(({ kind, text }) => [kind, text]));
  let compilation = latest.get(key);
  if (compilation === undefined) {
    compilation = makeMatcher(patterns, usualLimits);
    latest.set(key, compilation);
    const [oldest] = latest.keys();
    if (latest.size > mostKept) latest.delete(oldest!);
  }
  return compilation;
}

export function makeMatcher(patterns: readonly Pattern[], limits: Limits): Compilation {
  const builder = new MatcherBuilder(patterns, limits);
  try {
    const matcher = builder.matcher();
    return { matcher, steps: builder.steps };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { tooLarge: error.tooLarge, steps: builder.steps };
  }
}

/** Thrown inside of this file only. */
class Refusal extends Error {
  override readonly name = "Refusal";
  readonly tooLarge: TooLarge;

  constructor(tooLarge: TooLarge) {
    super(tooLarge.message);
    this.tooLarge = tooLarge;
  }
}

/** The automaton of some patterns, which follow each other. */
interface Part {
  readonly automaton: Automaton;
  /** The first of them. */
  readonly first: number;
}

class MatcherBuilder {
  steps = 0;
  readonly #left: { -readonly [K in "singles" | "several" | "groups"]: number } = { ...mostSteps };
  readonly #patterns: readonly Pattern[];
  readonly #limits: Limits;

  constructor(patterns: readonly Pattern[], limits: Limits) {
    this.#patterns = patterns;
    this.#limits = limits;
  }

  /** Throws a Refusal. */
  matcher(): Matcher {
    const { length } = this.#patterns;
    if (length > mostPatterns) throw this.#tooMany("patterns", mostPatterns);
    const parts = [...this.#parts(0, length)];
    const one = this.#one(parts);
    return one === undefined ? this.#groups(parts) : [one];
  }

  /** Patterns whose automaton takes the usual number of steps, and the others one by one. */
  *#parts(from: number, to: number): Generator<Part> {
    const isOne = to - from <= 1;
    const positions = positionsOf(this.#patterns.slice(from, to), from);
    const kind = isOne ? "singles" : "several";
    const most = isOne ? mostSteps.pattern : this.#limits.steps(positions.positions.length);
    const within = isOne ? this.#limits.pattern : this.#limits.one;
    const before = this.steps;
    const made = this.#within(Math.min(most, this.#left[kind]), (work) =>
      minimise(determinise(positions, work), within, work),
    );
    this.#left[kind] -= this.steps - before;
    if (!("limit" in made)) {
      yield { automaton: made, first: from };
      return;
    }
    if (this.#left.singles < 0) throw this.#tooMany("steps", from);
    if (isOne) throw this.#tooComplex(made.limit, from);
    const middle = (from + to) >> 1;
    yield* this.#parts(from, middle);
    yield* this.#parts(middle, to);
  }

  /** Undefined if it would be too large. */
  #one(parts: readonly Part[]): Automaton | undefined {
    const join = (from: number, to: number, work: Work): Automaton => {
      if (to - from === 1) return parts[from]!.automaton;
      const middle = (from + to) >> 1;
      return product(join(from, middle, work), join(middle, to, work), this.#limits.one, work);
    };
    const one = this.#within(mostSteps.one, (work) => join(0, parts.length, work));
    return "limit" in one ? undefined : one;
  }

  /** The largest parts first, each in the first group that has room for it. */
  #groups(parts: readonly Part[]): Matcher {
    const groups: { automaton: Automaton; refusals: number }[] = [];
    for (const part of [...parts].sort((a, b) => b.automaton.stateCount - a.automaton.stateCount)) {
      const hasRoom = groups.some((group) => {
        if (group.refusals === mostRefusals) return false;
        const before = this.steps;
        const joined = this.#within(this.#left.groups, (work) =>
          product(group.automaton, part.automaton, this.#limits.several, work),
        );
        this.#left.groups -= this.steps - before;
        if ("limit" in joined) group.refusals += 1;
        else group.automaton = joined;
        return !("limit" in joined);
      });
      if (hasRoom) continue;
      if (groups.length === mostAutomata || this.#left.groups < 0) throw this.#multiply(part, parts, groups.length);
      groups.push({ automaton: part.automaton, refusals: 0 });
    }
    return groups.map(({ automaton }) => automaton);
  }

  #within<T>(most: number, make: (work: Work) => T): T | { readonly limit: Limit } {
    const work = new Work(most);
    try {
      return make(work);
    } catch (error) {
      if (!(error instanceof LimitReached)) throw error;
      return { limit: error.limit };
    } finally {
      this.steps += work.steps;
    }
  }

  // ── Messages ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #tooComplex(limit: Limit, pattern: number): Refusal {
    const reasons = {
      steps: `its automaton takes more than ${mostSteps.pattern} steps to make`,
      states: `its automaton has more than ${mostStates} states`,
      table: `the table of its automaton is larger than ${mostTableBytes} bytes`,
    };
    return new Refusal({
      pattern,
      alone: true,
      other: undefined,
      limit,
      message: `${this.#name(pattern)} is too complex: ${reasons[limit]}`,
      help: "each ? or class behind a * multiplies the states; write a shorter text behind the *",
    });
  }

  #tooMany(limit: "patterns" | "steps", pattern: number): Refusal {
    const reasons = {
      patterns: `an argument is compared with at most ${mostPatterns} patterns`,
      steps: `their automata take more than ${mostSteps.singles} steps to make`,
    };
    return new Refusal({
      pattern,
      alone: false,
      other: undefined,
      limit,
      message: `with ${this.#name(pattern)} the patterns on this argument are too many: ${reasons[limit]}`,
      help: "one pattern for a whole directory (under) takes the place of many",
    });
  }

  #multiply(part: Part, parts: readonly Part[], automata: number): Refusal {
    let [other, most]: [number | undefined, number] = [undefined, 0];
    for (const { automaton, first } of parts.slice(0, mostRivals)) {
      if (first === part.first) continue;
      const both = this.#within(mostCells, (work) => product(part.automaton, automaton, this.#limits.one, work));
      const growth = "limit" in both ? Number.POSITIVE_INFINITY : both.stateCount / automaton.stateCount;
      if (growth > most) [other, most] = [first, growth];
    }
    const [limit, need] =
      automata === mostAutomata
        ? (["automata", `${mostAutomata} automata`] as const)
        : (["steps", `${mostSteps.groups} steps to make automata`] as const);
    const names = `${this.#name(part.first)} multiplies the states of ${this.#name(other!)} and of others`;
    return new Refusal({
      pattern: part.first,
      alone: false,
      other,
      limit,
      message: `${names}: together the patterns on this argument need more than ${need}`,
      help: "join texts that have the same consequence in one pattern, as in **/{a,b}/**; or begin with a directory in place of **",
    });
  }

  #name(pattern: number): string {
    return describePattern(this.#patterns[pattern]!);
  }
}
