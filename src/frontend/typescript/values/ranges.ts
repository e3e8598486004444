/**
 * The possible values of an integer expression, as one closed range of mathematical integers. Operators on ranges
 * follow JavaScript's bigint operators, so a range that fits 64 bits proves that the IR's 64-bit operation gives the
 * same number.
 */

import { maximumSigned, maximumWord, minimumSigned } from "../../../abi/word.ts";
import { larger, smaller } from "../../../ir/arithmetic.ts";

export interface Range {
  readonly from: bigint;
  readonly to: bigint;
}

export const unsigned64: Range = { from: 0n, to: maximumWord };
export const signed64: Range = { from: minimumSigned, to: maximumSigned };
export const counterRange: Range = { from: 0n, to: maximumSigned };

export function exactly(value: bigint): Range {
  return { from: value, to: value };
}

/** The range of a `width`-bit integer. */
export function widthRange(width: number, signed: boolean): Range {
  const size = 1n << BigInt(width);
  return signed ? { from: -size / 2n, to: size / 2n - 1n } : { from: 0n, to: size - 1n };
}

export function isSigned({ from, to }: Range): boolean {
  return from >= minimumSigned && to <= maximumSigned;
}

export function isUnsigned({ from, to }: Range): boolean {
  return from >= 0n && to <= maximumWord;
}

/** Whether one 64-bit type contains the range. */
export function fits(range: Range): boolean {
  return isSigned(range) || isUnsigned(range);
}

export function contains(outer: Range, inner: Range): boolean {
  return inner.from >= outer.from && inner.to <= outer.to;
}

/** Undefined if the ranges are disjoint. */
export function intersect(a: Range, b: Range): Range | undefined {
  const from = larger(a.from, b.from);
  const to = smaller(a.to, b.to);
  return from <= to ? { from, to } : undefined;
}

export function join(a: Range, b: Range): Range {
  return { from: smaller(a.from, b.from), to: larger(a.to, b.to) };
}

export function add(a: Range, b: Range): Range {
  return { from: a.from + b.from, to: a.to + b.to };
}

export function subtract(a: Range, b: Range): Range {
  return { from: a.from - b.to, to: a.to - b.from };
}

export function negate(a: Range): Range {
  return { from: -a.to, to: -a.from };
}

export function complement(a: Range): Range {
  return { from: -a.to - 1n, to: -a.from - 1n };
}

export function multiply(a: Range, b: Range): Range {
  return hull([a.from * b.from, a.from * b.to, a.to * b.from, a.to * b.to]);
}

/** The divisor must not contain 0. */
export function divide(a: Range, b: Range): Range {
  return hull([a.from / b.from, a.from / b.to, a.to / b.from, a.to / b.to]);
}

/** The divisor must not contain 0. The result has the dividend's sign and is smaller than the divisor. */
export function remainder(a: Range, b: Range): Range {
  const largest = larger(magnitude(b.from), magnitude(b.to)) - 1n;
  const smallestDivisor = smaller(magnitude(b.from), magnitude(b.to));
  if (a.from >= 0n && a.to < smallestDivisor) return a;
  return {
    from: a.from < 0n ? larger(a.from, -largest) : 0n,
    to: a.to > 0n ? smaller(a.to, largest) : 0n,
  };
}

export function and(a: Range, b: Range): Range {
  if (a.from >= 0n && b.from >= 0n) return { from: 0n, to: smaller(a.to, b.to) };
  if (a.from >= 0n) return { from: 0n, to: a.to };
  if (b.from >= 0n) return { from: 0n, to: b.to };
  return { from: -powerAbove(-1n - smaller(a.from, b.from)), to: larger(a.to, b.to) };
}

export function or(a: Range, b: Range): Range {
  if (a.from >= 0n && b.from >= 0n) return { from: larger(a.from, b.from), to: powerAbove(larger(a.to, b.to)) - 1n };
  const to = a.to < 0n || b.to < 0n ? -1n : powerAbove(larger(a.to, b.to)) - 1n;
  return { from: smaller(a.from, b.from), to };
}

export function xor(a: Range, b: Range): Range {
  const bound = powerAbove(
    [a.from, a.to, b.from, b.to].map((one) => (one < 0n ? -1n - one : one)).reduce((x, y) => larger(x, y)),
  );
  if (a.from >= 0n && b.from >= 0n) return { from: 0n, to: bound - 1n };
  return { from: -bound, to: bound - 1n };
}

/** The amount must lie in 0 … 63. */
export function shiftLeft(a: Range, by: Range): Range {
  return hull([a.from << by.from, a.from << by.to, a.to << by.from, a.to << by.to]);
}

/** The amount must lie in 0 … 63. */
export function shiftRight(a: Range, by: Range): Range {
  return hull([a.from >> by.from, a.from >> by.to, a.to >> by.from, a.to >> by.to]);
}

/** The smallest power of two above `value` (≥ 0). */
function powerAbove(value: bigint): bigint {
  return 1n << BigInt(value === 0n ? 0 : value.toString(2).length);
}

function hull(corners: readonly bigint[]): Range {
  return { from: corners.reduce(smaller), to: corners.reduce(larger) };
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}

/** Prints "0 … 4294967295", with a real minus sign. */
export function printRange({ from, to }: Range): string {
  return from === to ? printInteger(from) : `${printInteger(from)} … ${printInteger(to)}`;
}

export function printInteger(value: bigint): string {
  return value < 0n ? `−${-value}` : `${value}`;
}
