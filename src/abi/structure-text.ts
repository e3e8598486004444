/** Structures behind pointers (pointees.ts) as people read and write them: `{flags=O_RDONLY|O_CLOEXEC, resolve=0}`. */
import type { ArchitectureName } from "./architecture.ts";
import type { CallParameter } from "./call.ts";
import { type DecodedArgument, decodeArgument } from "./decode.ts";
import { type StructureField, type StructureName, structures } from "./pointees.ts";

export function isStructureName(name: string): name is StructureName {
  return Object.hasOwn(structures, name);
}

export function fieldsOf(name: StructureName): readonly StructureField[] {
  return structures[name].fields;
}

/** The field as if it were an argument of a call. */
export function fieldParameter({ name, bytes, signed, flags, choice }: StructureField): CallParameter {
  const set = flags ?? choice;
  return {
    name,
    aliases: [],
    type: `__${signed === true ? "s" : "u"}${8 * bytes}`,
    width: bytes === 8 ? 64 : 32,
    signed: signed === true,
    kind: set === undefined ? { is: "integer" } : { is: flags === undefined ? "choice" : "flags", set },
  };
}

/** Names of flags may differ between calls; those of structures do not. */
export const noCall = { name: "" };

/** Fields that lie beyond the bytes are 0, as the kernel has them (copy_struct_from_user(), include/linux/uaccess.h). */
export function decodeStructure(
  architecture: ArchitectureName,
  name: StructureName,
  bytes: Uint8Array,
): DecodedArgument[] {
  return fieldsOf(name).map((field) => ({
    name: field.name,
    text: decodeArgument(architecture, noCall, fieldParameter(field), readField(bytes, field)),
  }));
}

export function readField(bytes: Uint8Array, { offset, bytes: size }: StructureField): bigint {
  let value = 0n;
  for (let index = size - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[offset + index] ?? 0);
  return value;
}

/** `value` is cut to the field's size. */
export function writeField(bytes: Uint8Array, { offset, bytes: size }: StructureField, value: bigint): void {
  for (let index = 0; index < size; index++) bytes[offset + index] = Number((value >> BigInt(8 * index)) & 0xffn);
}
