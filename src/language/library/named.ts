/**
 * Arguments made of names: `Flags` (`.has`, `.hasAny`, `.hasOnly`, `.bits`) and `Choice` (`.is`, `.value`). A name asks
 * what it means: its value under its mask. `O_CREAT` is a bit, `O_RDONLY` is 0 in the field of the access mode.
 */
import { nearestName } from "../../diagnostics/suggest.ts";
import type { BooleanExpression } from "../../ir/program.ts";
import { nameSet } from "../../linux/flags.ts";
import type { Range as SourceRange } from "../source/file.ts";
import * as ir from "../values/ir.ts";
import {
  type BuiltinCall,
  boolean,
  constantText,
  describe,
  type IntegerValue,
  object,
  unknown,
  type Value,
} from "../values/values.ts";
import type { Compilation } from "../walk/compilation.ts";
import type { BitsTest } from "./argument.ts";

export interface NamedArgument {
  readonly name: string;
  /** Of `nameSet`. */
  readonly set: string;
  readonly width: number;
  /** What is asked of the bits that the kernel uses, made of tests. */
  readonly ask: (make: (test: BitsTest) => BooleanExpression) => BooleanExpression;
  /** As the kernel reads it. */
  readonly value: IntegerValue;
}

interface Meaning {
  readonly name: string;
  readonly value: bigint;
  readonly mask: bigint;
}

/** `whole` is the mask of the whole argument. */
type Make = (test: BitsTest, meanings: readonly Meaning[], whole: bigint) => BooleanExpression;

const flagMethods: readonly (readonly [string, Make])[] = [
  ["has", (test, meanings) => ir.all(meanings.map((one) => holds(test, one)))],
  ["hasAny", (test, meanings) => ir.any(meanings.map((one) => holds(test, one)))],
  ["hasOnly", only],
];

export function flags(c: Compilation, argument: NamedArgument): Value {
  return named(c, argument, "Flags", flagMethods, "bits");
}

export function choice(c: Compilation, argument: NamedArgument): Value {
  return named(c, argument, "Choice", [["is", oneOf]], "value");
}

function named(
  c: Compilation,
  argument: NamedArgument,
  type: string,
  methods: readonly (readonly [string, Make])[],
  integer: string,
): Value {
  const members = new Map<string, Value | (() => Value)>([[integer, argument.value]]);
  for (const [name, make] of methods) {
    members.set(name, () => ({ is: "builtin", name, apply: (call) => ask(c, argument, call, name, make) }));
  }
  return object(`${type}<${argument.set}>`, members);
}

function holds(test: BitsTest, { value, mask }: Meaning): BooleanExpression {
  return test(mask, [value]);
}

/** Values of the whole argument become one set of values. */
function oneOf(test: BitsTest, meanings: readonly Meaning[], whole: bigint): BooleanExpression {
  const entire = meanings.filter((one) => one.mask === whole);
  const others = meanings.filter((one) => one.mask !== whole);
  return ir.any([
    test(
      whole,
      entire.map((one) => one.value),
    ),
    ...others.map((one) => holds(test, one)),
  ]);
}

/**
 * No bit is set beside these names'. A field of several bits (the access mode) may hold what was named, or 0, but no
 * other value that only looks like a union of names: O_WRONLY and O_RDWR do not allow 3.
 */
function only(test: BitsTest, meanings: readonly Meaning[], whole: bigint): BooleanExpression {
  let allowed = 0n;
  const fields = new Map<bigint, bigint[]>();
  for (const { value, mask } of meanings) {
    if (value === 0n) continue; // sets no bit: O_RDONLY, PROT_NONE
    if (value === mask) allowed |= value;
    else fields.set(mask, [...(fields.get(mask) ?? [0n]), value]);
  }
  // A flag that lies inside of a field is a value of it.
  for (const [mask, values] of fields) {
    for (const one of meanings) {
      if (one.value === one.mask && (one.mask & mask) === one.mask) values.push(one.value);
    }
    allowed &= ~mask;
  }
  const covered = [...fields.keys()].reduce((mask, field) => mask | field, allowed);
  const tests = [...fields].map(([mask, values]) => test(mask, values));
  const rest = whole & ~covered;
  if (rest !== 0n) tests.push(test(rest, [0n]));
  return ir.all(tests);
}

function ask(c: Compilation, argument: NamedArgument, call: BuiltinCall, method: string, make: Make): Value {
  const given = call.values();
  if (given === undefined) return unknown;
  if (given.length === 0) {
    return c.error("P0212", call.node, `\`.${method}()\` asks for nothing`, `name at least one: \`.${method}("…")\``);
  }
  const meanings: Meaning[] = [];
  let failed = false;
  let absent: string | undefined;
  for (const { value, node } of given) {
    const name = constantText(value);
    if (name === undefined) {
      c.error("P0207", node, `\`.${method}\` takes names, and this is ${describe(value)}`);
      failed = true;
      continue;
    }
    const meaning = lookUp(c, argument, name, node);
    if (meaning === undefined) failed = true;
    else if (meaning === "absent") absent = name;
    else meanings.push(meaning);
  }
  if (failed) return unknown;
  if (absent !== undefined && method === "has") return boolean(ir.never);
  const whole = (1n << BigInt(argument.width)) - 1n;
  return boolean(argument.ask((test) => make(test, meanings, whole)));
}

function lookUp(
  c: Compilation,
  argument: NamedArgument,
  name: string,
  node: SourceRange,
): Meaning | "absent" | undefined {
  const set = nameSet(argument.set);
  const member = set?.members.find((one) => one.name === name);
  if (member === undefined) {
    const known = set?.members.map((one) => one.name) ?? [];
    const near = nearestName(name, known);
    c.error(
      "P0104",
      node,
      `\`${argument.name}\` knows no ${JSON.stringify(name)}`,
      near !== undefined
        ? `did you mean ${JSON.stringify(near)}?`
        : `it knows ${known.slice(0, 8).join(", ")}${known.length > 8 ? " …" : ""}; ${set === undefined ? "" : "`.bits` or `.value` is the integer"}`,
    );
    return undefined;
  }
  const { architecture } = c.names;
  const value = member.value[architecture];
  if (value === undefined) {
    c.warn("P0505", node, `${architecture} has no ${name}: this never applies here`);
    return "absent";
  }
  const whole = (1n << BigInt(argument.width)) - 1n;
  const mask = (member.mask[architecture] ?? whole) & whole;
  return { name, value: value & whole, mask };
}
