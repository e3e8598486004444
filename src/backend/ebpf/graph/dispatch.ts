/**
 * Multi-way branches: to the block of the interval that holds a value, by few comparisons, or by a bit test of a
 * constant where two targets alternate.
 */
import { maximumHalf } from "../../../abi/word.ts";
import { BitChoice, buildBitSearch, type Search, type Segment } from "../../search.ts";
import type { BodyBuilder } from "./builder.ts";
import { Destinations } from "./destinations.ts";
import { Block, type GraphOperand, type Value } from "./graph.ts";

export interface DispatchRange {
  readonly from: bigint;
  readonly to: bigint;
  readonly block: Block;
  /** The relative cost of a step on the path, more than 0. Default: 1. */
  readonly weight?: number;
}

/** The price of an instruction in mean steps. */
const priceOfInstruction = 0.3;
/** A constant, a shift and a jump (`testBits`); a constant of 64 bits counts twice. */
const bitTest = { steps: 3, size: 4, end: 2 } as const;
/** Values outside of all ranges are less frequent. */
const weightOfElsewhere = 0.5;

/**
 * Branches to the block of the range that holds the value, else to `elsewhere`. The value lies in least … most; the
 * ranges are sorted and disjoint. `short`: the value's upper half is 0.
 */
export function dispatch(
  builder: BodyBuilder,
  value: Value,
  ranges: readonly DispatchRange[],
  elsewhere: Block,
  short: boolean,
  least: bigint,
  most: bigint,
): void {
  // Excludes impossible short values, which a 32-bit comparison would confuse with others.
  const last = short && most > maximumHalf ? maximumHalf : most;
  const destinations = new Destinations();
  const settled = ranges.map((range) => ({ ...range, block: destinations.of(range.block) }));
  const segments = segmentsOf(settled, destinations.of(elsewhere), least, last);
  if (segments.length === 0) return builder.goto(elsewhere);
  emitSearch(builder, value, short, buildBitSearch(segments, priceOfInstruction, bitTest));
}

/** The ranges and the gaps between them, with adjacent equal targets merged. */
function segmentsOf(
  ranges: readonly DispatchRange[],
  elsewhere: Block,
  least: bigint,
  most: bigint,
): Segment<Block, bigint>[] {
  const segments: { from: bigint; to: bigint; target: Block; weight: number; limit: number }[] = [];
  const add = (from: bigint, to: bigint, target: Block, weight: number): void => {
    if (from > to) return;
    const before = segments.at(-1);
    if (before?.target === target) {
      before.to = to;
      before.weight += weight;
    } else segments.push({ from, to, target, weight, limit: Number.POSITIVE_INFINITY });
  };
  let next = least;
  for (const { from, to, block, weight = 1 } of ranges) {
    if (from > most || to < least) continue;
    add(next, from - 1n, elsewhere, weightOfElsewhere);
    add(from > least ? from : least, to < most ? to : most, block, weight);
    next = to + 1n;
  }
  add(next, most, elsewhere, weightOfElsewhere);
  return segments;
}

function emitSearch(
  builder: BodyBuilder,
  value: Value,
  short: boolean,
  root: Search<Block | BitChoice<Block>, bigint>,
): void {
  // Iterative: a balanced search is shallow, but chains are not.
  const pending: { readonly at: Block; readonly search: typeof root }[] = [{ at: builder.current, search: root }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { at, search } = next;
    builder.current = at;
    if (search.kind === "found") {
      if (search.target instanceof BitChoice) testBits(builder, value, search.target);
      else builder.goto(search.target);
      continue;
    }
    const arm = (part: typeof root): Block => {
      if (part.kind === "found" && part.target instanceof Block) return part.target;
      const block = new Block();
      pending.push({ at: block, search: part });
      return block;
    };
    const [then, otherwise] = [arm(search.then), arm(search.otherwise)];
    const [operator, bound] = short
      ? ([search.operator, search.value] as const)
      : rounder(search.operator, search.value);
    builder.branch(operator, value, comparable(builder, bound, short), then, otherwise, short ? 32 : 64);
  }
}

/** `x ≥ n` or `x > n − 1`: the rounder constant is more likely to be an immediate, or to be in use already. */
function rounder(operator: "equal" | "at-least", value: bigint): readonly ["equal" | "at-least" | "greater", bigint] {
  if (operator === "equal" || value === 0n) return [operator, value];
  return (value - 1n) % 4n === 0n && value % 4n !== 0n ? ["greater", value - 1n] : [operator, value];
}

/**
 * Shifts the value's bit to the sign: `r = mask reversed; r <<= value; if r s< 0`. Shifts take the count modulo the
 * width, so the value selects a bit directly; and unlike a bit test, a sign test has an opposite.
 */
function testBits(builder: BodyBuilder, value: Value, { mask, width, set, clear }: BitChoice<Block>): void {
  const bits = builder.wide({ is: "value", value: reversed(mask, width) });
  const selected = builder.arithmetic("shift-left", bits, { value }, width);
  builder.branch("less-signed", selected, { immediate: 0 }, set, clear, width);
}

function reversed(mask: bigint, width: number): bigint {
  let result = 0n;
  for (let bit = 0; bit < width; bit += 1)
    if (((mask >> BigInt(bit)) & 1n) === 1n) result |= 1n << BigInt(width - 1 - bit);
  return result;
}

/** A constant operand of a comparison: 32-bit comparisons read only the low half of the immediate. */
export function comparable(builder: BodyBuilder, value: bigint, short: boolean): GraphOperand {
  return short ? { immediate: Number(BigInt.asIntN(32, value)) } : builder.constant(value);
}
