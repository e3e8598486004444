/**
 * Arguments with named values: `Flags` (`.has`, `.hasAny`, `.hasOnly`, `.bits`) and `Choice` (`.is`, `.value`). Each
 * name stands for a value under a mask: `O_CREAT` for one bit, `O_RDONLY` for 0 in the field of the access mode.
 */

import { nameSet } from "../../../../abi/flags.ts";
import { nearestName } from "../../../../diagnostics/suggest.ts";
import type { BooleanExpression } from "../../../../ir/program.ts";
import * as ir from "../../../program/ir.ts";
import type { Range as SourceRange } from "../../../source/file.ts";
import {
  type BuiltinCall,
  boolean,
  constantString,
  describe,
  object,
  unknown,
  type Value,
} from "../../values/values.ts";
import type { Compilation } from "../../walk/compilation.ts";
import type { BitsTest } from "./argument.ts";

export interface NamedArgument {
  readonly name: string;
  /** A key of `nameSet`. */
  readonly set: string;
  readonly width: number;
  /** Tests the bits that the kernel uses. */
  readonly ask: (make: (test: BitsTest) => BooleanExpression) => BooleanExpression;
  /** The value as the kernel reads it; most policies ask for names only. */
  readonly value: () => Value;
}

interface Meaning {
  readonly name: string;
  readonly value: bigint;
  readonly mask: bigint;
}

/** Makes the condition of a method; `whole` is the mask of the whole argument. */
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

/** Joins the values of the whole argument to one set. */
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
 * No bit outside of the names is set. A field of several bits (the access mode) may hold a named value or 0, but not a
 * value that is only a union of named bits: O_WRONLY and O_RDWR do not allow 3.
 */
function only(test: BitsTest, meanings: readonly Meaning[], whole: bigint): BooleanExpression {
  let allowed = 0n;
  const fields = new Map<bigint, bigint[]>();
  for (const { value, mask } of meanings) {
    if (value === 0n) continue; // sets no bit: O_RDONLY, PROT_NONE
    if (value === mask) allowed |= value;
    else fields.set(mask, [...(fields.get(mask) ?? [0n]), value]);
  }
  // A flag inside of a field is a value of that field.
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
    return c.error("P0212", call.node, `\`.${method}()\` names no value`, `name at least one: \`.${method}("…")\``);
  }
  const meanings: Meaning[] = [];
  let failed = false;
  let absent: string | undefined;
  for (const { value, node } of given) {
    const name = constantString(value);
    if (name === undefined) {
      c.error("P0207", node, `\`.${method}\` takes names, not ${describe(value)}`);
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
      `\`${argument.name}\` has no value named ${JSON.stringify(name)}`,
      near !== undefined
        ? `did you mean ${JSON.stringify(near)}?`
        : `it has ${known.slice(0, 8).join(", ")}${known.length > 8 ? " …" : ""}; ${set === undefined ? "" : "`.bits` or `.value` is the integer"}`,
    );
    return undefined;
  }
  const { architecture } = c.names;
  const value = member.value[architecture];
  if (value === undefined) {
    c.warn("P0505", node, `${architecture} has no ${name}: this is never true`);
    return "absent";
  }
  const whole = (1n << BigInt(argument.width)) - 1n;
  const mask = (member.mask[architecture] ?? whole) & whole;
  return { name, value: value & whole, mask };
}
