/**
 * Null pointers in the place of memory about which a policy can ask. Page 0 can be mapped (CAP_SYS_RAWIO, or
 * vm.mmap_min_addr = 0), and most calls read address 0 like any other. The table has the calls that do not.
 */
import type { ArchitectureName } from "./architecture.ts";
import { allCalls, numberOf, registerOf } from "./calls.ts";
import { atWorkingDirectory } from "./open-numbers.ts";
import { pointeeOf } from "./pointees.ts";

/** A register: its value and a mask of its unknown bits, which are 0 in the value. */
export interface RegisterWord {
  readonly value: bigint;
  readonly unknown: bigint;
}

export type NullPointer =
  /** The kernel reads address 0. */
  | "address"
  /** There is no argument, and nothing is read. */
  | "absent"
  /** Likewise; older kernels read address 0. Both do the same with the empty path. */
  | "empty-path";

interface Rule {
  /** Only with this flag in this argument is there no argument. */
  readonly flag?: readonly [argument: string, flag: bigint];
  /** Only if this descriptor is not the working directory is there no argument. */
  readonly directory?: string;
}

const always: Rule = {};
const AT_EMPTY_PATH = 0x1000n;
const emptyPath = (argument: string, flag = AT_EMPTY_PATH): Rule => ({ flag: [argument, flag] });

/** By the policy's names of call and argument. */
const rules: { readonly [call: string]: { readonly [parameter: string]: Rule } } = {
  acct: { name: always },
  // count(), fs/exec.c
  execve: { argv: always, envp: always },
  execveat: { argv: always, envp: always },
  // fanotify_find_path(), fs/notify/fanotify/fanotify_user.c
  fanotify_mark: { path: always },
  // getname_maybe_null(), include/linux/fs.h (6.13, for some calls later)
  file_getattr: { path: emptyPath("at_flags") },
  file_setattr: { path: emptyPath("at_flags") },
  fsconfig: { key: always },
  // do_utimes(), fs/utimes.c
  futimesat: { path: { directory: "dirfd" } },
  getxattrat: { path: emptyPath("at_flags") },
  listxattrat: { path: emptyPath("at_flags") },
  // copy_mount_string(), fs/namespace.c
  mount: { source: always, type: always },
  // MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH
  move_mount: { from_pathname: emptyPath("flags", 0x04n), to_pathname: emptyPath("flags", 0x40n) },
  // vfs_fstatat(), fs/stat.c (6.11)
  newfstatat: { path: emptyPath("flag") },
  // quotactl_block() is not reached (fs/quota/quota.c).
  quotactl: { special: always },
  removexattrat: { path: emptyPath("at_flags") },
  // __sys_sendto(), net/socket.c
  sendto: { addr: always },
  setxattrat: { path: emptyPath("at_flags") },
  statx: { path: emptyPath("flags") },
  utimensat: { path: { directory: "dirfd" } },
};

type Meaning = (register: (index: number) => RegisterWord) => NullPointer;

/** By number and register: all arguments about which a policy can ask. */
const meanings = new Map<ArchitectureName, ReadonlyMap<string, Meaning>>();

function meaningsOn(architecture: ArchitectureName): ReadonlyMap<string, Meaning> {
  const known = meanings.get(architecture);
  if (known !== undefined) return known;
  const made = new Map<string, Meaning>();
  for (const call of allCalls) {
    const number = numberOf(call.name, architecture);
    if (number === undefined) continue;
    const register = (name: string): number => {
      const place = call.parameters.findIndex((parameter) => parameter.name === name);
      if (place < 0) throw new Error(`${call.name} has no argument ${name}`);
      return registerOf(call, place, architecture);
    };
    for (const { name, kind } of call.parameters) {
      if (kind.is !== "pointer" || pointeeOf(call.name, name) === undefined) continue;
      made.set(`${number}:${register(name)}`, meaningOf(rules[call.name]?.[name], register));
    }
  }
  meanings.set(architecture, made);
  return made;
}

/** An unknown bit of a register is taken as in the call that has no argument. */
function meaningOf(rule: Rule | undefined, register: (name: string) => number): Meaning {
  if (rule === undefined) return () => "address";
  if (rule.flag !== undefined) {
    const [at, flag] = [register(rule.flag[0]), rule.flag[1]];
    return (word) => (((word(at).value | word(at).unknown) & flag) === 0n ? "address" : "empty-path");
  }
  if (rule.directory !== undefined) {
    const at = register(rule.directory);
    const isWorkingDirectory = ({ value, unknown }: RegisterWord): boolean =>
      BigInt.asUintN(32, unknown) === 0n && BigInt.asIntN(32, value) === BigInt(atWorkingDirectory);
    return (word) => (isWorkingDirectory(word(at)) ? "address" : "absent");
  }
  return () => "absent";
}

/** The meaning of a null pointer in this register. Undefined if no policy can ask about the argument. */
export function nullPointer(
  architecture: ArchitectureName,
  number: number,
  register: number,
  word: (index: number) => RegisterWord,
): NullPointer | undefined {
  return meaningsOn(architecture).get(`${number}:${register}`)?.(word);
}
