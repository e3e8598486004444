/**
 * Calls after which a process cannot make all of its memory writable and executable by itself, so that no result may be
 * written to it without a pin (native/addon/results.c):
 *
 * | call | effect |
 * | --- | --- |
 * | prctl(PR_SET_MDWE) | no mapping becomes executable that was writable |
 * | prctl(PR_SET_SECCOMP), seccomp(SECCOMP_SET_MODE_FILTER) | its own filter can refuse mprotect and the like |
 * | pkey_mprotect with a key | threads' key registers protect memory, which a write from outside ignores |
 * | mseal but of our window | the memory keeps its protection |
 * | arch_prctl(ARCH_SHSTK_ENABLE), prctl(PR_SET_SHADOW_STACK_STATUS) | a shadow stack is writable only by calls and returns |
 */
import type { ArchitectureName } from "../../../linux/architecture.ts";
import { numberOf } from "../../../linux/calls.ts";
import { windowRange } from "./window-rules.ts";

/** A test of an argument: `low` and `high` are its halves, `is` and `isNot` the values of which it is, or is not, one. */
export interface ArgumentTest {
  readonly argument: number;
  readonly half: "low" | "high";
  readonly is?: readonly number[];
  readonly isNot?: readonly number[];
}

/** The calls protect memory if all tests of one of their lists hold. */
const protecting: { readonly [call: string]: readonly (readonly ArgumentTest[])[] } = {
  prctl: [[{ argument: 0, half: "low", is: [22, 65, 75] }]],
  seccomp: [[{ argument: 0, half: "low", is: [1] }]],
  // −1 is no key. Key 0 is that of all memory.
  pkey_mprotect: [[{ argument: 3, half: "low", isNot: [0xffff_ffff, 0] }]],
  mseal: [[{ argument: 0, half: "high", isNot: [0] }], [{ argument: 0, half: "low", isNot: [windowRange.start] }]],
  arch_prctl: [[{ argument: 0, half: "low", is: [0x5001] }]],
};

/** Their numbers, with the lists of tests. */
export function protectingCalls(
  architecture: ArchitectureName,
): readonly (readonly [number: number, anyOf: readonly (readonly ArgumentTest[])[]])[] {
  return Object.entries(protecting).flatMap(([call, anyOf]) => {
    const number = numberOf(call, architecture);
    return number === undefined ? [] : [[number, anyOf] as const];
  });
}

export function holds(
  { argument, half, is, isNot = [] }: ArgumentTest,
  argumentOf: (index: number) => bigint,
): boolean {
  const value = argumentOf(argument);
  const word = Number(BigInt.asUintN(32, half === "low" ? value : value >> 32n));
  return is === undefined ? !isNot.includes(word) : is.includes(word);
}
