/**
 * Prints a call's registers as strace does: flags by name, AT_FDCWD, hexadecimal addresses. It does not read the
 * caller's memory, so it shows pointers as addresses.
 */

import type { ArchitectureName } from "./architecture.ts";
import { auditArchitecture, x32Bit } from "./architecture.ts";
import type { CallDescription, CallParameter, NameSet } from "./call.ts";
import { callByNumber, registerOf } from "./calls.ts";
import { namesFor } from "./flags.ts";
import { atWorkingDirectory } from "./open-numbers.ts";

type Name = NameSet["members"][number];

export interface DecodedArgument {
  readonly name: string;
  readonly text: string;
}

/** The call's arguments in the kernel's order; the six registers as `arg0` … `arg5` if the call is unknown. */
export function decodeArguments(
  architecture: ArchitectureName,
  call: CallDescription | undefined,
  registers: readonly bigint[],
): DecodedArgument[] {
  if (call === undefined) return registers.map((word, index) => ({ name: `arg${index}`, text: hexadecimal(word) }));
  return call.parameters.map((parameter, index) => ({
    name: parameter.name,
    text: decodeArgument(architecture, call, parameter, registers[registerOf(call, index, architecture)] ?? 0n),
  }));
}

/** Prints `openat(AT_FDCWD, 0x7f…, O_RDONLY|O_CLOEXEC, 0)`. */
export function printCall(name: string, decoded: readonly DecodedArgument[]): string {
  return `${name}(${decoded.map((one) => one.text).join(", ")})`;
}

/**
 * Prints one argument. If the register has more bits than the kernel uses (usually an attempt to deceive a 64-bit
 * comparison), the register follows in a comment.
 */
export function decodeArgument(
  architecture: ArchitectureName,
  call: Pick<CallDescription, "name">,
  parameter: CallParameter,
  register: bigint,
): string {
  const bits = BigInt.asUintN(parameter.width, register);
  const text = meaning(architecture, call, parameter, bits);
  const plain = register === bits || register === BigInt.asUintN(64, BigInt.asIntN(parameter.width, register));
  return plain ? text : `${text} /* register ${hexadecimal(register)} */`;
}

function meaning(
  architecture: ArchitectureName,
  call: Pick<CallDescription, "name">,
  parameter: CallParameter,
  bits: bigint,
): string {
  const { kind } = parameter;
  switch (kind.is) {
    case "integer":
      return integer(parameter, bits);
    case "pointer":
      return bits === 0n ? "NULL" : hexadecimal(bits);
    case "flags":
    case "choice": {
      const names = namesFor(call.name, kind.set);
      const named =
        kind.is === "flags"
          ? flagsByName(names, architecture, bits)
          : choiceByName(names, architecture, parameter, bits);
      return named ?? (bits < 10n ? String(bits) : hexadecimal(bits));
    }
  }
}

function integer(parameter: CallParameter, bits: bigint): string {
  const descriptor = /fd$/.test(parameter.name);
  // Many calls declare a descriptor as unsigned, but -1 is the usual notation.
  const value = parameter.signed || descriptor ? BigInt.asIntN(parameter.width, bits) : bits;
  if (value === BigInt(atWorkingDirectory) && descriptor) return "AT_FDCWD";
  if (parameter.type === "umode_t" || parameter.type === "mode_t") return bits === 0n ? "0" : `0${bits.toString(8)}`;
  return value >= 1n << 40n || value <= -(1n << 40n) ? hexadecimal(bits) : String(value);
}

/** Names joined by `|`, then the unnamed bits in hexadecimal. Undefined if no name applies. */
function flagsByName(names: readonly Name[], architecture: ArchitectureName, bits: bigint): string | undefined {
  const { found, rest } = flagNames(names, architecture, bits);
  return found.length === 0 ? undefined : [...found, ...(rest === 0n ? [] : [hexadecimal(rest)])].join("|");
}

/**
 * The names of some flags: those of fields first (O_RDONLY, SOCK_STREAM), then of bits; and the unnamed bits. A name of
 * several bits has precedence over those that it contains.
 */
export function flagNames(
  names: readonly Name[],
  architecture: ArchitectureName,
  bits: bigint,
): { readonly found: readonly string[]; readonly rest: bigint } {
  const members = names
    .flatMap(({ name, value, mask }, order) => {
      const [valueHere, maskHere] = [value[architecture], mask[architecture]];
      return valueHere === undefined || maskHere === undefined || maskHere === 0n
        ? []
        : [{ name, value: valueHere, mask: maskHere, order }];
    })
    .sort((a, b) => countBits(b.value) - countBits(a.value) || a.order - b.order);
  const found: typeof members = [];
  let taken = 0n;
  for (const member of members) {
    if ((bits & member.mask) !== member.value || (member.mask & taken) !== 0n) continue;
    // A zero under its own mask is not a name, because it tests nothing; O_RDONLY is 0 in a field of several names.
    if (member.value === 0n && !members.some((other) => other.mask === member.mask && other !== member)) continue;
    found.push(member);
    taken |= member.mask;
  }
  found.sort((a, b) => countBits(b.mask) - countBits(a.mask) || a.order - b.order);
  return { found: found.map((member) => member.name), rest: bits & ~taken };
}

function choiceByName(
  names: readonly Name[],
  architecture: ArchitectureName,
  parameter: CallParameter,
  bits: bigint,
): string | undefined {
  for (const { name, value, mask } of names) {
    const [valueHere, maskHere] = [value[architecture], mask[architecture]];
    if (valueHere === undefined || maskHere === undefined) continue;
    const used = BigInt.asUintN(parameter.width, maskHere);
    if ((bits & used) !== BigInt.asUintN(parameter.width, valueHere)) continue;
    const rest = bits & ~used;
    return rest === 0n ? name : `${name}|${hexadecimal(rest)}`;
  }
  return undefined;
}

function countBits(value: bigint): number {
  let count = 0;
  for (let rest = BigInt.asUintN(64, value); rest !== 0n; rest &= rest - 1n) count++;
  return count;
}

export function hexadecimal(value: bigint): string {
  return value === 0n ? "0" : `0x${value.toString(16)}`;
}

/** The name of a call in messages, and its description if it is a native call. */
export function nameCall(
  architecture: ArchitectureName,
  caller: number,
  number: number,
): { readonly name: string; readonly call: CallDescription | undefined } {
  if (caller >>> 0 !== auditArchitecture[architecture]) {
    return {
      name: `call_${number >>> 0}@${abiNames.get(caller >>> 0) ?? hexadecimal(BigInt(caller >>> 0))}`,
      call: undefined,
    };
  }
  if (architecture === "x86_64" && (number | 0) !== -1 && (number & x32Bit) !== 0) {
    return { name: `call_${(number & ~x32Bit) >>> 0}@x32`, call: undefined };
  }
  const call = callByNumber(architecture, number);
  return { name: call?.name ?? `call_${number | 0}`, call };
}

/** `AUDIT_ARCH_…` of the ABIs that a native process can use (include/uapi/linux/audit.h). */
const abiNames: ReadonlyMap<number, string> = new Map([
  [0x4000_0003, "i386"],
  [0x4000_0028, "arm"],
  [0xc000_003e, "x86_64"],
  [0xc000_00b7, "aarch64"],
]);
