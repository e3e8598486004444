/**
 * The errors of copying a caller's memory: one row for each reason why a call's memory is not observed. The addon, the
 * supervisor, the simulation and the compiled filters take their errnos from here. `npm run generate` writes the rows for C
 * (native/addon/pin/copy_errors.h).
 */
import { errno } from "./errno-numbers.ts";

export interface CopyErrorRow {
  readonly errno: keyof typeof errno;
  readonly when: string;
  /** The kernel's function that gives the call this errno, with its file. Absent: no kernel function has this reason. */
  readonly kernel?: string;
}

export const copyErrorRows = {
  unmapped: {
    errno: "EFAULT",
    when: "a byte of the memory is not mapped",
    kernel: "copy_from_user(), include/linux/uaccess.h",
  },
  longPath: { errno: "ENAMETOOLONG", when: "a path without a NUL in PATH_MAX bytes", kernel: "getname(), fs/namei.c" },
  longString: {
    errno: "EINVAL",
    when: "another string without a NUL in its limit",
    kernel: "strndup_user(), mm/util.c",
  },
  longList: { errno: "E2BIG", when: "a list beyond the policy's bounds", kernel: "copy_strings(), fs/exec.c" },
  addressLength: {
    errno: "EINVAL",
    when: "a length of a socket address that no address has",
    kernel: "move_addr_to_kernel(), net/socket.c",
  },
  shortStructure: {
    errno: "EINVAL",
    when: "a structure that is smaller than its first version",
    kernel: "openat2(), fs/open.c",
  },
  longStructure: {
    errno: "E2BIG",
    when: "a structure larger than a page, or with bytes other than 0 behind its known fields",
    kernel: "copy_struct_from_user(), include/linux/uaccess.h",
  },
  attributesPointer: {
    errno: "EINVAL",
    when: "a null pointer to struct sched_attr",
    kernel: "sched_setattr(), kernel/sched/syscalls.c",
  },
  attributesSize: {
    errno: "E2BIG",
    when: "a size in struct sched_attr out of its bounds",
    kernel: "sched_copy_attr(), kernel/sched/syscalls.c",
  },
  untraceable: {
    errno: "EPERM",
    when: "the caller's memory cannot be read, for a reason for which it cannot be traced; the call cannot be pinned",
  },
  gone: { errno: "ENOENT", when: "the caller no longer waits" },
  noMemory: { errno: "ENOMEM", when: "the supervisor has no memory for the copy" },
  underWay: { errno: "EINPROGRESS", when: "a thread still reads; the call has no answer yet, and comes back" },
  stalled: { errno: "ETIMEDOUT", when: "the read did not end in time; the call cannot be pinned" },
} as const satisfies Readonly<Record<string, CopyErrorRow>>;

export type CopyError = keyof typeof copyErrorRows;

/** The positive errno of each row. */
export const copyError = Object.fromEntries(
  Object.entries(copyErrorRows).map(([name, row]) => [name, errno[row.errno]]),
) as { readonly [Name in CopyError]: (typeof errno)[(typeof copyErrorRows)[Name]["errno"]] };
