/** From bytes that were read behind a call's pointers to the members of its line in the trace. */
import type { GivenMemories, GivenMemory, GivenText } from "../engines/simulate/given-memory.ts";
import { structures } from "../linux/pointees.ts";
import { jsonMemory } from "../traces/json-memory.ts";
import type { MemoryRead } from "./memory-reads.ts";

/** What a read has given; it corresponds to a `MemoryRead` by position. */
export type ReadMemory =
  | { readonly is: "absent" }
  | { readonly is: "failed"; readonly errno: number }
  | { readonly is: "texts"; readonly entries: readonly GivenText[]; readonly isCut: boolean };

/** The members `memory` and `cut` without the braces around them; undefined if there is nothing to say. */
export function memoryMembers(
  call: string,
  reads: readonly MemoryRead[],
  found: readonly ReadMemory[],
): string | undefined {
  const memories: GivenMemories = new Map(
    reads.flatMap((read, index) => {
      const memory = found[index];
      return memory === undefined ? [] : [[read.name, givenOf(read, memory)] as const];
    }),
  );
  const text = JSON.stringify(jsonMemory(call, memories));
  return text === "{}" ? undefined : text.slice(1, -1);
}

function givenOf({ pointee }: MemoryRead, memory: ReadMemory): GivenMemory {
  if (memory.is !== "texts") return memory;
  const { entries, isCut } = memory;
  const [first = { bytes: new Uint8Array(0), isCut: false }] = entries;
  switch (pointee.is) {
    case "path":
    case "string":
      return { is: "text", ...first };
    case "strings":
      return { is: "strings", entries, isCut };
    case "address":
    case "message":
      return { is: "address", bytes: first.bytes };
    case "structure": {
      // The kernel takes a shorter structure for one whose further fields are 0.
      const bytes = new Uint8Array(structures[pointee.structure].size);
      bytes.set(first.bytes.subarray(0, bytes.length));
      return { is: "structure", bytes, unknown: new Uint8Array(bytes.length) };
    }
  }
}
