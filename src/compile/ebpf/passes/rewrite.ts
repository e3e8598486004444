/** An instruction with other operands. */
import type { GraphInstruction, GraphOperand, Value } from "../graph/graph.ts";

/**
 * `registerOf` for what must be in a register, `operandOf` for what may be an immediate. Divisors and shift counts stay where
 * they are, since immediates are not taken modulo the width, nor may a divisor be 0.
 */
export function withReads(
  instruction: GraphInstruction,
  registerOf: (value: Value) => Value,
  operandOf: (operand: GraphOperand) => GraphOperand,
): GraphInstruction {
  const base = <B extends number | string>(given: B): B =>
    typeof given === "number" ? (registerOf(given) as B) : given;
  const inRegister = (operand: GraphOperand): GraphOperand =>
    "value" in operand ? { value: registerOf(operand.value) } : operand;
  switch (instruction.kind) {
    case "arithmetic": {
      const { operator } = instruction;
      const anyImmediate = !/^(?:divide|remainder|shift)/.test(operator);
      const right = (anyImmediate ? operandOf : inRegister)(instruction.right);
      return { ...instruction, left: registerOf(instruction.left), right };
    }
    case "copy":
    case "sign-extend":
      return { ...instruction, source: registerOf(instruction.source) };
    case "load":
      return { ...instruction, base: base(instruction.base) };
    case "store":
      return { ...instruction, base: base(instruction.base), source: operandOf(instruction.source) };
    case "atomic-add":
      return { ...instruction, base: registerOf(instruction.base), amount: operandOf(instruction.amount) };
    case "call":
      return {
        ...instruction,
        arguments: instruction.arguments.map((argument) => {
          if ("addressOf" in argument) return { ...argument, addressOf: registerOf(argument.addressOf) };
          return "value" in argument ? operandOf(argument) : argument;
        }),
      };
    case "constant":
    case "parameter":
      return instruction;
  }
}
