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
  /** The policy's name of it; for a field of a structure behind it, "how.flags". */
  readonly parameter: string;
  readonly when?: readonly RewriteCondition[];
  readonly clear?: string;
  readonly set?: string;
  /** For docs/language-reference.md: completes "the kernel …". */
  readonly does: string;
  /** Lines that the source must contain. */
  readonly cited: readonly Citation[];
}

const everyBit = "0xffffffff";
const upperHalf = "0xffffffff00000000";

/** The kernel casts the argument to 32 bits where `selector` is one of `values`. */
function low32(
  call: string,
  parameter: string,
  selector: string,
  values: readonly string[],
  cited: readonly Citation[],
): RewriteRule {
  return {
    calls: [call],
    parameter,
    when: [{ parameter: selector, mask: everyBit, values }],
    clear: upperHalf,
    does: `uses the low 32 bits if \`${selector}\` is ${values.join(", ")}`,
    cited,
  };
}

const fcntl = (line: string): Citation => ({ file: "fs/fcntl.c", line });
const keyctl = (line: string): Citation => ({ file: "security/keys/keyctl.c", line });
const namespaceSource = (line: string): Citation => ({ file: "fs/namespace.c", line });

/** Flags of a mount or a file system, which a bind mount and a move ignore. */
const mountProperties =
  "MS_RDONLY|MS_NOSUID|MS_NODEV|MS_NOEXEC|MS_SYNCHRONOUS|MS_MANDLOCK|MS_DIRSYNC|MS_NOSYMFOLLOW|MS_NOATIME|MS_NODIRATIME|" +
  "MS_SILENT|MS_POSIXACL|MS_RELATIME|MS_I_VERSION|MS_STRICTATIME|MS_LAZYTIME";
const unix = (line: string): Citation => ({ file: "net/unix/af_unix.c", line });
const packetProtocol: Citation = {
  file: "net/packet/af_packet.c",
  line: "__be16 proto = (__force __be16)protocol; /* weird, but documented */",
};
const coreScheduling: readonly Citation[] = [
  { file: "kernel/sys.c", line: "error = sched_core_share_pid(arg2, arg3, arg4, arg5);" },
  {
    file: "include/linux/sched.h",
    line: "extern int sched_core_share_pid(unsigned int cmd, pid_t pid, enum pid_type type,",
  },
];
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
    does: "replaces AF_INET by AF_PACKET if the type is SOCK_PACKET",
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
    does: "uses the low 16 bits if the high ones are those of MS_MGC_VAL (0xC0ED0000), so MS_PRIVATE and MS_SHARED are dropped, too",
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
    does: "ignores MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE and MS_MOVE with MS_REMOUNT or MS_BIND",
    cited: [
      { file: "fs/namespace.c", line: "if ((flags & (MS_REMOUNT | MS_BIND)) == (MS_REMOUNT | MS_BIND))" },
      { file: "fs/namespace.c", line: "return do_loopback(path, dev_name, flags & MS_REC);" },
      { file: "fs/namespace.c", line: "if (flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE))" },
    ],
  },
  {
    calls: ["mount"],
    parameter: "flags",
    when: [{ mask: "MS_REMOUNT|MS_BIND", values: ["MS_BIND"] }],
    clear: mountProperties,
    does: "ignores all other flags except MS_REC with MS_BIND and without MS_REMOUNT: the mount is as writable as its source, even with MS_RDONLY",
    cited: [namespaceSource("return do_loopback(path, dev_name, flags & MS_REC);")],
  },
  {
    calls: ["mount"],
    parameter: "flags",
    when: [{ mask: "MS_REMOUNT|MS_BIND|MS_SHARED|MS_PRIVATE|MS_SLAVE|MS_UNBINDABLE|MS_MOVE", values: ["MS_MOVE"] }],
    clear: `${mountProperties}|MS_REC`,
    does: "ignores all other flags with MS_MOVE",
    cited: [namespaceSource("return do_move_mount_old(path, dev_name);")],
  },
  {
    calls: ["socket", "socketpair"],
    parameter: "type",
    when: [
      { parameter: "family", mask: everyBit, values: ["AF_UNIX"] },
      { mask: "SOCK_TYPE_MASK", values: ["SOCK_RAW"] },
    ],
    clear: "SOCK_TYPE_MASK",
    set: "SOCK_DGRAM",
    does: "replaces SOCK_RAW by SOCK_DGRAM with AF_UNIX",
    cited: [unix("case SOCK_RAW:"), unix("sock->type = SOCK_DGRAM;")],
  },
  {
    calls: ["socket"],
    parameter: "protocol",
    when: [{ parameter: "family", mask: everyBit, values: ["AF_PACKET"] }],
    clear: "~0xffff",
    does: "uses the low 16 bits with AF_PACKET",
    cited: [packetProtocol],
  },
  {
    calls: ["socket"],
    parameter: "protocol",
    when: [
      { parameter: "family", mask: everyBit, values: ["AF_INET"] },
      { parameter: "type", mask: "SOCK_TYPE_MASK", values: ["SOCK_PACKET"] },
    ],
    clear: "~0xffff",
    does: "uses the low 16 bits with AF_INET and SOCK_PACKET, which is AF_PACKET",
    cited: [packetProtocol],
  },
  {
    calls: ["setns"],
    parameter: "flags",
    when: [{ mask: everyBit, values: ["0"] }],
    set: "CLONE_NEWNS|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWUSER|CLONE_NEWPID|CLONE_NEWNET|CLONE_NEWCGROUP|CLONE_NEWTIME",
    does: "joins a namespace of any type with 0, so 0 reads as all of their flags",
    cited: [
      { file: "kernel/nsproxy.c", line: "if (flags && (ns->ops->type != flags))" },
      { file: "kernel/nsproxy.c", line: "flags = ns->ops->type;" },
    ],
  },
  {
    calls: ["io_uring_register"],
    parameter: "opcode",
    clear: "1<<31",
    does: "drops IORING_REGISTER_USE_REGISTERED_RING (1 << 31), which only selects the meaning of `fd`",
    cited: [
      { file: "io_uring/register.c", line: "opcode &= ~IORING_REGISTER_USE_REGISTERED_RING;" },
      { file: "include/uapi/linux/io_uring.h", line: "IORING_REGISTER_USE_REGISTERED_RING	= 1U << 31" },
    ],
  },
  low32(
    "fcntl",
    "arg",
    "cmd",
    [
      "F_DUPFD",
      "F_DUPFD_CLOEXEC",
      "F_DUPFD_QUERY",
      "F_SETFL",
      "F_SETOWN",
      "F_SETSIG",
      "F_SETLEASE",
      "F_NOTIFY",
      "F_SETPIPE_SZ",
      "F_ADD_SEALS",
    ],
    [
      fcntl("int argi = (int)arg;"),
      fcntl("err = f_dupfd(argi, filp, 0);"),
      fcntl("err = f_dupfd(argi, filp, O_CLOEXEC);"),
      fcntl("err = f_dupfd_query(argi, filp);"),
      fcntl("err = setfl(fd, filp, argi);"),
      fcntl("err = f_setown(filp, argi, 1);"),
      fcntl("err = f_owner_sig(filp, argi, true);"),
      fcntl("err = fcntl_setlease(fd, filp, argi);"),
      fcntl("err = fcntl_dirnotify(fd, filp, argi);"),
      fcntl("err = pipe_fcntl(filp, cmd, argi);"),
      fcntl("err = memfd_fcntl(filp, cmd, argi);"),
    ],
  ),
  {
    calls: ["fcntl"],
    parameter: "arg",
    when: [{ parameter: "cmd", mask: everyBit, values: ["F_SETFD"] }],
    clear: "~1",
    does: "uses only FD_CLOEXEC if `cmd` is F_SETFD",
    cited: [
      fcntl("set_close_on_exec(fd, argi & FD_CLOEXEC);"),
      {
        file: "include/uapi/asm-generic/fcntl.h",
        line: "#define FD_CLOEXEC	1	/* actually anything with low bit set goes */",
      },
    ],
  },
  {
    calls: ["fcntl"],
    parameter: "arg",
    when: [{ parameter: "cmd", mask: everyBit, values: ["F_SETFL"] }],
    clear:
      "O_ACCMODE|O_CREAT|O_EXCL|O_NOCTTY|O_TRUNC|O_DSYNC|O_LARGEFILE|O_DIRECTORY|O_NOFOLLOW|O_CLOEXEC|__O_SYNC|O_PATH|__O_TMPFILE",
    does: "drops the access mode and all flags except O_APPEND, O_NONBLOCK, O_DIRECT, O_NOATIME and O_ASYNC if `cmd` is F_SETFL",
    cited: [
      fcntl("#define SETFL_MASK (O_APPEND | O_NONBLOCK | O_NDELAY | O_DIRECT | O_NOATIME)"),
      fcntl("filp->f_flags = (arg & SETFL_MASK) | (filp->f_flags & ~SETFL_MASK);"),
    ],
  },
  low32(
    "keyctl",
    "arg2",
    "option",
    [
      "KEYCTL_GET_KEYRING_ID",
      "KEYCTL_UPDATE",
      "KEYCTL_REVOKE",
      "KEYCTL_CHOWN",
      "KEYCTL_SETPERM",
      "KEYCTL_DESCRIBE",
      "KEYCTL_CLEAR",
      "KEYCTL_LINK",
      "KEYCTL_UNLINK",
      "KEYCTL_SEARCH",
      "KEYCTL_READ",
      "KEYCTL_INSTANTIATE",
      "KEYCTL_NEGATE",
      "KEYCTL_SET_REQKEY_KEYRING",
      "KEYCTL_SET_TIMEOUT",
      "KEYCTL_ASSUME_AUTHORITY",
      "KEYCTL_GET_SECURITY",
      "KEYCTL_REJECT",
      "KEYCTL_INSTANTIATE_IOV",
      "KEYCTL_INVALIDATE",
      "KEYCTL_GET_PERSISTENT",
      "KEYCTL_RESTRICT_KEYRING",
      "KEYCTL_PKEY_QUERY",
      "KEYCTL_MOVE",
      "KEYCTL_WATCH_KEY",
    ],
    [
      keyctl("return keyctl_get_keyring_ID((key_serial_t) arg2,"),
      keyctl("return keyctl_revoke_key((key_serial_t) arg2);"),
      keyctl("return keyctl_keyring_link((key_serial_t) arg2,"),
      keyctl("return keyctl_set_reqkey_keyring(arg2);"),
      keyctl("long keyctl_set_reqkey_keyring(int reqkey_defl)"),
      keyctl("return keyctl_get_persistent((uid_t)arg2, (key_serial_t)arg3);"),
      keyctl("return keyctl_watch_key((key_serial_t)arg2, (int)arg3, (int)arg4);"),
    ],
  ),
  low32(
    "keyctl",
    "arg3",
    "option",
    [
      "KEYCTL_GET_KEYRING_ID",
      "KEYCTL_CHOWN",
      "KEYCTL_SETPERM",
      "KEYCTL_LINK",
      "KEYCTL_UNLINK",
      "KEYCTL_NEGATE",
      "KEYCTL_SET_TIMEOUT",
      "KEYCTL_REJECT",
      "KEYCTL_GET_PERSISTENT",
      "KEYCTL_MOVE",
      "KEYCTL_WATCH_KEY",
    ],
    [
      keyctl("(int) arg3);"),
      keyctl("(uid_t) arg3,"),
      keyctl("(key_perm_t) arg3);"),
      keyctl("(key_serial_t) arg3);"),
      keyctl("(unsigned) arg3);"),
      keyctl("(unsigned) arg3,"),
      keyctl("(key_serial_t)arg3,"),
    ],
  ),
  low32(
    "keyctl",
    "arg4",
    "option",
    [
      "KEYCTL_DESCRIBE",
      "KEYCTL_CHOWN",
      "KEYCTL_NEGATE",
      "KEYCTL_REJECT",
      "KEYCTL_INSTANTIATE_IOV",
      "KEYCTL_MOVE",
      "KEYCTL_WATCH_KEY",
    ],
    [
      keyctl("(unsigned) arg4);"),
      keyctl("(gid_t) arg4);"),
      keyctl("(key_serial_t) arg4);"),
      keyctl("(unsigned) arg4,"),
      keyctl("(key_serial_t)arg4,"),
    ],
  ),
  low32(
    "keyctl",
    "arg5",
    "option",
    ["KEYCTL_SEARCH", "KEYCTL_INSTANTIATE", "KEYCTL_REJECT", "KEYCTL_INSTANTIATE_IOV", "KEYCTL_MOVE"],
    [keyctl("(key_serial_t) arg5);"), keyctl("(unsigned int)arg5);")],
  ),
  low32(
    "semctl",
    "arg",
    "cmd",
    ["SETVAL"],
    [
      { file: "ipc/sem.c", line: "val = arg;" },
      { file: "ipc/sem.c", line: "return semctl_setval(ns, semid, semnum, val);" },
    ],
  ),
  low32(
    "kcmp",
    "idx2",
    "type",
    ["KCMP_FILE"],
    [
      { file: "kernel/kcmp.c", line: "filp2 = get_file_raw_ptr(task2, idx2);" },
      { file: "kernel/kcmp.c", line: "get_file_raw_ptr(struct task_struct *task, unsigned int idx)" },
    ],
  ),
  low32(
    "ptrace",
    "addr",
    "request",
    ["PTRACE_GETREGSET", "PTRACE_SETREGSET"],
    [
      { file: "kernel/ptrace.c", line: "ret = ptrace_regset(child, request, addr, &kiov);" },
      {
        file: "kernel/ptrace.c",
        line: "static int ptrace_regset(struct task_struct *task, int req, unsigned int type,",
      },
    ],
  ),
  low32(
    "ioctl",
    "arg",
    "cmd",
    ["FICLONE", "TIOCSCTTY", "TIOCGPTPEER", "TIOCSIG", "TUNSETOWNER", "TUNSETGROUP"],
    [
      { file: "fs/ioctl.c", line: "CLASS(fd, src_file)(srcfd);" },
      {
        file: "drivers/tty/tty_jobctrl.c",
        line: "static int tiocsctty(struct tty_struct *tty, struct file *file, int arg)",
      },
      { file: "drivers/tty/tty_io.c", line: "return ptm_open_peer(file, tty, (int)arg);" },
      { file: "drivers/tty/pty.c", line: "return pty_signal(tty, (int) arg);" },
      { file: "drivers/net/tun.c", line: "owner = make_kuid(current_user_ns(), arg);" },
      { file: "drivers/net/tun.c", line: "group = make_kgid(current_user_ns(), arg);" },
      { file: "include/linux/uidgid.h", line: "extern kuid_t make_kuid(struct user_namespace *from, uid_t uid);" },
      { file: "include/linux/uidgid.h", line: "extern kgid_t make_kgid(struct user_namespace *from, gid_t gid);" },
    ],
  ),
  {
    calls: ["ioctl"],
    parameter: "arg",
    when: [{ parameter: "cmd", mask: everyBit, values: ["TUNSETLINK"] }],
    clear: "~0xffff",
    does: "uses the low 16 bits if `cmd` is TUNSETLINK",
    cited: [
      { file: "drivers/net/tun.c", line: "tun->dev->type = (int) arg;" },
      { file: "include/linux/netdevice.h", line: "unsigned short		type;" },
    ],
  },
  low32(
    "prctl",
    "arg2",
    "option",
    ["PR_SET_MM", "PR_SET_PTRACER", "PR_SET_TSC", "PR_SCHED_CORE"],
    [
      { file: "kernel/sys.c", line: "error = prctl_set_mm(arg2, arg3, arg4, arg5);" },
      { file: "kernel/sys.c", line: "static int prctl_set_mm(int opt, unsigned long addr," },
      { file: "security/yama/yama_lsm.c", line: "tracer = find_get_task_by_vpid(arg2);" },
      { file: "kernel/sys.c", line: "error = SET_TSC_CTL(arg2);" },
      { file: "arch/x86/include/asm/processor.h", line: "extern int set_tsc_mode(unsigned int val);" },
      ...coreScheduling,
    ],
  ),
  ...["arg3", "arg4"].map((parameter) => low32("prctl", parameter, "option", ["PR_SCHED_CORE"], coreScheduling)),
  {
    calls: ["prctl"],
    parameter: "arg3",
    when: [
      { parameter: "option", mask: everyBit, values: ["PR_SET_MM"] },
      { parameter: "arg2", mask: everyBit, values: ["PR_SET_MM_EXE_FILE"] },
    ],
    clear: upperHalf,
    does: "uses the low 32 bits if `option` is PR_SET_MM and `arg2` is PR_SET_MM_EXE_FILE",
    cited: [{ file: "kernel/sys.c", line: "return prctl_set_mm_exe_file(mm, (unsigned int)addr);" }],
  },
  {
    calls: ["prctl"],
    parameter: "arg2",
    when: [
      { parameter: "option", mask: everyBit, values: ["PR_SET_PTRACER"] },
      { mask: everyBit, values: [everyBit] },
    ],
    set: "0xffffffffffffffff",
    does: "takes a low half of all ones as PR_SET_PTRACER_ANY, 64 ones, if `option` is PR_SET_PTRACER",
    cited: [{ file: "security/yama/yama_lsm.c", line: "} else if (arg2 == PR_SET_PTRACER_ANY || (int)arg2 == -1) {" }],
  },
  {
    calls: opens,
    parameter: "flags",
    when: [{ mask: "O_PATH", values: ["O_PATH"] }],
    clear:
      "O_ACCMODE|O_CREAT|O_EXCL|O_NOCTTY|O_TRUNC|O_APPEND|O_NONBLOCK|O_DSYNC|FASYNC|O_DIRECT|O_LARGEFILE|O_NOATIME|__O_SYNC|__O_TMPFILE",
    does: "drops with O_PATH the access mode and all flags except O_CLOEXEC, O_DIRECTORY and O_NOFOLLOW",
    cited: [...pathOpen, handleOpen],
  },
  {
    calls: opens,
    parameter: "flags",
    when: [{ mask: "__O_SYNC", values: ["__O_SYNC"] }],
    set: "O_DSYNC",
    does: "adds O_DSYNC to the other bit of O_SYNC, so that bit alone also means O_SYNC",
    cited: [
      { file: "fs/open.c", line: "if (flags & __O_SYNC)" },
      { file: "fs/open.c", line: "flags |= O_DSYNC;" },
      handleOpen,
    ],
  },
  {
    calls: ["openat2"],
    parameter: "how.flags",
    when: [{ mask: "__O_SYNC", values: ["__O_SYNC"] }],
    set: "O_DSYNC",
    does: "adds O_DSYNC to the other bit of O_SYNC, so that bit alone also means O_SYNC",
    cited: [
      { file: "fs/open.c", line: "if (flags & __O_SYNC)" },
      { file: "fs/open.c", line: "flags |= O_DSYNC;" },
    ],
  },
  {
    calls: opens,
    parameter: "flags",
    clear: "O_LARGEFILE",
    does: "always sets O_LARGEFILE, so the bit has no information and reads as 0",
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
    does: "ignores the descriptor with MAP_ANONYMOUS, so it reads as 0xffffffff (−1)",
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
    does: "replaces a type of 0 by S_IFREG",
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
    does: "shifts all 64 bits out, so it reads as 0, and `pos_l` is the whole position",
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
