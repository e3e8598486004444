/**
 * Smart constructors of boolean expressions; operands are already simplified.
 *
 * A comparison with a constant becomes a membership test (`within`): negation is a complement, `all` an intersection,
 * `any` a union. Of a set and its complement, the result has the one with fewer intervals (`x !== 5n` is
 * `not within {5}`). Negation is pushed inwards.
 */
import { maximumSigned, maximumWord, minimumSigned } from "../../abi/word.ts";
import { compareOperations } from "../arithmetic.ts";
import { equalExpressions } from "../equality.ts";
import {
  complement,
  holds,
  type IntervalSet,
  intersection,
  isFull,
  isSubset,
  signedSpan,
  single,
  span,
  translate,
  union,
} from "../intervals.ts";
import type { BooleanExpression, CompareOperator, IntegerExpression } from "../program.ts";
import type { Ranges } from "./ranges.ts";

const yes: BooleanExpression = { kind: "boolean", value: true };
const no: BooleanExpression = { kind: "boolean", value: false };

function truth(value: boolean): BooleanExpression {
  return value ? yes : no;
}

export function compare(
  operator: CompareOperator,
  left: IntegerExpression,
  right: IntegerExpression,
  ranges: Ranges,
): BooleanExpression {
  if (left.kind === "constant" && right.kind === "constant") {
    return truth(compareOperations[operator](left.value, right.value));
  }
  if (right.kind === "constant") return within(left, satisfying(operator, right.value), ranges);
  if (left.kind === "constant") return within(right, satisfyingFromLeft(operator, left.value), ranges);
  if (equalExpressions(left, right)) return truth(reflexive[operator]);
  return decidedByRanges(operator, left, right, ranges) ?? { kind: "compare", operator, left, right };
}

const reflexive: { readonly [O in CompareOperator]: boolean } = {
  equal: true,
  "not-equal": false,
  "less-unsigned": false,
  "less-or-equal-unsigned": true,
  "less-signed": false,
  "less-or-equal-signed": true,
};

/** All x with `x operator value`. */
export function satisfying(operator: CompareOperator, value: bigint): IntervalSet {
  const signed = BigInt.asIntN(64, value);
  switch (operator) {
    case "equal":
      return single(value);
    case "not-equal":
      return complement(single(value));
    case "less-unsigned":
      return span(0n, value - 1n);
    case "less-or-equal-unsigned":
      return span(0n, value);
    case "less-signed":
      return signedSpan(minimumSigned, signed - 1n);
    case "less-or-equal-signed":
      return signedSpan(minimumSigned, signed);
  }
}

/** All x with `value operator x`. */
export function satisfyingFromLeft(operator: CompareOperator, value: bigint): IntervalSet {
  const signed = BigInt.asIntN(64, value);
  switch (operator) {
    case "equal":
    case "not-equal":
      return satisfying(operator, value);
    case "less-unsigned":
      return span(value + 1n, maximumWord);
    case "less-or-equal-unsigned":
      return span(value, maximumWord);
    case "less-signed":
      return signedSpan(signed + 1n, maximumSigned);
    case "less-or-equal-signed":
      return signedSpan(signed, maximumSigned);
  }
}

function decidedByRanges(
  operator: CompareOperator,
  left: IntegerExpression,
  right: IntegerExpression,
  ranges: Ranges,
): BooleanExpression | undefined {
  const a = ranges.of(left);
  const b = ranges.of(right);
  const bothPositive = a.to <= maximumSigned && b.to <= maximumSigned;
  const apart = a.to < b.from || b.to < a.from;
  switch (operator) {
    case "equal":
    case "not-equal":
      return apart ? truth(operator === "not-equal") : undefined;
    case "less-unsigned":
    case "less-signed":
      if (operator === "less-signed" && !bothPositive) return undefined;
      return a.to < b.from ? yes : a.from >= b.to ? no : undefined;
    case "less-or-equal-unsigned":
    case "less-or-equal-signed":
      if (operator === "less-or-equal-signed" && !bothPositive) return undefined;
      return a.to <= b.from ? yes : a.from > b.to ? no : undefined;
  }
}

/** `set` is in normal form (`intervals.ts`). */
export function within(value: IntegerExpression, set: IntervalSet, ranges: Ranges): BooleanExpression {
  if (value.kind === "constant") return truth(holds(set, value.value));
  const range = [ranges.of(value)];
  if (isSubset(range, set)) return yes;
  if (intersection(range, set).length === 0) return no;
  return moved(value, set, ranges) ?? membership(value, set);
}

/** Uses the shorter of the set and its complement. */
function membership(value: IntegerExpression, set: IntervalSet): BooleanExpression {
  const outside = complement(set);
  if (outside.length < set.length) return { kind: "not", value: { kind: "within", value, intervals: outside } };
  return { kind: "within", value, intervals: set };
}

/** Applies the inverse of the value's operation to the set, if that is exact. */
function moved(value: IntegerExpression, set: IntervalSet, ranges: Ranges): BooleanExpression | undefined {
  if (value.kind === "from-boolean") return holds(set, 1n) ? value.value : not(value.value, ranges);
  if (value.kind === "select") {
    const { condition, then, otherwise } = value;
    if (then.kind !== "constant" || otherwise.kind !== "constant") return undefined;
    const first = holds(set, then.value);
    if (first === holds(set, otherwise.value)) return truth(first);
    return first ? condition : not(condition, ranges);
  }
  if (value.kind !== "binary" || value.right.kind !== "constant") return undefined;
  const { operator, left, right } = value;
  if (operator === "add") return within(left, translate(set, -right.value), ranges);
  if (operator === "shift-right-unsigned") {
    const by = right.value & 63n;
    const reachable = intersection(set, span(0n, maximumWord >> by));
    const preimage = reachable.map(({ from, to }) => ({ from: from << by, to: ((to + 1n) << by) - 1n }));
    return within(left, preimage, ranges);
  }
  return undefined;
}

export function not(value: BooleanExpression, ranges: Ranges): BooleanExpression {
  switch (value.kind) {
    case "boolean":
      return truth(!value.value);
    case "not":
      return value.value;
    case "compare":
      return negatedCompare(value);
    case "within":
      return membership(value.value, complement(value.intervals));
    case "all":
      return any(
        value.of.map((part) => not(part, ranges)),
        ranges,
      );
    case "any":
      return all(
        value.of.map((part) => not(part, ranges)),
        ranges,
      );
    default:
      return { kind: "not", value };
  }
}

function negatedCompare(value: Extract<BooleanExpression, { kind: "compare" }>): BooleanExpression {
  const { operator, left, right } = value;
  switch (operator) {
    case "equal":
      return { ...value, operator: "not-equal" };
    case "not-equal":
      return { ...value, operator: "equal" };
    case "less-unsigned":
      return { kind: "compare", operator: "less-or-equal-unsigned", left: right, right: left };
    case "less-or-equal-unsigned":
      return { kind: "compare", operator: "less-unsigned", left: right, right: left };
    case "less-signed":
      return { kind: "compare", operator: "less-or-equal-signed", left: right, right: left };
    case "less-or-equal-signed":
      return { kind: "compare", operator: "less-signed", left: right, right: left };
  }
}

function all(of: readonly BooleanExpression[], ranges: Ranges): BooleanExpression {
  return junction("all", of, ranges);
}

function any(of: readonly BooleanExpression[], ranges: Ranges): BooleanExpression {
  return junction("any", of, ranges);
}

/**
 * Flattens, drops neutral operands, and merges memberships of one value: `x >= 1n && x <= 9n && x !== 5n` becomes x
 * within {1 to 4, 6 to 9}.
 */
export function junction(kind: "all" | "any", of: readonly BooleanExpression[], ranges: Ranges): BooleanExpression {
  const neutral = kind === "all";
  const parts: BooleanExpression[] = [];
  const memberships: { value: IntegerExpression; set: IntervalSet; position: number }[] = [];
  for (const part of of.flatMap((element) => (element.kind === kind ? element.of : [element]))) {
    if (part.kind === "boolean") {
      if (part.value === neutral) continue;
      return truth(!neutral);
    }
    const member = asMembership(part);
    if (member === undefined) {
      if (!parts.some((other) => equalExpressions(other, part))) parts.push(part);
      continue;
    }
    const known = memberships.find(({ value }) => equalExpressions(value, member.value));
    if (known === undefined) {
      memberships.push({ ...member, position: parts.length });
      parts.push(part);
      continue;
    }
    known.set = neutral ? intersection(known.set, member.set) : union(known.set, member.set);
    const merged = neutral && known.set.length === 0 ? no : !neutral && isFull(known.set) ? yes : undefined;
    if (merged !== undefined) return merged;
    parts[known.position] = within(known.value, known.set, ranges);
  }
  return joined(kind, parts);
}

function joined(kind: "all" | "any", parts: readonly BooleanExpression[]): BooleanExpression {
  const neutral = kind === "all";
  // Merging may have decided an operand by the value's range.
  if (parts.some((part) => part.kind === "boolean" && part.value !== neutral)) return truth(!neutral);
  const left = parts.filter((part) => part.kind !== "boolean");
  const contradicts = left.some(
    (part) => part.kind === "not" && left.some((other) => equalExpressions(other, part.value)),
  );
  if (contradicts) return truth(!neutral);
  if (left.length === 0) return truth(neutral);
  return left.length === 1 ? left[0]! : { kind, of: left };
}

/** The operand as a membership test; undefined if it has another form. */
function asMembership(
  part: BooleanExpression,
): { readonly value: IntegerExpression; readonly set: IntervalSet } | undefined {
  if (part.kind === "within") return { value: part.value, set: part.intervals };
  if (part.kind === "not" && part.value.kind === "within") {
    return { value: part.value.value, set: complement(part.value.intervals) };
  }
  return undefined;
}
