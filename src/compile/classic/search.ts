/**
 * Which interval holds a 32-bit value? Builds the decision tree that answers it with few comparisons, few steps, or
 * both.
 *
 * Two tests are at hand, equal and at-least. Pure at-least trees need one test less than there are intervals. An equal
 * test cuts one value out of an interval, where at-least needs two: `[0…9] allow, 10 deny, [11…20] allow` is one test.
 * So a part of the line that is one target with up to `longestChain` single values in it may become a chain of equal
 * tests.
 *
 * The best tree under that rule is found by dynamic programming over (first interval, last interval, depth). The depth
 * is a part of the key because an interval may have a limit on its depth. The time would grow with the third power of
 * the number of intervals; so wide parts are only cut near their middle, and very long lines are halved beforehand.
 */

export interface Segment<Target> {
  /** Unsigned 32-bit. The first segment's `from` and the last one's `to` need no test: the value is known to be inside. */
  readonly from: number;
  readonly to: number;
  readonly target: Target;
  /** How much a step on the way to this segment costs in comparison with others. More than 0. */
  readonly weight: number;
  /** How many tests the way to it should at most have. May be Infinity. */
  readonly limit: number;
}

export type Search<Target> =
  | { readonly kind: "found"; readonly target: Target }
  | {
      readonly kind: "test";
      readonly operator: "equal" | "at-least";
      readonly value: number;
      readonly then: Search<Target>;
      readonly otherwise: Search<Target>;
    };

const longestChain = 5;
/** Longer lines are halved first; very long ones into smaller parts, since no person waits for a better tree there. */
const longestLine = 200;
const veryLongLine = 512;
const longestPartOfVeryLong = 24;
/** Wider parts are cut in their middle half, or behind their last interval but one. */
const widestFreeCut = 20;
/** How much deeper than a balanced tree the best one may be. */
const extraDepth = 2;
/** Breaking a limit by one step is worse than any size or mean. */
const limitPrice = 1e6;

/**
 * `segments` are sorted, without gaps that matter, and neighbours differ in their targets. At least one.
 * `price` is what one more instruction is worth in mean steps, more than 0: at 0.1, ten instructions that save a step on
 * the way to the average value pay for themselves.
 */
export function buildSearch<Target>(segments: readonly Segment<Target>[], price: number): Search<Target> {
  if (segments.length === 0) throw new RangeError("there is no value to search for");
  return searchPart(segments, price, 0, segments.length > veryLongLine ? longestPartOfVeryLong : longestLine);
}

/** How many tests the tree has. */
export function countTests(search: Search<unknown>): number {
  return search.kind === "found" ? 0 : 1 + countTests(search.then) + countTests(search.otherwise);
}

function searchPart<Target>(
  segments: readonly Segment<Target>[],
  price: number,
  depth: number,
  longest: number,
): Search<Target> {
  if (segments.length <= longest) return new Optimizer(segments, price, depth).build();
  // What may not lie deep comes before the halves: it is the end of the line, in practice.
  const last = segments.at(-1)!;
  const middle = last.limit < depth + Math.log2(segments.length) ? segments.length - 1 : segments.length >> 1;
  return {
    kind: "test",
    operator: "at-least",
    value: segments[middle]!.from,
    then: searchPart(segments.slice(middle), price, depth + 1, longest),
    otherwise: searchPart(segments.slice(0, middle), price, depth + 1, longest),
  };
}

interface Chain<Target> {
  /** The single values, in the order in which they are tested. */
  readonly singles: readonly Segment<Target>[];
  /** What is left when none of them matched. */
  readonly rest: readonly Segment<Target>[];
}

class Optimizer<Target> {
  readonly #segments: readonly Segment<Target>[];
  readonly #price: number;
  readonly #length: number;
  readonly #depth: number;
  readonly #deepest: number;
  readonly #totalWeight: number;
  /** By (first, last, depth): the least cost, and how it is reached: −1 a chain, else the last segment of the left part. */
  readonly #cost: Float64Array;
  readonly #choice: Int16Array;
  readonly #chains: (Chain<Target> | undefined)[];

  constructor(segments: readonly Segment<Target>[], price: number, depth: number) {
    this.#segments = segments;
    this.#price = price;
    this.#length = segments.length;
    this.#depth = depth;
    this.#totalWeight = segments.reduce((sum, segment) => sum + segment.weight, 0);
    // A deep and lopsided tree is never the best one; without a bound the table would be as deep as the line is long.
    this.#deepest = Math.ceil(Math.log2(this.#length + 1)) + extraDepth;
    this.#cost = new Float64Array(this.#deepest * this.#length * this.#length).fill(Number.NaN);
    this.#choice = new Int16Array(this.#cost.length);
    this.#chains = new Array(this.#length * this.#length);
    for (let first = 0; first < this.#length; first++) this.#findChains(first);
  }

  build(): Search<Target> {
    this.#solve(0, this.#length - 1, 0);
    return this.#tree(0, this.#length - 1, 0);
  }

  /** All chains that begin with this segment. */
  #findChains(first: number): void {
    const singles: Segment<Target>[] = [];
    const rest: Segment<Target>[] = [];
    for (let last = first; last < this.#length; last++) {
      const segment = this.#segments[last]!;
      const single = segment.from === segment.to;
      if (single) singles.push(segment);
      else if (rest.length === 0 || rest[0]!.target === segment.target) rest.push(segment);
      else return;
      if (singles.length > longestChain + 1) return;
      const chain = chainOf(singles, rest);
      if (chain.singles.length <= longestChain) this.#chains[first * this.#length + last] = chain;
    }
  }

  #leafCost(segment: Segment<Target>, depth: number): number {
    const excess = Math.max(0, this.#depth + depth - segment.limit);
    return (segment.weight / this.#totalWeight) * depth + excess * limitPrice;
  }

  #chainCost(chain: Chain<Target>, depth: number): number {
    let cost = this.#price * chain.singles.length;
    chain.singles.forEach((segment, index) => {
      cost += this.#leafCost(segment, depth + index + 1);
    });
    for (const segment of chain.rest) cost += this.#leafCost(segment, depth + chain.singles.length);
    return cost;
  }

  #index(first: number, last: number, depth: number): number {
    return (depth * this.#length + first) * this.#length + last;
  }

  #solve(first: number, last: number, depth: number): number {
    const index = this.#index(first, last, depth);
    const known = this.#cost[index]!;
    if (!Number.isNaN(known)) return known;
    const chain = this.#chains[first * this.#length + last];
    let best = chain === undefined ? Number.POSITIVE_INFINITY : this.#chainCost(chain, depth);
    let choice = -1;
    if (first < last && depth + 1 < this.#deepest) {
      const width = last - first;
      const margin = width > widestFreeCut ? width >> 2 : 0;
      for (let split = first + margin; split < last; split++) {
        if (split === last - margin && margin > 0) split = last - 1;
        const left = this.#solve(first, split, depth + 1);
        if (left >= best) continue;
        const cost = this.#price + left + this.#solve(split + 1, last, depth + 1);
        if (cost < best) {
          best = cost;
          choice = split;
        }
      }
    }
    this.#cost[index] = best;
    this.#choice[index] = choice;
    return best;
  }

  #tree(first: number, last: number, depth: number): Search<Target> {
    const choice = this.#choice[this.#index(first, last, depth)]!;
    if (choice >= 0) {
      return {
        kind: "test",
        operator: "at-least",
        value: this.#segments[choice + 1]!.from,
        then: this.#tree(choice + 1, last, depth + 1),
        otherwise: this.#tree(first, choice, depth + 1),
      };
    }
    const chain = this.#chains[first * this.#length + last]!;
    return chain.singles.reduceRight<Search<Target>>(
      (otherwise, segment) => ({
        kind: "test",
        operator: "equal",
        value: segment.from,
        then: { kind: "found", target: segment.target },
        otherwise,
      }),
      { kind: "found", target: chain.rest[0]!.target },
    );
  }
}

/** The order is: what may not be deep, what is heavy, what is high (as libseccomp does it). */
function chainOf<Target>(singles: readonly Segment<Target>[], rest: readonly Segment<Target>[]): Chain<Target> {
  const target = rest[0]?.target;
  const tested = singles.filter((segment) => rest.length === 0 || segment.target !== target);
  const untested = singles.filter((segment) => rest.length > 0 && segment.target === target);
  const ordered = tested.sort((a, b) => a.limit - b.limit || b.weight - a.weight || b.from - a.from);
  if (rest.length > 0) return { singles: ordered, rest: [...rest, ...untested] };
  // Nothing but single values: the last one needs no test, nor do those with its target.
  const last = ordered.at(-1)!;
  return {
    singles: ordered.filter((segment) => segment.target !== last.target),
    rest: ordered.filter((segment) => segment.target === last.target),
  };
}
