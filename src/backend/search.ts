/**
 * Search trees: build the decision tree that finds the interval of a value with few comparisons, few steps, or both. Values
 * are numbers (the 32-bit words of classic BPF) or bigints (the 64-bit words of eBPF).
 *
 * Two tests are always available, equal and at-least. A tree of at-least tests has one test less than there are intervals.
 * An equal test separates one value from an interval, for which at-least needs two: `[0…9] allow, 10 deny, [11…20] allow`
 * is one test. So a part of the line with one target and up to `longestChain` single values may become a chain of equal
 * tests.
 *
 * A 64-bit machine has a third test: the bit of a constant that the value selects. A part of the line with two targets that
 * spans at most 64 values may become one such test, however often the targets alternate.
 *
 * On such a machine, where limits do not occur, the test for a likely single value moves before the tests that only less
 * likely values need (`raised`).
 *
 * Dynamic programming over (first interval, last interval, depth) finds the best tree of this form. The depth is part of the
 * key because an interval may have a limit on its depth. The time would be cubic in the number of intervals, so wide parts
 * are cut only near their middle, and very long lines are halved beforehand.
 */

export interface Segment<Target, Value extends number | bigint = number> {
  /** Unsigned. The first segment's `from` and the last one's `to` need no test: the value is known to be inside. */
  readonly from: Value;
  readonly to: Value;
  readonly target: Target;
  /** The relative cost of a step on the path to this segment, more than 0. */
  readonly weight: number;
  /** The maximum of tests on the path to it. May be Infinity. */
  readonly limit: number;
}

export type Search<Target, Value extends number | bigint = number> =
  | { readonly kind: "found"; readonly target: Target }
  | {
      readonly kind: "test";
      readonly operator: "equal" | "at-least";
      readonly value: Value;
      readonly then: Search<Target, Value>;
      readonly otherwise: Search<Target, Value>;
    };

/** The result of a bit test: `set` if bit `value mod width` of the mask is 1. */
export class BitChoice<Target> {
  readonly mask: bigint;
  readonly width: 32 | 64;
  readonly set: Target;
  readonly clear: Target;

  constructor(mask: bigint, width: 32 | 64, set: Target, clear: Target) {
    this.mask = mask;
    this.width = width;
    this.set = set;
    this.clear = clear;
  }
}

/** The cost of a bit test, in comparisons. */
export interface BitTest {
  readonly steps: number;
  /** For 64 bits; a 32-bit test takes one less. */
  readonly size: number;
  /** The cost of the end of a run of tests, where neither arm can fall through. */
  readonly end: number;
}

const longestChain = 5;
/** Longer lines are halved first, and very long ones further, where a better tree is not worth the time. */
const longestLine = 200;
const veryLongLine = 512;
const longestPartOfVeryLong = 24;
/** Wider parts are cut in their middle half, or after their last interval but one. */
const widestFreeCut = 20;
/** The extra depth of the best tree over a balanced one. */
const extraDepth = 2;
/** Exceeding a limit by one step is worse than any size or mean. */
const limitPrice = 1e6;

/**
 * `segments` are sorted, cover the line, and neighbours have different targets; at least one. `price` is the value of
 * one more instruction in mean steps, more than 0: at 0.1, ten instructions that save a step on the average path pay
 * off.
 */
export function buildSearch<Target, Value extends number | bigint>(
  segments: readonly Segment<Target, Value>[],
  price: number,
): Search<Target, Value> {
  // Without a price there are no bit tests.
  return build(segments, price, undefined, new Map()) as Search<Target, Value>;
}

/** `buildSearch` for a machine with bit tests, and without limits. */
export function buildBitSearch<Target, Value extends number | bigint>(
  segments: readonly Segment<Target, Value>[],
  price: number,
  bits: BitTest,
): Search<Target | BitChoice<Target>, Value> {
  const weights: LeafWeights<Target | BitChoice<Target>, Value> = new Map();
  return raised(build(segments, price, bits, weights), weights).search;
}

function build<Target, Value extends number | bigint>(
  segments: readonly Segment<Target, Value>[],
  price: number,
  bits: BitTest | undefined,
  weights: LeafWeights<Target | BitChoice<Target>, Value>,
): Search<Target | BitChoice<Target>, Value> {
  if (segments.length === 0) throw new RangeError("there is no value to search for");
  const longest = segments.length > veryLongLine ? longestPartOfVeryLong : longestLine;
  return searchPart(segments, price, bits, 0, longest, weights);
}

/** The number of tests in the tree. */
export function countTests<Value extends number | bigint>(search: Search<unknown, Value>): number {
  return search.kind === "found" ? 0 : 1 + countTests(search.then) + countTests(search.otherwise);
}

function searchPart<Target, Value extends number | bigint>(
  segments: readonly Segment<Target, Value>[],
  price: number,
  bits: BitTest | undefined,
  depth: number,
  longest: number,
  weights: LeafWeights<Target | BitChoice<Target>, Value>,
): Search<Target | BitChoice<Target>, Value> {
  if (segments.length <= longest) return new Optimizer(segments, price, bits, depth, weights).build();
  // The segment with a limit comes before the halves; in practice it is the end of the line.
  const last = segments.at(-1)!;
  const middle = last.limit < depth + Math.log2(segments.length) ? segments.length - 1 : segments.length >> 1;
  return {
    kind: "test",
    operator: "at-least",
    value: segments[middle]!.from,
    then: searchPart(segments.slice(middle), price, bits, depth + 1, longest, weights),
    otherwise: searchPart(segments.slice(0, middle), price, bits, depth + 1, longest, weights),
  };
}

interface Chain<Target, Value extends number | bigint> {
  /** The single values, in the order in which they are tested. */
  readonly singles: readonly Segment<Target, Value>[];
  /** The segments if none of them matches. */
  readonly rest: readonly Segment<Target, Value>[];
}

const [byChain, byBits] = [-1, -2];

class Optimizer<Target, Value extends number | bigint> {
  readonly #segments: readonly Segment<Target, Value>[];
  readonly #price: number;
  readonly #bits: BitTest | undefined;
  readonly #length: number;
  readonly #depth: number;
  readonly #deepest: number;
  readonly #totalWeight: number;
  /** The number of depths in the tables: all, or one if there are no limits, since each step then costs the same. */
  readonly #layers: number;
  /** The weight of the segments before each. */
  readonly #weightUpTo: number[];
  /**
   * By (first, last, depth): the least cost, and how to reach it: by a chain, by bits, or the last segment of the left
   * part.
   */
  readonly #cost: Float64Array;
  readonly #choice: Int16Array;
  readonly #chains: (Chain<Target, Value> | undefined)[];
  /** By (first, last): the width, if one bit test decides the whole part. */
  readonly #bitWidths: (32 | 64 | undefined)[] = [];
  readonly #leafWeights: LeafWeights<Target | BitChoice<Target>, Value>;

  constructor(
    segments: readonly Segment<Target, Value>[],
    price: number,
    bits: BitTest | undefined,
    depth: number,
    leafWeights: LeafWeights<Target | BitChoice<Target>, Value>,
  ) {
    this.#leafWeights = leafWeights;
    this.#segments = segments;
    this.#price = price;
    this.#bits = bits;
    this.#length = segments.length;
    this.#depth = depth;
    this.#totalWeight = segments.reduce((sum, segment) => sum + segment.weight, 0);
    // A deep and unbalanced tree is never the best one; without a bound the table would be as deep as the line is long.
    this.#deepest = Math.ceil(Math.log2(this.#length + 1)) + extraDepth;
    this.#layers = bits === undefined ? this.#deepest : 1;
    this.#cost = new Float64Array(this.#layers * this.#length * this.#length).fill(Number.NaN);
    this.#weightUpTo = [0];
    for (const { weight } of segments) this.#weightUpTo.push(this.#weightUpTo.at(-1)! + weight);
    this.#choice = new Int16Array(this.#cost.length);
    this.#chains = new Array(this.#length * this.#length);
    for (let first = 0; first < this.#length; first++) this.#findChains(first);
    if (bits !== undefined && segments.some(({ limit }) => limit !== Number.POSITIVE_INFINITY))
      throw new RangeError("no limits together with tests of bits");
    if (bits !== undefined) for (let first = 0; first < this.#length; first++) this.#findBits(first);
  }

  build(): Search<Target | BitChoice<Target>, Value> {
    this.#solve(0, this.#length - 1, 0);
    return this.#tree(0, this.#length - 1, 0);
  }

  /** All chains that begin with this segment. */
  #findChains(first: number): void {
    const singles: Segment<Target, Value>[] = [];
    const rest: Segment<Target, Value>[] = [];
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

  #leafCost(segment: Segment<Target, Value>, depth: number): number {
    const excess = Math.max(0, this.#depth + depth - segment.limit);
    return (segment.weight / this.#totalWeight) * depth + excess * limitPrice;
  }

  #chainCost(chain: Chain<Target, Value>, depth: number): number {
    let cost = this.#price * (chain.singles.length + (this.#bits?.end ?? 0));
    let steps = depth;
    for (const segment of chain.singles) cost += this.#leafCost(segment, ++steps);
    for (const segment of chain.rest) cost += this.#leafCost(segment, steps);
    return cost;
  }

  /** All parts from this segment that one bit test can decide: two alternating targets. */
  #findBits(first: number): void {
    const { from, target } = this.#segments[first]!;
    const other = this.#segments[first + 1]?.target;
    for (let last = first + 1; last < this.#length; last++) {
      const segment = this.#segments[last]!;
      // Neighbours differ, so two targets alternate.
      if (segment.target !== ((last - first) % 2 === 0 ? target : other)) return;
      const width = bitWidth(from, segment.to);
      if (width === undefined) return;
      // Two segments are one comparison.
      if (last - first >= 2) this.#bitWidths[first * this.#length + last] = width;
    }
  }

  /** The cost of a bit test for this part of the line; infinity if it is impossible. */
  #bitsCost(first: number, last: number, depth: number): number {
    const width = this.#bitWidths[first * this.#length + last];
    if (width === undefined || this.#bits === undefined) return Number.POSITIVE_INFINITY;
    const steps = depth + this.#bits.steps;
    let cost = this.#price * (this.#bits.size - (width === 32 ? 1 : 0) + this.#bits.end);
    for (let index = first; index <= last; index++) cost += this.#leafCost(this.#segments[index]!, steps);
    return cost;
  }

  #bitChoice(first: number, last: number): BitChoice<Target> {
    const part = this.#segments.slice(first, last + 1);
    const width = this.#bitWidths[first * this.#length + last]!;
    const [set, clear] = [part[0]!.target, part[1]!.target];
    let mask = 0n;
    for (const { from, to, target } of part) {
      if (target !== set) continue;
      for (let value = BigInt(from); value <= BigInt(to); value += 1n) mask |= 1n << (value % BigInt(width));
    }
    return new BitChoice(mask, width, set, clear);
  }

  #index(first: number, last: number, depth: number): number {
    return (Math.min(depth, this.#layers - 1) * this.#length + first) * this.#length + last;
  }

  #solve(first: number, last: number, depth: number): number {
    const index = this.#index(first, last, depth);
    const known = this.#cost[index]!;
    if (!Number.isNaN(known)) return known;
    const chain = this.#chains[first * this.#length + last];
    let best = chain === undefined ? Number.POSITIVE_INFINITY : this.#chainCost(chain, depth);
    let choice = byChain;
    const bits = this.#bitsCost(first, last, depth);
    if (bits < best) [best, choice] = [bits, byBits];
    const flat = this.#layers === 1 && this.#bits !== undefined;
    if (first < last && (flat || depth + 1 < this.#deepest)) {
      const below = flat ? 0 : depth + 1;
      const weight = this.#weightUpTo[last + 1]! - this.#weightUpTo[first]!;
      const step = this.#price + (flat ? weight / this.#totalWeight : 0);
      const width = last - first;
      const margin = width > widestFreeCut ? width >> 2 : 0;
      const costs = this.#cost;
      let leftIndex = this.#index(first, first + margin, below);
      let rightIndex = this.#index(first + margin + 1, last, below);
      for (let split = first + margin; split < last; split++, leftIndex++, rightIndex += this.#length) {
        if (split === last - margin && margin > 0) {
          split = last - 1;
          leftIndex = this.#index(first, split, below);
          rightIndex = this.#index(last, last, below);
        }
        // Most are known: a look at the table is cheaper than a call.
        let left = costs[leftIndex]!;
        if (Number.isNaN(left)) left = this.#solve(first, split, below);
        if (left >= best) continue;
        let right = costs[rightIndex]!;
        if (Number.isNaN(right)) right = this.#solve(split + 1, last, below);
        const cost = step + left + right;
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

  #tree(first: number, last: number, depth: number): Search<Target | BitChoice<Target>, Value> {
    const choice = this.#choice[this.#index(first, last, depth)]!;
    if (choice === byBits) return this.#found(this.#bitChoice(first, last), this.#segments.slice(first, last + 1));
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
    return chain.singles.reduceRight<Search<Target, Value>>(
      (otherwise, segment) => ({
        kind: "test",
        operator: "equal",
        value: segment.from,
        then: this.#found(segment.target, [segment]),
        otherwise,
      }),
      this.#found(chain.rest[0]!.target, chain.rest),
    );
  }

  #found<Of extends Target | BitChoice<Target>>(
    target: Of,
    of: readonly Segment<Target, Value>[],
  ): Search<Of, Value> & { readonly kind: "found" } {
    const leaf = { kind: "found", target } as const;
    this.#leafWeights.set(
      leaf,
      of.reduce((sum, { weight }) => sum + weight, 0),
    );
    return leaf;
  }
}

/** The weight of the segments that each leaf stands for. */
type LeafWeights<Target, Value extends number | bigint> = Map<Search<Target, Value>, number>;

/** A search with the weight of all its leaves. */
interface Weighted<Target, Value extends number | bigint> {
  readonly search: Search<Target, Value>;
  readonly weight: number;
  /** The two arms of a test. */
  readonly arms?: { readonly then: Weighted<Target, Value>; readonly otherwise: Weighted<Target, Value> };
}

/**
 * The same search with the tests for single values in front of others where that takes fewer steps in the mean:
 * `if x ≥ n: A; if x = v: B` becomes `if x = v: B; if x ≥ n: A` if v is more likely than all of A. The number of tests does
 * not grow.
 */
function raised<Target, Value extends number | bigint>(
  search: Search<Target, Value>,
  weights: LeafWeights<Target, Value>,
): Weighted<Target, Value> {
  if (search.kind === "found") return { search, weight: weights.get(search)! };
  return placed(search, raised(search.then, weights), raised(search.otherwise, weights));
}

/** A test with these arms, behind the single values of the arms that are more likely than the other arm. */
function placed<Target, Value extends number | bigint>(
  { operator, value }: Pick<Search<Target, Value> & { kind: "test" }, "operator" | "value">,
  then: Weighted<Target, Value>,
  otherwise: Weighted<Target, Value>,
): Weighted<Target, Value> {
  const [fromThen, fromOtherwise] = [gain(then, otherwise), gain(otherwise, then)];
  if (fromThen > 0 && fromThen >= fromOtherwise) {
    const rest = placed({ operator, value }, then.arms!.otherwise, otherwise);
    return placed(singleTest(then), then.arms!.then, rest);
  }
  if (fromOtherwise > 0) {
    const rest = placed({ operator, value }, then, otherwise.arms!.otherwise);
    return placed(singleTest(otherwise), otherwise.arms!.then, rest);
  }
  const weight = then.weight + otherwise.weight;
  // The single values between them have gone.
  const [one, other] = [then.search, otherwise.search];
  if (one.kind === "found" && other.kind === "found" && one.target === other.target) return { search: one, weight };
  return {
    search: { kind: "test", operator, value, then: then.search, otherwise: otherwise.search },
    weight,
    arms: { then, otherwise },
  };
}

/** The steps that are saved if the single value that an arm tests first is tested before the other arm is chosen. */
function gain<Target, Value extends number | bigint>(
  arm: Weighted<Target, Value>,
  other: Weighted<Target, Value>,
): number {
  const { search, arms } = arm;
  if (search.kind !== "test" || search.operator !== "equal") return 0;
  return arms!.then.weight - other.weight;
}

function singleTest<Target, Value extends number | bigint>({
  search,
}: Weighted<Target, Value>): Search<Target, Value> & { kind: "test" } {
  if (search.kind !== "test") throw new TypeError("no test");
  return search;
}

/** The width of a bit test for the values of this interval; undefined if it spans more than 64. */
function bitWidth(from: number | bigint, to: number | bigint): 32 | 64 | undefined {
  const values = typeof from === "bigint" && typeof to === "bigint" ? Number(to - from) : Number(to) - Number(from);
  return values < 32 ? 32 : values < 64 ? 64 : undefined;
}

/** Orders by limit, then weight, then value from the highest (as libseccomp does). */
function chainOf<Target, Value extends number | bigint>(
  singles: readonly Segment<Target, Value>[],
  rest: readonly Segment<Target, Value>[],
): Chain<Target, Value> {
  const target = rest[0]?.target;
  const tested = singles.filter((segment) => rest.length === 0 || segment.target !== target);
  const untested = singles.filter((segment) => rest.length > 0 && segment.target === target);
  const ordered = tested.sort((a, b) => a.limit - b.limit || b.weight - a.weight || (a.from < b.from ? 1 : -1));
  if (rest.length > 0) return { singles: ordered, rest: [...rest, ...untested] };
  // Only single values: the last one needs no test, and neither do those with its target.
  const last = ordered.at(-1)!;
  return {
    singles: ordered.filter((segment) => segment.target !== last.target),
    rest: ordered.filter((segment) => segment.target === last.target),
  };
}
