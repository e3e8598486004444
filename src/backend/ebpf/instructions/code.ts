/** An assembler for hand-written code: operations on tables, automata, recordings. Compiled policies come from `emit/`. */
import type { EbpfInstruction, MemorySize, Operand, Register, Wide } from "./instruction.ts";

type Jump = EbpfInstruction & { readonly kind: "jump" | "jump-always" | "may-goto" };

/** Hand-written instructions, all of 64 bits, with jumps to labels. */
export class Code {
  readonly #instructions: EbpfInstruction[] = [];
  readonly #labels = new Map<string, number>();
  readonly #jumps = new Map<number, string>();

  /** The instructions, the first of which will stand at the index `start` of its program. */
  at(start: number): readonly EbpfInstruction[] {
    return this.#instructions.map((instruction, index) => {
      const label = this.#jumps.get(index);
      return label === undefined ? instruction : { ...(instruction as Jump), target: start + this.#labels.get(label)! };
    });
  }

  /** Drops a jump to this label that stands last. */
  dropLast(label: string): void {
    const last = this.#instructions.length - 1;
    if (this.#jumps.get(last) !== label || this.#instructions[last]!.kind !== "jump-always") return;
    this.#instructions.pop();
    this.#jumps.delete(last);
  }

  label(name: string): void {
    this.#labels.set(name, this.#instructions.length);
  }

  move(destination: Register, source: Register): void {
    this.arithmetic("move", destination, { register: source });
  }

  arithmetic(operator: (EbpfInstruction & { kind: "arithmetic" })["operator"], destination: Register, source: Operand) {
    this.#instructions.push({ kind: "arithmetic", operator, width: 64, destination, source });
  }

  wide(destination: Register, value: Wide): void {
    this.#instructions.push({ kind: "wide", destination, value });
  }

  load(size: MemorySize, destination: Register, base: Register, offset: number): void {
    this.#instructions.push({ kind: "load", size, destination, base, offset });
  }

  store(size: MemorySize, base: Register, offset: number, source: Operand): void {
    this.#instructions.push({ kind: "store", size, base, offset, source });
  }

  jump(condition: (EbpfInstruction & { kind: "jump" })["condition"], left: Register, right: Operand, to: string): void {
    this.#jumps.set(this.#instructions.length, to);
    this.#instructions.push({ kind: "jump", condition, width: 64, left, right, target: 0 });
  }

  goto(to: string): void {
    this.#jumps.set(this.#instructions.length, to);
    this.#instructions.push({ kind: "jump-always", target: 0 });
  }

  mayGoto(to: string): void {
    this.#jumps.set(this.#instructions.length, to);
    this.#instructions.push({ kind: "may-goto", target: 0 });
  }

  callHelper(helper: number): void {
    this.#instructions.push({ kind: "call-helper", helper });
  }

  callKernel(name: string): void {
    this.#instructions.push({ kind: "call-kernel", function: name });
  }

  exit(): void {
    this.#instructions.push({ kind: "exit" });
  }

  result(value: number): void {
    this.#instructions.push({
      kind: "arithmetic",
      operator: "move",
      width: 64,
      destination: 0,
      source: { immediate: value },
    });
    this.exit();
  }
}
