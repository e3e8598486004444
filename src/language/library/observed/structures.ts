/** Structures behind pointers: `openat2`'s `how`, `mount_setattr`'s `uattr` … with the kernel's field names and widths. */
import { type StructureField, type StructureName, structures, structureTypes } from "../../../linux/pointees.ts";
import * as ir from "../../values/ir.ts";
import { widthRange } from "../../values/ranges.ts";
import { integer, type Value } from "../../values/values.ts";
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
  return {
    is: "object",
    type: structureTypes[name],
    described: `\`${argument.name}\``,
    members: new Map<string, Value | (() => Value)>([
      ...pointer,
      ...structures[name].fields.map((one): [string, () => Value] => [
        one.name,
        () => (name === "clone_args" ? unpinned(c, argument, one) : field(c, argument, one)),
      ]),
    ]),
  };
}

/**
 * A pinned call returns into the engine's stub, which finds the caller's registers below the stack pointer. A child with
 * a stack of its own starts there without them; one that shares its parent's stack can overwrite them.
 */
function unpinned(c: Compilation, argument: ObservedArgument, one: StructureField): Value {
  return c.error(
    "P0601",
    argument.node,
    `no engine pins clone3's \`${argument.name}\`, so \`.${one.name}\` cannot be read: the child would start on its own stack, where the engine's frame is not`,
    'for clone3 return deny("ENOSYS"): the C library falls back to clone, whose flags are in a register',
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
    value,
  };
  return one.flags === undefined ? choice(c, named) : flags(c, named);
}
