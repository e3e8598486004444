/**
 * Arguments that the kernel changes before it uses them: bits that it drops, adds or replaces. A policy sees the
 * changed argument; otherwise a condition on a dropped bit could be bypassed.
 *
 * Undefined bits stay visible, although the kernel ignores them in some calls: `.hasOnly` must continue to reject them,
 * because a later kernel may define them.
 */

export interface Citation {
  readonly file: string;
  /** A whole line of the file, compared without its indentation. */
  readonly line: string;
  /** In the newer kernel (newer.txt). */
  readonly newer?: true;
}

/** One condition: these bits of a parameter have one of these values. Masks and values are C expressions. */
export interface RewriteCondition {
  /** The parameter that is rewritten, unless another is named. */
  readonly parameter?: string;
  readonly mask: string;
  readonly values: readonly string[];
}

/** `(bits & ~clear) | set` if all conditions hold. Rules of one parameter apply in the order of this list. */
export interface RewriteRule {
  readonly calls: readonly string[];
  /** The policy's name of it. */
  readonly parameter: string;
  readonly when?: readonly RewriteCondition[];
  readonly clear?: string;
  readonly set?: string;
  /** For docs/language.md: completes "the kernel …". */
  readonly does: string;
  /** Lines that the source must contain. */
  readonly cited: readonly Citation[];
}

const everyBit = "0xffffffff";
const opens = ["open", "openat", "open_by_handle_at"];
const pathOpen = [
  { file: "fs/open.c", line: "#define O_PATH_FLAGS		(O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)" },
  { file: "fs/open.c", line: "how.flags &= O_PATH_FLAGS;" },
];
const handleOpen = { file: "fs/fhandle.c", line: 'file = file_open_root(&path, "", open_flag, 0);' };

export const rewriteRules: readonly RewriteRule[] = [
  {
    calls: ["socket", "socketpair"],
    parameter: "family",
    when: [
      { mask: everyBit, values: ["AF_INET"] },
      { parameter: "type", mask: "SOCK_TYPE_MASK", values: ["SOCK_PACKET"] },
    ],
    clear: everyBit,
    set: "AF_PACKET",
    does: "makes AF_PACKET of AF_INET where the type is SOCK_PACKET",
    cited: [
      { file: "net/socket.c", line: "if (family == PF_INET && type == SOCK_PACKET) {" },
      { file: "net/socket.c", line: "family = PF_PACKET;" },
    ],
  },
  {
    calls: ["mount"],
    parameter: "flags",
    when: [{ mask: "MS_MGC_MSK", values: ["MS_MGC_VAL"] }],
    clear: "0xffffffffffff0000",
    does: "drops all but the low 16 bits where MS_MGC_VAL (0xC0ED0000) stands above them, MS_PRIVATE and MS_SHARED included",
    cited: [
      { file: "fs/namespace.c", line: "if ((flags & MS_MGC_MSK) == MS_MGC_VAL)" },
      { file: "fs/namespace.c", line: "flags &= ~MS_MGC_MSK;" },
      // Unsigned and 32 bits wide, so the complement clears the upper half too.
      { file: "include/uapi/linux/mount.h", line: "#define MS_MGC_MSK 0xffff0000" },
    ],
  },
  {
    calls: ["mount"],
    parameter: "flags",
    when: [{ mask: "MS_REMOUNT|MS_BIND", values: ["MS_REMOUNT", "MS_BIND", "MS_REMOUNT|MS_BIND"] }],
    clear: "MS_SHARED|MS_PRIVATE|MS_SLAVE|MS_UNBINDABLE|MS_MOVE",
    does: "ignores MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE and MS_MOVE beside MS_REMOUNT or MS_BIND",
    cited: [
      { file: "fs/namespace.c", line: "if ((flags & (MS_REMOUNT | MS_BIND)) == (MS_REMOUNT | MS_BIND))" },
      { file: "fs/namespace.c", line: "return do_loopback(path, dev_name, flags & MS_REC);" },
      { file: "fs/namespace.c", line: "if (flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE))" },
    ],
  },
  {
    calls: opens,
    parameter: "flags",
    when: [{ mask: "O_PATH", values: ["O_PATH"] }],
    clear:
      "O_ACCMODE|O_CREAT|O_EXCL|O_NOCTTY|O_TRUNC|O_APPEND|O_NONBLOCK|O_DSYNC|FASYNC|O_DIRECT|O_LARGEFILE|O_NOATIME|__O_SYNC|__O_TMPFILE",
    does: "drops beside O_PATH the access mode and every flag but O_CLOEXEC, O_DIRECTORY and O_NOFOLLOW",
    cited: [...pathOpen, handleOpen],
  },
  {
    calls: opens,
    parameter: "flags",
    when: [{ mask: "__O_SYNC", values: ["__O_SYNC"] }],
    set: "O_DSYNC",
    does: "adds O_DSYNC to the other bit of O_SYNC, which so means O_SYNC alone too",
    cited: [
      { file: "fs/open.c", line: "if (flags & __O_SYNC)" },
      { file: "fs/open.c", line: "flags |= O_DSYNC;" },
      handleOpen,
    ],
  },
  {
    calls: opens,
    parameter: "flags",
    clear: "O_LARGEFILE",
    does: "sets O_LARGEFILE always, so the bit says nothing: it reads as 0",
    cited: [
      { file: "fs/open.c", line: "if (force_o_largefile())" },
      { file: "fs/fhandle.c", line: "if (force_o_largefile())" },
      {
        file: "include/linux/fcntl.h",
        line: "#define force_o_largefile() (!IS_ENABLED(CONFIG_ARCH_32BIT_OFF_T))",
      },
    ],
  },
  {
    calls: ["mmap"],
    parameter: "fd",
    when: [{ parameter: "flags", mask: "MAP_ANONYMOUS", values: ["MAP_ANONYMOUS"] }],
    set: everyBit,
    does: "looks at no descriptor beside MAP_ANONYMOUS, so it reads as 0xffffffff (−1)",
    cited: [{ file: "mm/mmap.c", line: "if (!(flags & MAP_ANONYMOUS)) {" }],
  },
  {
    calls: ["open", "openat", "creat"],
    parameter: "mode",
    clear: "~07777",
    does: "uses the low 12 bits",
    cited: [{ file: "fs/open.c", line: ".mode = mode & S_IALLUGO," }],
  },
  {
    calls: ["mq_open"],
    parameter: "mode",
    clear: "~07777",
    does: "uses the low 12 bits",
    cited: [
      { file: "ipc/mqueue.c", line: "return vfs_mkobj(dentry, mode & ~current_umask()," },
      { file: "fs/namei.c", line: "mode &= S_IALLUGO;" },
    ],
  },
  {
    calls: ["chmod", "fchmod", "fchmodat", "fchmodat2"],
    parameter: "mode",
    clear: "~07777",
    does: "uses the low 12 bits",
    cited: [{ file: "fs/open.c", line: "newattrs.ia_mode = (mode & S_IALLUGO) | (inode->i_mode & ~S_IALLUGO);" }],
  },
  {
    calls: ["mkdir", "mkdirat"],
    parameter: "mode",
    clear: "~01777",
    does: "uses the low 9 bits and S_ISVTX",
    cited: [{ file: "fs/namei.c", line: "mode = vfs_prepare_mode(idmap, dir, mode, S_IRWXUGO | S_ISVTX, 0);" }],
  },
  {
    calls: ["umask"],
    parameter: "mask",
    clear: "~0777",
    does: "uses the low 9 bits",
    cited: [{ file: "kernel/sys.c", line: "mask = xchg(&current->fs->umask, mask & S_IRWXUGO);" }],
  },
  {
    calls: ["mknod", "mknodat"],
    parameter: "mode",
    when: [{ mask: "0170000", values: ["0"] }],
    set: "S_IFREG",
    does: "makes S_IFREG of a type of 0",
    cited: [
      { file: "fs/namei.c", line: "case 0: /* zero mode translates to S_IFREG */" },
      { file: "fs/namei.c", line: "case 0: case S_IFREG:" },
    ],
  },
  {
    calls: ["ioprio_set"],
    parameter: "ioprio",
    clear: "~0xffff",
    does: "uses the low 16 bits",
    cited: [
      { file: "include/uapi/linux/ioprio.h", line: "(((ioprio) >> IOPRIO_CLASS_SHIFT) & IOPRIO_CLASS_MASK)" },
      { file: "include/linux/iocontext.h", line: "unsigned short ioprio;" },
    ],
  },
  {
    calls: ["preadv", "preadv2", "pwritev", "pwritev2"],
    parameter: "pos_h",
    clear: "0xffffffffffffffff",
    does: "shifts all 64 bits out, so it reads as 0: `pos_l` is the whole position",
    cited: [
      {
        file: "fs/read_write.c",
        line: "return (((loff_t)high << HALF_LONG_BITS) << HALF_LONG_BITS) | low;",
      },
    ],
  },
  {
    calls: ["bpf"],
    parameter: "cmd",
    clear: "1<<16",
    does: "drops BPF_COMMON_ATTRS (1 << 16, from Linux 7.3 at the latest; EINVAL before)",
    cited: [
      { file: "kernel/bpf/syscall.c", line: "cmd &= ~BPF_COMMON_ATTRS;", newer: true },
      {
        file: "include/uapi/linux/bpf.h",
        line: "BPF_COMMON_ATTRS = 1 << 16, /* Indicate carrying syscall common attrs. */",
        newer: true,
      },
    ],
  },
  {
    calls: ["unshare"],
    parameter: "flags",
    when: [{ mask: "UNSHARE_EMPTY_MNTNS", values: ["UNSHARE_EMPTY_MNTNS"] }],
    set: "CLONE_NEWNS",
    does: "adds CLONE_NEWNS to UNSHARE_EMPTY_MNTNS (from Linux 7.3 at the latest; EINVAL before)",
    cited: [
      { file: "kernel/fork.c", line: "if (unshare_flags & UNSHARE_EMPTY_MNTNS)", newer: true },
      { file: "kernel/fork.c", line: "unshare_flags |= CLONE_NEWNS;", newer: true },
    ],
  },
];
