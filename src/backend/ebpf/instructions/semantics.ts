/**
 * The results of arithmetic and conditions in eBPF (Documentation/bpf/standardization/instruction-set.rst): for passes that
 * fold constants, and for the interpreter of the tests. The tests compare that interpreter's results with those of the IR's.
 */
import type { ArithmeticOperator, JumpCondition } from "./instruction.ts";

/** The destination's new value. Only the low `width` bits of the operands count; the rest of the result is 0. */
export function arithmetic(operator: ArithmeticOperator, width: 32 | 64, left: bigint, right: bigint): bigint {
  const cut = (value: bigint): bigint => BigInt.asUintN(width, value);
  const signed = (value: bigint): bigint => BigInt.asIntN(width, value);
  const [a, b] = [cut(left), cut(right)];
  const count = b & BigInt(width - 1);
  switch (operator) {
    case "move":
      return b;
    case "add":
      return cut(a + b);
    case "subtract":
      return cut(a - b);
    case "multiply":
      return cut(a * b);
    case "divide":
      return b === 0n ? 0n : a / b;
    case "divide-signed":
      return b === 0n ? 0n : cut(signed(a) / signed(b));
    case "remainder":
      return b === 0n ? a : a % b;
    case "remainder-signed":
      return b === 0n ? a : cut(signed(a) % signed(b));
    case "or":
      return a | b;
    case "and":
      return a & b;
    case "xor":
      return a ^ b;
    case "shift-left":
      return cut(a << count);
    case "shift-right":
      return a >> count;
    case "shift-right-signed":
      return cut(signed(a) >> count);
  }
}

/** The constant that an instruction comes to; undefined for division and remainder, which are left to the machine. */
export function foldArithmetic(
  operator: Exclude<ArithmeticOperator, "move">,
  width: 32 | 64,
  left: bigint,
  right: bigint,
): bigint | undefined {
  switch (operator) {
    case "divide":
    case "divide-signed":
    case "remainder":
    case "remainder-signed":
      return undefined;
    default:
      return arithmetic(operator, width, left, right);
  }
}

/** Whether the jump is taken. */
export function conditionHolds(condition: JumpCondition, width: 32 | 64, left: bigint, right: bigint): boolean {
  const cut = condition.endsWith("-signed") ? BigInt.asIntN : BigInt.asUintN;
  const [a, b] = [cut(width, left), cut(width, right)];
  switch (condition) {
    case "equal":
      return a === b;
    case "not-equal":
      return a !== b;
    case "any-bit":
      return (a & b) !== 0n;
    case "greater":
    case "greater-signed":
      return a > b;
    case "at-least":
    case "at-least-signed":
      return a >= b;
    case "less":
    case "less-signed":
      return a < b;
    case "at-most":
    case "at-most-signed":
      return a <= b;
  }
}
