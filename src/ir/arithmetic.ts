/**
 * The operators of the IR on 64-bit patterns (0 … 2^64 − 1). The interpreter, the simplifier and the checker share this
 * one definition.
 */
import type { BinaryOperator, CompareOperator } from "./program.ts";

/** The pattern of an integer: modulo 2^64. */
export function pattern(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

/** A pattern read as a two's complement integer, −2^63 … 2^63 − 1. */
function signed(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}

/** Math.max for bigints. */
export function larger(left: bigint, right: bigint): bigint {
  return right > left ? right : left;
}

/** Math.min for bigints. */
export function smaller(left: bigint, right: bigint): bigint {
  return right < left ? right : left;
}

/** The low `width` bits, zero- or sign-extended to 64. */
export function extend(width: 8 | 16 | 32, isSigned: boolean, value: bigint): bigint {
  return isSigned ? BigInt.asUintN(64, BigInt.asIntN(width, value)) : BigInt.asUintN(width, value);
}

/** Each operator as a function from patterns to a pattern. */
export const binaryOperations: { readonly [O in BinaryOperator]: (left: bigint, right: bigint) => bigint } = {
  add: (left, right) => BigInt.asUintN(64, left + right),
  subtract: (left, right) => BigInt.asUintN(64, left - right),
  multiply: (left, right) => BigInt.asUintN(64, left * right),
  "divide-unsigned": (left, right) => (right === 0n ? 0n : left / right),
  // −2^63 / −1 is 2^63; asUintN wraps it to −2^63.
  "divide-signed": (left, right) => (right === 0n ? 0n : pattern(signed(left) / signed(right))),
  "remainder-unsigned": (left, right) => (right === 0n ? left : left % right),
  "remainder-signed": (left, right) => (right === 0n ? left : pattern(signed(left) % signed(right))),
  and: (left, right) => left & right,
  or: (left, right) => left | right,
  xor: (left, right) => left ^ right,
  "shift-left": (left, right) => BigInt.asUintN(64, left << (right & 63n)),
  "shift-right-unsigned": (left, right) => left >> (right & 63n),
  "shift-right-signed": (left, right) => pattern(signed(left) >> (right & 63n)),
};

/** Each comparison as a function from patterns to a boolean. */
export const compareOperations: { readonly [O in CompareOperator]: (left: bigint, right: bigint) => boolean } = {
  equal: (left, right) => left === right,
  "not-equal": (left, right) => left !== right,
  "less-unsigned": (left, right) => left < right,
  "less-or-equal-unsigned": (left, right) => left <= right,
  "less-signed": (left, right) => signed(left) < signed(right),
  "less-or-equal-signed": (left, right) => signed(left) <= signed(right),
};
