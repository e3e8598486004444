/**
 * Integer operators, with JavaScript's bigint semantics and the range of each result. A result that exceeds every
 * 64-bit type is an error, so the IR's 64-bit operation equals the mathematical one.
 */
import type { BinaryOperator, IntegerExpression } from "../../../ir/program.ts";
import * as ir from "../../program/ir.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { integerKey, orderKey } from "../values/facts.ts";
import * as ranges from "../values/ranges.ts";
import { printInteger, printRange, type Range } from "../values/ranges.ts";
import { constantInteger, type IntegerValue, integer, unknown, type Value, wrappedInteger } from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";

/** The operators on two bigints, except comparisons. */
export const arithmeticOperators = new Set(["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "**"]);

const resultNames: Readonly<Record<string, string>> = {
  "+": "sum",
  "-": "difference",
  "*": "product",
  "/": "quotient",
  "%": "remainder",
  "<<": "shifted integer",
  "**": "power",
};

export function arithmetic(
  c: Compilation,
  operator: string,
  left: IntegerValue,
  right: IntegerValue,
  node: SourceRange,
  rightNode: SourceRange,
  wraps = false,
): Value {
  const constants = [constantInteger(left), constantInteger(right)] as const;
  const origins = [left.setting, right.setting].filter((one) => one !== undefined);
  const variable = {
    ...(left.variable || right.variable ? { variable: true as const } : {}),
    ...(origins.length === 1 ? { setting: origins[0]! } : {}),
  };
  const a = c.rangeOf(left);
  const b = c.rangeOf(right);
  const shape = shapeOf(c, operator, left, right, a, b, node, rightNode);
  if (shape === undefined) return unknown;
  const { operation } = shape;
  const [one, other] = constants;
  // The range of a bit operation on constants can have several values, so the exact result is computed.
  const range = one === undefined || other === undefined ? shape.range : ranges.exactly(exact(operator, one, other));
  if (!ranges.fits(range) && !wraps)
    return outOfRange(c, resultNames[operator] ?? "result", range, node, operator, left, right);
  const make = wraps ? wrappedInteger : integer;
  if (one !== undefined && other !== undefined) {
    return { ...make(ir.constant(range.from), range), ...variable };
  }
  return { ...make(ir.binary(operation, left.expression, right.expression), range), ...variable };
}

/** The result for two constants; the operator and its right side are already checked. */
function exact(operator: string, a: bigint, b: bigint): bigint {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "%":
      return a % b;
    case "&":
      return a & b;
    case "|":
      return a | b;
    case "^":
      return a ^ b;
    case "<<":
      return a << b;
    case ">>":
      return a >> b;
    case "**":
      return a ** b;
    default:
      throw new Error(`no operator ${operator}`);
  }
}

function shapeOf(
  c: Compilation,
  operator: string,
  left: IntegerValue,
  right: IntegerValue,
  a: Range,
  b: Range,
  node: SourceRange,
  rightNode: SourceRange,
): { operation: BinaryOperator; range: Range } | undefined {
  const bothUnsigned = ranges.isUnsigned(a) && ranges.isUnsigned(b);
  const bothSigned = ranges.isSigned(a) && ranges.isSigned(b);
  switch (operator) {
    case "+":
      return { operation: "add", range: ranges.add(a, b) };
    case "-":
      return { operation: "subtract", range: difference(c, left, right, a, b) };
    case "*":
      return { operation: "multiply", range: ranges.multiply(a, b) };
    case "/":
    case "%": {
      if (b.from <= 0n && b.to >= 0n) {
        const always = b.from === 0n && b.to === 0n;
        c.valueError(
          "P0209",
          rightNode,
          always ? "division by zero" : `this divisor can be 0 (${printRange(b)})`,
          always ? undefined : "test it first: `n === 0n ? … : x / n`",
        );
        return undefined;
      }
      if (!bothSigned && !bothUnsigned) {
        mixedSigns(c, node);
        return undefined;
      }
      const sign = bothUnsigned ? "unsigned" : "signed";
      return operator === "/"
        ? { operation: `divide-${sign}`, range: ranges.divide(a, b) }
        : { operation: `remainder-${sign}`, range: ranges.remainder(a, b) };
    }
    // Bit operations: a negative bigint has infinitely many leading ones, and the 64-bit pattern has the same low bits.
    case "&":
      return { operation: "and", range: ranges.and(a, b) };
    case "|":
      return { operation: "or", range: ranges.or(a, b) };
    case "^":
      return { operation: "xor", range: ranges.xor(a, b) };
    case "<<":
    case ">>": {
      if (b.from < 0n || b.to > 63n) {
        c.valueError(
          "P0210",
          rightNode,
          `the shift amount ${printRange(b)} is outside 0 … 63`,
          "test it first, or mask it: `x << (n & 63n)`",
        );
        return undefined;
      }
      if (operator === "<<") return { operation: "shift-left", range: ranges.shiftLeft(a, b) };
      return {
        operation: ranges.isSigned(a) ? "shift-right-signed" : "shift-right-unsigned",
        range: ranges.shiftRight(a, b),
      };
    }
    case "**": {
      const base = constantInteger(left);
      const exponent = constantInteger(right);
      if (base === undefined || exponent === undefined || exponent < 0n || exponent > 64n) {
        c.valueError("P0310", node, "a power takes constants, with an exponent of 0 … 64", "multiply, or shift");
        return undefined;
      }
      return { operation: "multiply", range: ranges.exactly(base ** exponent) };
    }
    default:
      return undefined;
  }
}

/** `a - b` is not negative if `a >= b` is known, for all ranges. */
function difference(c: Compilation, left: IntegerValue, right: IntegerValue, a: Range, b: Range): Range {
  const range = ranges.subtract(a, b);
  if (range.from >= 0n || range.to < 0n) return range;
  const keys = [integerKey(right), integerKey(left)] as const;
  if (keys[0] === "" || keys[1] === "") return range;
  return c.flow.facts.orders.has(orderKey(...keys)) ? { from: 0n, to: range.to } : range;
}

function outOfRange(
  c: Compilation,
  what: string,
  range: Range,
  node: SourceRange,
  operator: string,
  left: IntegerValue,
  right: IntegerValue,
): Value {
  const words = [left, right].map((one) => one.described?.match(/^`(\w+)`/)?.[1]).filter((one) => one !== undefined);
  const culprit = operator === "+" && words.length > 0 ? `: a huge \`${words.at(-1)}\` would pass below a limit` : "";
  return c.valueError(
    "P0203",
    node,
    `this ${what} can exceed 64 bits (${printRange(range)})${culprit}`,
    operator === "+"
      ? "test first: `a > limit || b > limit - a`; or BigInt.asUintN(64, …) if wrapping is intended"
      : operator === "-"
        ? "test first: `a >= b ? a - b : 0n`; or BigInt.asUintN(64, …) if wrapping is intended"
        : "test its parts first; or BigInt.asUintN(64, …) if wrapping is intended",
  );
}

function mixedSigns(c: Compilation, node: SourceRange): void {
  c.valueError(
    "P0203",
    node,
    "one side can be negative and the other above 2^63 − 1: no 64-bit type holds both",
    "test one of them first; or BigInt.asIntN(64, …)",
  );
}

export function negate(c: Compilation, value: IntegerValue, node: SourceRange, wraps = false): Value {
  const range = ranges.negate(c.rangeOf(value));
  if (!ranges.fits(range) && !wraps) return tooLarge(c, node, range, "test it first, which narrows its range");
  return ofOne(value, range, wraps, () => ir.binary("subtract", ir.constant(0n), value.expression));
}

export function invert(c: Compilation, value: IntegerValue, node: SourceRange, wraps = false): Value {
  const range = ranges.complement(c.rangeOf(value));
  if (!ranges.fits(range) && !wraps)
    return tooLarge(c, node, range, "BigInt.asUintN(64, ~BigInt.asIntN(64, …)) inverts 64 bits");
  return ofOne(value, range, wraps, () => ir.binary("xor", value.expression, ir.constant(-1n)));
}

function tooLarge(c: Compilation, node: SourceRange, range: Range, remedy: string): Value {
  return c.valueError("P0203", node, `this can exceed 64 bits (${printRange(range)})`, remedy);
}

/** The result of an operation with one operand. */
function ofOne(value: IntegerValue, range: Range, wraps: boolean, expression: () => IntegerExpression): Value {
  const make = wraps ? wrappedInteger : integer;
  const result = constantInteger(value) === undefined ? expression() : ir.constant(range.from);
  return { ...make(result, range), ...(value.variable ? { variable: true as const } : {}) };
}

/** "4294967196", or "5n" of a constant, for messages. */
export function printValue(value: IntegerValue): string {
  const constant = constantInteger(value);
  return constant === undefined ? printRange(value.range) : printInteger(constant);
}
