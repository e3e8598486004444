/** From `struct bpf_insn[]` back to instructions: what clang makes, as far as the references need it. */
import type {
  ArithmeticOperator,
  EbpfInstruction,
  JumpCondition,
  MemorySize,
  Operand,
  Register,
  Wide,
} from "../../src/compile/ebpf/instruction.ts";

/** Documentation/bpf/standardization/instruction-set.rst (Linux 6.12), by opcode. */
const arithmetic: { readonly [code: number]: ArithmeticOperator } = {
  0: "add",
  1: "subtract",
  2: "multiply",
  3: "divide",
  4: "or",
  5: "and",
  6: "shift-left",
  7: "shift-right",
  9: "remainder",
  10: "xor",
  11: "move",
  12: "shift-right-signed",
};
const jumps: { readonly [code: number]: JumpCondition } = {
  1: "equal",
  2: "greater",
  3: "at-least",
  4: "any-bit",
  5: "not-equal",
  6: "greater-signed",
  7: "at-least-signed",
  10: "less",
  11: "at-most",
  12: "less-signed",
  13: "at-most-signed",
};
const sizes: { readonly [code: number]: MemorySize } = { 0: 4, 1: 2, 2: 1, 3: 8 };

/**
 * `wideAt` says what the 64-bit immediate in a slot stands for, where it is not just a number. Throws a RangeError that
 * names the slot and the opcode where an instruction is none of those.
 */
export function decode(bytes: Uint8Array, wideAt: (slot: number) => Wide | undefined): EbpfInstruction[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const slots = bytes.length / 8;
  const indexes = new Map<number, number>();
  for (let slot = 0; slot < slots; slot += view.getUint8(8 * slot) === 0x18 ? 2 : 1) indexes.set(slot, indexes.size);
  const target = (slot: number): number => {
    const index = indexes.get(slot);
    if (index === undefined) throw new RangeError(`a jump to slot ${slot}, where no instruction begins`);
    return index;
  };
  return [...indexes.keys()].map((slot): EbpfInstruction => {
    const opcode = view.getUint8(8 * slot);
    const destination = (view.getUint8(8 * slot + 1) & 15) as Register;
    const register = (view.getUint8(8 * slot + 1) >> 4) as Register;
    const offset = view.getInt16(8 * slot + 2, true);
    const immediate = view.getInt32(8 * slot + 4, true);
    const [kind, code] = [opcode & 7, opcode >> 4];
    const source: Operand = (opcode & 8) !== 0 ? { register } : { immediate };
    const unknown = (): never => {
      throw new RangeError(`slot ${slot}: opcode 0x${opcode.toString(16)} is not among those that are decoded`);
    };
    switch (kind) {
      case 0: {
        if (opcode !== 0x18) return unknown();
        const value = (BigInt(view.getUint32(8 * slot + 12, true)) << 32n) | BigInt(immediate >>> 0);
        return { kind: "wide", destination, value: wideAt(slot) ?? { is: "value", value } };
      }
      case 1:
        if (opcode >> 5 !== 3) return unknown();
        return { kind: "load", size: sizes[(opcode >> 3) & 3]!, destination, base: register, offset };
      case 2:
      case 3: {
        const size = sizes[(opcode >> 3) & 3]!;
        if (opcode >> 5 === 3)
          return { kind: "store", size, base: destination, offset, source: kind === 3 ? { register } : { immediate } };
        const isAddition = opcode >> 5 === 6 && (immediate & ~1) === 0 && (size === 4 || size === 8);
        if (!isAddition) return unknown();
        return { kind: "atomic-add", size, base: destination, offset, source: register, fetch: immediate === 1 };
      }
      case 4:
      case 7: {
        const width = kind === 7 ? 64 : 32;
        if (code === 8) return { kind: "negate", width, destination };
        const operator = arithmetic[code];
        if (operator === undefined) return unknown();
        if (operator === "move" && offset !== 0) {
          if (width === 32 || ![8, 16, 32].includes(offset)) return unknown();
          return { kind: "sign-extend", from: offset as 8 | 16 | 32, destination, source: register };
        }
        return { kind: "arithmetic", operator, width, destination, source };
      }
      default: {
        if (opcode === 0x95) return { kind: "exit" };
        if (opcode === 0x05) return { kind: "jump-always", target: target(slot + 1 + offset) };
        if (opcode === 0x85 && register === 0) return { kind: "call-helper", helper: immediate };
        const condition = jumps[code];
        if (condition === undefined) return unknown();
        const width = kind === 5 ? 64 : 32;
        return { kind: "jump", condition, width, left: destination, right: source, target: target(slot + 1 + offset) };
      }
    }
  });
}
