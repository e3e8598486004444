/**
 * eBPF for bpf(2): `struct bpf_insn` (include/uapi/linux/bpf.h), with the semantics of
 * Documentation/bpf/standardization/instruction-set.rst (Linux 6.12).
 *
 * Instructions are objects; encoding is the last step. A 64-bit immediate takes two slots of the byte form, so positions
 * are counted in slots, and jumps have instruction indexes until they are encoded.
 */
import { pseudo } from "../../../abi/bpf-numbers.ts";

/** R0 … R9 are general; R10 is the frame pointer, read only. A call takes R1 … R5, returns R0, and clobbers R1 … R5. */
export type Register = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;

/** Source operands: a register, or 32 bits that are sign-extended to the operation's width. */
export type Operand = { readonly register: Register } | { readonly immediate: number };

export type ArithmeticOperator =
  | "add"
  | "subtract"
  | "multiply"
  | "divide"
  | "divide-signed"
  | "or"
  | "and"
  | "shift-left"
  | "shift-right"
  | "remainder"
  | "remainder-signed"
  | "xor"
  | "move"
  | "shift-right-signed";

export type JumpCondition =
  | "equal"
  | "not-equal"
  | "greater"
  | "at-least"
  | "less"
  | "at-most"
  | "any-bit"
  | "greater-signed"
  | "at-least-signed"
  | "less-signed"
  | "at-most-signed";

export type MemorySize = 1 | 2 | 4 | 8;

/** The value of a 64-bit immediate at load time (`BPF_PSEUDO_…`, include/uapi/linux/bpf.h). */
export type Wide =
  | { readonly is: "value"; readonly value: bigint }
  /** The map's address, for helpers. `map` is an index into the program's maps. */
  | { readonly is: "map"; readonly map: number }
  /** The address of a byte of an array map's first value (BPF_PSEUDO_MAP_VALUE). */
  | { readonly is: "map-value"; readonly map: number; readonly offset: number };

export type EbpfInstruction =
  | {
      readonly kind: "arithmetic";
      readonly operator: ArithmeticOperator;
      /** 32-bit operations clear the upper half of the destination. */
      readonly width: 32 | 64;
      readonly destination: Register;
      readonly source: Operand;
    }
  | { readonly kind: "negate"; readonly width: 32 | 64; readonly destination: Register }
  /** MOVSX (kernel 6.6): the low `from` bits of the source, sign-extended to 64. */
  | {
      readonly kind: "sign-extend";
      readonly from: 8 | 16 | 32;
      readonly destination: Register;
      readonly source: Register;
    }
  | { readonly kind: "wide"; readonly destination: Register; readonly value: Wide }
  | {
      readonly kind: "load";
      readonly size: MemorySize;
      readonly destination: Register;
      readonly base: Register;
      /** −32768 … 32767 */
      readonly offset: number;
    }
  | {
      readonly kind: "store";
      readonly size: MemorySize;
      readonly base: Register;
      readonly offset: number;
      readonly source: Operand;
    }
  /** `*(u64 *)(base + offset) += source`; with `fetch`, the source gets the old value (kernel 5.12). */
  | {
      readonly kind: "atomic-add";
      readonly size: 4 | 8;
      readonly base: Register;
      readonly offset: number;
      readonly source: Register;
      readonly fetch: boolean;
    }
  | {
      readonly kind: "jump";
      readonly condition: JumpCondition;
      /** 32: only the low halves are compared (kernel 5.1). */
      readonly width: 32 | 64;
      readonly left: Register;
      readonly right: Operand;
      /** The index of the instruction to go to. */
      readonly target: number;
    }
  | { readonly kind: "jump-always"; readonly target: number }
  /**
   * Falls through, or jumps if the enclosing loop has exhausted the kernel's budget (8 Mi rounds or 250 ms). With it
   * the verifier accepts a loop without a provable bound (BPF_JCOND, kernel 6.9).
   */
  | { readonly kind: "may-goto"; readonly target: number }
  | { readonly kind: "call-helper"; readonly helper: number }
  /**
   * Calls a function of this program (BPF_PSEUDO_CALL), at the index of its first instruction; R6 … R9 are
   * callee-saved.
   */
  | { readonly kind: "call-local"; readonly target: number }
  /**
   * Calls a kernel function by its BTF id, which the loader resolves (BPF_PSEUDO_KFUNC_CALL); `function` is its name.
   */
  | { readonly kind: "call-kernel"; readonly function: string }
  | { readonly kind: "exit" };

// ── The byte form ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Instruction classes: the low three bits of the opcode. */
export const classes = {
  ld: 0x00,
  ldx: 0x01,
  st: 0x02,
  stx: 0x03,
  alu: 0x04,
  jmp: 0x05,
  jmp32: 0x06,
  alu64: 0x07,
} as const;

export const arithmeticCodes: { readonly [O in ArithmeticOperator]: number } = {
  add: 0x00,
  subtract: 0x10,
  multiply: 0x20,
  divide: 0x30,
  "divide-signed": 0x30,
  or: 0x40,
  and: 0x50,
  "shift-left": 0x60,
  "shift-right": 0x70,
  remainder: 0x90,
  "remainder-signed": 0x90,
  xor: 0xa0,
  move: 0xb0,
  "shift-right-signed": 0xc0,
};
export const negateCode = 0x80;

export const jumpCodes: { readonly [C in JumpCondition]: number } = {
  equal: 0x10,
  greater: 0x20,
  "at-least": 0x30,
  "any-bit": 0x40,
  "not-equal": 0x50,
  "greater-signed": 0x60,
  "at-least-signed": 0x70,
  less: 0xa0,
  "at-most": 0xb0,
  "less-signed": 0xc0,
  "at-most-signed": 0xd0,
};

export const sizeCodes: { readonly [S in MemorySize]: number } = { 1: 0x10, 2: 0x08, 4: 0x00, 8: 0x18 };
export const memoryMode = 0x60;
export const atomicMode = 0xc0;
export const fetchFlag = 0x01;
export const fromRegister = 0x08;
export const callCode = 0x80;
export const exitCode = 0x90;
export const mayGotoCode = 0xe0;

export const instructionSize = 8;

/** The number of slots of an instruction. */
function slotsOf(instruction: EbpfInstruction): 1 | 2 {
  return instruction.kind === "wide" ? 2 : 1;
}

/** The first slot of each instruction, then the total. */
export function slotPositions(instructions: readonly EbpfInstruction[]): number[] {
  const positions = [0];
  for (const instruction of instructions) positions.push(positions.at(-1)! + slotsOf(instruction));
  return positions;
}

/** Values that are known only to the loader. */
export interface LoadTimeValues {
  /** A file descriptor for each map. */
  readonly mapDescriptors: readonly number[];
  /** The BTF id of a kernel function, in vmlinux's BTF. */
  kernelFunction(name: string): number;
}

/**
 * `struct bpf_insn[]`, little-endian. Throws a RangeError if a jump or an offset does not fit 16 bits, which the back
 * end's size limit prevents.
 */
export function encode(instructions: readonly EbpfInstruction[], values: LoadTimeValues): Uint8Array {
  const positions = slotPositions(instructions);
  const bytes = new Uint8Array(positions.at(-1)! * instructionSize);
  const view = new DataView(bytes.buffer);
  let slot = 0;
  const put = (opcode: number, destination: number, source: number, offset: number, immediate: number): void => {
    if (offset < -32768 || offset > 32767)
      throw new RangeError(`slot ${slot}: the offset ${offset} does not fit in 16 bits`);
    const at = slot * instructionSize;
    view.setUint8(at, opcode);
    view.setUint8(at + 1, (source << 4) | destination);
    view.setInt16(at + 2, offset, true);
    view.setInt32(at + 4, immediate, true);
    slot += 1;
  };
  instructions.forEach((instruction) => {
    const jumpTo = (target: number): number => positions[target]! - (slot + 1);
    switch (instruction.kind) {
      case "arithmetic": {
        const base = instruction.width === 64 ? classes.alu64 : classes.alu;
        const signed = instruction.operator.endsWith("-signed") && instruction.operator !== "shift-right-signed";
        const code = base | arithmeticCodes[instruction.operator];
        const { source, destination } = instruction;
        if ("register" in source) put(code | fromRegister, destination, source.register, signed ? 1 : 0, 0);
        else put(code, destination, 0, signed ? 1 : 0, source.immediate);
        break;
      }
      case "negate":
        put((instruction.width === 64 ? classes.alu64 : classes.alu) | negateCode, instruction.destination, 0, 0, 0);
        break;
      case "sign-extend":
        put(
          classes.alu64 | arithmeticCodes.move | fromRegister,
          instruction.destination,
          instruction.source,
          instruction.from,
          0,
        );
        break;
      case "wide": {
        const { value } = instruction;
        const opcode = classes.ld | sizeCodes[8];
        if (value.is === "value") {
          put(opcode, instruction.destination, 0, 0, Number(BigInt.asIntN(32, value.value)));
          put(0, 0, 0, 0, Number(BigInt.asIntN(32, value.value >> 32n)));
        } else {
          const map = values.mapDescriptors[value.map];
          if (map === undefined) throw new RangeError(`there is no map ${value.map}`);
          put(opcode, instruction.destination, value.is === "map" ? pseudo.map : pseudo.mapValue, 0, map);
          put(0, 0, 0, 0, value.is === "map" ? 0 : value.offset);
        }
        break;
      }
      case "load":
        put(
          classes.ldx | memoryMode | sizeCodes[instruction.size],
          instruction.destination,
          instruction.base,
          instruction.offset,
          0,
        );
        break;
      case "store": {
        const { source } = instruction;
        const mode = memoryMode | sizeCodes[instruction.size];
        if ("register" in source) put(classes.stx | mode, instruction.base, source.register, instruction.offset, 0);
        else put(classes.st | mode, instruction.base, 0, instruction.offset, source.immediate);
        break;
      }
      case "atomic-add":
        put(
          classes.stx | atomicMode | sizeCodes[instruction.size],
          instruction.base,
          instruction.source,
          instruction.offset,
          instruction.fetch ? fetchFlag : 0,
        );
        break;
      case "jump": {
        const code = (instruction.width === 64 ? classes.jmp : classes.jmp32) | jumpCodes[instruction.condition];
        const { right } = instruction;
        if ("register" in right)
          put(code | fromRegister, instruction.left, right.register, jumpTo(instruction.target), 0);
        else put(code, instruction.left, 0, jumpTo(instruction.target), right.immediate);
        break;
      }
      case "jump-always":
        put(classes.jmp, 0, 0, jumpTo(instruction.target), 0);
        break;
      case "may-goto":
        put(classes.jmp | mayGotoCode, 0, 0, jumpTo(instruction.target), 0);
        break;
      case "call-helper":
        put(classes.jmp | callCode, 0, 0, 0, instruction.helper);
        break;
      case "call-local":
        put(classes.jmp | callCode, 0, pseudo.localCall, 0, jumpTo(instruction.target));
        break;
      case "call-kernel":
        put(classes.jmp | callCode, 0, pseudo.kernelCall, 0, values.kernelFunction(instruction.function));
        break;
      case "exit":
        put(classes.jmp | exitCode, 0, 0, 0, 0);
        break;
      default:
        instruction satisfies never;
    }
  });
  return bytes;
}
