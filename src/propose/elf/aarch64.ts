/** arm64 for the static bound. */
import type { Instruction } from "./disassembler.ts";
import { type CodeOfImage, type Edge, type Effect, type Location, type Machine, unknownEffect } from "./machine.ts";

/** svc #0 */
const kernelCall = 0xd400_0001;
/** bti c, before a function or a stub that a pointer may lead to */
const landing = 0xd503_245f;

export const aarch64: Machine = {
  architecture: "aarch64",
  number: "x8",
  parameters: new Set(Array.from({ length: 8 }, (_, index) => `x${index}`)),
  third: "x2",
  pushed: 0,
  // R_AARCH64_GLOB_DAT, R_AARCH64_JUMP_SLOT
  readByCode: new Set([1025, 1026]),
  mayCall(code) {
    for (let at = 0; at + 4 <= code.length; at += 4) if (code.readUInt32LE(at) === kernelCall) return true;
    return false;
  },
  isKernelCall: ({ mnemonic, operands }) => mnemonic === "svc" && Number(operands[0]?.slice(1)) === 0,
  isEnd: ({ mnemonic }) => /^(?:b|br|ret|retaa|retab|braa|brab|udf|brk|hlt)$/.test(mnemonic),
  targetOf({ mnemonic, operands }) {
    if (!/^(?:b|b\..*|cbn?z|tbn?z)$/.test(mnemonic)) return undefined;
    return Number(operands.at(-1)!.slice(1));
  },
  effectOf,
  edgesIn,
};

// ── The graph ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Signed, of a field of the instruction. */
function field(word: number, low: number, width: number): number {
  return (word << (32 - low - width)) >> (32 - width);
}

/** The immediate of adr and adrp, 21 bits. */
function pageOffset(word: number): number {
  return field(word, 5, 19) * 4 + ((word >>> 29) & 3);
}

function* edgesIn({ code, address, starts, slots }: CodeOfImage): Generator<Edge> {
  const stubs = stubsIn(code, address, slots);
  /** The last value that adrp gave each register. A register that has changed since only adds functions. */
  const pages = new Array<number | undefined>(32);
  const jump = (at: number, target: number, isCall: boolean): Edge | undefined => {
    const slot = stubs.get(target);
    if (slot !== undefined) return { at, isCall, isJump: !isCall, target: undefined, slot };
    return starts.has(target) ? { at, isCall, isJump: !isCall, target, slot: undefined } : undefined;
  };
  const plain = { isCall: false, isJump: false } as const;
  for (let offset = 0; offset + 4 <= code.length; offset += 4) {
    const word = code.readUInt32LE(offset);
    const at = address + offset;
    const [first, second] = [word & 31, (word >>> 5) & 31];
    let edge: Edge | undefined;
    if ((word & 0x7c00_0000) === 0x1400_0000) edge = jump(at, at + 4 * field(word, 0, 26), word >>> 31 === 1);
    else if ((word & 0xff00_0010) >>> 0 === 0x5400_0000 || (word & 0x7e00_0000) === 0x3400_0000)
      edge = jump(at, at + 4 * field(word, 5, 19), false);
    else if ((word & 0x7e00_0000) === 0x3600_0000) edge = jump(at, at + 4 * field(word, 5, 14), false);
    else if ((word & 0x9f00_0000) >>> 0 === 0x1000_0000) {
      const target = at + pageOffset(word);
      if (starts.has(target)) edge = { at, ...plain, target, slot: undefined };
    } else if ((word & 0x9f00_0000) >>> 0 === 0x9000_0000) pages[first] = at - (at % 4096) + 4096 * pageOffset(word);
    else if ((word & 0xff80_0000) >>> 0 === 0x9100_0000 && pages[second] !== undefined) {
      const amount = ((word >>> 10) & 0xfff) * ((word & 0x40_0000) === 0 ? 1 : 4096);
      const target = pages[second] + amount;
      if (starts.has(target)) edge = { at, ...plain, target, slot: undefined };
    } else if ((word & 0xffc0_0000) >>> 0 === 0xf940_0000 && pages[second] !== undefined) {
      const slot = pages[second] + 8 * ((word >>> 10) & 0xfff);
      if (slots.has(slot) && !stubs.has(at - 4)) edge = { at, ...plain, target: undefined, slot };
    }
    if (edge !== undefined) yield edge;
  }
}

/** `adrp x16, page; ldr x17, [x16, #slot]; …; br x17`: by the address that is called. */
function stubsIn(code: Buffer, address: number, slots: ReadonlyMap<number, string>): Map<number, number> {
  const stubs = new Map<number, number>();
  for (let offset = 0; offset + 8 <= code.length; offset += 4) {
    const [page, load] = [code.readUInt32LE(offset), code.readUInt32LE(offset + 4)];
    if ((page & 0x9f00_001f) >>> 0 !== 0x9000_0010 || (load & 0xffc0_03ff) >>> 0 !== 0xf940_0211) continue;
    const at = address + offset;
    const slot = at - (at % 4096) + 4096 * pageOffset(page) + 8 * ((load >>> 10) & 0xfff);
    if (!slots.has(slot)) continue;
    stubs.set(at, slot);
    if (offset >= 4 && code.readUInt32LE(offset - 4) === landing) stubs.set(at - 4, slot);
  }
  return stubs;
}

// ── Instructions ────────────────────────────────────────────────────────────────────────────────────────────────────

/** The callee saves x19 to x29. */
const saved = /^x(?:19|2\d)$/;
const writesNothing =
  /^(?:cmp|cmn|tst|ccmp|ccmn|fcmp|fccmp|b$|b\.|br|cb|tb|ret|nop|hint|bti|pac|aut|xpac|dmb|dsb|isb|sb$|prf|msr|dc$|ic$|tlbi|sys$|brk|udf|yield|wf|sev|clrex|str|stp|stur|stnp|stlr|stlur|sttr|st1|st2|st3|st4)/;
/** Their second operand is written too. */
const writesTwo = /^(?:ldp|ldnp|ldpsw|ldxp|ldaxp|swp|ldadd|ldclr|ldeor|ldset|ldsm|ldum|casp)/;

function effectOf(instruction: Instruction, location: Location): Effect {
  const { mnemonic, operands } = instruction;
  const same: Effect = { is: "from", location };
  if (location.is === "stack") return stackEffect(instruction, location.offset);
  const { name } = location;
  if (mnemonic === "bl" || mnemonic.startsWith("blr")) return saved.test(name) ? same : unknownEffect;
  if (mnemonic === "svc") return name === "x0" ? unknownEffect : same;
  if (movesBase(operands) === name) return unknownEffect;
  const [first = "", second = "", third = ""] = operands;
  if (writesNothing.test(mnemonic)) return same;
  const isPair = writesTwo.test(mnemonic);
  if (isPair && whole(second) === name && /^ldn?p$/.test(mnemonic)) return loaded(third, widthOf(second));
  if (isPair && whole(second) === name) return unknownEffect;
  if (whole(first) !== name) return same;
  if (/^ldn?p$/.test(mnemonic)) return loaded(third, 0);
  if (mnemonic === "ldr" || mnemonic === "ldur") return operands.length > 2 ? unknownEffect : loaded(second, 0);
  // uxtw and sxtw: a number has 32 bits.
  if (!/^(?:mov|movz|uxtw|sxtw)$/.test(mnemonic) || operands.length > 2) return unknownEffect;
  return valueOfOperand(second);
}

/** The value of a register that is stored or copied. */
function valueOfOperand(operand: string): Effect {
  if (/^#-?(?:0x[0-9a-f]+|\d+)$/.test(operand)) {
    const text = operand.slice(1);
    const value = text.startsWith("-") ? -Number(text.slice(1)) : Number(text);
    return { is: "constant", value: value | 0 };
  }
  if (operand === "xzr" || operand === "wzr") return { is: "constant", value: 0 };
  const name = whole(operand);
  return name === undefined ? unknownEffect : { is: "from", location: { is: "register", name } };
}

/** @param more bytes behind the address */
function loaded(operand: string, more: number): Effect {
  const offset = stackOffset(operand);
  return offset === undefined ? unknownEffect : { is: "from", location: { is: "stack", offset: offset + more } };
}

function stackEffect({ mnemonic, operands }: Instruction, offset: number): Effect {
  const at = (moved: number): Effect =>
    moved < 0 ? unknownEffect : { is: "from", location: { is: "stack", offset: moved } };
  const [first = "", second = "", third = ""] = operands;
  if (first === "sp") {
    const amount = Number(third.slice(1));
    if (second !== "sp" || Number.isNaN(amount)) return mnemonic === "cmp" ? at(offset) : unknownEffect;
    if (mnemonic === "sub") return at(offset - amount);
    return mnemonic === "add" ? at(offset + amount) : unknownEffect;
  }
  const isPair = /^(?:stn?p|ldn?p)$/.test(mnemonic);
  const place = isPair ? third : second;
  const after = Number((isPair ? operands[3] : third)?.slice(1));
  const isPre = place.endsWith("]!");
  const written = stackOffset(place);
  const isStore = /^(?:str|stur|stn?p)$/.test(mnemonic);
  // Addresses are relative to the stack pointer behind the instruction.
  const moved = written === undefined ? 0 : isPre ? written : place === "[sp]" && !Number.isNaN(after) ? after : 0;
  if (isStore && written !== undefined) {
    const start = written - moved;
    if (offset === start) return valueOfOperand(first);
    if (isPair && offset === start + widthOf(first)) return valueOfOperand(second);
  }
  return at(offset + moved);
}

/** `[sp, #0x18]`, with `!` too */
function stackOffset(operand: string): number | undefined {
  const match = /^\[sp(?:, #(-)?(0x[0-9a-f]+|\d+))?\]!?$/.exec(operand);
  if (match === null) return undefined;
  const amount = Number(match[2] ?? 0);
  return match[1] === undefined ? amount : -amount;
}

/** The register that an access moves: `[x1, #8]!`, or `[x1], #8` */
function movesBase(operands: readonly string[]): string | undefined {
  const index = operands.findIndex((one) => one.startsWith("["));
  const operand = operands[index];
  if (operand === undefined || !(operand.endsWith("!") || index + 1 < operands.length)) return undefined;
  return whole(/^\[(\w+)/.exec(operand)?.[1] ?? "");
}

function widthOf(register: string): number {
  return register.startsWith("w") ? 4 : 8;
}

/** The 64-bit register of a register; undefined for other operands. */
function whole(operand: string): string | undefined {
  const number = /^[xw](\d+)$/.exec(operand)?.[1];
  return number === undefined ? undefined : `x${number}`;
}
