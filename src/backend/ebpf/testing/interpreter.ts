/**
 * An eBPF interpreter for tests. It counts instructions and refuses what the verifier would refuse: reads of unset
 * registers, memory accesses out of bounds, and backward jumps, except to a `may_goto`, to a return, or in a function
 * on a condition (the search of a table).
 */

import { maximumHalf } from "../../../abi/word.ts";
import type { EbpfInstruction, Operand, Register } from "../instructions/instruction.ts";
import { arithmetic, conditionHolds } from "../instructions/semantics.ts";
import { CalledFunctions } from "./functions.ts";
import { contextAddress, type EbpfMachine, MachineMemory, stackTop } from "./machine.ts";

export interface EbpfRun {
  /** R0's low 32 bits, unsigned. */
  readonly result: number;
  readonly executed: number;
}

/** MAX_CALL_FRAMES (include/linux/bpf_verifier.h). */
const maximumFrames = 8;

export function runEbpf(instructions: readonly EbpfInstruction[], machine: EbpfMachine): EbpfRun {
  return new Execution(instructions, machine).run();
}

class Execution {
  readonly #instructions: readonly EbpfInstruction[];
  readonly #machine: EbpfMachine;
  readonly #memory: MachineMemory;
  readonly #functions: CalledFunctions;
  #registers: (bigint | undefined)[] = new Array(11).fill(undefined);
  readonly #frames: { readonly registers: (bigint | undefined)[]; readonly back: number }[] = [];
  #next = 0;

  constructor(instructions: readonly EbpfInstruction[], machine: EbpfMachine) {
    this.#instructions = instructions;
    this.#machine = machine;
    this.#memory = new MachineMemory(machine);
    this.#functions = new CalledFunctions(machine, this.#memory, (register) => this.#read(register));
    this.#registers[1] = contextAddress;
    this.#registers[10] = stackTop;
  }

  run(): EbpfRun {
    for (let executed = 1; ; executed++) {
      const at = this.#next++;
      const instruction = this.#instructions[at];
      if (instruction === undefined) throw new Error(`control leaves the program at ${at}`);
      const result = instruction.kind === "exit" ? this.#exit() : this.#step(instruction, at);
      if (result !== undefined) return { result: Number(result & maximumHalf), executed };
    }
  }

  #step(instruction: Exclude<EbpfInstruction, { readonly kind: "exit" }>, at: number): undefined {
    const registers = this.#registers;
    switch (instruction.kind) {
      case "arithmetic": {
        const { destination, operator, width } = instruction;
        if (destination === 10) throw new Error("R10 is written");
        const left = operator === "move" ? 0n : this.#read(destination);
        registers[destination] = arithmetic(operator, width, left, this.#operand(instruction.source));
        return;
      }
      case "negate":
        registers[instruction.destination] = BigInt.asUintN(instruction.width, -this.#read(instruction.destination));
        return;
      case "sign-extend": {
        const { destination, from, source } = instruction;
        registers[destination] = BigInt.asUintN(64, BigInt.asIntN(from, this.#read(source)));
        return;
      }
      case "wide": {
        const { destination, value } = instruction;
        registers[destination] =
          value.is === "value"
            ? value.value
            : this.#memory.mapAddress(value.map, value.is === "map" ? 0 : value.offset);
        return;
      }
      case "load":
        registers[instruction.destination] = this.#memory.load(this.#address(instruction), instruction.size);
        return;
      case "store":
        this.#memory.store(this.#address(instruction), instruction.size, this.#operand(instruction.source));
        return;
      case "atomic-add": {
        const address = this.#address(instruction);
        const old = this.#memory.load(address, instruction.size);
        this.#memory.store(address, instruction.size, BigInt.asUintN(64, old + this.#read(instruction.source)));
        if (instruction.fetch) registers[instruction.source] = old;
        return;
      }
      case "jump": {
        const { condition, width, left, right } = instruction;
        if (conditionHolds(condition, width, this.#read(left), this.#operand(right)))
          this.#jump(at, instruction.target, this.#machine.kernel === undefined);
        return;
      }
      case "jump-always":
        this.#jump(at, instruction.target, false);
        return;
      case "may-goto":
        return;
      case "call-local":
        if (this.#frames.length + 1 >= maximumFrames) throw new Error("too many calls in each other");
        this.#frames.push({ registers, back: this.#next });
        // A function sees only its arguments; ours use no stack.
        this.#registers = registers.map((register, index) => (index >= 1 && index <= 5 ? register : undefined));
        this.#next = instruction.target;
        return;
      case "call-helper":
        this.#returned(this.#functions.helper(instruction.helper));
        return;
      case "call-kernel":
        this.#returned(this.#functions.kernelFunction(instruction.function));
        return;
      default:
        instruction satisfies never;
    }
  }

  /** Returns from a function; the result of the program at its end. */
  #exit(): bigint | undefined {
    const result = this.#read(0);
    const frame = this.#frames.pop();
    if (frame !== undefined) {
      this.#registers = frame.registers;
      this.#next = frame.back;
      this.#returned(result);
      return undefined;
    }
    if (this.#functions.holdsLock) throw new Error("the lock is still held");
    if (this.#memory.openRecords > 0) throw new Error("a record is neither submitted nor discarded");
    return result;
  }

  /** `isBounded`: searches in lists jump back and terminate; the kernel's seccomp programs have none. */
  #jump(from: number, target: number, isBounded: boolean): void {
    const isForward = target > from || mayBeBehind(this.#instructions, target);
    if (!isForward && this.#machine.loops !== true && !isBounded) throw new Error(`${from} jumps back to ${target}`);
    this.#next = target;
  }

  #read(register: Register): bigint {
    const value = this.#registers[register];
    if (value === undefined) throw new Error(`R${register} is read before it is set`);
    return value;
  }

  #operand(source: Operand): bigint {
    return "register" in source ? this.#read(source.register) : BigInt.asUintN(64, BigInt(source.immediate));
  }

  #address({ base, offset }: { readonly base: Register; readonly offset: number }): bigint {
    return this.#read(base) + BigInt(offset);
  }

  /** The registers after a call: the result in R0, and R1 … R5 unset. */
  #returned(result: bigint | undefined): void {
    for (const register of [1, 2, 3, 4, 5]) this.#registers[register] = undefined;
    this.#registers[0] = result;
  }
}

function mayBeBehind(instructions: readonly EbpfInstruction[], target: number): boolean {
  const instruction = instructions[target];
  return (
    instruction?.kind === "may-goto" ||
    (instruction?.kind === "arithmetic" && instructions[target + 1]?.kind === "exit")
  );
}
