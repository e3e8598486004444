/**
 * Classic BPF for seccomp(2): `struct sock_filter` (include/uapi/linux/filter.h) over `struct seccomp_data`
 * (include/uapi/linux/seccomp.h). Only operations that the compiler emits have names; the assembler passes others
 * through as numbers.
 */
import { seccompData } from "../../abi/seccomp-data.ts";
export interface ClassicInstruction {
  /** 16 bits. */
  readonly code: number;
  /** 8 bits each: the number of instructions to skip if the test is true, and if it is false. */
  readonly jt: number;
  readonly jf: number;
  /** 32 bits, unsigned. */
  readonly k: number;
}

/** `BPF_MAXINSNS` (include/uapi/linux/bpf_common.h): longer filters get EINVAL. */
export const maximumInstructions = 4096;

/** The most instructions that a conditional jump can skip: `jt` and `jf` are bytes. */
export const maximumJump = 255;

export const opcode = {
  /** A = the 32-bit word at offset k of `struct seccomp_data`; k must be a multiple of 4. */
  load: 0x20,
  /** A = A & k. */
  and: 0x54,
  jumpAlways: 0x05,
  jumpEqual: 0x15,
  /** Unsigned, as all comparisons here. */
  jumpGreater: 0x25,
  jumpAtLeast: 0x35,
  /** Tests whether A & k is not 0. */
  jumpAnyBit: 0x45,
  /** Returns the word k. */
  return: 0x06,
} as const;

/** Offsets in `struct seccomp_data`. The architectures that portcullis knows are little-endian: low halves come first. */
export const offset = {
  number: seccompData.number.offset,
  architecture: seccompData.architecture.offset,
  instructionPointer: seccompData.instructionPointer.offset,
  arguments: seccompData.arguments.offset,
} as const;

/** The offset of a 32-bit half of an argument register, 0 … 5. */
export function argumentOffset(argument: number, half: "low" | "high"): number {
  return offset.arguments + seccompData.arguments.size * argument + (half === "high" ? 4 : 0);
}

const instructionSize = 8;

/** `struct sock_filter[]` in little-endian order. */
export function encodeInstructions(instructions: readonly ClassicInstruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * instructionSize);
  const view = new DataView(bytes.buffer);
  instructions.forEach((instruction, index) => {
    const at = index * instructionSize;
    view.setUint16(at, instruction.code, true);
    view.setUint8(at + 2, instruction.jt);
    view.setUint8(at + 3, instruction.jf);
    view.setUint32(at + 4, instruction.k, true);
  });
  return bytes;
}

/** The inverse of `encodeInstructions`. Throws a RangeError if the length is not a multiple of 8. */
export function decodeInstructions(bytes: Uint8Array): ClassicInstruction[] {
  if (bytes.length % instructionSize !== 0) {
    throw new RangeError(`a classic filter is a sequence of 8-byte instructions, this is ${bytes.length} bytes long`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / instructionSize }, (_, index) => {
    const at = index * instructionSize;
    return {
      code: view.getUint16(at, true),
      jt: view.getUint8(at + 2),
      jf: view.getUint8(at + 3),
      k: view.getUint32(at + 4, true),
    };
  });
}
