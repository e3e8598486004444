/** Evaluates instructions and branches on constants (Documentation/bpf/standardization). */
import type { ArithmeticOperator, JumpCondition } from "./instruction.ts";

/** Undefined for division, which is left to the machine. Both patterns have 64 bits. */
export function foldArithmetic(
  operator: Exclude<ArithmeticOperator, "move">,
  width: 32 | 64,
  left: bigint,
  right: bigint,
): bigint | undefined {
  const [a, b] = [BigInt.asUintN(width, left), BigInt.asUintN(width, right)];
  const count = b % BigInt(width);
  const cut = (value: bigint): bigint => BigInt.asUintN(width, value);
  switch (operator) {
    case "add":
      return cut(a + b);
    case "subtract":
      return cut(a - b);
    case "multiply":
      return cut(a * b);
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "shift-left":
      return cut(a << count);
    case "shift-right":
      return a >> count;
    case "shift-right-signed":
      return cut(BigInt.asIntN(width, a) >> count);
    default:
      return undefined;
  }
}

export function foldCondition(condition: JumpCondition, width: 32 | 64, left: bigint, right: bigint): boolean {
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
