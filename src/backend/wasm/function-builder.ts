/** Builds the body of one WebAssembly function: instructions, locals, and labels of blocks. */
import { Bytes, type EncodedFunction, type ValueType, valueTypes } from "./encoding.ts";

/** The instructions without an immediate operand that policies need, by the names of the text format. */
const opcodes = {
  unreachable: 0x00,
  return: 0x0f,
  drop: 0x1a,
  select: 0x1b,
  "i32.eqz": 0x45,
  "i32.eq": 0x46,
  "i32.ne": 0x47,
  "i32.lt_s": 0x48,
  "i32.lt_u": 0x49,
  "i32.gt_u": 0x4b,
  "i32.ge_u": 0x4f,
  "i64.eqz": 0x50,
  "i64.eq": 0x51,
  "i64.ne": 0x52,
  "i64.lt_s": 0x53,
  "i64.lt_u": 0x54,
  "i64.gt_u": 0x56,
  "i64.le_s": 0x57,
  "i64.le_u": 0x58,
  "i64.ge_u": 0x5a,
  "i32.add": 0x6a,
  "i32.sub": 0x6b,
  "i32.mul": 0x6c,
  "i32.and": 0x71,
  "i32.or": 0x72,
  "i32.shl": 0x74,
  "i32.shr_u": 0x76,
  "i64.add": 0x7c,
  "i64.sub": 0x7d,
  "i64.mul": 0x7e,
  "i64.div_s": 0x7f,
  "i64.div_u": 0x80,
  "i64.rem_s": 0x81,
  "i64.rem_u": 0x82,
  "i64.and": 0x83,
  "i64.or": 0x84,
  "i64.xor": 0x85,
  "i64.shl": 0x86,
  "i64.shr_s": 0x87,
  "i64.shr_u": 0x88,
  "i32.wrap_i64": 0xa7,
  "i64.extend_i32_u": 0xad,
  "i64.extend8_s": 0xc2,
  "i64.extend16_s": 0xc3,
  "i64.extend32_s": 0xc4,
} as const;
export type Instruction = keyof typeof opcodes;

/** Loads and stores, with the logarithm of the usual alignment of their addresses, which is only a hint. */
const memoryOpcodes = {
  "i32.load": [0x28, 2],
  "i64.load": [0x29, 3],
  "i32.load8_u": [0x2d, 0],
  "i32.load16_u": [0x2f, 1],
  "i64.load8_s": [0x30, 0],
  "i64.load8_u": [0x31, 0],
  "i64.load16_s": [0x32, 0],
  "i64.load16_u": [0x33, 0],
  "i64.load32_s": [0x34, 2],
  "i64.load32_u": [0x35, 2],
  "i32.store": [0x36, 2],
  "i64.store": [0x37, 3],
} as const;
export type MemoryInstruction = keyof typeof memoryOpcodes;

/** An open block: the target of a branch. */
export type Label = number;

/** Builds one function. The caller must keep the operand stack valid; V8 refuses the module otherwise. */
export class FunctionBuilder {
  private readonly code = new Bytes();
  private readonly locals: ValueType[] = [];
  private readonly free: { readonly [T in ValueType]: number[] } = { i32: [], i64: [] };
  private depth = 0;
  private readonly parameters: readonly ValueType[];
  private readonly results: readonly ValueType[];

  constructor(parameters: readonly ValueType[], results: readonly ValueType[]) {
    this.parameters = parameters;
    this.results = results;
  }

  /** A new local, initially 0. */
  local(type: ValueType): number {
    this.locals.push(type);
    return this.parameters.length + this.locals.length - 1;
  }

  /** A local that the caller returns later; its initial value is undefined. */
  borrow(type: ValueType): number {
    return this.free[type].pop() ?? this.local(type);
  }

  giveBack(type: ValueType, local: number): void {
    this.free[type].push(local);
  }

  emit(...instructions: readonly Instruction[]): void {
    for (const instruction of instructions) this.code.byte(opcodes[instruction]);
  }

  /** A load or store at the address on the stack plus `offset`. */
  memory(instruction: MemoryInstruction, offset: number): void {
    const [opcode, alignment] = memoryOpcodes[instruction];
    this.code.byte(opcode);
    this.code.unsigned(alignment);
    this.code.unsigned(offset);
  }

  get(local: number): void {
    this.code.byte(0x20);
    this.code.unsigned(local);
  }

  set(local: number): void {
    this.code.byte(0x21);
    this.code.unsigned(local);
  }

  tee(local: number): void {
    this.code.byte(0x22);
    this.code.unsigned(local);
  }

  i32(value: number): void {
    this.code.byte(0x41);
    this.code.signed(BigInt(value | 0));
  }

  /** A 64-bit pattern. */
  i64(value: bigint): void {
    this.code.byte(0x42);
    this.code.signed(BigInt.asIntN(64, value));
  }

  call(functionIndex: number): void {
    this.code.byte(0x10);
    this.code.unsigned(functionIndex);
  }

  block(result?: ValueType): Label {
    return this.open(0x02, result);
  }

  loop(): Label {
    return this.open(0x03, undefined);
  }

  /** Takes the condition from the stack. */
  if(result?: ValueType): Label {
    return this.open(0x04, result);
  }

  else(): void {
    this.code.byte(0x05);
  }

  end(): void {
    this.depth -= 1;
    this.code.byte(0x0b);
  }

  branch(target: Label): void {
    this.code.byte(0x0c);
    this.code.unsigned(this.depth - target);
  }

  branchIf(target: Label): void {
    this.code.byte(0x0d);
    this.code.unsigned(this.depth - target);
  }

  branchTable(targets: readonly Label[], otherwise: Label): void {
    this.code.byte(0x0e);
    this.code.unsigned(targets.length);
    for (const target of targets) this.code.unsigned(this.depth - target);
    this.code.unsigned(this.depth - otherwise);
  }

  finish(): EncodedFunction {
    if (this.depth !== 0) throw new Error(`${this.depth} blocks are not closed`);
    this.code.byte(0x0b);
    return { parameters: this.parameters, results: this.results, locals: this.locals, code: this.code.view().slice() };
  }

  private open(opcode: number, result: ValueType | undefined): Label {
    this.code.byte(opcode);
    this.code.byte(result === undefined ? 0x40 : valueTypes[result]);
    this.depth += 1;
    return this.depth;
  }
}
