/**
 * A call's registers as people read them, as strace prints them: flags by name, AT_FDCWD, hexadecimal addresses. Nothing
 * is read from the caller's memory, so what lies behind a pointer is not shown.
 */
import type { ArchitectureName } from "./architecture.ts";
import { auditArchitecture, x32Bit } from "./architecture.ts";
import type { CallDescription, CallParameter, NameSet } from "./call.ts";
import { callByNumber, registerOf } from "./calls.ts";
import { nameSet } from "./flags.ts";

export interface DecodedArgument {
  readonly name: string;
  readonly text: string;
}

/** The arguments that the call has, in the kernel's order; all six as `arg0` … `arg5` where the call is not known. */
export function decodeArguments(
  architecture: ArchitectureName,
  call: CallDescription | undefined,
  registers: readonly bigint[],
): DecodedArgument[] {
  if (call === undefined) return registers.map((word, index) => ({ name: `arg${index}`, text: hexadecimal(word) }));
  return call.parameters.map((parameter, index) => ({
    name: parameter.name,
    text: decodeArgument(architecture, parameter, registers[registerOf(call, index, architecture)] ?? 0n),
  }));
}

/** `openat(AT_FDCWD, 0x7f…, O_RDONLY|O_CLOEXEC, 0)`. */
export function printCall(name: string, decoded: readonly DecodedArgument[]): string {
  return `${name}(${decoded.map((one) => one.text).join(", ")})`;
}

/**
 * One argument. Where the register holds more than the kernel uses of it (an attempt to deceive a 64-bit comparison, as
 * a rule), the register follows in a comment.
 */
export function decodeArgument(architecture: ArchitectureName, parameter: CallParameter, register: bigint): string {
  const bits = BigInt.asUintN(parameter.width, register);
  const text = meaning(architecture, parameter, bits);
  const plain = register === bits || register === BigInt.asUintN(64, BigInt.asIntN(parameter.width, register));
  return plain ? text : `${text} /* register ${hexadecimal(register)} */`;
}

function meaning(architecture: ArchitectureName, parameter: CallParameter, bits: bigint): string {
  const { kind } = parameter;
  if (kind.is === "pointer") return bits === 0n ? "NULL" : hexadecimal(bits);
  if (kind.is === "flags" || kind.is === "choice") {
    const set = nameSet(kind.set);
    if (set !== undefined) {
      const named =
        kind.is === "flags" ? flagsByName(set, architecture, bits) : choiceByName(set, architecture, parameter, bits);
      if (named !== undefined) return named;
    }
    return bits < 10n ? String(bits) : hexadecimal(bits);
  }
  return integer(parameter, bits);
}

function integer(parameter: CallParameter, bits: bigint): string {
  const descriptor = /fd$/.test(parameter.name);
  // Many calls declare a descriptor unsigned; everybody writes -1.
  const value = parameter.signed || descriptor ? BigInt.asIntN(parameter.width, bits) : bits;
  if (value === -100n && descriptor) return "AT_FDCWD";
  if (parameter.type === "umode_t" || parameter.type === "mode_t") return bits === 0n ? "0" : `0${bits.toString(8)}`;
  return value >= 1n << 40n || value <= -(1n << 40n) ? hexadecimal(bits) : String(value);
}

/**
 * Names joined by `|`, the field's name first (O_RDONLY, SOCK_STREAM), then bits, what has no name last in hexadecimal;
 * undefined where nothing has a name. A name of several bits goes before those that it contains.
 */
function flagsByName(set: NameSet, architecture: ArchitectureName, bits: bigint): string | undefined {
  const members = set.members
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
    // A zero under its own mask (O_RDONLY) is a name only where the mask is a field of others, too.
    if (member.value === 0n && !members.some((other) => other.mask === member.mask && other !== member)) continue;
    found.push(member);
    taken |= member.mask;
  }
  if (found.length === 0) return undefined;
  found.sort((a, b) => countBits(b.mask) - countBits(a.mask) || a.order - b.order);
  const rest = bits & ~taken;
  return [...found.map((member) => member.name), ...(rest === 0n ? [] : [hexadecimal(rest)])].join("|");
}

function choiceByName(
  set: NameSet,
  architecture: ArchitectureName,
  parameter: CallParameter,
  bits: bigint,
): string | undefined {
  for (const { name, value, mask } of set.members) {
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

/** How a call is named where it is spoken of, and its description where it is one of this architecture's. */
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

/** `AUDIT_ARCH_…` of the ABIs that a native process can call by (include/uapi/linux/audit.h). */
const abiNames: ReadonlyMap<number, string> = new Map([
  [0x4000_0003, "i386"],
  [0x4000_0028, "arm"],
  [0xc000_003e, "x86_64"],
  [0xc000_00b7, "aarch64"],
]);
