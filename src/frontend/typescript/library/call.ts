/** The members of a call in a policy: its name, its arguments by name, its caller, the raw registers. */
import type { MemberExpression } from "oxc-parser";
import { architectureNames } from "../../../abi/architecture.ts";
import type { CallDescription, CallParameter } from "../../../abi/call.ts";
import { registerOf } from "../../../abi/calls.ts";
import { type Pointee, pointeeOf } from "../../../abi/pointees.ts";
import { nearestName } from "../../../diagnostics/suggest.ts";
import type { Input } from "../../../ir/inputs.ts";
import type { BooleanExpression, IntegerExpression } from "../../../ir/program.ts";
import * as ir from "../../program/ir.ts";
import type { Range as SourceRange } from "../../source/file.ts";
import { fits, join, type Range, signed64, unsigned64, widthRange } from "../values/ranges.ts";
import {
  type ArgumentsValue,
  boolean,
  type CallValue,
  type IntegerValue,
  integer,
  object,
  text,
  type Value,
  wrappedInteger,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import { Argument, type BitsTest } from "./arguments/argument.ts";
import { choice, flags, type NamedArgument } from "./arguments/named.ts";
import { observed } from "./observed/observed.ts";

export function callMember(c: Compilation, call: CallValue, name: string, node: SourceRange): Value | undefined {
  switch (name) {
    case "name":
      return {
        is: "string",
        options: call.names === c.names.all ? c.names.names : c.names.list(call.names),
        codes: call.names === c.names.all ? c.names.codes : c.names.list(call.names).map((one) => c.names.code(one)),
        subject: ir.input("number"),
        reference: call.reference,
        names: call.names,
        of: "call",
      };
    case "args":
      return { is: "arguments", names: c.typedNames(call), reference: call.reference };
    case "architecture":
      return { ...text(c.names.architecture), variable: true, typed: architectureNames };
    case "number":
      return integer(ir.input("number"), widthRange(32, false), "`number` is the call's number");
    case "instructionPointer":
      return integer(ir.input("instructionPointer"), unsigned64, "`instructionPointer` is 64 bits");
    case "caller":
      return caller;
    case "raw":
      return object(
        "register set",
        new Map(
          [0, 1, 2, 3, 4, 5].map((index) => [
            `arg${index}`,
            () => {
              warnAboutRaw(c, call, index, node);
              return integer(ir.argument(index), unsigned64, `\`arg${index}\` is a register`);
            },
          ]),
        ),
      );
    default:
      return undefined;
  }
}

const caller = object(
  "caller",
  new Map(
    (["pid", "tid", "uid", "gid"] as const satisfies readonly Input[]).map((name) => [
      name,
      integer(ir.input(name), widthRange(32, false), `\`${name}\` is 32 bits`),
    ]),
  ),
);

/**
 * Warns that a register has more bits than the kernel uses: a test on all of them can be bypassed through the others.
 */
function warnAboutRaw(c: Compilation, call: CallValue, index: number, node: SourceRange): void {
  const names = c.typedNames(call) & c.eventNames;
  if (c.findings.rawReads.has(node) || c.names.count(names) > 8) return;
  c.findings.rawReads.add(node);
  for (const description of c.names.descriptions(names)) {
    const at = description.parameters.findIndex(
      (_, parameter) => registerOf(description, parameter, c.names.architecture) === index,
    );
    const parameter = description.parameters[at];
    if (parameter === undefined || parameter.width === 64) continue;
    c.warn(
      "P0507",
      node,
      `the kernel uses ${parameter.width} bits of this register for ${description.name}'s \`${parameter.name}\`; a test on all 64 can be bypassed`,
      `call.args.${parameter.name}`,
    );
    return;
  }
}

/** How some of the calls pass an argument. */
interface Passing {
  readonly argument: Argument;
  /** The type that the first of the calls declares. */
  readonly type: string;
  names: bigint;
}

/** `wraps`: only the bits are used, as in `BigInt.asUintN(64, call.args.len)`. */
export function argumentOf(
  c: Compilation,
  value: ArgumentsValue,
  name: string,
  node: SourceRange,
  wraps = false,
): Value {
  const own = value.followsName ? { ...value, names: c.typedNames(value) } : value;
  const known = c.knownArguments(own);
  let argument = known.get(name);
  if (argument === undefined) {
    argument = newArgument(c, own, name, node);
    if (argument.is !== "unknown") known.set(name, argument);
  }
  if (argument.is !== "integer" || wraps) return argument;
  return ofOneType(c, argument, name, passingsOf(c, c.names.descriptions(own.names), name), node);
}

/** Reports an integer of calls that disagree on its sign, so that no 64-bit type holds its values. */
function ofOneType(
  c: Compilation,
  argument: IntegerValue,
  name: string,
  passings: readonly Passing[],
  node: SourceRange,
): Value {
  if (fits(argument.range)) return argument;
  const one = (differs: (range: Range) => boolean) => {
    const { names, type } = passings.find((passing) => differs(passing.argument.range))!;
    return `${c.names.list(names, 1)[0]} (${type})`;
  };
  const signed = one((range) => range.from < 0n);
  const unsigned = one((range) => range.to > signed64.to);
  return c.error(
    "P0211",
    node,
    `\`${name}\` is signed in ${signed} and unsigned in ${unsigned}: no 64-bit type holds both`,
    "test the call's name first: `case`, or call.name === …; or BigInt.asUintN(64, …) if the bit pattern is meant",
  );
}

function newArgument(c: Compilation, value: ArgumentsValue, name: string, node: SourceRange): Value {
  const calls = c.names.descriptions(value.names);
  const lacking = calls.find((one) => !one.parameters.some((parameter) => parameter.name === name));
  if (lacking !== undefined) return unknownArgument(c, calls, lacking, name, node);
  const first = calls[0]?.parameters.find((parameter) => parameter.name === name);
  if (first === undefined) return c.error("P0211", node, "no call can reach this place");
  const passings = passingsOf(c, calls, name);
  const other = calls.find(
    (one, index) =>
      index > 0 && !(sameKind(parameterOf(one, name), first) && samePointee(one.name, calls[0]!.name, name)),
  );
  if (other !== undefined) {
    return c.error(
      "P0211",
      node,
      `\`${name}\` has different types in ${calls[0]!.name} and in ${other.name}`,
      "test the call's name first: `case`, or call.name === …",
    );
  }
  // Also where no call can come (this architecture has none of them), which the policy may ask about all the same.
  const pointee = pointeeOf(calls[0]!.name, name);
  const asked = { name, parameter: first, pointee, node, reference: value.reference };
  return makeArgument(c, asked, possibleOf(c, calls), passings);
}

function parameterOf(call: CallDescription, name: string): CallParameter {
  return call.parameters.find((parameter) => parameter.name === name)!;
}

function samePointee(one: string, other: string, name: string): boolean {
  const [a, b] = [pointeeOf(one, name), pointeeOf(other, name)];
  return a?.is === b?.is && (a?.is !== "structure" || (b?.is === "structure" && a.structure === b.structure));
}

function sameKind(a: CallParameter, b: CallParameter): boolean {
  const set = (one: CallParameter) => ("set" in one.kind ? one.kind.set : "");
  return a.kind.is === b.kind.is && set(a) === set(b);
}

/** The calls that can reach this place. */
function possibleOf(c: Compilation, calls: readonly CallDescription[]): readonly CallDescription[] {
  return calls.filter((call) => (c.names.bit(call.name)! & c.eventNames) !== 0n);
}

/** Groups the calls by how they pass the argument. Uses only calls that can reach this place, if there are any. */
function passingsOf(c: Compilation, calls: readonly CallDescription[], name: string): Passing[] {
  const possible = possibleOf(c, calls);
  const passings: Passing[] = [];
  for (const call of possible.length > 0 ? possible : calls.slice(0, 1)) {
    const argument = Argument.of(call, name, c.names.architecture);
    const bit = c.names.bit(call.name)!;
    const known = passings.find((one) => one.argument.isReadAs(argument));
    if (known === undefined) passings.push({ argument, type: parameterOf(call, name).type, names: bit });
    else known.names |= bit;
  }
  return passings;
}

function makeArgument(
  c: Compilation,
  asked: {
    readonly name: string;
    readonly parameter: CallParameter;
    readonly pointee: Pointee | undefined;
    readonly node: SourceRange;
    readonly reference: number;
  },
  calls: readonly CallDescription[],
  passings: readonly Passing[],
): Value {
  const { name, parameter, pointee, node, reference } = asked;
  const { kind } = parameter;
  // Calls can disagree on the sign. The pattern is right even so, and `ofOneType` checks the uses of the value.
  const value = () =>
    wrappedInteger(
      choose(c, passings, ({ argument }) => argument.value()),
      passings.map(({ argument }) => argument.range).reduce((a, b): Range => join(a, b)),
      `\`${name}\` is ${typesOf(passings)}${partUsed(passings)}`,
    );
  switch (kind.is) {
    case "integer":
      return value();
    case "pointer": {
      const address = choose(c, passings, ({ argument }) => argument.value());
      const pointer = new Map<string, Value>([
        ["isNull", boolean(ir.compare("equal", address, ir.constant(0n)))],
        ["address", integer(address, unsigned64, `\`${name}\` is an address`)],
      ]);
      if (pointee !== undefined) return observed(c, { name, calls, pointee, node, pointer, reference });
      return object("Pointer", pointer, `\`${name}\``);
    }
    case "flags":
    case "choice": {
      const named: NamedArgument = {
        name,
        set: kind.set,
        width: Math.max(...passings.map(({ argument }) => argument.width)),
        ask: (make) => ask(c, passings, make),
        value: () => ofOneType(c, value(), name, passings, node),
      };
      return kind.is === "flags" ? flags(c, named) : choice(c, named);
    }
  }
}

/** For a message: the declared types that differ in size or sign, each with its article. */
function typesOf(passings: readonly Passing[]): string {
  const types = passings.filter(
    ({ argument }, index) => passings.findIndex((other) => other.argument.hasTypeOf(argument)) === index,
  );
  return types.map(({ type }) => `${article(type)} ${type}`).join(" or ");
}

/** For a message: the part of a declared type that the kernel uses. */
function partUsed(passings: readonly Passing[]): string {
  const bits = passings.map(({ argument }) => argument.usedBits);
  return bits.every((each, index) => each === bits[0] && each < passings[index]!.argument.width)
    ? ` of which the kernel uses ${bits[0]} bits`
    : "";
}

/** Tests the bits for whichever of the calls it is. */
function ask(
  c: Compilation,
  passings: readonly Passing[],
  make: (test: BitsTest) => BooleanExpression,
): BooleanExpression {
  if (passings.every(({ argument }) => !argument.isRewritten)) {
    const bits = choose(c, passings, ({ argument }) => argument.register());
    const whole = (1n << BigInt(Math.max(...passings.map(({ argument }) => argument.width)))) - 1n;
    return make((mask, values) => ir.oneOf(mask === whole ? bits : ir.masked(bits, mask), values));
  }
  const last = passings.at(-1)!;
  return passings
    .slice(0, -1)
    .reduceRight(
      (rest, one) => ir.selectBoolean(c.names.test(one.names), one.argument.ask(make), rest),
      last.argument.ask(make),
    );
}

function choose(
  c: Compilation,
  passings: readonly Passing[],
  make: (passing: Passing) => IntegerExpression,
): IntegerExpression {
  const last = passings.at(-1)!;
  return passings
    .slice(0, -1)
    .reduceRight((chain, one) => ir.select(c.names.test(one.names), make(one), chain), make(last));
}

/** A C type with its article: "an unsigned int", "a umode_t", "a u64". */
function article(type: string): string {
  return /^(?:[aeio]|unsigned\b)/.test(type) ? "an" : "a";
}

function unknownArgument(
  c: Compilation,
  calls: readonly CallDescription[],
  lacking: CallDescription,
  name: string,
  node: SourceRange,
): Value {
  if (calls.length > 1) {
    const some = calls.some((one) => one.parameters.some((parameter) => parameter.name === name));
    return c.error(
      "P0211",
      node,
      calls.length > 20
        ? "which call's arguments? The call is not known here"
        : some
          ? `not every call that is possible here has an argument \`${name}\`: ${lacking.name} has none`
          : `${lacking.name} has no argument \`${name}\``,
      "test the call's name first: `case`, call.name === …, or set.has(call)",
    );
  }
  const names = lacking.parameters.map((parameter) => parameter.name);
  const alias = lacking.parameters.find((parameter) => parameter.aliases.includes(name));
  const near = nearestName(name, names);
  const position = /^(?:arg|a)([0-5])$/.exec(name)?.[1];
  const positioned = position === undefined ? undefined : parameterInRegister(c, lacking, Number(position));
  const list = names.length === 0 ? `${lacking.name} has no arguments` : `${lacking.name} has ${names.join(", ")}`;
  return c.error(
    "P0102",
    node,
    `${lacking.name} has no argument \`${name}\``,
    alias !== undefined
      ? `it is called \`${alias.name}\` here; ${list}`
      : positioned !== undefined
        ? `write \`call.args.${positioned}\`; ${list}`
        : near !== undefined
          ? `did you mean \`${near}\`? ${list}`
          : list,
  );
}

/** The name of the argument that the call passes in a register, counted from 0. */
function parameterInRegister(c: Compilation, call: CallDescription, register: number): string | undefined {
  return call.parameters.find((_, index) => registerOf(call, index, c.names.architecture) === register)?.name;
}

/** Reports `call.args[1]`: arguments have names. Undefined if the index is not a literal number. */
export function explainIndexedArgument(
  c: Compilation,
  value: ArgumentsValue,
  node: MemberExpression,
): Value | undefined {
  const { property } = node;
  if (property.type !== "Literal") return undefined;
  const { value: index } = property;
  if (typeof index !== "number" && typeof index !== "bigint") return undefined;
  const [only, ...others] = c.names.descriptions(value.names).slice(0, 2);
  const name = only === undefined || others.length > 0 ? undefined : parameterInRegister(c, only, Number(index));
  return c.error(
    "P0309",
    node,
    "arguments have names, not numbers",
    name === undefined ? `\`call.raw.arg${index}\` is the register` : `write \`call.args.${name}\``,
  );
}
