/**
 * The memory behind pointer arguments that the kernel reads once, and about which a policy can therefore ask. The layouts
 * are those of include/uapi/linux (6.12); all fields are little-endian on both architectures.
 */
import { environmentArgument } from "./environment.ts";

export type Pointee =
  /** A path that the kernel looks up (getname(), fs/namei.c). */
  | { readonly is: "path" }
  /** A string that is not a path to an object. The kernel copies it by strndup_user(), or by `getname()`. */
  | { readonly is: "string"; readonly bytes: number; readonly by?: "getname" }
  /** `struct sockaddr`; `length` is the argument with its size in bytes. */
  | { readonly is: "address"; readonly length: string }
  /** `struct user_msghdr`, whose `msg_name` is an address; and the length of its control data. */
  | { readonly is: "message" }
  /** A NULL-terminated array of strings: argv and envp. */
  | { readonly is: "strings" }
  /** A structure with its size in another argument, or in its first field where `length` is undefined. */
  | { readonly is: "structure"; readonly structure: StructureName; readonly length: string | undefined };

export interface StructureField {
  readonly name: string;
  readonly offset: number;
  readonly bytes: 4 | 8;
  readonly signed?: true;
  /** A set of `generated/flags.ts`. */
  readonly flags?: string;
  readonly choice?: string;
}

export interface Structure {
  /** The smallest size that the kernel takes, and that of the newest layout in the table. */
  readonly minimum: number;
  readonly size: number;
  readonly fields: readonly StructureField[];
}

const u64 = (name: string, offset: number, flags?: string): StructureField => ({
  name,
  offset,
  bytes: 8,
  ...(flags === undefined ? {} : { flags }),
});
const u32 = (name: string, offset: number, more: Partial<StructureField> = {}): StructureField => ({
  name,
  offset,
  bytes: 4,
  ...more,
});

/** Fields that are addresses of the caller's memory are left out: what lies behind them is not read. */
export const structures = {
  /** include/uapi/linux/openat2.h */
  open_how: {
    minimum: 24,
    size: 24,
    fields: [u64("flags", 0, "OpenFlag"), u64("mode", 8), u64("resolve", 16, "ResolveFlag")],
  },
  /** include/uapi/linux/sched.h; 64 bytes are CLONE_ARGS_SIZE_VER0. */
  clone_args: {
    minimum: 64,
    size: 88,
    fields: [
      u64("flags", 0, "Clone3Flag"),
      u64("exit_signal", 32),
      u64("stack", 40),
      u64("stack_size", 48),
      u64("tls", 56),
      u64("set_tid_size", 72),
      u64("cgroup", 80),
    ],
  },
  /** include/uapi/linux/mount.h; 32 bytes are MOUNT_ATTR_SIZE_VER0. */
  mount_attr: {
    minimum: 32,
    size: 32,
    fields: [
      u64("attr_set", 0, "MountAttribute"),
      u64("attr_clr", 8, "MountAttribute"),
      u64("propagation", 16, "MountFlag"),
      u64("userns_fd", 24),
    ],
  },
  /** include/uapi/linux/sched/types.h; its first field is its size, 48 bytes are SCHED_ATTR_SIZE_VER0. */
  sched_attr: {
    minimum: 48,
    size: 56,
    fields: [
      u32("sched_policy", 4, { choice: "SchedulingPolicy" }),
      u64("sched_flags", 8),
      u32("sched_nice", 16, { signed: true }),
      u32("sched_priority", 20),
      u64("sched_runtime", 24),
      u64("sched_deadline", 32),
      u64("sched_period", 40),
      u32("sched_util_min", 48),
      u32("sched_util_max", 52),
    ],
  },
} as const satisfies Readonly<Record<string, Structure>>;
export type StructureName = keyof typeof structures;

/** The names of the language's types (src/frontend/types/values.d.ts). */
export const structureTypes: { readonly [S in StructureName]: string } = {
  open_how: "OpenHow",
  clone_args: "CloneArguments",
  mount_attr: "MountAttributes",
  sched_attr: "SchedulingAttributes",
};

const path: Pointee = { is: "path" };
/** PATH_MAX (include/uapi/linux/limits.h), with the NUL. */
export const pathBytes = 4096;
const pathText: Pointee = { is: "string", bytes: pathBytes };
/** The text of a symbolic link, which is not looked up. */
const target: Pointee = { is: "string", bytes: pathBytes, by: "getname" };
const address = (length: string): Pointee => ({ is: "address", length });
const structure = (name: StructureName, length?: string): Pointee => ({ is: "structure", structure: name, length });

/** By the policy's name of the call and of the argument. */
const exceptions: { readonly [call: string]: { readonly [parameter: string]: Pointee | undefined } } = {
  acct: { name: path },
  bind: { addr: address("addrlen") },
  clone3: { uargs: structure("clone_args", "size") },
  connect: { addr: address("addrlen") },
  execve: { argv: { is: "strings" }, [environmentArgument]: { is: "strings" } },
  execveat: { argv: { is: "strings" }, [environmentArgument]: { is: "strings" } },
  // strndup_user(…, 256) and strndup_user(…, PAGE_SIZE), fs/fsopen.c
  fsconfig: { key: { is: "string", bytes: 256 } },
  fsopen: { fs_name: { is: "string", bytes: 4096 } },
  fspick: { path },
  // copy_mount_string(): strndup_user(data, PATH_MAX), fs/namespace.c
  mount: { source: pathText, target: path, type: pathText },
  mount_setattr: { uattr: structure("mount_attr", "usize") },
  move_mount: { from_pathname: path, to_pathname: path },
  name_to_handle_at: { name: path },
  openat2: { how: structure("open_how", "usize") },
  pivot_root: { new_root: path, put_old: path },
  // quotactl_block() looks up a block device, fs/quota/quota.c.
  quotactl: { special: path },
  sched_setattr: { uattr: structure("sched_attr") },
  sendmsg: { msg: { is: "message" } },
  sendto: { addr: address("addr_len") },
  swapoff: { specialfile: path },
  swapon: { specialfile: path },
  symlink: { oldpath: target },
  symlinkat: { oldpath: target },
  umount2: { name: path },
  // Not implemented by the kernel, or a name in another space.
  mq_open: {},
  uselib: {},
};

/**
 * Calls of which an engine can serve the object that a path leads to: it opens the object, judges it, and gives the caller
 * a descriptor of that object or connects the caller's socket to it.
 */
export const servedByObject: ReadonlySet<string> = new Set(["open", "openat", "openat2", "creat", "connect"]);

const paths: ReadonlySet<string> = new Set(["path", "oldpath", "newpath"]);

/** The type of memory behind the argument of this name; undefined if policies cannot read it. */
export function pointeeOf(call: string, parameter: string): Pointee | undefined {
  const own = exceptions[call];
  if (own !== undefined && Object.hasOwn(own, parameter)) return own[parameter];
  return paths.has(parameter) ? path : undefined;
}
