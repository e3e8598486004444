/**
 * Words with unknown bits: a bit is that of `value` if its bit of `unknown` is 0, and may be either if it is 1. This is the
 * domain of tristate numbers of the kernel's verifier (kernel/bpf/tnum.c; Vishwanathan et al., "Sound, Precise, and Fast
 * Abstract Interpretation with Tristate Numbers", 2022), on patterns of 64 bits.
 *
 * Every operation is sound: its result covers all words that the operands' words can give, and may cover more.
 */

import { maximumWord, signBit } from "../../../abi/word.ts";
import { binaryOperations, compareOperations, extend } from "../../../ir/arithmetic.ts";
import { complement, type IntervalSet } from "../../../ir/intervals.ts";
import type { BinaryOperator, CompareOperator } from "../../../ir/program.ts";

export interface Bits {
  readonly value: bigint;
  /** No bit in common with `value`. */
  readonly unknown: bigint;
}

export const anything: Bits = { value: 0n, unknown: maximumWord };

export function known(value: bigint): Bits {
  return { value, unknown: 0n };
}

export function bits(value: bigint, unknown: bigint): Bits {
  const mask = BigInt.asUintN(64, unknown);
  return { value: BigInt.asUintN(64, value) & ~mask, unknown: mask };
}

export function isKnown({ unknown }: Bits): boolean {
  return unknown === 0n;
}

/** Covers the words of both. */
export function join(left: Bits, right: Bits): Bits {
  const unknown = left.unknown | right.unknown | (left.value ^ right.value);
  return { value: left.value & ~unknown, unknown };
}

/** Covers the words from … to, by their common highest bits. */
export function bitsOfSpan(from: bigint, to: bigint): Bits {
  const differing = (from ^ to).toString(2).length;
  return from === to ? known(from) : bits(from, (1n << BigInt(differing)) - 1n);
}

// ── Operators ───────────────────────────────────────────────────────────────────────────────────────────────────────

export function binaryBits(operator: BinaryOperator, left: Bits, right: Bits): Bits {
  if (isKnown(left) && isKnown(right)) return known(binaryOperations[operator](left.value, right.value));
  switch (operator) {
    case "add":
      return add(left, right);
    case "subtract":
      return subtract(left, right);
    case "multiply":
      return multiply(left, right);
    case "and": {
      // A bit is 0 if either is certainly 0, and 1 if both are certainly 1.
      const ones = left.value & right.value;
      return { value: ones, unknown: (left.value | left.unknown) & (right.value | right.unknown) & ~ones };
    }
    case "or": {
      const ones = left.value | right.value;
      return { value: ones, unknown: (left.unknown | right.unknown) & ~ones };
    }
    case "xor": {
      const unknown = left.unknown | right.unknown;
      return { value: (left.value ^ right.value) & ~unknown, unknown };
    }
    case "shift-left":
    case "shift-right-unsigned":
    case "shift-right-signed":
      return shift(operator, left, right);
    case "divide-unsigned":
    case "remainder-unsigned":
      return divide(operator, left, right);
    case "divide-signed":
    case "remainder-signed":
      return anything;
  }
}

/** A bit is unknown if its carry is. A sum with all unknown bits as ones shows the carries that can differ. */
function add(left: Bits, right: Bits): Bits {
  const values = left.value + right.value;
  const carries = values ^ (values + left.unknown + right.unknown);
  return bits(values, carries | left.unknown | right.unknown);
}

function subtract(left: Bits, right: Bits): Bits {
  const difference = left.value - right.value;
  const highest = difference + left.unknown;
  const lowest = difference - right.unknown;
  return bits(difference, (highest ^ lowest) | left.unknown | right.unknown);
}

/** The product of the parts below the lowest uncertain bits is certain, and so are common factors of two. */
function multiply(left: Bits, right: Bits): Bits {
  if (isKnown(right) && isPowerOfTwo(right.value)) return shift("shift-left", left, known(logarithm(right.value)));
  if (isKnown(left) && isPowerOfTwo(left.value)) return multiply(right, left);
  const zeros = trailingZeros(left.value | left.unknown) + trailingZeros(right.value | right.unknown);
  return zeros >= 64n ? known(0n) : bits(0n, maximumWord << zeros);
}

/** Precise only for a known power of two, which is a shift or a mask. */
function divide(operator: "divide-unsigned" | "remainder-unsigned", left: Bits, right: Bits): Bits {
  if (!isKnown(right) || !isPowerOfTwo(right.value)) return anything;
  return operator === "divide-unsigned"
    ? shift("shift-right-unsigned", left, known(logarithm(right.value)))
    : binaryBits("and", left, known(right.value - 1n));
}

function shift(operator: "shift-left" | "shift-right-unsigned" | "shift-right-signed", left: Bits, right: Bits): Bits {
  if ((right.unknown & 63n) !== 0n) return anything;
  const by = right.value & 63n;
  // An unknown sign bit spreads as unknown, a known one as itself.
  const unknown = binaryOperations[operator](left.unknown, by);
  return bits(binaryOperations[operator](left.value, by), unknown);
}

export function extendBits(width: 8 | 16 | 32, signed: boolean, { value, unknown }: Bits): Bits {
  return bits(extend(width, signed, value), extend(width, signed, unknown));
}

function isPowerOfTwo(value: bigint): boolean {
  return value !== 0n && (value & (value - 1n)) === 0n;
}

/** The base-2 logarithm of a power of two. */
function logarithm(value: bigint): bigint {
  return BigInt(value.toString(2).length - 1);
}

function trailingZeros(value: bigint): bigint {
  return value === 0n ? 64n : logarithm(value & -value);
}

// ── Predicates: undefined if they hold for some words and not for others ─────────────────────────────────────────────

export function compareBits(operator: CompareOperator, left: Bits, right: Bits): boolean | undefined {
  if (isKnown(left) && isKnown(right)) return compareOperations[operator](left.value, right.value);
  switch (operator) {
    case "equal":
      return differ(left, right) ? false : undefined;
    case "not-equal":
      return differ(left, right) ? true : undefined;
    case "less-unsigned":
      return less(left, right);
    case "less-or-equal-unsigned":
      return not(less(right, left));
    case "less-signed":
      return less(biased(left), biased(right));
    case "less-or-equal-signed":
      return not(less(biased(right), biased(left)));
  }
}

function differ(left: Bits, right: Bits): boolean {
  return ((left.value ^ right.value) & ~left.unknown & ~right.unknown & maximumWord) !== 0n;
}

function less(left: Bits, right: Bits): boolean | undefined {
  if (largest(left) < right.value) return true;
  if (left.value >= largest(right)) return false;
  return undefined;
}

function not(answer: boolean | undefined): boolean | undefined {
  return answer === undefined ? undefined : !answer;
}

function largest({ value, unknown }: Bits): bigint {
  return value | unknown;
}

/** Maps signed words to unsigned words of the same order, by inverting the sign bit. */
function biased({ value, unknown }: Bits): Bits {
  return { value: (unknown & signBit) === 0n ? value ^ signBit : value, unknown };
}

export function withinBits(word: Bits, set: IntervalSet): boolean | undefined {
  if (!meets(word, set)) return false;
  return meets(word, complement(set)) ? undefined : true;
}

/** Whether any of the words is in the set. Exact. */
export function meets(word: Bits, set: IntervalSet): boolean {
  return set.some(({ from, to }) => {
    const next = smallestFrom(word, from);
    return next !== undefined && next <= to;
  });
}

/** The smallest word that is not less than `bound`; undefined if all are less. */
export function smallestFrom({ value, unknown }: Bits, bound: bigint): bigint | undefined {
  const followed = value | (bound & unknown);
  if (followed === bound) return bound;
  // The highest known bit that differs from the bound's decides.
  const differing = followed ^ bound;
  const at = BigInt(differing.toString(2).length - 1);
  const below = (1n << at) - 1n;
  // It is 1, so the word is larger: all lower bits can be minimal.
  if ((value >> at) & 1n) return (followed & ~below) | (value & below);
  // It is 0, so a higher unknown bit that is 0 in the bound must become 1: the lowest such bit.
  const candidates = unknown & ~bound & ~((below << 1n) | 1n) & maximumWord;
  if (candidates === 0n) return undefined;
  const raised = candidates & -candidates;
  return (followed & ~((raised << 1n) - 1n)) | raised | (value & (raised - 1n));
}
