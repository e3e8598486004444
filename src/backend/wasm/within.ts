/**
 * Tests whether a word is in a set of intervals, in the form that suits the set: comparisons, a word of bits, bits in
 * memory, or a search.
 */

import { maximumWord } from "../../abi/word.ts";
import type { Interval } from "../../ir/program.ts";
import type { FunctionBuilder } from "./function-builder.ts";

/** With more intervals, bits in memory are better if they are close together. */
const mostCompared = 4;
/** At most 1 KiB of constants for a set. */
const mostBits = 8192n;

/**
 * [word: i64] → i32 0 or 1. `intervals` are sorted and disjoint; `constant` adds bytes to memory and returns their
 * address.
 */
export function compileWithin(
  code: FunctionBuilder,
  intervals: readonly Interval[],
  constant: (bytes: Uint8Array) => number,
): void {
  const first = intervals[0];
  const last = intervals.at(-1);
  if (first === undefined || last === undefined) {
    code.emit("drop");
    code.i32(0);
    return;
  }
  if (intervals.length === 1) {
    compileInterval(code, first);
    return;
  }
  const span = last.to - first.from;
  const word = code.borrow("i64");
  if (span < 64n) {
    compileSpan(code, word, first.from, span);
    code.i64(bitsOf(intervals));
    code.get(word);
    code.emit("i64.shr_u", "i32.wrap_i64", "i32.and");
  } else if (span < mostBits && intervals.length > mostCompared) {
    compileSpan(code, word, first.from, span);
    code.if("i32");
    code.get(word);
    code.emit("i32.wrap_i64");
    code.i32(3);
    code.emit("i32.shr_u");
    code.memory("i32.load8_u", constant(littleEndian(bitsOf(intervals), Number(span / 8n) + 1)));
    code.get(word);
    code.emit("i32.wrap_i64");
    code.i32(7);
    code.emit("i32.and", "i32.shr_u");
    code.i32(1);
    code.emit("i32.and");
    code.else();
    code.i32(0);
    code.end();
  } else {
    code.set(word);
    search(code, word, intervals);
  }
  code.giveBack("i64", word);
}

/** [word] → whether it is in this interval. */
function compileInterval(code: FunctionBuilder, { from, to }: Interval): void {
  if (from === to) {
    code.i64(from);
    code.emit("i64.eq");
  } else if (to === maximumWord) {
    code.i64(from);
    code.emit("i64.ge_u");
  } else {
    if (from !== 0n) {
      code.i64(from);
      code.emit("i64.sub");
    }
    code.i64(to - from);
    code.emit("i64.le_u");
  }
}

function search(code: FunctionBuilder, word: number, intervals: readonly Interval[]): void {
  if (intervals.length === 1) {
    code.get(word);
    compileInterval(code, intervals[0]!);
    return;
  }
  const middle = intervals.length >> 1;
  code.get(word);
  code.i64(intervals[middle]!.from);
  code.emit("i64.lt_u");
  code.if("i32");
  search(code, word, intervals.slice(0, middle));
  code.else();
  search(code, word, intervals.slice(middle));
  code.end();
}

/** Bit 0 represents the first interval's `from`. */
function bitsOf(intervals: readonly Interval[]): bigint {
  const base = intervals[0]!.from;
  let bits = 0n;
  for (const { from, to } of intervals) bits |= ((1n << (to - from + 1n)) - 1n) << (from - base);
  return bits;
}

function littleEndian(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let rest = value;
  for (let index = 0; index < length; index++) {
    bytes[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** [word: i64] → i32: whether it is at most `span` above `from`. The local gets the distance. */
function compileSpan(code: FunctionBuilder, local: number, from: bigint, span: bigint): void {
  if (from !== 0n) {
    code.i64(from);
    code.emit("i64.sub");
  }
  code.tee(local);
  code.i64(span);
  code.emit("i64.le_u");
}
