/** Hides the values of variables in the memory of a recorded call, before portcullis prints it or writes a recording. */

import { environmentArgument, withoutValue } from "../../abi/environment.ts";
import type { GivenMemories } from "../../engines/simulate/given-memory.ts";

/** A judgement by the names of variables is the same with the result; one by a value is unknown. */
export function withoutValues(memories: GivenMemories): GivenMemories {
  const memory = memories.get(environmentArgument);
  if (memory?.is !== "strings") return memories;
  const entries = memory.entries.map(({ bytes }) => withoutValue(bytes));
  return new Map([...memories, [environmentArgument, { ...memory, entries }]]);
}
