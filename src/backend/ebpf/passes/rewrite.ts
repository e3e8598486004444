/** Replaces the operands of an instruction. */
import type { GraphInstruction, GraphOperand, Value } from "../graph/graph.ts";

/**
 * `registerOf` is for operands that must be in a register, `operandOf` for those that may be an immediate. Divisors and
 * shift counts stay in registers, because immediate shift counts are not taken modulo the width and an immediate
 * divisor must not be 0.
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
