/** Facts that the prototypes lack: the width of a C type, later narrowings by the kernel, our names of arguments. */

export interface Reading {
  readonly width: 16 | 32 | 64;
  readonly signed: boolean;
}

const int: Reading = { width: 32, signed: true };
const unsignedInt: Reading = { width: 32, signed: false };
const long: Reading = { width: 64, signed: true };
const unsignedLong: Reading = { width: 64, signed: false };

/** Sizes on LP64. Typedefs of pointers are in `pointerTypes`. The generator fails for a missing type. */
export const readings: { readonly [type: string]: Reading | undefined } = {
  int,
  __s32: int,
  clockid_t: int,
  key_serial_t: int,
  key_t: int,
  mqd_t: int,
  pid_t: int,
  rwf_t: int, // __kernel_rwf_t, include/uapi/linux/fs.h
  timer_t: int,
  "unsigned int": unsignedInt,
  unsigned: unsignedInt,
  __u32: unsignedInt,
  u32: unsignedInt,
  gid_t: unsignedInt,
  qid_t: unsignedInt,
  uid_t: unsignedInt,
  "enum landlock_rule_type": unsignedInt, // no negative enumerator, so GCC makes it unsigned
  umode_t: { width: 16, signed: false },
  long,
  loff_t: long,
  off_t: long,
  "unsigned long": unsignedLong,
  __u64: unsignedLong,
  aio_context_t: unsignedLong,
  size_t: unsignedLong,
};

export const pointerTypes: readonly string[] = ["cap_user_header_t", "cap_user_data_t"];

/**
 * Arguments of which the kernel uses fewer bits than the prototype has: the value passes through a narrower parameter
 * or variable before its first use. Each cites a line that must be in the source.
 */
export interface Narrowing extends Reading {
  readonly call: string;
  readonly parameter: string;
  /** Lines that the source must contain: the narrowing, and the narrower type. */
  readonly cited: readonly { readonly file: string; readonly line: string }[];
}

const fget = { file: "include/linux/file.h", line: "extern struct file *fget(unsigned int fd);" };
const fdget = { file: "include/linux/file.h", line: "struct fd fdget(unsigned int fd);" };
const fdgetPos = { file: "include/linux/file.h", line: "struct fd fdget_pos(unsigned int fd);" };
const importIovec = {
  file: "include/linux/uio.h",
  line: "unsigned nr_segs, unsigned fast_segs, struct iovec **iovp,",
};
const readWrite = (line: string) => ({ file: "fs/read_write.c", line });

export const narrowings: readonly Narrowing[] = [
  {
    call: "clone",
    parameter: "clone_flags",
    ...unsignedInt,
    cited: [{ file: "kernel/fork.c", line: ".flags		= (lower_32_bits(clone_flags) & ~CSIGNAL)," }],
  },
  { call: "mmap", parameter: "fd", ...unsignedInt, cited: [{ file: "mm/mmap.c", line: "file = fget(fd);" }, fget] },
  ...["readv", "writev"].map((call) => ({
    call,
    parameter: "fd",
    ...unsignedInt,
    cited: [readWrite("struct fd f = fdget_pos(fd);"), fdgetPos],
  })),
  ...["preadv", "pwritev"].map((call) => ({
    call,
    parameter: "fd",
    ...unsignedInt,
    cited: [readWrite("f = fdget(fd);"), fdget],
  })),
  ...["preadv2", "pwritev2"].map((call) => ({
    call,
    parameter: "fd",
    ...unsignedInt,
    cited: [readWrite("struct fd f = fdget_pos(fd);"), readWrite("f = fdget(fd);"), fdget, fdgetPos],
  })),
  ...["readv", "preadv", "preadv2"].map((call) => ({
    call,
    parameter: "vlen",
    ...unsignedInt,
    cited: [readWrite("ret = import_iovec(ITER_DEST, vec, vlen, ARRAY_SIZE(iovstack), &iov,"), importIovec],
  })),
  ...["writev", "pwritev", "pwritev2"].map((call) => ({
    call,
    parameter: "vlen",
    ...unsignedInt,
    cited: [readWrite("ret = import_iovec(ITER_SOURCE, vec, vlen, ARRAY_SIZE(iovstack), &iov,"), importIovec],
  })),
  {
    call: "vmsplice",
    parameter: "nr_segs",
    ...unsignedInt,
    cited: [{ file: "fs/splice.c", line: "error = import_iovec(type, uiov, nr_segs," }, importIovec],
  },
  {
    call: "process_madvise",
    parameter: "vlen",
    ...unsignedInt,
    cited: [
      { file: "mm/madvise.c", line: "ret = import_iovec(ITER_DEST, vec, vlen, ARRAY_SIZE(iovstack), &iov, &iter);" },
      importIovec,
    ],
  },
  ...["process_vm_readv", "process_vm_writev"].map((call) => ({
    call,
    parameter: "liovcnt",
    ...unsignedInt,
    cited: [
      { file: "mm/process_vm_access.c", line: "rc = import_iovec(dir, lvec, liovcnt, UIO_FASTIOV, &iov_l, &iter);" },
      importIovec,
    ],
  })),
  {
    call: "ptrace",
    parameter: "pid",
    ...int,
    cited: [
      { file: "kernel/ptrace.c", line: "child = find_get_task_by_vpid(pid);" },
      { file: "include/linux/sched.h", line: "extern struct task_struct *find_get_task_by_vpid(pid_t nr);" },
    ],
  },
  {
    call: "kcmp",
    parameter: "idx1",
    ...unsignedInt,
    cited: [
      { file: "kernel/kcmp.c", line: "filp1 = get_file_raw_ptr(task1, idx1);" },
      { file: "kernel/kcmp.c", line: "filp = get_file_raw_ptr(task1, idx1);" },
      { file: "kernel/kcmp.c", line: "get_file_raw_ptr(struct task_struct *task, unsigned int idx)" },
    ],
  },
  {
    call: "mbind",
    parameter: "mode",
    ...int,
    cited: [{ file: "mm/mempolicy.c", line: "int lmode = mode;" }],
  },
  {
    // A negative backlog is the greatest that the system has.
    call: "listen",
    parameter: "backlog",
    ...unsignedInt,
    cited: [{ file: "net/socket.c", line: "if ((unsigned int)backlog > somaxconn)" }],
  },
];

/** Calls whose prototypes differ in more than order between the architectures: the x86-64 prototype is used. */
export const unlikePrototypes: { readonly [call: string]: string } = {
  // `len` is size_t on x86-64 and loff_t on arm64; both go to ksys_fadvise64_64(…, loff_t len, …) (mm/fadvise.c).
  fadvise64: "len",
};

/**
 * Renames arguments, so that a policy has one name where the kernel has several. `*` is every call. Other arguments
 * keep the kernel's name, without leading underscores.
 */
export const renamings: { readonly [call: string]: { readonly [kernelName: string]: string } } = {
  "*": {
    filename: "path",
    pathname: "path",
    dfd: "dirfd",
    oldname: "oldpath",
    newname: "newpath",
    olddfd: "olddirfd",
    newdfd: "newdirfd",
    clone_flags: "flags",
    unshare_flags: "flags",
    uservaddr: "addr",
    umyaddr: "addr",
    buff: "buf",
  },
  execveat: { fd: "dirfd" },
  mount: { dev_name: "source", dir_name: "target" },
};

/** The kind of an argument, by its name in a policy. `pointer` and `integer` follow from the type. */
export const argumentSets: { readonly [set: string]: readonly string[] } = {
  AccessMode: ["access.mode", "faccessat.mode", "faccessat2.mode"],
  AddressFamily: ["socket.family", "socketpair.family"],
  ArchitectureOption: ["arch_prctl.option"],
  AtFlag: [
    "execveat.flags",
    "faccessat2.flags",
    "fchmodat2.flags",
    "fchownat.flag",
    "file_getattr.at_flags",
    "file_setattr.at_flags",
    "getxattrat.at_flags",
    "linkat.flags",
    "listxattrat.at_flags",
    "mount_setattr.flags",
    "name_to_handle_at.flag",
    "newfstatat.flag",
    "removexattrat.at_flags",
    "setxattrat.at_flags",
    "statx.flags",
    "unlinkat.flag",
    "utimensat.flags",
  ],
  BpfCommand: ["bpf.cmd"],
  Clock: [
    "clock_adjtime.which_clock",
    "clock_getres.which_clock",
    "clock_gettime.which_clock",
    "clock_nanosleep.which_clock",
    "clock_settime.which_clock",
    "futex_wait.clockid",
    "futex_waitv.clockid",
    "timer_create.which_clock",
    "timerfd_create.clockid",
  ],
  CloneFlag: ["clone.flags"],
  CloseRangeFlag: ["close_range.flags"],
  DescriptorFlag: ["dup3.flags", "pipe2.flags"],
  EpollFlag: ["epoll_create1.flags"],
  EpollOperation: ["epoll_ctl.op"],
  EventFlag: ["eventfd2.flags"],
  FallocateMode: ["fallocate.mode"],
  FanotifyFlag: ["fanotify_init.flags"],
  FcntlCommand: ["fcntl.cmd"],
  FileAdvice: ["fadvise64.advice"],
  FsconfigCommand: ["fsconfig.cmd"],
  Futex2Flag: ["futex_wait.flags", "futex_wake.flags"],
  FutexOperation: ["futex.op"],
  IdType: ["waitid.which"],
  InotifyFlag: ["inotify_init1.flags"],
  InotifyMask: ["inotify_add_watch.mask"],
  IntervalTimer: ["getitimer.which", "setitimer.which"],
  IoctlRequest: ["ioctl.cmd"],
  KcmpType: ["kcmp.type"],
  KexecFileFlag: ["kexec_file_load.flags"],
  KeyctlOperation: ["keyctl.option"],
  LandlockFlag: ["landlock_create_ruleset.flags"],
  LandlockRule: ["landlock_add_rule.rule_type"],
  LockOperation: ["flock.cmd"],
  MadviseAdvice: ["madvise.behavior", "process_madvise.behavior"],
  MapFlag: ["mmap.flags"],
  MembarrierCommand: ["membarrier.cmd"],
  MemfdFlag: ["memfd_create.flags"],
  MemoryLockFlag: ["mlockall.flags"],
  MessageFlag: ["recvfrom.flags", "recvmmsg.flags", "recvmsg.flags", "sendmmsg.flags", "sendmsg.flags", "sendto.flags"],
  MessageQueueCommand: ["msgctl.cmd"],
  MountAttribute: ["fsmount.attr_flags"],
  MountFlag: ["mount.flags"],
  MoveMountFlag: ["move_mount.flags"],
  MremapFlag: ["mremap.flags"],
  MsyncFlag: ["msync.flags"],
  NamespaceFlag: ["setns.flags"],
  OpenFlag: ["mq_open.oflag", "open.flags", "open_by_handle_at.flags", "openat.flags"],
  OpenTreeFlag: ["open_tree.flags", "open_tree_attr.flags"],
  PerfFlag: ["perf_event_open.flags"],
  PidfdFlag: ["pidfd_open.flags"],
  PidfdSignalFlag: ["pidfd_send_signal.flags"],
  PrctlOption: ["prctl.option"],
  PriorityTarget: ["getpriority.which", "setpriority.which"],
  Protection: ["mmap.prot", "mprotect.prot", "pkey_mprotect.prot"],
  PtraceRequest: ["ptrace.request"],
  RandomFlag: ["getrandom.flags"],
  ReadWriteFlag: ["preadv2.flags", "pwritev2.flags"],
  RebootCommand: ["reboot.cmd"],
  RenameFlag: ["renameat2.flags"],
  ResourceLimit: ["getrlimit.resource", "prlimit64.resource", "setrlimit.resource"],
  SchedulingPolicy: ["sched_setscheduler.policy"],
  SeccompFlag: ["seccomp.flags"],
  SeccompOperation: ["seccomp.op"],
  SemaphoreCommand: ["semctl.cmd"],
  SharedMemoryCommand: ["shmctl.cmd"],
  ShutdownHow: ["shutdown.how"],
  Signal: [
    "kill.sig",
    "pidfd_send_signal.sig",
    "rt_sigaction.sig",
    "rt_sigqueueinfo.sig",
    "rt_tgsigqueueinfo.sig",
    "tgkill.sig",
    "tkill.sig",
  ],
  SignalFdFlag: ["signalfd4.flags"],
  SignalMaskChange: ["rt_sigprocmask.how"],
  SocketFlag: ["accept4.flags"],
  SocketLevel: ["getsockopt.level", "setsockopt.level"],
  SocketType: ["socket.type", "socketpair.type"],
  SpliceFlag: ["splice.flags", "tee.flags", "vmsplice.flags"],
  StatxMask: ["statx.mask"],
  SyncRangeFlag: ["sync_file_range.flags"],
  TimerFdFlag: ["timerfd_create.flags"],
  TimerFdSetFlag: ["timerfd_settime.flags"],
  TimerFlag: ["clock_nanosleep.flags", "timer_settime.flags"],
  UmountFlag: ["umount2.flags"],
  UnshareFlag: ["unshare.flags"],
  UserfaultFlag: ["userfaultfd.flags"],
  WaitOption: ["wait4.options", "waitid.options"],
  Whence: ["lseek.whence"],
  XattrFlag: ["fsetxattr.flags", "lsetxattr.flags", "setxattr.flags"],
};
