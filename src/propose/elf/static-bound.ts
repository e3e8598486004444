/**
 * Finds a static bound on the calls of a program: the numbers that its `syscall` instructions can have in rax. It walks
 * back from each instruction to the constants that reach it, through jumps, moves, the stack and callers. It counts the
 * instructions that it cannot resolve.
 */
import { callByNumber } from "../../linux/calls.ts";
import { CallGraph } from "./call-graph.ts";
import type { Disassembler, Instruction } from "./disassembler.ts";
import type { ElfImage } from "./image.ts";
import { readImages } from "./libraries.ts";

export interface StaticBound {
  /** Sorted names of calls. */
  readonly calls: readonly string[];
  readonly files: readonly string[];
  /** The number of reachable `syscall` instructions. */
  readonly sites: number;
  /** Those of them with a computed number, or one that is passed in a way that the walk does not follow. */
  readonly unresolved: readonly string[];
  /** Needed libraries that were not found. */
  readonly missing: readonly string[];
  /** Whether the program can load further libraries. */
  readonly loadsLibraries: boolean;
}

/**
 * @param modules libraries that the program loads by itself (dlopen)
 * @throws ElfError, or Node's error if a file cannot be read
 */
export function findStaticBound(
  program: string,
  disassembler: Disassembler,
  modules: readonly string[] = [],
): StaticBound {
  const { list, missing } = readImages(program, modules);
  const graph = new CallGraph(list);
  const tracer = new Tracer(graph, disassembler);
  const unresolved = new Set<string>();
  const numbers = new Set<number>();
  let sites = 0;
  for (const image of list) {
    for (const start of graph.reachedIn(image)) {
      const code = image.code(start);
      if (code.indexOf(syscallBytes) < 0) continue;
      for (const at of tracer.sitesIn(image, start)) {
        sites++;
        const found = tracer.valuesAt(image, start, at, { is: "register", name: "rax" });
        for (const number of found.values) numbers.add(number);
        if (found.isOpen) unresolved.add(`${image.file}+0x${at.toString(16)}`);
      }
    }
  }
  const calls = [...numbers].flatMap((number) => callByNumber("x86_64", number)?.name ?? []);
  return {
    calls: [...new Set(calls)].sort(),
    files: list.map(({ file }) => file),
    sites,
    unresolved: [...unresolved].sort(),
    missing,
    loadsLibraries: graph.imported.has("dlopen") || graph.imported.has("__libc_dlopen_mode"),
  };
}

const syscallBytes = Buffer.from([0x0f, 0x05]);

type Location =
  | { readonly is: "register"; readonly name: string }
  /** Bytes above the stack pointer. */
  | { readonly is: "stack"; readonly offset: number };

interface Found {
  readonly values: ReadonlySet<number>;
  /** Other values are also possible. */
  readonly isOpen: boolean;
}

/** The effect of an instruction on a location: unchanged, a constant, or unknown. */
type Effect =
  | { readonly is: "from"; readonly location: Location }
  | { readonly is: "constant"; readonly value: number }
  | { readonly is: "unknown" };

const unknownEffect: Effect = { is: "unknown" };
/** The depth of callers of callers. */
const mostDepth = 5;
const parameters: ReadonlySet<string> = new Set(["rdi", "rsi", "rdx", "rcx", "r8", "r9"]);
const clobbered: ReadonlySet<string> = new Set(["rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11"]);
/** Registers that instructions change without naming them. */
const implicit: ReadonlySet<string> = new Set(["rax", "rcx", "rdx", "rsi", "rdi"]);
const unchanging =
  /^(?:cmp|test|j|nop|endbr|push|ret|bt$|lock|prefetch|ud2|leave|ucomi|comi|mfence|lfence|sfence|pause)/;
const changesImplicitly =
  /^(?:cpuid|rdtsc|mul|imul|div|idiv|cqo|cdq|cdqe|cwde|rep|movs|stos|scas|cmps|lods|xgetbv|cmpxchg|rdfsbase)/;

class Tracer {
  readonly #graph: CallGraph;
  readonly #disassembler: Disassembler;
  readonly #code = new Map<ElfImage, Map<number, Code>>();
  readonly #known = new Map<string, Found>();

  constructor(graph: CallGraph, disassembler: Disassembler) {
    this.#graph = graph;
    this.#disassembler = disassembler;
  }

  sitesIn(image: ElfImage, start: number): number[] {
    return this.#codeOf(image, start)
      .list.filter(({ mnemonic }) => mnemonic === "syscall")
      .map(({ address }) => address);
  }

  /** The values that the location can have just before the instruction. */
  valuesAt(image: ElfImage, start: number, at: number, location: Location, depth = 0): Found {
    const code = this.#codeOf(image, start);
    const values = new Set<number>();
    let isOpen = false;
    const seen = new Set<string>();
    const rest: { index: number; location: Location }[] = [];
    const visit = (index: number, where: Location) => {
      const key = `${index} ${keyOf(where)}`;
      if (seen.has(key)) return;
      seen.add(key);
      rest.push({ index, location: where });
    };
    const first = code.indexOf.get(at);
    if (first === undefined) return { values, isOpen: true };
    visit(first, location);
    for (const { index, location: where } of rest) {
      const before = code.before(index);
      if (index === 0) {
        const passed = this.#passed(image, start, where, depth);
        for (const value of passed.values) values.add(value);
        isOpen ||= passed.isOpen;
      } else if (before.length === 0) isOpen = true;
      for (const previous of before) {
        const effect = effectOf(code.list[previous]!, where);
        if (effect.is === "constant") values.add(effect.value);
        else if (effect.is === "unknown") isOpen = true;
        else visit(previous, effect.location);
      }
    }
    return { values, isOpen };
  }

  /** The values that callers pass in a parameter of the function. */
  #passed(image: ElfImage, start: number, location: Location, depth: number): Found {
    const isParameter = location.is === "register" ? parameters.has(location.name) : location.offset > 0;
    if (!isParameter || depth >= mostDepth) return { values: new Set(), isOpen: true };
    const key = `${image.file} ${start} ${keyOf(location)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    // A recursion adds nothing.
    this.#known.set(key, { values: new Set(), isOpen: false });
    const values = new Set<number>();
    let isOpen = this.#graph.isTaken(image, start);
    for (const { image: other, caller, at, isJump } of this.#graph.callersOf(image, start)) {
      if (!this.#graph.isReached(other, caller) || (other === image && caller === start)) continue;
      // Bytes that only look like a call are in no list of instructions.
      if (this.#codeOf(other, caller).indexOf.get(at) === undefined) continue;
      const there: Location =
        location.is === "stack" && !isJump ? { is: "stack", offset: location.offset - 8 } : location;
      const found = this.valuesAt(other, caller, at, there, depth + 1);
      for (const value of found.values) values.add(value);
      isOpen ||= found.isOpen;
    }
    const found = { values, isOpen };
    this.#known.set(key, found);
    return found;
  }

  #codeOf(image: ElfImage, start: number): Code {
    const ofImage = this.#code.get(image) ?? new Map<number, Code>();
    this.#code.set(image, ofImage);
    let code = ofImage.get(start);
    if (code === undefined) {
      code = new Code(this.#disassembler.disassemble(image.code(start), start));
      ofImage.set(start, code);
    }
    return code;
  }
}

/** The instructions of a function, and the predecessors of each. */
class Code {
  readonly list: readonly Instruction[];
  readonly indexOf: ReadonlyMap<number, number>;
  readonly #before: readonly number[][];

  constructor(list: readonly Instruction[]) {
    this.list = list;
    this.indexOf = new Map(list.map(({ address }, index) => [address, index]));
    const before: number[][] = list.map(() => []);
    list.forEach(({ mnemonic, operands }, index) => {
      const isEnd = /^(?:jmp|ret|ud2|hlt)/.test(mnemonic);
      if (!isEnd && index + 1 < list.length) before[index + 1]!.push(index);
      const target = mnemonic.startsWith("j") ? this.indexOf.get(Number(operands[0])) : undefined;
      if (target !== undefined) before[target]!.push(index);
    });
    this.#before = before;
  }

  before(index: number): readonly number[] {
    return this.#before[index]!;
  }
}

function keyOf(location: Location): string {
  return location.is === "register" ? location.name : `+${location.offset}`;
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

/** The effect on the location that is copied. */
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
