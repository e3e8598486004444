/**
 * Translates a classic filter to eBPF like the kernel: a model of `bpf_convert_filter()` (net/core/filter.c, Linux
 * 6.12), for instructions that `seccomp_check_filter()` accepts and libseccomp emits.
 */
import type { ClassicInstruction } from "../../src/backend/classic/instruction.ts";
import type { EbpfInstruction, JumpCondition, Operand } from "../../src/backend/ebpf/instructions/instruction.ts";

/** The registers of the conversion: A is R0, X R7, the context R6, and R2 is for constants (include/linux/filter.h). */
const [a, x, context, temporary] = [0, 7, 6, 2] as const;

const conditions: { readonly [operation: number]: { readonly holds: JumpCondition; readonly fails?: JumpCondition } } =
  {
    1: { holds: "equal", fails: "not-equal" },
    2: { holds: "greater", fails: "at-most" },
    3: { holds: "at-least", fails: "less" },
    4: { holds: "any-bit" },
  };

/** Throws a RangeError for an instruction that libseccomp does not emit. */
export function convertClassic(filter: readonly ClassicInstruction[]): readonly EbpfInstruction[] {
  const out: EbpfInstruction[] = [];
  const starts: number[] = [];
  /** Indexes of jumps whose targets are indexes of the classic filter. */
  const jumps: number[] = [];
  const putJump = (instruction: EbpfInstruction): void => {
    jumps.push(out.length);
    out.push(instruction);
  };
  for (const register of [a, x] as const)
    out.push({ kind: "arithmetic", operator: "xor", width: 32, destination: register, source: { register } });
  out.push({ kind: "arithmetic", operator: "move", width: 64, destination: context, source: { register: 1 } });

  filter.forEach(({ code, jt, jf, k }, index) => {
    starts.push(out.length);
    const immediate = k | 0;
    const [then, otherwise] = [index + 1 + jt, index + 1 + jf];
    switch (code) {
      case 0x20:
        out.push({ kind: "load", size: 4, destination: a, base: context, offset: k });
        break;
      case 0x54:
        out.push({ kind: "arithmetic", operator: "and", width: 32, destination: a, source: { immediate } });
        break;
      case 0x06:
        out.push({ kind: "arithmetic", operator: "move", width: 32, destination: a, source: { immediate } });
        out.push({ kind: "exit" });
        break;
      case 0x05:
        putJump({ kind: "jump-always", target: index + 1 + k });
        break;
      case 0x15:
      case 0x25:
      case 0x35:
      case 0x45: {
        let right: Operand = { immediate };
        // Immediates are sign-extended, and the comparison has 64 bits.
        if (immediate < 0) {
          const source = { immediate };
          out.push({ kind: "arithmetic", operator: "move", width: 32, destination: temporary, source });
          right = { register: temporary };
        }
        const { holds, fails } = conditions[code >> 4]!;
        const branch = (condition: JumpCondition, target: number): void =>
          putJump({ kind: "jump", condition, width: 64, left: a, right, target });
        if (jf === 0) branch(holds, then);
        else if (jt === 0 && fails !== undefined) branch(fails, otherwise);
        else {
          branch(holds, then);
          putJump({ kind: "jump-always", target: otherwise });
        }
        break;
      }
      default:
        throw new RangeError(`instruction ${index}: code 0x${code.toString(16)} is not supported`);
    }
  });
  for (const index of jumps) {
    const instruction = out[index]!;
    if (instruction.kind === "jump" || instruction.kind === "jump-always")
      out[index] = { ...instruction, target: starts[instruction.target]! };
  }
  return out;
}

/** The longest path, in instructions, of a program without loops and calls. */
export function longestPath(instructions: readonly EbpfInstruction[]): number {
  const longest = new Map<number, number>();
  const pending = [0];
  for (let index = pending.at(-1); index !== undefined; index = pending.at(-1)) {
    const instruction = instructions[index]!;
    const next =
      instruction.kind === "exit"
        ? []
        : instruction.kind === "jump-always"
          ? [instruction.target]
          : instruction.kind === "jump"
            ? [index + 1, instruction.target]
            : [index + 1];
    const missing = next.filter((target) => !longest.has(target));
    pending.push(...missing);
    if (pending.length > instructions.length * 4) throw new RangeError("the program has a loop");
    if (missing.length > 0) continue;
    longest.set(index, 1 + Math.max(0, ...next.map((target) => longest.get(target)!)));
    pending.pop();
  }
  return longest.get(0)!;
}
