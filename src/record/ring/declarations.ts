/** What the kernel copies for a recording: of the arguments that recordings read, those that a filter can declare. */
import type { ArchitectureName } from "../../linux/architecture.ts";
import { type DeclaredArgument, declarationKind } from "../../linux/declared-arguments.ts";
import { structures } from "../../linux/pointees.ts";
import { type MemoryRead, memoryReads } from "../memory-reads.ts";

/** One read of a call, and what the program writes of it. */
export interface DeclaredRead extends MemoryRead {
  readonly declared: DeclaredArgument;
}

/**
 * Bytes of each part. The kernel fills a copy with zeros up to there before each call, so paths, which most such calls
 * have, are shorter than they may be. A list's are those of all its texts.
 */
const sizes = { path: 1024, string: 1024, strings: 4096, address: 128, message: 128 } as const;

/** By the number of the call; calls without such an argument are left out. */
export function declaredReads(architecture: ArchitectureName): ReadonlyMap<number, readonly DeclaredRead[]> {
  const all = new Map<number, readonly DeclaredRead[]>();
  for (const [number, reads] of memoryReads(architecture)) {
    const declared = reads.flatMap((read): DeclaredRead[] => {
      const kind = declarationKind(architecture, number, read.register);
      if (kind === undefined) return [];
      const { pointee } = read;
      const size = pointee.is === "structure" ? (structures[pointee.structure].size + 7) & ~7 : sizes[pointee.is];
      return [{ ...read, declared: { number, argument: read.register, kind, size } }];
    });
    if (declared.length > 0) all.set(number, declared);
  }
  return all;
}
