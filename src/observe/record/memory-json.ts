/** Converts bytes that were read behind a call's pointers to the members of its line in the trace. */

import { structures } from "../../abi/pointees.ts";
import type { GivenMemories, GivenMemory, GivenText } from "../../engines/simulate/given-memory.ts";
import { withoutValues } from "../../traces/formats/environment.ts";
import { jsonMemory } from "../../traces/notation/json-memory.ts";
import type { MemoryRead } from "./memory-reads.ts";

/** The result of a read; it corresponds to a `MemoryRead` by position. */
export type ReadMemory =
  | { readonly is: "absent" }
  | { readonly is: "failed"; readonly errno: number }
  | { readonly is: "texts"; readonly entries: readonly GivenText[]; readonly isCut: boolean };

/** The members `memory` and `cut` without the braces around them; undefined if both are empty. */
function memoryMembers(
  call: string,
  reads: readonly MemoryRead[],
  found: readonly (ReadMemory | undefined)[],
): string | undefined {
  const memories: GivenMemories = new Map(
    reads.flatMap((read, index) => {
      const memory = found[index];
      return memory === undefined ? [] : [[read.name, givenOf(read, memory)] as const];
    }),
  );
  const text = JSON.stringify(jsonMemory(call, withoutValues(memories)));
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
      // The kernel extends a shorter structure with zeros.
      const bytes = new Uint8Array(structures[pointee.structure].size);
      bytes.set(first.bytes.subarray(0, bytes.length));
      return { is: "structure", bytes, unknown: new Uint8Array(bytes.length) };
    }
  }
}

/** The number of different reads whose members are cached. */
const mostKnown = 4096;

/** Makes the members of a call's line. A server reads the same few paths again and again, so the members are cached. */
export class MemoryPrinter {
  readonly #reads: ReadonlyMap<number, readonly MemoryRead[]>;
  readonly #nameOf: (number: number) => string;
  readonly #known = new Map<number, Map<string, string | undefined>>();
  #count = 0;

  constructor(reads: ReadonlyMap<number, readonly MemoryRead[]>, nameOf: (number: number) => string) {
    this.#reads = reads;
    this.#nameOf = nameOf;
  }

  /** `memory` is a cache key: equal for equal memory of this call. `decode` returns that memory. */
  membersOf(number: number, memory: string, decode: () => readonly (ReadMemory | undefined)[]): string | undefined {
    const reads = this.#reads.get(number);
    if (reads === undefined) return undefined;
    const known = this.#known.get(number) ?? new Map<string, string | undefined>();
    if (known.has(memory)) return known.get(memory);
    const members = memoryMembers(this.#nameOf(number), reads, decode());
    if (this.#count++ % mostKnown === mostKnown - 1) {
      this.#known.clear();
      known.clear();
    }
    this.#known.set(number, known.set(memory, members));
    return members;
  }
}
