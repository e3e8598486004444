/** Emits instructions from a graph after register allocation. */
import type { Location } from "../../../ir/location.ts";
import {
  type Base,
  type Block,
  type CallArgument,
  type GraphInstruction,
  type GraphOperand,
  plainResult,
  type Value,
} from "../graph/graph.ts";
import { commutative, opposite } from "../graph/operators.ts";
import type { EbpfInstruction, Operand, Register } from "../instructions/instruction.ts";
import { inlinedOperation, operationKey, type TableOperation } from "../tables/operations.ts";
import type { Allocation, Place } from "./allocate.ts";

export interface Emitted {
  readonly instructions: EbpfInstruction[];
  readonly locations: (Location | undefined)[];
  /** The keys of operations that are inlined at their calls instead of being functions. */
  readonly inlinedOperations: Set<string>;
  /** Calls whose targets are emitted later. */
  readonly operationCalls: { readonly index: number; readonly operation: TableOperation }[];
  /** Jumps to the epilogue, which is emitted later. */
  readonly finishes: number[];
  /** Jumps to returns of constants, which `placeReturns` resolves; and the existing returns, by their constant. */
  readonly returnJumps: { readonly index: number; readonly result: number; readonly at: Location | undefined }[];
  readonly returns: Map<number, number>;
  /**
   * The most frequent result. Only the first exit of a program becomes a return of the machine; the JIT compiler of x86
   * makes a jump to it of each other one.
   */
  readonly usual: number | undefined;
}

export function emptyProgram(usual?: number): Emitted {
  return {
    usual,
    instructions: [],
    locations: [],
    inlinedOperations: new Set(),
    operationCalls: [],
    finishes: [],
    returnJumps: [],
    returns: new Map(),
  };
}

/**
 * Resolves the jumps to returns of constants: to an existing return in any part, before or after (no loop results), or
 * to a new one at the end. Returns whether it added any.
 */
export function placeReturns(into: Emitted): boolean {
  const end = into.instructions.length;
  const { instructions, locations, returnJumps, returns } = into;
  for (const { index, result, at } of returnJumps) {
    let target = returns.get(result);
    if (target === undefined) {
      target = instructions.length;
      returns.set(result, target);
      const source = { immediate: result };
      instructions.push({ kind: "arithmetic", operator: "move", width: 32, destination: 0, source }, { kind: "exit" });
      locations.push(at, at);
    }
    const jump = instructions[index]!;
    if (jump.kind !== "jump" && jump.kind !== "jump-always") throw new TypeError("no jump");
    instructions[index] = { ...jump, target };
  }
  return instructions.length > end;
}

/**
 * Emits a body at the end of `into`. `stackBase` is the offset below the frame pointer at which the body's own stack
 * room ends and the slots of values begin.
 */
export function emitBody(allocation: Allocation, stackBase: number, into: Emitted): readonly BodyJump[] {
  return new Emitter(allocation, stackBase, into).run();
}

/** A jump whose target is the start of a body that is emitted later. */
export interface BodyJump {
  readonly index: number;
  readonly number: number;
}

class Emitter {
  readonly #allocation: Allocation;
  readonly #stackBase: number;
  readonly #out: Emitted;
  readonly #starts = new Map<Block, number>();
  readonly #jumps: { readonly index: number; readonly to: Block }[] = [];
  readonly #bodies: BodyJump[] = [];
  #at: Location | undefined;

  constructor(allocation: Allocation, stackBase: number, into: Emitted) {
    this.#allocation = allocation;
    this.#stackBase = stackBase;
    this.#out = into;
  }

  run(): readonly BodyJump[] {
    const { order, context } = this.#allocation;
    this.#at = order[0]?.instructions[0]?.at;
    if (context !== 1)
      this.#put({ kind: "arithmetic", operator: "move", width: 64, destination: context, source: { register: 1 } });
    // Blocks that only enter a body or return a constant are emitted as jump targets only.
    const [entry] = order;
    const emitted = order.filter(
      (block) =>
        block === entry ||
        (block.terminator?.kind !== "body" && plainResult(block) === undefined && this.#settled(block) === block),
    );
    emitted.forEach((block, index) => {
      this.#starts.set(block, this.#out.instructions.length);
      for (const instruction of block.instructions) {
        this.#at = instruction.at;
        this.#instruction(instruction);
      }
      this.#terminator(block, emitted[index + 1]);
    });
    for (const { index, to } of this.#jumps) {
      const instruction = this.#out.instructions[index]!;
      if (instruction.kind !== "jump" && instruction.kind !== "jump-always") throw new TypeError("no jump");
      const { terminator } = to;
      if (terminator?.kind === "body") this.#bodies.push({ index, number: terminator.number });
      else this.#out.instructions[index] = { ...instruction, target: this.#starts.get(to)! };
    }
    return this.#bodies;
  }

  #put(instruction: EbpfInstruction): void {
    this.#out.instructions.push(instruction);
    this.#out.locations.push(this.#at);
  }

  #terminator(block: Block, next: Block | undefined): void {
    const { terminator } = block;
    if (terminator === undefined) throw new TypeError("a block without a terminator");
    if (terminator.kind === "body") throw new TypeError("a body is entered by jumps only");
    // A jump has the location of the instruction before it.
    if (terminator.kind !== "goto") this.#at = terminator.at;
    if (terminator.kind === "exit") return this.#exit(terminator.result, terminator.at);
    if (terminator.kind === "finish") {
      // In this order: the word may be in R1 only if the context pointer is not.
      this.#move(2, this.#fetch(terminator.word, 0));
      this.#move(1, this.#allocation.context);
      this.#out.finishes.push(this.#out.instructions.length);
      return this.#put({ kind: "jump-always", target: 0 });
    }
    if (terminator.kind === "goto") {
      const to = this.#settled(terminator.to);
      if (to !== next) this.#goOn(to);
      return;
    }
    let { condition } = terminator;
    let [then, otherwise] = [this.#settled(terminator.then), this.#settled(terminator.otherwise)];
    const inverse = opposite[condition];
    const turned = then === next || (otherwise !== next && this.#isBetterInPlace(then, otherwise));
    if (turned && inverse !== undefined) [condition, then, otherwise] = [inverse, otherwise, then];
    const left = this.#fetch(terminator.left, 0);
    const right = this.#operand(terminator.right, 1);
    this.#aim(then);
    this.#put({ kind: "jump", condition, width: terminator.width, left, right, target: 0 });
    if (otherwise !== next) this.#goOn(otherwise);
  }

  /** The target of a jump to the block, after skipping blocks that are empty once values have registers. */
  #settled(block: Block): Block {
    let at = block;
    while (at.terminator?.kind === "goto" && at.instructions.every((instruction) => this.#isIdle(instruction)))
      at = at.terminator.to;
    return at;
  }

  #isIdle(instruction: GraphInstruction): boolean {
    if (instruction.kind !== "copy") return false;
    const [to, from] = [this.#place(instruction.destination), this.#place(instruction.source)];
    return "register" in to && "register" in from && to.register === from.register;
  }

  #goOn(to: Block): void {
    const { terminator } = to;
    // The first return of a constant is emitted in place; later ones are jumps to it, which take half the room.
    if (to.instructions.length === 0 && terminator?.kind === "exit" && !this.#isReturned(to))
      return this.#exit(terminator.result, terminator.at);
    this.#aim(to);
    this.#put({ kind: "jump-always", target: 0 });
  }

  /** Whether the first of two blocks, of which one must come next, should. */
  #isBetterInPlace(one: Block, other: Block): boolean {
    if (this.#isReturned(one)) return false;
    const result = plainResult(other);
    return this.#isReturned(other) || (result !== undefined && plainResult(one) === this.#out.usual);
  }

  /** Whether the block only returns a constant for which a return exists. */
  #isReturned(block: Block): boolean {
    const result = plainResult(block);
    return result !== undefined && this.#out.returns.has(result);
  }

  /** Sets the target of the next instruction. */
  #aim(to: Block): void {
    const index = this.#out.instructions.length;
    const result = plainResult(to);
    if (result === undefined) this.#jumps.push({ index, to });
    else
      this.#out.returnJumps.push({ index, result, at: to.terminator?.kind === "exit" ? to.terminator.at : undefined });
  }

  #exit(result: GraphOperand, at: Location | undefined): void {
    this.#at = at;
    // A 32-bit move: the result is the low half.
    const source = this.#operand(result, 0);
    const { returns, instructions } = this.#out;
    if ("immediate" in source && !returns.has(source.immediate)) returns.set(source.immediate, instructions.length);
    this.#put({ kind: "arithmetic", operator: "move", width: 32, destination: 0, source });
    this.#put({ kind: "exit" });
  }

  // ── Places ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #place(value: Value): Place {
    return this.#allocation.placeOf(value);
  }

  #slotOffset(slot: number): number {
    return -(this.#stackBase + 8 * (slot + 1));
  }

  /** The register of a value; a spilled value is loaded into a scratch register. */
  #fetch(value: Value, scratch: 0 | 1): Register {
    const place = this.#place(value);
    if ("register" in place) return place.register;
    const register = this.#allocation.scratch[scratch]!;
    this.#put({ kind: "load", size: 8, destination: register, base: 10, offset: this.#slotOffset(place.slot) });
    return register;
  }

  #operand(operand: GraphOperand, scratch: 0 | 1): Operand {
    return "immediate" in operand ? operand : { register: this.#fetch(operand.value, scratch) };
  }

  /** Computes into the value's register, or into a scratch register that is then stored. */
  #into(value: Value, compute: (register: Register) => void): void {
    const place = this.#place(value);
    if ("register" in place) return compute(place.register);
    const register = this.#allocation.scratch[0]!;
    compute(register);
    this.#put({ kind: "store", size: 8, base: 10, offset: this.#slotOffset(place.slot), source: { register } });
  }

  #base(base: Base, scratch: 0 | 1): Register {
    return base === "context" ? this.#allocation.context : base === "stack" ? 10 : this.#fetch(base, scratch);
  }

  #move(destination: Register, source: Register): void {
    if (destination !== source)
      this.#put({ kind: "arithmetic", operator: "move", width: 64, destination, source: { register: source } });
  }

  // ── Instructions ──────────────────────────────────────────────────────────────────────────────────────────────────

  #instruction(instruction: GraphInstruction): void {
    switch (instruction.kind) {
      case "arithmetic":
        return this.#arithmetic(instruction);
      case "constant":
        return this.#into(instruction.destination, (destination) => {
          const { value } = instruction;
          const integer = value.is === "value" ? BigInt.asIntN(64, value.value) : undefined;
          if (integer !== undefined && integer === BigInt.asIntN(32, integer))
            this.#put({
              kind: "arithmetic",
              operator: "move",
              width: 64,
              destination,
              source: { immediate: Number(integer) },
            });
          else if (integer !== undefined && integer >= 0n && integer <= 0xffff_ffffn)
            this.#put({
              kind: "arithmetic",
              operator: "move",
              width: 32,
              destination,
              source: { immediate: Number(BigInt.asIntN(32, integer)) },
            });
          else this.#put({ kind: "wide", destination, value });
        });
      case "parameter":
        return this.#into(instruction.destination, (register) => this.#move(register, 2));
      case "atomic-add": {
        const base = this.#fetch(instruction.base, 1);
        return this.#into(instruction.result, (register) => {
          const source = this.#operand(instruction.amount, 0);
          if ("register" in source) this.#move(register, source.register);
          else this.#put({ kind: "arithmetic", operator: "move", width: 64, destination: register, source });
          const { offset } = instruction;
          this.#put({ kind: "atomic-add", size: 8, base, offset, source: register, fetch: true });
        });
      }
      case "copy":
        return this.#into(instruction.destination, (register) =>
          this.#move(register, this.#fetch(instruction.source, 0)),
        );
      case "sign-extend":
        return this.#into(instruction.destination, (destination) => {
          const source = this.#fetch(instruction.source, 0);
          this.#put({ kind: "sign-extend", from: instruction.from, destination, source });
        });
      case "load":
        return this.#into(instruction.destination, (destination) => {
          const base = this.#base(instruction.base, 0);
          this.#put({ kind: "load", size: instruction.size, destination, base, offset: instruction.offset });
        });
      case "store": {
        const base = this.#base(instruction.base, 0);
        const source = this.#operand(instruction.source, 1);
        return this.#put({ kind: "store", size: instruction.size, base, offset: instruction.offset, source });
      }
      case "call":
        return this.#call(instruction);
    }
  }

  #arithmetic(instruction: GraphInstruction & { kind: "arithmetic" }): void {
    const { operator, width } = instruction;
    this.#into(instruction.destination, (destination) => {
      let left = this.#fetch(instruction.left, 0);
      let right = this.#operand(instruction.right, 1);
      if ("register" in right && right.register === destination && left !== destination && commutative.has(operator))
        [left, right] = [right.register, { register: left }];
      if (width === 32 && left !== destination)
        this.#put({ kind: "arithmetic", operator: "move", width: 32, destination, source: { register: left } });
      else this.#move(destination, left);
      // `w |= 0` only clears the upper half, which the 32-bit move has done already.
      if (width === 32 && operator === "or" && left !== destination && "immediate" in right && right.immediate === 0)
        return;
      this.#put({ kind: "arithmetic", operator, width, destination, source: right });
    });
  }

  #call(instruction: GraphInstruction & { kind: "call" }): void {
    const registers: readonly Register[] = [1, 2, 3, 4, 5];
    // Values in argument registers are moved first, in an order that overwrites none.
    const moves = instruction.arguments.flatMap((argument, index) =>
      "value" in argument || "addressOf" in argument
        ? [{ to: registers[index]!, from: this.#place("value" in argument ? argument.value : argument.addressOf) }]
        : [],
    );
    this.#parallelMove(moves);
    instruction.arguments.forEach((argument, index) => {
      this.#argument(registers[index]!, argument);
    });
    const { callee, result } = instruction;
    if ("helper" in callee) this.#put({ kind: "call-helper", helper: callee.helper });
    else if ("kernelFunction" in callee) this.#put({ kind: "call-kernel", function: callee.kernelFunction });
    else this.#operation(callee.operation);
    if (result !== undefined && this.#isUsed(result)) this.#into(result, (register) => this.#move(register, 0));
  }

  #operation(operation: TableOperation): void {
    const index = this.#out.instructions.length;
    const isInlined = this.#out.inlinedOperations.has(operationKey(operation));
    const inlined = isInlined ? inlinedOperation(operation, index) : undefined;
    if (inlined !== undefined) {
      for (const instruction of inlined) this.#put(instruction);
      return;
    }
    this.#out.operationCalls.push({ index, operation });
    this.#put({ kind: "call-local", target: 0 });
  }

  #isUsed(value: Value): boolean {
    try {
      this.#place(value);
      return true;
    } catch {
      return false;
    }
  }

  #argument(register: Register, argument: CallArgument): void {
    if ("immediate" in argument)
      this.#put({ kind: "arithmetic", operator: "move", width: 64, destination: register, source: argument });
    else if ("wide" in argument) this.#put({ kind: "wide", destination: register, value: argument.wide });
    else if ("stackAddress" in argument) {
      this.#move(register, 10);
      this.#add(register, argument.stackAddress);
    } else if ("addressOf" in argument) this.#add(register, argument.offset);
  }

  #add(register: Register, offset: number): void {
    if (offset !== 0)
      this.#put({
        kind: "arithmetic",
        operator: "add",
        width: 64,
        destination: register,
        source: { immediate: offset },
      });
  }

  /** R0 is unused at a call, so it breaks cycles. */
  #parallelMove(moves: readonly { readonly to: Register; readonly from: Place }[]): void {
    const pending = moves.filter(({ to, from }) => !("register" in from && from.register === to));
    while (pending.length > 0) {
      const ready = pending.findIndex(
        ({ to }) => !pending.some(({ from }) => "register" in from && from.register === to),
      );
      if (ready >= 0) {
        const [{ to, from }] = pending.splice(ready, 1) as [{ to: Register; from: Place }];
        if ("register" in from) this.#move(to, from.register);
        else this.#put({ kind: "load", size: 8, destination: to, base: 10, offset: this.#slotOffset(from.slot) });
        continue;
      }
      const first = pending[0]!;
      this.#move(0, first.to);
      for (const move of pending)
        if ("register" in move.from && move.from.register === first.to)
          pending[pending.indexOf(move)] = { to: move.to, from: { register: 0 } };
    }
  }
}
