/** The facts of an architecture for the static bound: the forms of calls and addresses, and the effects of instructions. */
import type { ArchitectureName } from "../../abi/architecture.ts";
import type { Instruction } from "./disassembler.ts";

export type Location =
  | { readonly is: "register"; readonly name: string }
  /** Bytes above the stack pointer. */
  | { readonly is: "stack"; readonly offset: number };

/** The effect of an instruction on a location: its value before, a constant, or unknown. */
export type Effect =
  | { readonly is: "from"; readonly location: Location }
  | { readonly is: "constant"; readonly value: number }
  | { readonly is: "unknown" };

export const unknownEffect: Effect = { is: "unknown" };

export interface Edge {
  readonly at: number;
  readonly isCall: boolean;
  readonly isJump: boolean;
  /** A function of the image, or the slot of the GOT that imports it. */
  readonly target: number | undefined;
  readonly slot: number | undefined;
}

export interface CodeOfImage {
  readonly code: Buffer;
  readonly address: number;
  /** Where functions begin. */
  readonly starts: ReadonlySet<number>;
  /** Names that slots of the GOT import. */
  readonly slots: ReadonlyMap<number, string>;
  /** Addresses are constants in the code. */
  readonly isFixed: boolean;
}

export interface Machine {
  readonly architecture: ArchitectureName;
  /** The register with the number of a call. */
  readonly number: string;
  /** Registers of a function's parameters. */
  readonly parameters: ReadonlySet<string>;
  /** The register of the third one. */
  readonly third: string;
  /** Bytes that a call pushes. */
  readonly pushed: number;
  /** R_… (elf.h): slots of the GOT that only code reads. */
  readonly readByCode: ReadonlySet<number>;
  /** Whether the bytes of a function may have an instruction that makes a call of the kernel. */
  mayCall(code: Buffer): boolean;
  isKernelCall(instruction: Instruction): boolean;
  /** Nothing follows it but by a jump. */
  isEnd(instruction: Instruction): boolean;
  /** The target of a jump; undefined for other instructions. */
  targetOf(instruction: Instruction): number | undefined;
  effectOf(instruction: Instruction, location: Location): Effect;
  edgesIn(image: CodeOfImage): Iterable<Edge>;
}
