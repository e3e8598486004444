/**
 * Where random decisions come from. Generators ask for one small number after the other; 0 is always the simplest
 * choice, so that a source that has run dry makes everything end soon, and a smaller source makes a simpler program.
 */
export interface Choices {
  /** 0 … count − 1. */
  below(count: number): number;
}

/** Endless, from a seed: cheap, the same on every machine, nothing to shrink. */
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

/** From a list that a property-testing library made and can shrink; zeros when it is used up. */
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

/** True once in `outOf` times; false is the simple choice. */
export function chance(choices: Choices, outOf: number): boolean {
  return choices.below(outOf) === outOf - 1;
}

/** One of the makers, each as likely as its weight says. */
export function weighted<T>(choices: Choices, makers: readonly (readonly [weight: number, make: () => T])[]): T {
  let rest = choices.below(makers.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, make] of makers) {
    if (rest < weight) return make();
    rest -= weight;
  }
  throw new Error("no maker");
}

export function listOf<T>(choices: Choices, minimum: number, maximum: number, make: (index: number) => T): T[] {
  return Array.from({ length: minimum + choices.below(maximum - minimum + 1) }, (_, index) => make(index));
}
