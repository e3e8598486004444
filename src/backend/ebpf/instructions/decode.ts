/** The inverse of `encode` (instruction.ts): reads programs from the byte form in bundles. */
import { pseudo } from "../../../abi/bpf-numbers.ts";
import {
  type ArithmeticOperator,
  arithmeticCodes,
  atomicMode,
  callCode,
  classes,
  type EbpfInstruction,
  exitCode,
  fetchFlag,
  fromRegister,
  instructionSize,
  type JumpCondition,
  jumpCodes,
  type MemorySize,
  mayGotoCode,
  memoryMode,
  negateCode,
  type Operand,
  type Register,
  sizeCodes,
} from "./instruction.ts";

/** Names that a loader resolves. */
export interface LoadTimeNames {
  /** The index of the map in the wide instruction at this slot. */
  map(slot: number): number;
  /** The kernel function in the call at this slot. */
  kernelFunction(slot: number): string;
}

/** Throws a RangeError for an instruction that the compiler never emits, or a jump to an invalid target. */
export function decode(bytes: Uint8Array, names: LoadTimeNames): EbpfInstruction[] {
  if (bytes.length % instructionSize !== 0) throw new RangeError("a program is a sequence of 8-byte instructions");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const indexes = indexesOf(bytes);
  return [...indexes.keys()].map((slot) => decodeAt(new Slot(view, slot, indexes), names));
}

/** The index of the instruction at each slot that begins one. */
function indexesOf(bytes: Uint8Array): ReadonlyMap<number, number> {
  const indexes = new Map<number, number>();
  for (let slot = 0; slot < bytes.length / instructionSize; slot += 1) {
    indexes.set(slot, indexes.size);
    if (bytes[slot * instructionSize] === wideOpcode) slot += 1;
  }
  return indexes;
}

const wideOpcode = classes.ld | sizeCodes[8];

const sizes = [1, 2, 4, 8] as const;
const operators = Object.keys(arithmeticCodes) as ArithmeticOperator[];
const conditions = Object.keys(jumpCodes) as JumpCondition[];

class Slot {
  readonly #view: DataView;
  readonly #indexes: ReadonlyMap<number, number>;
  readonly slot: number;

  constructor(view: DataView, slot: number, indexes: ReadonlyMap<number, number>) {
    this.#view = view;
    this.slot = slot;
    this.#indexes = indexes;
  }

  get opcode(): number {
    return this.#view.getUint8(this.slot * instructionSize);
  }
  get destination(): Register {
    return this.#register(this.#view.getUint8(this.slot * instructionSize + 1) & 15);
  }
  get source(): Register {
    return this.#register(this.sourceBits);
  }
  get sourceBits(): number {
    return this.#view.getUint8(this.slot * instructionSize + 1) >> 4;
  }
  get offset(): number {
    return this.#view.getInt16(this.slot * instructionSize + 2, true);
  }
  get immediate(): number {
    return this.#view.getInt32(this.slot * instructionSize + 4, true);
  }
  get operand(): Operand {
    return (this.opcode & fromRegister) === 0 ? { immediate: this.immediate } : { register: this.source };
  }
  get size(): MemorySize {
    return sizes.find((size) => sizeCodes[size] === (this.opcode & 0x18))!;
  }

  /** The instruction at a distance in slots. */
  target(distance: number): number {
    const index = this.#indexes.get(this.slot + 1 + distance);
    if (index === undefined) throw this.unknown();
    return index;
  }

  /** The second half of a wide instruction. */
  get next(): Slot {
    if ((this.slot + 2) * instructionSize > this.#view.byteLength) throw this.unknown();
    return new Slot(this.#view, this.slot + 1, this.#indexes);
  }

  unknown(): RangeError {
    return new RangeError(
      `slot ${this.slot}: not an instruction of the compiler (opcode 0x${this.opcode.toString(16)})`,
    );
  }

  #register(number: number): Register {
    if (number > 10) throw this.unknown();
    return number as Register;
  }
}

function decodeAt(at: Slot, names: LoadTimeNames): EbpfInstruction {
  switch (at.opcode & 7) {
    case classes.ld:
      return decodeWide(at, names);
    case classes.ldx:
      if ((at.opcode & 0xe0) !== memoryMode) break;
      return { kind: "load", size: at.size, destination: at.destination, base: at.source, offset: at.offset };
    case classes.st:
    case classes.stx:
      return decodeStore(at);
    case classes.alu:
    case classes.alu64:
      return decodeArithmetic(at);
    default:
      return decodeJump(at, names);
  }
  throw at.unknown();
}

function decodeWide(at: Slot, names: LoadTimeNames): EbpfInstruction {
  if (at.opcode !== wideOpcode) throw at.unknown();
  const { destination, next } = at;
  const low = BigInt.asUintN(32, BigInt(at.immediate));
  const high = BigInt.asUintN(32, BigInt(next.immediate));
  if (at.sourceBits === 0) return { kind: "wide", destination, value: { is: "value", value: (high << 32n) | low } };
  const map = names.map(at.slot);
  if (at.sourceBits === pseudo.map) return { kind: "wide", destination, value: { is: "map", map } };
  if (at.sourceBits !== pseudo.mapValue) throw at.unknown();
  return { kind: "wide", destination, value: { is: "map-value", map, offset: next.immediate } };
}

function decodeStore(at: Slot): EbpfInstruction {
  const isRegister = (at.opcode & 7) === classes.stx;
  const { size, offset } = at;
  switch (at.opcode & 0xe0) {
    case memoryMode: {
      const source = isRegister ? { register: at.source } : { immediate: at.immediate };
      return { kind: "store", size, base: at.destination, offset, source };
    }
    case atomicMode:
      if (!isRegister || size < 4 || (at.immediate !== 0 && at.immediate !== fetchFlag)) break;
      return {
        kind: "atomic-add",
        size: size === 4 ? 4 : 8,
        base: at.destination,
        offset,
        source: at.source,
        fetch: at.immediate === fetchFlag,
      };
  }
  throw at.unknown();
}

function decodeArithmetic(at: Slot): EbpfInstruction {
  const code = at.opcode & 0xf0;
  const width = (at.opcode & 7) === classes.alu64 ? 64 : 32;
  const { destination, offset } = at;
  if (code === negateCode) return { kind: "negate", width, destination };
  if (code === arithmeticCodes.move && offset !== 0) {
    if (width !== 64 || (offset !== 8 && offset !== 16 && offset !== 32)) throw at.unknown();
    return { kind: "sign-extend", from: offset, destination, source: at.source };
  }
  const isSigned = (one: ArithmeticOperator) => one.endsWith("-signed") && one !== "shift-right-signed";
  const operator = operators.find((one) => arithmeticCodes[one] === code && isSigned(one) === (offset === 1));
  if (operator === undefined) throw at.unknown();
  return { kind: "arithmetic", operator, width, destination, source: at.operand };
}

function decodeJump(at: Slot, names: LoadTimeNames): EbpfInstruction {
  const code = at.opcode & 0xf0;
  const width = (at.opcode & 7) === classes.jmp ? 64 : 32;
  if (width === 64) {
    if (code === exitCode) return { kind: "exit" };
    if (code === 0) return { kind: "jump-always", target: at.target(at.offset) };
    if (code === mayGotoCode) return { kind: "may-goto", target: at.target(at.offset) };
    if (code === callCode) return decodeCall(at, names);
  }
  const condition = conditions.find((one) => jumpCodes[one] === code);
  if (condition === undefined) throw at.unknown();
  return { kind: "jump", condition, width, left: at.destination, right: at.operand, target: at.target(at.offset) };
}

function decodeCall(at: Slot, names: LoadTimeNames): EbpfInstruction {
  switch (at.sourceBits) {
    case 0:
      return { kind: "call-helper", helper: at.immediate };
    case pseudo.localCall:
      return { kind: "call-local", target: at.target(at.immediate) };
    case pseudo.kernelCall:
      return { kind: "call-kernel", function: names.kernelFunction(at.slot) };
    default:
      throw at.unknown();
  }
}
