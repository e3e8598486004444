/**
 * Smart constructors of integer expressions; operands are already simplified. All rules hold modulo 2^64, because
 * arithmetic wraps.
 */
import { maximumWord } from "../../abi/word.ts";
import { binaryOperations, extend, pattern } from "../arithmetic.ts";
import { equalExpressions } from "../equality.ts";
import type { BinaryOperator, BooleanExpression, IntegerExpression } from "../program.ts";
import type { Ranges } from "./ranges.ts";

type Binary = Extract<IntegerExpression, { kind: "binary" }>;
type Rule = (left: IntegerExpression, right: IntegerExpression, ranges: Ranges) => IntegerExpression | undefined;

export function constant(value: bigint): IntegerExpression {
  return { kind: "constant", value: pattern(value) };
}

const zero = constant(0n);
const one = constant(1n);

export function binary(
  operator: BinaryOperator,
  left: IntegerExpression,
  right: IntegerExpression,
  ranges: Ranges,
): IntegerExpression {
  if (left.kind === "constant" && right.kind === "constant") {
    return constant(binaryOperations[operator](left.value, right.value));
  }
  if (left.kind === "constant" && commutative.has(operator)) return binary(operator, right, left, ranges);
  return rules[operator](left, right, ranges) ?? { kind: "binary", operator, left, right };
}

const commutative: ReadonlySet<BinaryOperator> = new Set(["add", "multiply", "and", "or", "xor"]);

const rules: { readonly [O in BinaryOperator]: Rule } = {
  add(left, right, ranges) {
    if (right.kind !== "constant") return undefined;
    if (right.value === 0n) return left;
    return reassociate("add", left, right.value, ranges);
  },
  subtract(left, right, ranges) {
    if (right.kind === "constant") return binary("add", left, constant(-right.value), ranges);
    return equalExpressions(left, right) ? zero : undefined;
  },
  multiply(left, right, ranges) {
    if (right.kind !== "constant") return undefined;
    if (right.value === 0n) return zero;
    if (right.value === 1n) return left;
    const shift = powerOfTwo(right.value);
    if (shift !== undefined) return binary("shift-left", left, constant(shift), ranges);
    return reassociate("multiply", left, right.value, ranges);
  },
  "divide-unsigned"(left, right, ranges) {
    if (right.kind !== "constant") return isZero(left) ? zero : undefined;
    if (right.value === 0n) return zero;
    const shift = powerOfTwo(right.value);
    return shift === undefined ? undefined : binary("shift-right-unsigned", left, constant(shift), ranges);
  },
  "divide-signed"(left, right) {
    if (isZero(left)) return zero;
    if (right.kind !== "constant") return undefined;
    if (right.value === 0n) return zero;
    return right.value === 1n ? left : undefined;
  },
  "remainder-unsigned"(left, right, ranges) {
    if (isZero(left)) return zero;
    if (right.kind !== "constant") return undefined;
    if (right.value === 0n) return left;
    return powerOfTwo(right.value) === undefined ? undefined : binary("and", left, constant(right.value - 1n), ranges);
  },
  "remainder-signed"(left, right) {
    if (isZero(left)) return zero;
    if (right.kind !== "constant") return undefined;
    if (right.value === 0n) return left;
    return right.value === 1n || right.value === maximumWord ? zero : undefined;
  },
  and(left, right, ranges) {
    if (equalExpressions(left, right)) return left;
    return right.kind === "constant" ? masked(left, right.value, ranges) : undefined;
  },
  or(left, right, ranges) {
    if (equalExpressions(left, right)) return left;
    if (right.kind !== "constant") return undefined;
    if (right.value === 0n) return left;
    if (right.value === maximumWord) return right;
    return reassociate("or", left, right.value, ranges);
  },
  xor(left, right, ranges) {
    if (equalExpressions(left, right)) return zero;
    if (right.kind !== "constant") return undefined;
    if (right.value === 0n) return left;
    return reassociate("xor", left, right.value, ranges);
  },
  "shift-left": (left, right) => shifted("shift-left", left, right),
  "shift-right-unsigned"(left, right, ranges) {
    if (right.kind === "constant" && ranges.of(left).to >> (right.value & 63n) === 0n) return zero;
    return shifted("shift-right-unsigned", left, right);
  },
  "shift-right-signed": (left, right) => shifted("shift-right-signed", left, right),
};

/** (x ∘ a) ∘ b = x ∘ (a ∘ b), for operators that are associative modulo 2^64. */
function reassociate(
  operator: BinaryOperator,
  left: IntegerExpression,
  value: bigint,
  ranges: Ranges,
): IntegerExpression | undefined {
  if (!isBinary(left, operator) || left.right.kind !== "constant") return undefined;
  return binary(operator, left.left, constant(binaryOperations[operator](left.right.value, value)), ranges);
}

/** `left & mask`. A mask that is all of the low 8, 16 or 32 bits is written as an unsigned extension. */
function masked(left: IntegerExpression, mask: bigint, ranges: Ranges): IntegerExpression | undefined {
  if (mask === 0n) return zero;
  if (mask === maximumWord) return left;
  if (isBinary(left, "and") && left.right.kind === "constant") {
    return binary("and", left.left, constant(left.right.value & mask), ranges);
  }
  if (left.kind === "extend") {
    const low = lowBits(left.width);
    // The bits above the width are 0, or copies of the sign that this mask drops.
    if (!left.signed || mask <= low) return binary("and", left.value, constant(mask & low), ranges);
  }
  // The mask contains every bit that the operand can have.
  if (isLowMask(mask) && ranges.of(left).to <= mask) return left;
  const width = widths.find((candidate) => lowBits(candidate) === mask);
  return width === undefined ? undefined : { kind: "extend", width, signed: false, value: left };
}

function shifted(
  operator: "shift-left" | "shift-right-unsigned" | "shift-right-signed",
  left: IntegerExpression,
  right: IntegerExpression,
): IntegerExpression | undefined {
  if (isZero(left)) return zero;
  if (right.kind !== "constant") return undefined;
  const by = right.value & 63n;
  if (by === 0n) return left;
  if (isBinary(left, operator) && left.right.kind === "constant") {
    const sum = by + (left.right.value & 63n);
    if (sum < 64n) return { kind: "binary", operator, left: left.left, right: constant(sum) };
    if (operator !== "shift-right-signed") return zero;
    return { kind: "binary", operator, left: left.left, right: constant(63n) };
  }
  return by === right.value ? undefined : { kind: "binary", operator, left, right: constant(by) };
}

const widths = [8, 16, 32] as const;

export function extension(
  width: 8 | 16 | 32,
  isSigned: boolean,
  value: IntegerExpression,
  ranges: Ranges,
): IntegerExpression {
  if (value.kind === "constant") return constant(extend(width, isSigned, value.value));
  const low = lowBits(width);
  if (ranges.of(value).to <= (isSigned ? low >> 1n : low)) return value;
  if (value.kind === "extend") {
    if (value.width >= width) return extension(width, isSigned, value.value, ranges);
    // A sign-extended narrower value is its own sign extension.
    if (isSigned && value.signed) return value;
  }
  // A mask that retains all bits of the width has no effect.
  if (isBinary(value, "and") && value.right.kind === "constant") {
    const retained = value.right.value & low;
    if (retained === low) return extension(width, isSigned, value.left, ranges);
    if (!isSigned) return binary("and", value.left, constant(retained), ranges);
  }
  return { kind: "extend", width, signed: isSigned, value };
}

export function select(
  condition: BooleanExpression,
  then: IntegerExpression,
  otherwise: IntegerExpression,
): IntegerExpression {
  if (condition.kind === "boolean") return condition.value ? then : otherwise;
  if (equalExpressions(then, otherwise)) return then;
  if (condition.kind === "not") return select(condition.value, otherwise, then);
  if (then.kind === "constant" && then.value === 1n && isZero(otherwise)) {
    return { kind: "from-boolean", value: condition };
  }
  return { kind: "select", condition, then, otherwise };
}

export function fromBoolean(value: BooleanExpression): IntegerExpression {
  if (value.kind === "boolean") return value.value ? one : zero;
  return { kind: "from-boolean", value };
}

// ── Patterns ────────────────────────────────────────────────────────────────────────────────────────────────────────

function isBinary(expression: IntegerExpression, operator: BinaryOperator): expression is Binary {
  return expression.kind === "binary" && expression.operator === operator;
}

function isZero(expression: IntegerExpression): boolean {
  return expression.kind === "constant" && expression.value === 0n;
}

function lowBits(width: number): bigint {
  return (1n << BigInt(width)) - 1n;
}

function isLowMask(mask: bigint): boolean {
  return (mask & (mask + 1n)) === 0n;
}

/** n where the value is 2^n. */
function powerOfTwo(value: bigint): bigint | undefined {
  if (value === 0n || (value & (value - 1n)) !== 0n) return undefined;
  return BigInt(value.toString(2).length - 1);
}
