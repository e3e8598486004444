/** Names and notations that strace prints, and that the tables of the kernel's headers lack. */
import type { ArchitectureName } from "../../abi/architecture.ts";
import type { CallParameter, NameSet } from "../../abi/call.ts";
import { capabilityNames } from "../../abi/capability-names.ts";
import { loneConstant } from "../../abi/constants.ts";
import { nameSet, nameSetNames } from "../../abi/flags.ts";

/** A parameter's name in the tables, of the name that strace prints (strace 6.13, src/clone.c). */
export function parameterOfStrace(call: string, name: string): string {
  return call === "clone" && name === "child_stack" ? "newsp" : name;
}

/**
 * The value of a name that stands for an integer or a part of one. `own` are the sets of the parameter; one without a set
 * that can have named values takes the names of all. Undefined for other names.
 */
export function valueOfStraceName(
  name: string,
  parameter: CallParameter | undefined,
  own: readonly NameSet[],
  architecture: ArchitectureName,
): bigint | undefined {
  // strace counts from the kernel's SIGRTMIN, 32; the last signal is 64.
  const [, realTime] = /^SIGRT_(\d{1,2})$/.exec(name) ?? [];
  if (realTime !== undefined) return Number(realTime) > 32 ? undefined : 32n + BigInt(realTime);
  // FUTEX_WAKE_PRIVATE is FUTEX_WAKE | FUTEX_PRIVATE_FLAG (include/uapi/linux/futex.h).
  const [, operation] = /^(FUTEX_\w+)_PRIVATE$/.exec(name) ?? [];
  if (operation !== undefined) {
    const [plain, flag] = [valueIn(own, operation, architecture), valueIn(own, "FUTEX_PRIVATE_FLAG", architecture)];
    return plain === undefined || flag === undefined ? undefined : plain | flag;
  }
  return parameter !== undefined && hasOpenNames(parameter) ? valueOfAnyName(name, architecture) : undefined;
}

/**
 * The integers without a set for which strace 6.13 prints names: what they are depends on another argument (the `arg` of
 * fcntl(2), the `optname` of setsockopt(2)), or the tables have no set of them (the `key` of shmget(2)). All others are
 * numbers of things: descriptors, tasks, sizes, times, addresses.
 */
const openNames =
  /flags$|flg$|^(?:arg\d?|addr|attr|cmd|data|destringid|dev|init_val|ioprio|key|magic\d|mask|mode|opcode|optname|personality|policy|prot|protocol|ringid|type|val3|which|who)$/;

export function hasOpenNames({ name, kind }: CallParameter): boolean {
  return kind.is === "integer" && openNames.test(name);
}

/** The value of a name of any of the tables. */
export function valueOfAnyName(name: string, architecture: ArchitectureName): bigint | undefined {
  const capability = capabilityNames.indexOf(name);
  if (capability !== -1) return BigInt(capability);
  return (
    deviceNumber(name) ??
    loneConstant(name) ??
    valueIn(
      nameSetNames().map((set) => nameSet(set)!),
      name,
      architecture,
    )
  );
}

function valueIn(sets: readonly NameSet[], wanted: string, architecture: ArchitectureName): bigint | undefined {
  return sets.flatMap((set) => set.members).find((one) => one.name === wanted)?.value[architecture];
}

/** The 32 bits of mknod(2)'s device, new_encode_dev() in include/linux/kdev_t.h: makedev(0x1, 0x3). */
function deviceNumber(text: string): bigint | undefined {
  const match = /^makedev\((0x[0-9a-f]{1,3}|\d{1,4}), (0x[0-9a-f]{1,5}|\d{1,7})\)$/.exec(text);
  if (match === null) return undefined;
  const [major, minor] = [BigInt(match[1]!), BigInt(match[2]!)];
  return major > 0xfffn || minor > 0xf_ffffn ? undefined : (minor & 0xffn) | (major << 8n) | ((minor & ~0xffn) << 12n);
}

/**
 * The number of a descriptor or a task without strace's description of it (-y, -yy, -Y): 3</etc/passwd>,
 * 4<TCP:[127.0.0.1:1->127.0.0.1:2]>, AT_FDCWD</root>, 5</tmp/x>(deleted).
 */
export function withoutDescription(text: string): string {
  return /^(-?\d+|AT_FDCWD)<.*>(?:\(deleted\))?$/s.exec(text)?.[1] ?? text;
}
