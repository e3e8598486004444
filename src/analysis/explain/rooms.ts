/** Describes the rooms of a policy: the calls of each side, and the calls that each side waits for. */

import { durationUnits } from "../../abi/durations.ts";
import type { Program } from "../../ir/program.ts";
import { verdictText } from "../../ir/verdicts.ts";
import type { SplitPolicy } from "../decision.ts";
import type { RoomDescription } from "./explanation.ts";
import { callName } from "./names.ts";
import { leavesOf } from "./paths.ts";
import { placeText } from "./texts.ts";

export function describeRooms(program: Program, split: SplitPolicy): RoomDescription[] {
  return program.rooms.map(({ name, scope, sides, exclusive, timeout, late, at }, room) => {
    const calls = sides.map(() => new Set<string>());
    for (const [number, decision] of split) {
      for (const { stateful } of leavesOf(decision))
        for (const reason of stateful)
          if (reason.because === "enters-room" && reason.room === room)
            calls[reason.side]!.add(callName(program.architecture, number));
    }
    return {
      name,
      scope,
      timeout: waitText(timeout),
      late: verdictText(program.verdicts[late]!),
      sides: sides.map((side, index) => {
        const alone = ((exclusive >>> index) & 1) === 1;
        return {
          name: side,
          exclusive: alone,
          calls: [...calls[index]!].sort(),
          waitsFor: sides.filter((_, other) => other !== index || alone),
        };
      }),
      ...(at === undefined ? {} : { at: placeText(program, at) }),
    };
  });
}

/** The time in the form of the language, in the largest unit that divides it. */
function waitText(nanoseconds: bigint): string {
  const unit = (["s", "ms", "us"] as const).find((one) => nanoseconds % durationUnits[one] === 0n) ?? "ns";
  return `${nanoseconds / durationUnits[unit]}${unit}`;
}
