/**
 * Sources of random choices. A generator draws one small number after the other. 0 is always the simplest choice, so
 * an exhausted source ends generation soon, and smaller numbers make a simpler program.
 */
export interface Choices {
  /** 0 … count − 1. */
  below(count: number): number;
}

/** An endless source from a seed: fast, the same on every machine, does not shrink. */
export class SeededChoices implements Choices {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  below(count: number): number {
    return this.next() % count;
  }

  /** 32 bits by Mulberry32 (Tommy Ettinger, public domain): one addition and a hash. */
  private next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}

/** A source from a list that a property-testing library made and can shrink; zeros after its end. */
export class ListedChoices implements Choices {
  private readonly list: ArrayLike<number>;
  private position = 0;

  constructor(list: ArrayLike<number>) {
    this.list = list;
  }

  below(count: number): number {
    const choice = this.list[this.position++] ?? 0;
    return choice % count;
  }
}

export function pick<T>(choices: Choices, list: readonly T[]): T {
  return list[choices.below(list.length)]!;
}

/** True in one of `outOf` cases; false is the simple choice. */
export function chance(choices: Choices, outOf: number): boolean {
  return choices.below(outOf) === outOf - 1;
}

/** Picks one of the alternatives, by weight. */
export function weighted<T>(choices: Choices, alternatives: readonly (readonly [weight: number, make: () => T])[]): T {
  let rest = choices.below(alternatives.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, make] of alternatives) {
    if (rest < weight) return make();
    rest -= weight;
  }
  throw new Error("no alternative");
}

export function listOf<T>(choices: Choices, minimum: number, maximum: number, make: (index: number) => T): T[] {
  return Array.from({ length: minimum + choices.below(maximum - minimum + 1) }, (_, index) => make(index));
}
