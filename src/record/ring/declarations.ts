/** The kernel's copies for a recording: of the arguments that recordings read, those that a filter can declare. */
import type { ArchitectureName } from "../../linux/architecture.ts";
import { type DeclaredArgument, declarationKind } from "../../linux/declared-arguments.ts";
import { structures } from "../../linux/pointees.ts";
import { type MemoryRead, memoryReads } from "../memory-reads.ts";

/** One read of a call, and the part that the program writes of it. */
export interface DeclaredRead extends MemoryRead {
  readonly declared: DeclaredArgument;
}

/**
 * Bytes of each part. The kernel fills a copy with zeros up to this size before each call, so the bound of paths, which
 * most such calls have, is below PATH_MAX. The bound of a list is for all its texts together.
 */
const sizes = { path: 1024, string: 1024, strings: 4096, address: 128, message: 128 } as const;

/** The reads by call number; a call without such an argument has no entry. */
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
