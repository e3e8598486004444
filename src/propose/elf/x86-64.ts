/** x86-64 for the static bound. */
import type { Instruction } from "./disassembler.ts";
import { type CodeOfImage, type Edge, type Effect, type Location, type Machine, unknownEffect } from "./machine.ts";

const syscallBytes = Buffer.from([0x0f, 0x05]);
const parameters: ReadonlySet<string> = new Set(["rdi", "rsi", "rdx", "rcx", "r8", "r9"]);
const clobbered: ReadonlySet<string> = new Set(["rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11"]);
/** Registers that instructions change without naming them first. */
const implicit: ReadonlySet<string> = new Set(["rax", "rcx", "rdx", "rsi", "rdi"]);
const unchanging =
  /^(?:cmp|test|j|nop|endbr|push|ret|bt$|lock|prefetch|ud2|leave|ucomi|comi|mfence|lfence|sfence|pause)/;
const changesImplicitly =
  /^(?:cpuid|rdtsc|mul|imul|div|idiv|cqo|cdq|cdqe|cwde|rep|movs|stos|scas|cmps|lods|xgetbv|cmpxchg|rdfsbase)/;

export const x86_64: Machine = {
  architecture: "x86_64",
  number: "rax",
  parameters,
  third: "rdx",
  pushed: 8,
  // R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT
  readByCode: new Set([6, 7]),
  mayCall: (code) => code.indexOf(syscallBytes) >= 0,
  isKernelCall: ({ mnemonic }) => mnemonic === "syscall",
  isEnd: ({ mnemonic }) => /^(?:jmp|ret|ud2|hlt)/.test(mnemonic),
  targetOf: ({ mnemonic, operands }) => (mnemonic.startsWith("j") ? Number(operands[0]) : undefined),
  effectOf,
  edgesIn,
};

function* edgesIn({ code, address, starts, slots, isFixed }: CodeOfImage): Generator<Edge> {
  const stubs = stubsIn(code, address, slots);
  for (let at = 0; at + 6 <= code.length; at++) {
    if (isFixed && starts.has(code.readUInt32LE(at))) {
      yield { at: address + at, isCall: false, isJump: false, target: code.readUInt32LE(at), slot: undefined };
    }
    const byte = code[at]!;
    const here = address + at;
    if (byte === 0xe8 || byte === 0xe9) {
      const target = here + 5 + code.readInt32LE(at + 1);
      const slot = stubs.get(target);
      const kind = { isCall: byte === 0xe8, isJump: byte === 0xe9 };
      if (slot !== undefined) yield { at: here, ...kind, target: undefined, slot };
      else if (starts.has(target)) yield { at: here, ...kind, target, slot: undefined };
    } else if (byte === 0x0f && (code[at + 1]! & 0xf0) === 0x80) {
      const target = here + 6 + code.readInt32LE(at + 2);
      if (starts.has(target)) yield { at: here, isCall: false, isJump: true, target, slot: undefined };
    } else if (byte === 0xff && (code[at + 1] === 0x15 || code[at + 1] === 0x25)) {
      const slot = here + 6 + code.readInt32LE(at + 2);
      if (slots.has(slot))
        yield { at: here, isCall: code[at + 1] === 0x15, isJump: code[at + 1] === 0x25, target: undefined, slot };
    } else if ((byte === 0x8d || byte === 0x8b) && (code[at + 1]! & 0xc7) === 0x05) {
      // lea of a function's address, or mov of what the GOT has
      const target = here + 6 + code.readInt32LE(at + 2);
      if (byte === 0x8d && starts.has(target))
        yield { at: here, isCall: false, isJump: false, target, slot: undefined };
      if (byte === 0x8b && slots.has(target))
        yield { at: here, isCall: false, isJump: false, target: undefined, slot: target };
    }
  }
}

/** `jmp *slot(%rip)`, after an endbr64 or not: by the address that is called. */
function stubsIn(code: Buffer, address: number, slots: ReadonlyMap<number, string>): Map<number, number> {
  const stubs = new Map<number, number>();
  for (let at = code.indexOf(0xff); at >= 0 && at + 6 <= code.length; at = code.indexOf(0xff, at + 1)) {
    if (code[at + 1] !== 0x25) continue;
    const slot = address + at + 6 + code.readInt32LE(at + 2);
    if (!slots.has(slot)) continue;
    stubs.set(address + at, slot);
    const hasPrefix = code[at - 1] === 0xf2;
    const start = at - (hasPrefix ? 5 : 4);
    if (start >= 0 && code.readUInt32BE(start) === 0xf30f_1efa) stubs.set(address + start, slot);
  }
  return stubs;
}

function effectOf({ mnemonic, operands }: Instruction, location: Location): Effect {
  const same: Effect = { is: "from", location };
  const [first = "", second = ""] = operands;
  if (location.is === "stack") return stackEffect(mnemonic, first, second, location.offset);
  const { name } = location;
  if (mnemonic === "call") return clobbered.has(name) ? unknownEffect : same;
  if (mnemonic === "syscall") return name === "rax" || name === "rcx" || name === "r11" ? unknownEffect : same;
  if (changesImplicitly.test(mnemonic) && implicit.has(name)) return unknownEffect;
  if (unchanging.test(mnemonic)) return same;
  if (mnemonic.startsWith("xchg") && whole(second) === name) return unknownEffect;
  if (whole(first) !== name) return same;
  if (mnemonic === "xor" && first === second) return { is: "constant", value: 0 };
  if (mnemonic !== "mov" && mnemonic !== "movabs" && mnemonic !== "movsxd") return unknownEffect;
  return valueOfOperand(second);
}

/** The effect of copying this operand. */
function valueOfOperand(operand: string): Effect {
  if (/^-?(?:0x[0-9a-f]+|\d+)$/.test(operand)) {
    const value = operand.startsWith("-") ? -Number(operand.slice(1)) : Number(operand);
    return { is: "constant", value: value | 0 };
  }
  const register = whole(operand);
  if (register !== undefined) return { is: "from", location: { is: "register", name: register } };
  const offset = stackOffset(operand);
  return offset === undefined ? unknownEffect : { is: "from", location: { is: "stack", offset } };
}

function stackEffect(mnemonic: string, first: string, second: string, offset: number): Effect {
  const at = (moved: number): Effect => ({ is: "from", location: { is: "stack", offset: moved } });
  if (mnemonic === "push") return offset === 0 ? valueOfOperand(first) : at(offset - 8);
  if (mnemonic === "pop") return at(offset + 8);
  if (whole(first) === "rsp") {
    const amount = Number(second);
    if (mnemonic === "sub" && !Number.isNaN(amount)) return offset >= amount ? at(offset - amount) : unknownEffect;
    if (mnemonic === "add" && !Number.isNaN(amount)) return at(offset + amount);
    return /^(?:cmp|test)/.test(mnemonic) ? at(offset) : unknownEffect;
  }
  if (mnemonic === "leave") return unknownEffect;
  if (stackOffset(first) !== offset || /^(?:cmp|test|call|j)/.test(mnemonic)) return at(offset);
  return mnemonic === "mov" ? valueOfOperand(second) : unknownEffect;
}

/** `qword ptr [rsp + 0x18]` */
function stackOffset(operand: string): number | undefined {
  const [, , offset] = /\[rsp( \+ (0x[0-9a-f]+|\d+))?\]$/.exec(operand) ?? [];
  return /\[rsp(?: \+ (?:0x[0-9a-f]+|\d+))?\]$/.test(operand) ? Number(offset ?? 0) : undefined;
}

/** The 64-bit register of a register; undefined for other operands. */
function whole(operand: string): string | undefined {
  const low = /^(?:r|e)?(ax|bx|cx|dx|si|di|bp|sp)$/.exec(operand)?.[1];
  if (low !== undefined) return `r${low}`;
  const numbered = /^r(\d+)[dwb]?$/.exec(operand)?.[1];
  if (numbered !== undefined) return `r${numbered}`;
  const byte = /^([abcd])[lh]$/.exec(operand)?.[1];
  if (byte !== undefined) return `r${byte}x`;
  const short = /^(si|di|bp|sp)l$/.exec(operand)?.[1];
  return short === undefined ? undefined : `r${short}`;
}
