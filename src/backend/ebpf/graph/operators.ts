/** Maps the IR's operators to eBPF's. */
import type { CompareOperator } from "../../../ir/program.ts";
import type { ArithmeticOperator, JumpCondition } from "../instructions/instruction.ts";

export const operators: { readonly [operator: string]: Exclude<ArithmeticOperator, "move"> } = {
  add: "add",
  subtract: "subtract",
  multiply: "multiply",
  "divide-unsigned": "divide",
  "divide-signed": "divide-signed",
  "remainder-unsigned": "remainder",
  "remainder-signed": "remainder-signed",
  and: "and",
  or: "or",
  xor: "xor",
  "shift-left": "shift-left",
  "shift-right-unsigned": "shift-right",
  "shift-right-signed": "shift-right-signed",
};

export const conditions: { readonly [O in CompareOperator]: JumpCondition } = {
  equal: "equal",
  "not-equal": "not-equal",
  "less-unsigned": "less",
  "less-or-equal-unsigned": "at-most",
  "less-signed": "less-signed",
  "less-or-equal-signed": "at-most-signed",
};

/** The condition with exchanged operands. */
export const mirrored: { readonly [C in JumpCondition]?: JumpCondition } = {
  equal: "equal",
  "not-equal": "not-equal",
  less: "greater",
  "at-most": "at-least",
  "less-signed": "greater-signed",
  "at-most-signed": "at-least-signed",
};

/** Operators with exchangeable operands. */
export const commutative: ReadonlySet<ArithmeticOperator> = new Set(["add", "multiply", "and", "or", "xor"]);

/** The negated condition; undefined if the machine has none. */
export const opposite: { readonly [C in JumpCondition]: JumpCondition | undefined } = {
  equal: "not-equal",
  "not-equal": "equal",
  greater: "at-most",
  "at-most": "greater",
  less: "at-least",
  "at-least": "less",
  "greater-signed": "at-most-signed",
  "at-most-signed": "greater-signed",
  "less-signed": "at-least-signed",
  "at-least-signed": "less-signed",
  "any-bit": undefined,
};
