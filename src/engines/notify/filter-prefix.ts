/** Puts instructions in front of a compiled filter, for a start. Loads no compiler. */
import { type ClassicInstruction, encodeInstructions } from "../../backend/classic/instruction.ts";
import type { ArmedFilter } from "./policy/policy.ts";

/** A path through `before` that returns no verdict continues behind its end, in the filter. */
export function behind(before: readonly ClassicInstruction[], filter: ArmedFilter): ArmedFilter {
  const first = encodeInstructions(before);
  const instructions = new Uint8Array(first.length + filter.instructions.length);
  instructions.set(first);
  instructions.set(filter.instructions, first.length);
  return {
    ...filter,
    instructions,
    tokenPositions: filter.tokenPositions.map((position) => position + before.length),
  };
}
