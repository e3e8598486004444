/** `SocketAddress`, `MessageHeader`, `IpAddress` and `cidr(…)`. */

import { maximumWord } from "../../../../abi/word.ts";
import { type AddressKind, addressKinds } from "../../../../ir/observation.ts";
import type { BooleanExpression, IntegerExpression, Interval } from "../../../../ir/program.ts";
import { type AddressRange, type CidrBlock, CidrSet, readBlock, splitPort } from "../../../../patterns/cidr.ts";
import * as ir from "../../../program/ir.ts";
import type { Range as SourceRange } from "../../../source/file.ts";
import { unsigned64 } from "../../values/ranges.ts";
import {
  type BuiltinCall,
  boolean,
  builtin,
  constantString,
  describe,
  integer,
  type ObjectValue,
  object,
  unknown,
  type Value,
} from "../../values/values.ts";
import type { Compilation } from "../../walk/compilation.ts";
import type { ObservedArgument } from "./argument.ts";
import { path } from "./paths.ts";
import { textObject } from "./texts.ts";

/** 0 … 2^16 − 1. */
const uint16 = { from: 0n, to: 0xffffn };
/** `::ffff:0:0/96` in the low word: an IPv4-mapped address. */
const mapped = { from: 0xffff_0000_0000n, to: 0xffff_ffff_ffffn };

type AddressMember = "path" | "name" | "address" | "port" | "family" | "version";

/** The members of each kind besides `kind`, as the type `SocketAddress` has them. */
const membersByKind: Readonly<Record<AddressKind, readonly AddressMember[]>> = {
  none: [],
  ip: ["version", "address", "port"],
  unix: ["path"],
  abstract: ["name"],
  unnamed: [],
  unspecified: ["address", "port"],
  netlink: [],
  vsock: [],
  other: ["family"],
};

export function socketAddress(c: Compilation, argument: ObservedArgument, reference: number): ObjectValue {
  const name = `\`${argument.name}\``;
  const members: readonly (readonly ["kind" | AddressMember, () => Value])[] = [
    [
      "kind",
      () => ({
        is: "string",
        options: addressKinds,
        codes: addressKinds.map((_, index) => BigInt(index)),
        subject: argument.address("kind"),
      }),
    ],
    ["path", () => path(c, argument, { is: "socket-path" }, new Map())],
    ["name", () => textObject(c, argument, { is: "abstract-name" }, "AbstractName")],
    ["address", () => ipAddress(argument.address("high"), argument.address("low"))],
    ["port", () => integer(argument.address("port"), uint16, `the port of ${name} is 16 bits`)],
    ["family", () => integer(argument.address("family"), uint16, `the family of ${name} is 16 bits`)],
    ["version", () => version(argument.address("high"), argument.address("low"))],
  ];
  return { ...object("SocketAddress", new Map<string, () => Value>(members), name), references: [reference] };
}

/** A member of an address, or of a header that holds one, which refers to what the object refers to. */
export function referringMember(value: ObjectValue, name: string, member: Value): Value {
  const { references, type } = value;
  if (references === undefined) return member;
  if (type === "SocketAddress" && name === "kind" && member.is === "string") return { ...member, narrows: references };
  return type === "MessageHeader" && member.is === "object" ? { ...member, references } : member;
}

/** Reports a member that an address lacks if it is of one of the kinds that are possible here. */
export function lacksMember(c: Compilation, value: ObjectValue, name: string, node: SourceRange): boolean {
  const [reference] = value.references ?? [];
  if (value.type !== "SocketAddress" || reference === undefined || name === "kind") return false;
  const known = c.flow.facts.names.get(reference);
  const isPossible = (_: AddressKind, bit: number) => known === undefined || ((known >> BigInt(bit)) & 1n) !== 0n;
  const possible = addressKinds.filter(isPossible);
  const has = (kind: AddressKind) => membersByKind[kind].some((member) => member === name);
  const lacking = possible.filter((kind) => !has(kind));
  if (lacking.length === 0) return false;
  const quoted = (kinds: readonly AddressKind[]) => kinds.map((kind) => JSON.stringify(kind)).join(", ");
  const [first, ...others] = possible;
  const isKnown = first !== undefined && others.length === 0;
  const test = addressKinds.filter(has).map((kind) => `.kind === ${JSON.stringify(kind)}`);
  c.error(
    "P0106",
    node,
    isKnown
      ? `this address has no \`${name}\`: its kind is ${quoted(possible)}`
      : `this address may have no \`${name}\`: its kind can be ${quoted(lacking.slice(0, 3))}${lacking.length > 3 ? " …" : ""}`,
    isKnown && membersByKind[first].length > 0
      ? `it has ${membersByKind[first].join(", ")}`
      : `test the kind first: ${test.join(" or ")}`,
  );
  return true;
}

export function messageHeader(
  c: Compilation,
  argument: ObservedArgument,
  reference: number,
  pointer: ReadonlyMap<string, Value | (() => Value)>,
): Value {
  const header = object(
    "MessageHeader",
    new Map<string, Value | (() => Value)>([
      ["isNull", pointer.get("isNull")!],
      ["name", () => socketAddress(c, argument, reference)],
      ["controllen", () => integer(argument.controlLength(), unsigned64, `\`${argument.name}.controllen\` is 64 bits`)],
    ]),
    `\`${argument.name}\``,
  );
  return { ...header, references: [reference] };
}

/** Members that no policy can name, which `cidr(…).has` compares. */
const highWord = "\0high";
const lowWord = "\0low";

function ipAddress(high: IntegerExpression, low: IntegerExpression): Value {
  return object(
    "IpAddress",
    new Map<string, Value>([
      [highWord, integer(high, unsigned64)],
      [lowWord, integer(low, unsigned64)],
    ]),
  );
}

function version(high: IntegerExpression, low: IntegerExpression): Value {
  const isMapped = ir.all([ir.oneOf(high, [0n]), ir.within(low, [mapped])]);
  return integer(ir.select(isMapped, ir.constant(4n), ir.constant(6n)), { from: 4n, to: 6n });
}

/** `cidr("10.0.0.0/8", "::1/128")` */
export function cidr(c: Compilation, call: BuiltinCall): Value {
  const given = call.values();
  if (given === undefined) return unknown;
  if (given.length === 0) return c.error("P0212", call.node, "`cidr()` names no block", 'cidr("10.0.0.0/8")');
  const blocks: CidrBlock[] = [];
  let failed = false;
  for (const { value, node } of given) {
    const text = constantString(value);
    if (text === undefined) {
      failed = true;
      if (value.is !== "unknown") c.error("P0207", node, `\`cidr\` takes strings, and this is ${describe(value)}`);
      continue;
    }
    const { block, fault } = readBlock(text);
    if (fault === undefined) blocks.push(block);
    else {
      failed = true;
      const isGiven = value.is === "string" && value.variable === true;
      const help = fault.kind === "port" && isGiven ? portParameter(text) : fault.help;
      c.error(fault.kind === "host-bits" ? "P0206" : "P0214", node, fault.message, help);
    }
  }
  if (failed) return unknown;
  const { ranges } = new CidrSet(blocks);
  return object("AddressSet", new Map([builtin("has", (asked) => has(c, asked, ranges))]));
}

/** The remedy where the text comes from a parameter: its policy, which may be a ready one, cannot be edited. */
function portParameter(text: string): string {
  const { block, port } = splitPort(text)!;
  return `write ${block}; the port is a parameter of its own, if the policy has one: --set port=${Number(port)}`;
}

function has(c: Compilation, call: BuiltinCall, ranges: readonly AddressRange[]): Value {
  const given = call.values();
  if (given === undefined) return unknown;
  const [one, ...rest] = given;
  if (one === undefined || rest.length > 0) return c.error("P0212", call.node, "`.has` takes an address");
  if (one.value.is === "unknown") return unknown;
  if (one.value.is !== "object" || one.value.type !== "IpAddress") {
    const isSocket = one.value.is === "object" && one.value.type === "SocketAddress";
    return c.error(
      "P0207",
      one.node,
      `\`.has\` takes an address, and this is ${describe(one.value)}`,
      isSocket ? "its `.address`" : undefined,
    );
  }
  const word = (name: string): IntegerExpression => {
    const value = (one.value as Extract<Value, { is: "object" }>).members.get(name) as Extract<
      Value,
      { is: "integer" }
    >;
    return value.expression;
  };
  return boolean(within(word(highWord), word(lowWord), ranges));
}

/**
 * Whether high:low lies in one of the ranges. Ranges with one high word, such as all of IPv4, make one test of the low word,
 * and those with every low word make one of the high word: a test for each range would make the analysis of n blocks take
 * n² steps.
 */
function within(high: IntegerExpression, low: IntegerExpression, ranges: readonly AddressRange[]): BooleanExpression {
  const byHigh = new Map<bigint, Interval[]>();
  const whole: Interval[] = [];
  const add = (word: bigint, interval: Interval): void => {
    const known = byHigh.get(word);
    if (known === undefined) byHigh.set(word, [interval]);
    else known.push(interval);
  };
  for (const { from, to } of ranges) {
    let [first, last] = [from.high, to.high];
    if (first === last && (from.low > 0n || to.low < maximumWord)) {
      add(first, { from: from.low, to: to.low });
      continue;
    }
    if (from.low > 0n) add(first++, { from: from.low, to: maximumWord });
    if (to.low < maximumWord) add(last--, { from: 0n, to: to.low });
    if (first <= last) whole.push({ from: first, to: last });
  }
  return ir.any([
    ...[...byHigh].map(([word, intervals]) => ir.all([ir.oneOf(high, [word]), ir.within(low, intervals)])),
    ir.within(high, whole),
  ]);
}
