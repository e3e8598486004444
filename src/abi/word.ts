/**
 * The bounds of the integers that registers, arguments and cells hold: words of 64 bits, as patterns 0 … 2^64 − 1 and read
 * as two's complement. Every stage takes them from here.
 */

/** 2^64 − 1, the largest pattern: all bits of a word, and −1 as a word. */
export const maximumWord = 0xffff_ffff_ffff_ffffn;

/** 2^63: the bit that is the sign of a word read as two's complement. */
export const signBit = 1n << 63n;

/** 2^63 − 1. */
export const maximumSigned = signBit - 1n;

/** −2^63. */
export const minimumSigned = -signBit;

/** 2^32 − 1: all bits of a word's low half. */
export const maximumHalf = 0xffff_ffffn;

/** Whether the integer is the value of a word, read as unsigned or as two's complement: −2^63 … 2^64 − 1. */
export function fitsWord(value: bigint): boolean {
  return value >= minimumSigned && value <= maximumWord;
}
