/**
 * Calls after which a process cannot make all of its memory writable and executable by itself, so that no result may be
 * written to it without a pin (native/addon/pin/results.c):
 *
 * | call | effect |
 * | --- | --- |
 * | prctl(PR_SET_MDWE) | no mapping becomes executable that was writable |
 * | prctl(PR_SET_SECCOMP), seccomp(SECCOMP_SET_MODE_FILTER) | its own filter can refuse mprotect and the like |
 * | pkey_mprotect with a key | threads' key registers protect memory, which a write from outside ignores |
 * | mseal but of our window | the memory keeps its protection |
 * | arch_prctl(ARCH_SHSTK_ENABLE), prctl(PR_SET_SHADOW_STACK_STATUS) | a shadow stack is writable only by calls and returns |
 */

import type { ArchitectureName } from "../../../abi/architecture.ts";
import { numberOf } from "../../../abi/calls.ts";
import type { SplitPolicy } from "../../../analysis/decision.ts";
import type { Program } from "../../../ir/program.ts";
import { type ArgumentTest, type NotifiedCall, notifiedCalls, type TestedCall } from "../policy/tested-calls.ts";
import { windowRange } from "./window-rules.ts";

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
export function protectingCalls(architecture: ArchitectureName): readonly TestedCall[] {
  return Object.entries(protecting).flatMap(([call, anyOf]) => {
    const number = numberOf(call, architecture);
    return number === undefined ? [] : [[number, anyOf] as const];
  });
}

/**
 * The protections that the filter must report: those that the policy may allow. Undefined if it cannot report all of them.
 */
export function notifiedProtections(program: Program, split: SplitPolicy): readonly NotifiedCall[] | undefined {
  const { calls, isWhole } = notifiedCalls(program, split, protectingCalls(program.architecture));
  return isWhole ? calls : undefined;
}
