/** Prints tests of registers in the notation of policies: `flags has CLONE_THREAD`, `cmd = TIOCSTI`, `fd < 5`. */

import type { ArchitectureName } from "../../abi/architecture.ts";
import type { CallDescription, CallParameter, NameSet } from "../../abi/call.ts";
import { callByNumber, registerOf } from "../../abi/calls.ts";
import { decodeArgument, hexadecimal } from "../../abi/decode.ts";
import { namesFor } from "../../abi/flags.ts";
import { maximumWord } from "../../abi/word.ts";
import type { Interval } from "../../ir/program.ts";
import type { ArgumentTest } from "../decision.ts";
import { complement } from "../split/intervals.ts";

/** More values are summarised. */
const mostValues = 6;

type Names = NameSet["members"];

/** The condition under which the test has this outcome. */
export function describeTest(
  asked: ArgumentTest,
  outcome: boolean,
  architecture: ArchitectureName,
  number: number,
): string {
  const test = outcome ? asked : { ...asked, intervals: complement(asked.intervals, asked.mask) };
  if (test.word === "instructionPointer") return `the instruction pointer${describeBits(test)}`;
  const register = Number(test.word.slice(-1));
  const call = callByNumber(architecture, number);
  const parameter = parameterIn(call, register, architecture);
  if (call === undefined || parameter === undefined) return `raw.arg${register}${describeBits(test)}`;
  const used = (1n << BigInt(parameter.width)) - 1n;
  // The mask has more bits than the kernel uses, so the test is of the register, not of the argument.
  if ((test.mask & ~used) !== 0n) return `raw.arg${register} (${parameter.name})${describeBits(test)}`;
  return describeParameter(test, call, parameter, architecture);
}

/** The part of a test that its intervals are about. */
type Bits = Pick<ArgumentTest, "mask" | "intervals">;

/** A test on bits that the kernel uses of an argument, or of a field of a structure. */
export function describeParameter(
  test: Bits,
  call: Pick<CallDescription, "name">,
  parameter: CallParameter,
  architecture: ArchitectureName,
): string {
  const used = (1n << BigInt(parameter.width)) - 1n;
  const text = describeByKind(test, call, parameter, used, architecture);
  if (text !== undefined) return text;
  if (test.mask !== used) return `${parameter.name}${describeBits(test)}`;
  const value = (word: bigint) => decodeArgument(architecture, call, parameter, word);
  const intervals = parameter.signed ? signedIntervals(test.intervals, parameter.width) : test.intervals;
  const least = parameter.signed ? -(1n << BigInt(parameter.width - 1)) : 0n;
  const most = least + (1n << BigInt(parameter.width)) - 1n;
  const named = parameter.kind.is === "choice" ? enumerated(intervals) : undefined;
  return `${parameter.name} ${describeRanges(named ?? intervals, least, most, (each) => value(BigInt.asUintN(64, each)))}`;
}

/** The condition in the words of the argument's kind; undefined where it has none for it. */
function describeByKind(
  test: Bits,
  call: Pick<CallDescription, "name">,
  parameter: CallParameter,
  used: bigint,
  architecture: ArchitectureName,
): string | undefined {
  switch (parameter.kind.is) {
    case "flags":
      return describeFlags(test, parameter.name, namesFor(call.name, parameter.kind.set), used, architecture);
    case "pointer":
      return test.mask === used && onlyValue(test.intervals) === 0n ? `${parameter.name} is NULL` : undefined;
    case "integer":
    case "choice":
      return undefined;
  }
}

function parameterIn(
  call: CallDescription | undefined,
  register: number,
  architecture: ArchitectureName,
): CallParameter | undefined {
  return call?.parameters.find((_, index) => registerOf(call, index, architecture) === register);
}

function describeFlags(
  test: Bits,
  name: string,
  names: Names,
  used: bigint,
  architecture: ArchitectureName,
): string | undefined {
  const { mask, intervals } = test;
  const text = (bits: bigint) => flagNames(names, bits, architecture);
  const single = onlyValue(intervals);
  if (single === 0n) {
    const others = used & ~mask;
    // An allow-list tests that no other bit is set; the allowed names are the shorter text.
    if (countBits(mask) > countBits(others)) return `${name} has only ${text(others)}`;
    return isOneName(names, mask, architecture) ? `${name} lacks ${text(mask)}` : `${name} has none of ${text(mask)}`;
  }
  if (single === mask) return `${name} has ${text(mask)}`;
  if (intervals.length === 1 && intervals[0]!.from === (mask & -mask) && intervals[0]!.to === mask) {
    const others = used & ~mask;
    if (countBits(mask) > countBits(others)) return `${name} has other than ${text(others)}`;
    return `${name} has any of ${text(mask)}`;
  }
  if (single !== undefined && mask !== used && countBits(mask) > countBits(used & ~mask)) {
    return `${name} has ${text(single)} and nothing else but ${text(used & ~mask)}`;
  }
  const values = enumerated(intervals);
  if (values === undefined || values.some(({ from }) => fieldName(names, mask, from, architecture) === undefined)) {
    const lacking = single === undefined ? zeroAbove(mask, intervals) : mask & ~single;
    if (lacking !== 0n && countBits(lacking) <= 2) {
      const rest = describeFlags({ ...test, mask: mask & ~lacking }, name, names, used, architecture);
      if (rest !== undefined) return `${rest} without ${text(lacking)}`;
    }
  }
  if (values === undefined || mask === used) return undefined;
  const field = values.map(({ from }) => fieldName(names, mask, from, architecture) ?? hexadecimal(from));
  return `${name} has ${field.join(" or ")}`;
}

/** Bits of the mask above the highest bit of the intervals. */
function zeroAbove(mask: bigint, intervals: readonly Interval[]): bigint {
  const greatest = intervals.at(-1)?.to ?? 0n;
  return (mask >> BigInt(greatest.toString(2).length)) << BigInt(greatest.toString(2).length);
}

/** Names of the flags in `bits`, of one or several bits. */
function flagNames(names: Names, bits: bigint, architecture: ArchitectureName): string {
  const found: string[] = [];
  let left = bits;
  for (const member of names) {
    const value = member.value[architecture];
    if (value === undefined || value === 0n || (value & left) !== value || member.mask[architecture] !== value)
      continue;
    found.push(member.name);
    left &= ~value;
  }
  if (left !== 0n) found.push(hexadecimal(left));
  return found.length === 0
    ? "0"
    : found.length > 8
      ? `${found.slice(0, 7).join(", ")} and ${found.length - 7} more`
      : found.join(", ");
}

function isOneName(names: Names, bits: bigint, architecture: ArchitectureName): boolean {
  return !flagNames(names, bits, architecture).includes(",");
}

/** Such as SOCK_RAW for a value of `type & SOCK_TYPE_MASK`. */
function fieldName(names: Names, mask: bigint, value: bigint, architecture: ArchitectureName): string | undefined {
  return names.find((member) => member.mask[architecture] === mask && member.value[architecture] === value)?.name;
}

function describeBits({ mask, intervals }: Bits): string {
  const masked = mask === maximumWord ? "" : ` & ${hexadecimal(mask)}`;
  return `${masked} ${describeRanges(intervals, 0n, mask, hexadecimal)}`;
}

/** "= 3", "in 1, 2, 5", "< 5", "> 7", "not in …", "in 3 … 9". */
export function describeRanges(
  intervals: readonly Interval[],
  least: bigint,
  most: bigint,
  text: (value: bigint) => string,
): string {
  const [first] = intervals;
  if (first === undefined) return "is impossible";
  if (intervals.length === 1) {
    if (first.from === first.to) return `= ${text(first.from)}`;
    if (first.from === least) return `<= ${text(first.to)}`;
    if (first.to === most) return `>= ${text(first.from)}`;
  }
  const gaps = gapsOf(intervals, least, most);
  const excluded = gaps.every(({ from, to }) => from === to) && gaps.length <= intervals.length;
  const shown = excluded ? gaps : intervals;
  const parts = shown
    .slice(0, mostValues)
    .map(({ from, to }) => (from === to ? text(from) : `${text(from)} … ${text(to)}`));
  const more = shown.length > mostValues ? ` and ${shown.length - mostValues} more` : "";
  if (excluded && shown.length === 1) return `!= ${parts[0]}`;
  return `${excluded ? "not in" : "in"} ${parts.join(", ")}${more}`;
}

function gapsOf(intervals: readonly Interval[], least: bigint, most: bigint): Interval[] {
  const gaps: Interval[] = [];
  let next = least;
  for (const { from, to } of intervals) {
    if (from > next) gaps.push({ from: next, to: from - 1n });
    next = to + 1n;
  }
  if (next <= most) gaps.push({ from: next, to: most });
  return gaps;
}

/** Splits the intervals into single values, if there are few. */
function enumerated(intervals: readonly Interval[]): Interval[] | undefined {
  const values: Interval[] = [];
  for (const { from, to } of intervals) {
    if (to - from > 16n) return undefined;
    for (let value = from; value <= to; value++) values.push({ from: value, to: value });
  }
  return values.length > 64 ? undefined : values;
}

function signedIntervals(intervals: readonly Interval[], width: number): Interval[] {
  const half = 1n << BigInt(width - 1);
  const whole = 1n << BigInt(width);
  const result: Interval[] = [];
  for (const { from, to } of intervals) {
    if (from < half) result.push({ from, to: to < half ? to : half - 1n });
    if (to >= half) result.push({ from: (from >= half ? from : half) - whole, to: to - whole });
  }
  result.sort((a, b) => (a.from < b.from ? -1 : 1));
  // −1 and 0 are adjacent as signed numbers.
  return result.reduce<Interval[]>((merged, next) => {
    const last = merged.at(-1);
    if (last !== undefined && next.from === last.to + 1n) merged[merged.length - 1] = { from: last.from, to: next.to };
    else merged.push(next);
    return merged;
  }, []);
}

function onlyValue(intervals: readonly Interval[]): bigint | undefined {
  const [first] = intervals;
  return intervals.length === 1 && first !== undefined && first.from === first.to ? first.from : undefined;
}

function countBits(value: bigint): number {
  let count = 0;
  for (let rest = value; rest !== 0n; rest &= rest - 1n) count++;
  return count;
}
