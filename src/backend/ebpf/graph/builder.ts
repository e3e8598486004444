/** Builds a graph block by block, independently of the IR (lower.ts). */
import type { Input } from "../../../ir/inputs.ts";
import type { Location } from "../../../ir/location.ts";
import type { ArithmeticOperator, JumpCondition, MemorySize, Wide } from "../instructions/instruction.ts";
import type { TableOperation } from "../tables/operations.ts";
import { type Base, Block, type CallArgument, type GraphInstruction, type GraphOperand, type Value } from "./graph.ts";

/** The base of each region of state memory, by the target's name for it, after the target has opened it. */
export type StateBases = Map<string, { readonly base: Base; readonly offset: number }>;

const smallest = -0x8000_0000n;
const largest = 0x7fff_ffffn;

export class BodyBuilder {
  readonly entry = new Block();
  readonly state: StateBases = new Map();
  /** Inputs that the target has read at the start because the context lacks them. */
  readonly inputs = new Map<Input, Value>();
  current: Block = this.entry;
  at: Location | undefined = undefined;
  /** The number of lowered report statements, for targets that give each its own place. */
  reportStatements = 0;
  #values = 0;
  #stack = 0;

  fresh(): Value {
    this.#values += 1;
    return this.#values - 1;
  }

  get values(): number {
    return this.#values;
  }

  /** Reserves stack room and returns its negative offset from the frame pointer; `size` is rounded up to 8 bytes. */
  stackRoom(size: number): number {
    this.#stack += (size + 7) & ~7;
    return -this.#stack;
  }

  get stackSize(): number {
    return this.#stack;
  }

  emit(instruction: GraphInstruction): void {
    this.current.instructions.push(this.at === undefined ? instruction : { ...instruction, at: this.at });
  }

  /** A pattern as an operand: an immediate if it is the sign extension of its low 32 bits. */
  constant(value: bigint): GraphOperand {
    const integer = BigInt.asIntN(64, value);
    if (integer >= smallest && integer <= largest) return { immediate: Number(integer) };
    return { value: this.wide({ is: "value", value: BigInt.asUintN(64, value) }) };
  }

  wide(value: Wide): Value {
    const destination = this.fresh();
    this.emit({ kind: "constant", destination, value });
    return destination;
  }

  /** The operand in a register. */
  value(operand: GraphOperand): Value {
    if ("value" in operand) return operand.value;
    return this.wide({ is: "value", value: BigInt.asUintN(64, BigInt(operand.immediate)) });
  }

  arithmetic(
    operator: Exclude<ArithmeticOperator, "move">,
    left: Value,
    right: GraphOperand,
    width: 32 | 64 = 64,
  ): Value {
    const destination = this.fresh();
    this.emit({ kind: "arithmetic", operator, width, destination, left, right });
    return destination;
  }

  /** A sum that is known not to reach 2^64. */
  exactSum(left: Value, right: GraphOperand): Value {
    const destination = this.fresh();
    this.emit({ kind: "arithmetic", operator: "add", width: 64, destination, left, right, exact: true });
    return destination;
  }

  copy(source: Value, destination: Value = this.fresh()): Value {
    this.emit({ kind: "copy", destination, source });
    return destination;
  }

  set(destination: Value, operand: GraphOperand): void {
    if ("value" in operand) this.copy(operand.value, destination);
    else
      this.emit({
        kind: "constant",
        destination,
        value: { is: "value", value: BigInt.asUintN(64, BigInt(operand.immediate)) },
      });
  }

  load(size: MemorySize, base: Base, offset: number): Value {
    const destination = this.fresh();
    this.emit({ kind: "load", size, destination, base, offset });
    return destination;
  }

  store(size: MemorySize, base: Base, offset: number, source: GraphOperand): void {
    this.emit({ kind: "store", size, base, offset, source });
  }

  /** A base as a value, for uses of its address. */
  baseValue(base: Base): Value {
    if (typeof base !== "number") throw new TypeError(`the ${base} is not a value`);
    return base;
  }

  callHelper(helper: number, ...words: CallArgument[]): Value {
    const result = this.fresh();
    this.emit({ kind: "call", callee: { helper }, arguments: words, result });
    return result;
  }

  /** A helper that returns nothing. */
  callVoidHelper(helper: number, ...words: CallArgument[]): void {
    this.emit({ kind: "call", callee: { helper }, arguments: words, result: undefined });
  }

  callKernel(kernelFunction: string, ...words: CallArgument[]): Value {
    const result = this.fresh();
    this.emit({ kind: "call", callee: { kernelFunction }, arguments: words, result });
    return result;
  }

  /** Returns the old value. */
  atomicAdd(base: Value, offset: number, amount: GraphOperand): Value {
    const result = this.fresh();
    this.emit({ kind: "atomic-add", base, offset, amount, result });
    return result;
  }

  /** The value of R2 at the part's start. */
  parameter(): Value {
    const destination = this.fresh();
    this.emit({ kind: "parameter", destination });
    return destination;
  }

  callOperation(operation: TableOperation, ...words: CallArgument[]): Value {
    const result = this.fresh();
    this.emit({ kind: "call", callee: { operation }, arguments: words, result });
    return result;
  }

  /** Ends the current block with a branch; the caller sets `current` next. */
  branch(
    condition: JumpCondition,
    left: Value,
    right: GraphOperand,
    then: Block,
    otherwise: Block,
    width: 32 | 64 = 64,
  ): void {
    this.current.terminator = { kind: "branch", condition, width, left, right, then, otherwise, at: this.at };
  }

  goto(to: Block): void {
    if (this.current.terminator === undefined) this.current.terminator = { kind: "goto", to };
  }

  finish(word: Value): void {
    this.current.terminator = { kind: "finish", word, at: this.at };
  }

  exit(result: GraphOperand): void {
    this.current.terminator = { kind: "exit", result, at: this.at };
  }
}
