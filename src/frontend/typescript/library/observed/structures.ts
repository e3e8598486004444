/** Structures behind pointers: `openat2`'s `how`, `mount_setattr`'s `uattr` … with the kernel's field names and widths. */
import { type StructureField, type StructureName, structures, structureTypes } from "../../../../abi/pointees.ts";
import * as ir from "../../../program/ir.ts";
import { widthRange } from "../../values/ranges.ts";
import { integer, object, type Value } from "../../values/values.ts";
import type { Compilation } from "../../walk/compilation.ts";
import { Argument, type BitsTest } from "../arguments/argument.ts";
import { choice, flags } from "../arguments/named.ts";
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
  // Every call with this structure reads it in one way.
  const changed = Argument.field(argument.calls[0]!, `${argument.name}.${one.name}`, width, bits, c.names.architecture);
  const read = changed.isRewritten ? changed.value() : bits;
  const value = integer(
    isSigned ? ir.extend(width, true, read) : read,
    widthRange(width, isSigned),
    `\`${argument.name}.${one.name}\` is ${width} bits`,
  );
  const set = one.flags ?? one.choice;
  if (set === undefined) return value;
  const test: BitsTest = (mask, values) => ir.oneOf(ir.masked(bits, mask), values);
  const ask = (make: (test: BitsTest) => ReturnType<BitsTest>) =>
    changed.isRewritten ? changed.ask(make) : make(test);
  const named = {
    name: one.name,
    set,
    width,
    ask,
    value: () => value,
  };
  return one.flags === undefined ? choice(c, named) : flags(c, named);
}
