/** Many-way branches as binary searches. */
import type { BodyBuilder } from "./builder.ts";
import { Block, type GraphOperand, type Value } from "./graph.ts";

const low32 = 0xffff_ffffn;

/** Binary search: to the block of the range that holds the value, known to lie in least … most, else to `elsewhere`. */
export function dispatch(
  builder: BodyBuilder,
  value: Value,
  ranges: readonly { readonly from: bigint; readonly to: bigint; readonly block: Block }[],
  elsewhere: Block,
  short: boolean,
  least: bigint,
  most: bigint,
): void {
  // What a short value can never be is not asked for: a 32-bit comparison would not see the difference.
  if (short && most > low32) {
    const possible = ranges.filter(({ from }) => from <= low32);
    dispatch(builder, value, possible, elsewhere, short, least, low32);
    return;
  }
  if (ranges.length === 0) return builder.goto(elsewhere);
  const width = short ? 32 : 64;
  if (ranges.length === 1) {
    const { from, to, block } = ranges[0]!;
    if (from <= least && to >= most) return builder.goto(block);
    if (from === to) return builder.branch("equal", value, comparable(builder, from, short), block, elsewhere, width);
    if (from <= least) return builder.branch("at-most", value, comparable(builder, to, short), block, elsewhere, width);
    if (to >= most) return builder.branch("at-least", value, comparable(builder, from, short), block, elsewhere, width);
    const upper = new Block();
    builder.branch("less", value, comparable(builder, from, short), elsewhere, upper, width);
    builder.current = upper;
    return builder.branch("at-most", value, comparable(builder, to, short), block, elsewhere, width);
  }
  const middle = ranges.length >> 1;
  const pivot = ranges[middle]!.from;
  const [left, right] = [new Block(), new Block()];
  builder.branch("less", value, comparable(builder, pivot, short), left, right, width);
  builder.current = left;
  dispatch(builder, value, ranges.slice(0, middle), elsewhere, short, least, pivot - 1n);
  builder.current = right;
  dispatch(builder, value, ranges.slice(middle), elsewhere, short, pivot, most);
}

/** A constant to compare with: 32-bit comparisons read only the low half of the immediate. */
export function comparable(builder: BodyBuilder, value: bigint, short: boolean): GraphOperand {
  return short ? { immediate: Number(BigInt.asIntN(32, value)) } : builder.constant(value);
}
