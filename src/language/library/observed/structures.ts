/** Structures behind pointers: `openat2`'s `how`, `mount_setattr`'s `uattr` … with the kernel's field names and widths. */
import { type StructureField, type StructureName, structures, structureTypes } from "../../../linux/pointees.ts";
import * as ir from "../../values/ir.ts";
import { widthRange } from "../../values/ranges.ts";
import { integer, object, type Value } from "../../values/values.ts";
import type { Compilation } from "../../walk/compilation.ts";
import type { BitsTest } from "../argument.ts";
import { choice, flags } from "../named.ts";
import type { ObservedArgument } from "./argument.ts";

export function structure(
  c: Compilation,
  argument: ObservedArgument,
  name: StructureName,
  pointer: ReadonlyMap<string, Value | (() => Value)>,
): Value {
  return object(
    structureTypes[name],
    new Map<string, Value | (() => Value)>([
      ...pointer,
      ...structures[name].fields.map((one): [string, () => Value] => [one.name, () => field(c, argument, one)]),
    ]),
    `\`${argument.name}\``,
  );
}

function field(c: Compilation, argument: ObservedArgument, one: StructureField): Value {
  const bits = argument.field(one.offset, one.bytes);
  const width = 8 * one.bytes;
  const isSigned = one.signed === true;
  const value = integer(
    isSigned ? ir.extend(width, true, bits) : bits,
    widthRange(width, isSigned),
    `\`${argument.name}.${one.name}\` is ${width} bits`,
  );
  const set = one.flags ?? one.choice;
  if (set === undefined) return value;
  const test: BitsTest = (mask, values) => ir.oneOf(ir.masked(bits, mask), values);
  const named = {
    name: one.name,
    set,
    width,
    ask: (make: (test: BitsTest) => ReturnType<BitsTest>) => make(test),
    value: () => value,
  };
  return one.flags === undefined ? choice(c, named) : flags(c, named);
}
