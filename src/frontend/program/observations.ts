/** The observations that a policy uses: one for each argument name and shape, with its words. */

import type { Location } from "../../ir/location.ts";
import {
  type ListBounds,
  maximumEntries,
  maximumListBytes,
  maximumPatterns,
  type Observation,
  type ObservedWord,
  type Reading,
  type ResolvedObject,
  type Shape,
  type Source,
  type TextPart,
} from "../../ir/observation.ts";
import type { Pattern } from "../../patterns/pattern.ts";

/** A pattern, and the first place that compares with it. */
export interface PlacedPattern {
  readonly pattern: Pattern;
  readonly at: Location;
}

/** A bit of a word: the expression is true where it is set. */
export interface WordBit {
  readonly word: number;
  readonly bit: bigint;
}

interface Entry {
  readonly name: string;
  readonly shape: Shape;
  readonly at: Location;
  readonly sources: Map<number, Source>;
}

export class Observations {
  readonly words: ObservedWord[] = [];
  /** The bounds of all argument lists that the policy reads; set them before the first list is observed. */
  listBounds: ListBounds = { entries: maximumEntries, bytes: maximumListBytes };
  readonly #entries: Entry[] = [];
  readonly #byName = new Map<string, number>();
  readonly #byReading = new Map<string, number>();
  /** Bits by word family and pattern; and the word of a family that has room. */
  readonly #bits = new Map<string, WordBit>();
  readonly #open = new Map<string, number>();
  readonly #places = new Map<Pattern, Location>();

  get list(): readonly Observation[] {
    return this.#entries.map(({ name, shape, at, sources }) => ({
      name,
      shape,
      at,
      sources: [...sources.values()].sort((a, b) => a.number - b.number),
    }));
  }

  /** The observation of this name and shape, with these calls among its sources. */
  observe(name: string, shape: Shape, sources: readonly Source[], at: Location): number {
    const key = `${name} ${JSON.stringify(shape)}`;
    let index = this.#byName.get(key);
    if (index === undefined) {
      index = this.#entries.push({ name, shape, at, sources: new Map() }) - 1;
      this.#byName.set(key, index);
    }
    for (const source of sources) this.#entries[index]!.sources.set(source.number, source);
    return index;
  }

  /** The word of a reading that has one value: a length, a field, a part of an address. */
  word(observation: number, reads: Exclude<Reading, { is: "matches" | "any-entry" | "resolved" }>): number {
    const key = `${observation} ${JSON.stringify(reads)}`;
    let word = this.#byReading.get(key);
    if (word === undefined) {
      word = this.words.push({ observation, reads }) - 1;
      this.#byReading.set(key, word);
    }
    return word;
  }

  /** The bit of a pattern; `part` is undefined for "any entry of the list". */
  pattern(observation: number, part: TextPart | undefined, { pattern, at }: PlacedPattern): WordBit {
    if (!this.#places.has(pattern)) this.#places.set(pattern, at);
    return this.#bit(
      `${observation} ${JSON.stringify(part ?? "any")}`,
      pattern,
      (patterns): ObservedWord => ({
        observation,
        reads: part === undefined ? { is: "any-entry", patterns } : { is: "matches", part, patterns },
      }),
    );
  }

  /** The place of a pattern of `words`. */
  placeOf(pattern: Pattern): Location | undefined {
    return this.#places.get(pattern);
  }

  object(observation: number, object: ResolvedObject): WordBit {
    return this.#bit(
      `${observation} resolved`,
      object,
      (objects): ObservedWord => ({
        observation,
        reads: { is: "resolved", objects },
      }),
    );
  }

  #bit<T extends object>(family: string, member: T, make: (members: readonly T[]) => ObservedWord): WordBit {
    const key = `${family} ${JSON.stringify(member)}`;
    let bit = this.#bits.get(key);
    if (bit === undefined) {
      let word = this.#open.get(family);
      let members: readonly T[] = word === undefined ? [] : (membersOf(this.words[word]!) as readonly unknown[] as T[]);
      if (word === undefined || members.length === maximumPatterns) {
        word = this.words.length;
        members = [];
        this.#open.set(family, word);
      }
      this.words[word] = make([...members, member]);
      bit = { word, bit: 1n << BigInt(members.length) };
      this.#bits.set(key, bit);
    }
    return bit;
  }
}

function membersOf({ reads }: ObservedWord): readonly object[] {
  switch (reads.is) {
    case "matches":
    case "any-entry":
      return reads.patterns;
    case "resolved":
      return reads.objects;
    default:
      return [];
  }
}
