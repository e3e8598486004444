/**
 * A classic BPF machine for cases and tests. It follows the kernel's rules and shares no code with the compiler. It is
 * stricter than the kernel: it refuses a filter that `bpf_check_classic()` (net/core/filter.c) or
 * `seccomp_check_filter()` (kernel/seccomp.c) would refuse before the first step, whether or not the instruction is
 * reached.
 */
import { type ClassicInstruction, maximumInstructions } from "./instruction.ts";

/** The filter's view of a call: `struct seccomp_data`. */
export interface ClassicInput {
  /** Any 32 bits, unsigned or signed. */
  readonly number: number;
  readonly architecture: number;
  readonly instructionPointer: bigint;
  /** Six registers. */
  readonly arguments: readonly bigint[];
}

export interface ClassicRun {
  /** `SECCOMP_RET_… | data`. */
  readonly word: number;
  /** Instructions executed, including the return. */
  readonly steps: number;
  /** The index of each executed instruction, in order. */
  readonly path: readonly number[];
}

const dataSize = 64;

const isTest = (code: number): boolean => code === 0x15 || code === 0x25 || code === 0x35 || code === 0x45;

/** Throws if the kernel would refuse the filter; the message names the instruction. */
export function checkClassic(instructions: readonly ClassicInstruction[]): void {
  const length = instructions.length;
  if (length < 1 || length > maximumInstructions) throw new Error(`a filter of ${length} instructions`);
  instructions.forEach(({ code, jt, jf, k }, index) => {
    const refuse = (why: string) => {
      throw new Error(`instruction ${index} (code ${code}, jt ${jt}, jf ${jf}, k ${k}): ${why}`);
    };
    const within = (value: number, end: number) => Number.isInteger(value) && value >= 0 && value < end;
    if (!within(code, 2 ** 16) || !within(jt, 2 ** 8) || !within(jf, 2 ** 8) || !within(k, 2 ** 32)) {
      refuse("a field does not fit");
    }
    switch (code) {
      case 0x20: // BPF_LD | BPF_W | BPF_ABS
        if (k % 4 !== 0 || k >= dataSize) refuse("loads from outside of struct seccomp_data");
        break;
      case 0x54: // BPF_ALU | BPF_AND | BPF_K
      case 0x0c: // BPF_ALU | BPF_ADD | BPF_X
      case 0x07: // BPF_MISC | BPF_TAX
      case 0x06: // BPF_RET | BPF_K
        break;
      case 0x05: // BPF_JMP | BPF_JA
        if (index + 1 + k >= length) refuse("jumps out of the filter");
        break;
      case 0x15: // BPF_JMP | BPF_JEQ | BPF_K
      case 0x25: // BPF_JMP | BPF_JGT | BPF_K
      case 0x35: // BPF_JMP | BPF_JGE | BPF_K
      case 0x45: // BPF_JMP | BPF_JSET | BPF_K
        if (index + 1 + jt >= length || index + 1 + jf >= length) refuse("jumps out of the filter");
        break;
      default:
        refuse("unknown to this machine");
    }
  });
  if (instructions[length - 1]!.code !== 0x06) throw new Error("the last instruction is not a return");
}

/** `struct seccomp_data` in little-endian order. */
export function encodeInput(input: ClassicInput): DataView {
  const view = new DataView(new ArrayBuffer(dataSize));
  view.setUint32(0, input.number >>> 0, true);
  view.setUint32(4, input.architecture >>> 0, true);
  view.setBigUint64(8, BigInt.asUintN(64, input.instructionPointer), true);
  input.arguments.forEach((value, index) => {
    view.setBigUint64(16 + 8 * index, BigInt.asUintN(64, value), true);
  });
  return view;
}

/** Runs a filter that `checkClassic` accepts. */
export function runClassic(instructions: readonly ClassicInstruction[], input: ClassicInput): ClassicRun {
  const data = encodeInput(input);
  const path: number[] = [];
  let a = 0;
  let x = 0;
  for (let index = 0; ; ) {
    const instruction = instructions[index];
    if (instruction === undefined) throw new Error(`instruction ${index} does not exist`);
    path.push(index);
    const { code, jt, jf, k } = instruction;
    index += 1;
    switch (code) {
      case 0x20:
        a = data.getUint32(k, true);
        break;
      case 0x54:
        a = (a & k) >>> 0;
        break;
      case 0x0c:
        a = (a + x) >>> 0;
        break;
      case 0x07:
        x = a;
        break;
      case 0x05:
        index += k;
        break;
      case 0x15:
        index += a === k ? jt : jf;
        break;
      case 0x25:
        index += a > k ? jt : jf;
        break;
      case 0x35:
        index += a >= k ? jt : jf;
        break;
      case 0x45:
        index += (a & k) !== 0 ? jt : jf;
        break;
      case 0x06:
        return { word: k, steps: path.length, path };
      default:
        throw new Error(`code ${code} at ${index - 1} is unknown to this machine`);
    }
  }
}

/** The most instructions that any input can execute. */
export function longestPath(instructions: readonly ClassicInstruction[]): number {
  const longest = new Array<number>(instructions.length).fill(0);
  for (let index = instructions.length - 1; index >= 0; index--) {
    const { code, jt, jf, k } = instructions[index]!;
    const next =
      code === 0x06
        ? []
        : code === 0x05
          ? [index + 1 + k]
          : isTest(code)
            ? [index + 1 + jt, index + 1 + jf]
            : [index + 1];
    longest[index] = 1 + Math.max(0, ...next.map((target) => longest[target]!));
  }
  return longest[0]!;
}
