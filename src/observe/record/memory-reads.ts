/** The reads behind the pointers of a call: the arguments about which a policy can ask (src/abi/pointees.ts). */
import type { ArchitectureName } from "../../abi/architecture.ts";
import { allCalls, registerOf } from "../../abi/calls.ts";
import { type Pointee, pointeeOf } from "../../abi/pointees.ts";

export interface MemoryRead {
  /** The policy's name of the argument. */
  readonly name: string;
  readonly pointee: Pointee;
  readonly register: number;
  /** The register that has the size of the memory, if another argument gives it. */
  readonly lengthRegister: number | undefined;
}

/** The reads by call number; a call without such an argument has no entry. */
export function memoryReads(architecture: ArchitectureName): ReadonlyMap<number, readonly MemoryRead[]> {
  const reads = new Map<number, readonly MemoryRead[]>();
  for (const call of allCalls) {
    const number = call.number[architecture];
    if (number === undefined) continue;
    const ofCall = call.parameters.flatMap((parameter, index): MemoryRead[] => {
      const pointee = parameter.kind.is === "pointer" ? pointeeOf(call.name, parameter.name) : undefined;
      if (pointee === undefined) return [];
      const length = "length" in pointee ? pointee.length : undefined;
      const at = call.parameters.findIndex(({ name }) => name === length);
      return [
        {
          name: parameter.name,
          pointee,
          register: registerOf(call, index, architecture),
          lengthRegister: at < 0 ? undefined : registerOf(call, at, architecture),
        },
      ];
    });
    if (ofCall.length > 0) reads.set(number, ofCall);
  }
  return reads;
}
