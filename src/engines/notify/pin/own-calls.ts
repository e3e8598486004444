/**
 * Rules of the filter for the calls that a stopped caller makes for the supervisor, to set up its window
 * (native/addon/pin/own_calls.c, `map_window`). The policy's filter would judge them like the caller's own calls, and could
 * refuse them or kill the caller. These rules precede the policy's filter and ask the supervisor, which lets its own calls
 * pass and judges every other call with these arguments by the policy.
 *
 * | call | the filter reports it if |
 * | --- | --- |
 * | mmap | the address is a stub's or its data's, with MAP_SHARED and MAP_FIXED_NOREPLACE alone |
 * | madvise | the address is that of data, with MADV_DONTFORK |
 * | mseal | the address is a stub's |
 * | close | the high half of the register has a mark, which the kernel ignores: a descriptor has 32 bits |
 *
 * While a process is free to make its memory writable, the filter also reports the calls with which it gives that up
 * (preconditions.ts), as far as the policy may allow them.
 *
 * In a policy with rooms it reports the calls that can hide their process (rooms/hiding.ts).
 *
 * Another mark of close(2) reports the end of a call that held a room (native/addon/pin/stubs.c, REPORTS_END). The filter
 * always reports that call.
 */

import { type ArchitectureName, auditArchitecture } from "../../../abi/architecture.ts";
import { numberOf } from "../../../abi/calls.ts";
import { returnWord } from "../../../abi/return-word.ts";
import { isStateful, type SplitPolicy } from "../../../analysis/decision.ts";
import { leavesOf } from "../../../analysis/explain/paths.ts";
import { argumentOffset, type ClassicInstruction, offset, opcode } from "../../../backend/classic/instruction.ts";
import type { Program } from "../../../ir/program.ts";
import type { ArgumentTest, NotifiedCall } from "../policy/tested-calls.ts";
import { doNotFork, laterPlaces, windowRange } from "./window-rules.ts";

/** The places of windows: the starts of their stubs. */
export const windowPlaces: readonly number[] = [
  windowRange.start,
  ...Array.from(
    { length: (windowRange.end - laterPlaces.start) / laterPlaces.size },
    (_, index) => laterPlaces.start + index * laterPlaces.size,
  ),
];
/** The size of the stub, a page of the architecture's largest size; the data follow (native/addon/pin/pin.h). */
export const stubSize = { x86_64: 0x1000, aarch64: 0x1_0000 } as const;
/** CLOSE_MARK in native/addon/pin/pin.h. */
export const closeMark = 0x7063_7573;
/** END_MARK in native/addon/pin/pin.h. */
export const endMark = 0x7063_6c65;
const sharedWithoutReplacing = 0x10_0001;

const half = (argument: number, which: "low" | "high", ...is: readonly number[]): ArgumentTest => ({
  argument,
  half: which,
  is,
});

const conditions: { readonly [call: string]: (data: readonly number[]) => readonly ArgumentTest[] } = {
  mmap: (data) => [
    half(0, "high", 0),
    half(0, "low", ...windowPlaces, ...data),
    half(3, "low", sharedWithoutReplacing),
  ],
  madvise: (data) => [half(0, "high", 0), half(0, "low", ...data), half(2, "low", doNotFork)],
  mseal: () => [half(0, "high", 0), half(0, "low", ...windowPlaces)],
  close: () => [half(0, "high", closeMark)],
};

/** The calls of these that the policy's filter does not always allow, or does not know. */
export function hinderedOwnCalls(program: Program, split: SplitPolicy): readonly string[] {
  return Object.keys(conditions).filter((call) => {
    const decision = split.get(numberOf(call, program.architecture) ?? -1);
    if (decision === undefined) return true;
    return !leavesOf(decision).every((leaf) => isStateful(leaf) || program.verdicts[leaf.weakest]!.action === "allow");
  });
}

/** What the filter reports for the supervisor's own work. */
export interface OwnCalls {
  /** The result of `hinderedOwnCalls`. */
  readonly hindered: readonly string[];
  /** Whether calls in rooms report their ends. */
  readonly reportsEnds: boolean;
  /** The supervisor judges all calls with these numbers by the policy (stalling.ts). */
  readonly stalling: readonly number[];
  readonly notified: readonly NotifiedCall[];
}

/** All of these calls. */
export function reportedCalls(architecture: ArchitectureName, { stalling, ...own }: OwnCalls): readonly NotifiedCall[] {
  return [...testedCalls(architecture, own), ...stalling.map((number) => ({ number, tests: [] }))];
}

/** Without those that are reported whatever their arguments are. */
function testedCalls(
  architecture: ArchitectureName,
  { hindered, reportsEnds, notified }: Omit<OwnCalls, "stalling">,
): readonly NotifiedCall[] {
  const data = windowPlaces.map((start) => start + stubSize[architecture]);
  const calls = hindered.flatMap((call) => {
    const number = numberOf(call, architecture);
    return number === undefined ? [] : [{ number, tests: conditions[call]!(data) }];
  });
  const ends = { number: numberOf("close", architecture)!, tests: [half(0, "high", endMark)] };
  return [...calls, ...(reportsEnds ? [ends] : []), ...notified];
}

/** Instructions that notify the engine of calls with one of these numbers if all tests hold. */
function notifying(numbers: readonly number[], tests: readonly ArgumentTest[]): readonly ClassicInstruction[] {
  const words = [
    { at: offset.number, values: numbers, isNot: false },
    ...tests.map(({ argument, half: which, is, isNot = [] }) => ({
      at: argumentOffset(argument, which),
      values: is ?? isNot,
      isNot: is === undefined,
    })),
  ];
  const body: ClassicInstruction[] = [];
  const length = words.reduce((sum, { values }) => sum + 1 + values.length, 1);
  for (const { at, values, isNot } of words) {
    body.push({ code: opcode.load, jt: 0, jf: 0, k: at });
    values.forEach((k, index) => {
      const remaining = values.length - 1 - index;
      const toEnd = length - body.length - 1;
      const [jt, jf] = isNot ? [toEnd, 0] : [remaining, remaining === 0 ? toEnd : 0];
      body.push({ code: opcode.jumpEqual, jt, jf, k });
    });
  }
  body.push({ code: opcode.return, jt: 0, jf: 0, k: returnWord("USER_NOTIF") });
  return body;
}

/** Instructions that notify the engine of these calls. All other calls continue behind their end. */
export function ownCallRules(architecture: ArchitectureName, own: OwnCalls): readonly ClassicInstruction[] {
  const blocks = testedCalls(architecture, own).flatMap(({ number, tests }) => notifying([number], tests));
  if (own.stalling.length > 0) blocks.push(...notifying(own.stalling, []));
  if (blocks.length === 0) return [];
  return [
    { code: opcode.load, jt: 0, jf: 0, k: offset.architecture },
    { code: opcode.jumpEqual, jt: 0, jf: blocks.length, k: auditArchitecture[architecture] },
    ...blocks,
  ];
}
