/**
 * Patterns as a nondeterministic automaton over characters: positions, and edges between them. Patterns that begin alike
 * share their positions, so that a long list is only as large as the differences. `determinise.ts` reads it.
 */
import { anyButSlash, anything, type CharacterSet, type GlobItem, parseGlob, slash } from "./glob.ts";
import type { Pattern } from "./pattern.ts";

export interface Position {
  /** Characters that lead on; `set` is an index into `Positions.sets`. */
  readonly edges: { readonly set: number; readonly to: number }[];
  /** The positions that are reached without a character. */
  readonly free: { readonly to: number; readonly by: FreeEdge }[];
  /** Patterns that match where this position is reached at the end of the text. */
  readonly accepts: number[];
}

/**
 * `**` and a `/` behind it may match nothing at the start and behind a `/`. So a free edge `into-globstar` that is taken
 * there marks the position that it leads to, and `over-slash` leads on from a marked one only. The mark goes along with
 * `plain` edges, which enter and leave alternatives, and ends at a character and with `into-star`.
 */
export type FreeEdge = "plain" | "into-star" | "into-globstar" | "over-slash";

export interface Positions {
  readonly positions: readonly Position[];
  /** Each once; the set of `/` alone is the first. */
  readonly sets: readonly CharacterSet[];
}

/** Position 0 is the start. The patterns come from `readPattern`; the first has the number `first`. */
export function positionsOf(patterns: readonly Pattern[], first = 0): Positions {
  const builder = new Builder();
  for (const [index, pattern] of patterns.entries())
    for (const end of builder.pattern(pattern)) builder.positions[end]!.accepts.push(first + index);
  return builder;
}

const one = (code: number): CharacterSet => ({ intervals: [{ from: code, to: code }], invalid: false });

class Builder implements Positions {
  readonly positions: Position[] = [];
  readonly sets: CharacterSet[] = [];
  readonly #setKeys = new Map<string, number>();
  /** The targets of an item at a position. */
  readonly #known = new Map<string, number>();

  constructor() {
    this.#set(one(slash));
    this.#position();
  }

  /** The positions at the end of the pattern. */
  pattern({ kind, text }: Pattern): readonly number[] {
    switch (kind) {
      case "is":
        return [this.#text(0, text)];
      case "startsWith":
        return [this.#anything(this.#text(0, text))];
      case "endsWith":
        return [this.#text(this.#anything(0), text)];
      case "under": {
        if (text === "/") return [this.#anything(this.#text(0, "/"))];
        const directory = this.#text(0, text);
        return [directory, this.#anything(this.#text(directory, "/"))];
      }
      case "matches":
        return [this.#sequence(0, parseGlob(text).items)];
    }
  }

  #position(): number {
    return this.positions.push({ edges: [], free: [], accepts: [] }) - 1;
  }

  #set(set: CharacterSet): number {
    const key = JSON.stringify(set);
    let index = this.#setKeys.get(key);
    if (index === undefined) {
      index = this.sets.push(set) - 1;
      this.#setKeys.set(key, index);
    }
    return index;
  }

  /** The position to which the item with this key leads, made where it is new. */
  #after(from: number, key: string, make: (to: number) => void): number {
    const whole = `${from} ${key}`;
    let to = this.#known.get(whole);
    if (to === undefined) {
      to = this.#position();
      this.#known.set(whole, to);
      make(to);
    }
    return to;
  }

  #text(from: number, text: string): number {
    let at = from;
    for (const character of text) at = this.#character(at, one(character.codePointAt(0)!));
    return at;
  }

  #character(from: number, set: CharacterSet): number {
    const index = this.#set(set);
    return this.#after(from, `set ${index}`, (to) => {
      this.positions[from]!.edges.push({ set: index, to });
      if (index === 0) this.positions[from]!.free.push({ to, by: "over-slash" });
    });
  }

  #loop(from: number, set: CharacterSet, by: FreeEdge): number {
    const index = this.#set(set);
    return this.#after(from, `${by} ${index}`, (to) => {
      this.positions[from]!.free.push({ to, by });
      this.positions[to]!.edges.push({ set: index, to });
    });
  }

  #anything(from: number): number {
    return this.#loop(from, anything, "into-star");
  }

  #sequence(from: number, items: readonly GlobItem[]): number {
    let at = from;
    for (const item of items) at = this.#item(at, item);
    return at;
  }

  #item(from: number, item: GlobItem): number {
    switch (item.kind) {
      case "character":
        return this.#character(from, one(item.code));
      case "set":
        return this.#character(from, item.set);
      case "star":
        return this.#loop(from, anyButSlash, "into-star");
      case "globstar":
        return this.#loop(from, anything, "into-globstar");
      case "alternatives":
        return this.#after(from, JSON.stringify(item), (to) => {
          for (const alternative of item.alternatives) {
            const end = this.#sequence(from, alternative);
            this.positions[end]!.free.push({ to, by: "plain" });
          }
        });
    }
  }
}
