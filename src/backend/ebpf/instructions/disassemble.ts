/** Prints eBPF in the style of the kernel's verifier log and bpftool. */
import type { EbpfInstruction, JumpCondition, Operand } from "./instruction.ts";

const signs: { readonly [C in JumpCondition]: string } = {
  equal: "==",
  "not-equal": "!=",
  greater: ">",
  "at-least": ">=",
  less: "<",
  "at-most": "<=",
  "any-bit": "&",
  "greater-signed": "s>",
  "at-least-signed": "s>=",
  "less-signed": "s<",
  "at-most-signed": "s<=",
};

const operators: { readonly [operator: string]: string } = {
  add: "+=",
  subtract: "-=",
  multiply: "*=",
  divide: "/=",
  "divide-signed": "s/=",
  or: "|=",
  and: "&=",
  "shift-left": "<<=",
  "shift-right": ">>=",
  remainder: "%=",
  "remainder-signed": "s%=",
  xor: "^=",
  move: "=",
  "shift-right-signed": "s>>=",
};

/** One line for each instruction, with its index; jumps name the index of their target. */
export function disassemble(instructions: readonly EbpfInstruction[]): string[] {
  return instructions.map((instruction, index) => `${String(index).padStart(4)}: ${text(instruction)}`);
}

function text(instruction: EbpfInstruction): string {
  const name = (register: number, width: 32 | 64 = 64): string => `${width === 32 ? "w" : "r"}${register}`;
  const operand = (source: Operand, width: 32 | 64 = 64): string =>
    "register" in source ? name(source.register, width) : String(source.immediate);
  const place = (base: number, offset: number, size: number): string =>
    `*(u${size * 8} *)(r${base} ${offset < 0 ? "-" : "+"} ${Math.abs(offset)})`;
  switch (instruction.kind) {
    case "arithmetic": {
      const { destination, operator, width, source } = instruction;
      return `${name(destination, width)} ${operators[operator]} ${operand(source, width)}`;
    }
    case "negate":
      return `${name(instruction.destination, instruction.width)} = -${name(instruction.destination, instruction.width)}`;
    case "sign-extend":
      return `${name(instruction.destination)} = (s${instruction.from})${name(instruction.source)}`;
    case "wide": {
      const { destination, value } = instruction;
      if (value.is === "value") return `${name(destination)} = 0x${value.value.toString(16)} ll`;
      return `${name(destination)} = map[${value.map}]${value.is === "map" ? "" : `[0]+${value.offset}`} ll`;
    }
    case "load":
      return `${name(instruction.destination)} = ${place(instruction.base, instruction.offset, instruction.size)}`;
    case "store":
      return `${place(instruction.base, instruction.offset, instruction.size)} = ${operand(instruction.source)}`;
    case "atomic-add": {
      const { base, offset, size, source, fetch } = instruction;
      return fetch
        ? `${name(source)} = atomic_fetch_add(${place(base, offset, size)}, ${name(source)})`
        : `lock ${place(base, offset, size)} += ${name(source)}`;
    }
    case "jump": {
      const { condition, width, left, right, target } = instruction;
      return `if ${name(left, width)} ${signs[condition]} ${operand(right, width)} goto ${target}`;
    }
    case "jump-always":
      return `goto ${instruction.target}`;
    case "may-goto":
      return `may_goto ${instruction.target}`;
    case "call-local":
      return `call ${instruction.target}`;
    case "call-helper":
      return `call helper ${instruction.helper}`;
    case "call-kernel":
      return `call ${instruction.function}`;
    case "exit":
      return "exit";
  }
}
