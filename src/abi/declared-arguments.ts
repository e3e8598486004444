/**
 * The arguments that filters of the kernel's series can declare (`seccomp_arg_calls[]`, kernel/seccomp_args.c in
 * kernel/patches): the kernel copies the memory behind such an argument once, before the filters, and the call uses the
 * copy.
 */
import type { ArchitectureName } from "./architecture.ts";
import { callByNumber } from "./calls.ts";

/** `SECCOMP_EBPF_ARG_…` (include/uapi/linux/seccomp.h with kernel/patches). */
export const declarationKinds = { path: 1, address: 2, message: 3, structure: 4, string: 5, strings: 6 } as const;
export type DeclarationKind = keyof typeof declarationKinds;

/** `SECCOMP_EBPF_ARG_SIZE_MAX`: the most bytes of a part that a filter can look at. */
export const mostDeclaredBytes = 4096;
/** The most elements of `args` in `struct seccomp_ebpf_attach`. */
export const mostDeclarations = 256;

/** One argument that a filter declares: `struct seccomp_ebpf_arg` without the architecture. */
export interface DeclaredArgument {
  readonly number: number;
  /** 0 … 5 */
  readonly argument: number;
  readonly kind: DeclarationKind;
  /** The bytes of each part that the program may read: a multiple of 8, at most 4096; with 0 only lengths and matches. */
  readonly size: number;
}

/** Calls by the kernel's names, each with its arguments. */
const declarable: Readonly<Record<DeclarationKind, string>> = {
  path: `access:0 acct:0 chdir:0 chmod:0 chown:0 chroot:0 creat:0 execve:0 execveat:1 faccessat:1 faccessat2:1
    fanotify_mark:4 fchmodat:1 fchmodat2:1 fchownat:1 fspick:1 futimesat:1 getxattr:0 inotify_add_watch:1 lchown:0
    lgetxattr:0 link:0,1 linkat:1,3 listxattr:0 llistxattr:0 lremovexattr:0 lsetxattr:0 lstat:0 mkdir:0 mkdirat:1
    mknod:0 mknodat:1 mount:1 mount_setattr:1 move_mount:1,3 mq_open:0 mq_unlink:0 name_to_handle_at:1 newfstatat:1
    open:0 open_tree:1 openat:1 openat2:1 pivot_root:0,1 quotactl:1 readlink:0 readlinkat:1 removexattr:0
    rename:0,1 renameat:1,3 renameat2:1,3 rmdir:0 setxattr:0 stat:0 statfs:0 statx:1 swapoff:0 swapon:0
    symlink:0,1 symlinkat:0,2 truncate:0 umount2:0 unlink:0 unlinkat:1 uselib:0 utime:0 utimensat:1 utimes:0`,
  address: "bind:1 connect:1 sendto:4",
  message: "sendmsg:1",
  structure: "clone3:0 landlock_create_ruleset:0 mount_setattr:3 openat2:2",
  string: "add_key:1 fsconfig:2 fsopen:0 mount:0,2 request_key:1,2",
  strings: "execve:1,2 execveat:2,3",
};

const kinds: ReadonlyMap<string, DeclarationKind> = new Map(
  (Object.keys(declarable) as DeclarationKind[]).flatMap((kind) =>
    declarable[kind].split(/\s+/).flatMap((entry) => {
      const [call = "", list = ""] = entry.split(":");
      return list.split(",").map((argument) => [`${call}:${argument}`, kind] as const);
    }),
  ),
);

/** All of them, as "call:argument". */
export function declarableArguments(): ReadonlyMap<string, DeclarationKind> {
  return kinds;
}

/** The kind of the kernel's copy of this argument; undefined if it cannot be declared. */
export function declarationKind(
  architecture: ArchitectureName,
  number: number,
  argument: number,
): DeclarationKind | undefined {
  const call = callByNumber(architecture, number);
  return call === undefined ? undefined : kinds.get(`${call.name}:${argument}`);
}

/** One line of a listing. */
export function describeDeclared(
  architecture: ArchitectureName,
  { number, argument, kind, size }: DeclaredArgument,
): string {
  const call = callByNumber(architecture, number)?.name ?? `call ${number}`;
  const bytes = size === 0 ? "none of its bytes" : `its first ${size} bytes`;
  return `argument ${argument} of ${call} is copied before the program runs: ${kind}, of which it reads ${bytes}`;
}
