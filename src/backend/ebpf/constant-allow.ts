/**
 * Finds the calls that the kernel can prove to be always allowed, for which it need not run the program. This repeats the
 * kernel's proof (`seccomp_ebpf_const_allow`) on the same program.
 *
 * The walk knows only the call's number and the architecture. An exit with SECCOMP_RET_ALLOW is a proof. The walk gives up
 * at a branch on an unknown value, a call, an atomic operation, a store outside of the stack, and after 4,096 steps.
 */
import { returnAction } from "../../abi/return-word.ts";
import type { ArithmeticOperator, EbpfInstruction, Operand, Register } from "./instructions/instruction.ts";
import { conditionHolds, foldArithmetic } from "./instructions/semantics.ts";
import { architectureOffset, callContext } from "./lower/seccomp-data.ts";

const mostSteps = 4096;

/** `nr` and `arch` of `struct seccomp_data`. */
const known = { number: callContext.number.offset, architecture: architectureOffset } as const;

/** Whether the program only returns SECCOMP_RET_ALLOW for this call. `number` is unsigned. */
export function isConstantAllow(
  instructions: readonly EbpfInstruction[],
  number: number,
  architecture: number,
): boolean {
  const registers = new Map<Register, bigint>();
  let context: ReadonlySet<Register> = new Set<Register>([1]);
  const value = (operand: Operand): bigint | undefined =>
    "register" in operand ? registers.get(operand.register) : BigInt.asUintN(64, BigInt(operand.immediate));
  const set = (register: Register, to: bigint | undefined): void => {
    if (to === undefined) registers.delete(register);
    else registers.set(register, to);
  };

  let next = 0;
  for (let step = 0; step < mostSteps; step += 1) {
    const instruction = instructions[next];
    next += 1;
    switch (instruction?.kind) {
      case "arithmetic": {
        const { destination, operator, source, width } = instruction;
        const fromContext = operator === "move" && width === 64 && "register" in source && context.has(source.register);
        const left = operator === "move" ? 0n : registers.get(destination);
        const right = value(source);
        set(destination, left === undefined || right === undefined ? undefined : compute(operator, width, left, right));
        context = withOrWithout(context, destination, fromContext);
        break;
      }
      case "negate":
      case "sign-extend":
        set(instruction.destination, undefined);
        context = withOrWithout(context, instruction.destination, false);
        break;
      case "wide":
        set(instruction.destination, instruction.value.is === "value" ? instruction.value.value : undefined);
        context = withOrWithout(context, instruction.destination, false);
        break;
      case "load": {
        const { base, destination, offset, size } = instruction;
        const word = context.has(base) && size === 4 ? offset : -1;
        set(
          destination,
          word === known.number
            ? BigInt(number >>> 0)
            : word === known.architecture
              ? BigInt(architecture >>> 0)
              : undefined,
        );
        context = withOrWithout(context, destination, false);
        break;
      }
      case "store":
        if (instruction.base !== 10) return false;
        break;
      case "jump": {
        const [left, right] = [registers.get(instruction.left), value(instruction.right)];
        if (left === undefined || right === undefined) return false;
        if (conditionHolds(instruction.condition, instruction.width, left, right)) next = instruction.target;
        break;
      }
      case "jump-always":
        next = instruction.target;
        break;
      case "exit":
        return BigInt.asUintN(32, registers.get(0) ?? 0n) === BigInt(returnAction.ALLOW);
      default:
        return false;
    }
  }
  return false;
}

function withOrWithout(set: ReadonlySet<Register>, register: Register, with_: boolean): ReadonlySet<Register> {
  if (set.has(register) === with_) return set;
  return new Set(with_ ? [...set, register] : [...set].filter((other) => other !== register));
}

/** Undefined for operations that the kernel's proof does not evaluate. */
function compute(operator: ArithmeticOperator, width: 32 | 64, left: bigint, right: bigint): bigint | undefined {
  if (operator === "move") return BigInt.asUintN(width, right);
  return operator === "shift-right-signed" ? undefined : foldArithmetic(operator, width, left, right);
}
