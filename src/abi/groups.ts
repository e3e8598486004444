/**
 * Groups of calls by purpose, with the names of systemd's SystemCallFilter=. The members are also systemd's, with a few
 * differences: tools/generate/systemd.ts gives the reason for each, and docs/language-reference.md lists them.
 *
 * exit, exit_group, rt_sigreturn and restart_syscall are never judged, so they are in no group.
 */
export interface CallGroup {
  readonly name: `@${string}`;
  /** One sentence, for editors and documents. */
  readonly about: string;
  /** Names of calls, or of other groups, whose members are included. */
  readonly members: readonly string[];
}

const list = (text: string): string[] => text.trim().split(/\s+/);

export const callGroups: readonly CallGroup[] = [
  {
    name: "@default",
    about:
      "Program start, memory, threads, sleeping, and harmless queries of the process about itself; opens no file and starts no program",
    members: list(`
      arch_prctl brk capget clock_getres clock_gettime clock_nanosleep futex futex_requeue futex_wait futex_waitv
      futex_wake get_mempolicy get_robust_list getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid getppid
      getpriority getrandom getresgid getresuid getrlimit getrusage getsid gettid gettimeofday getuid ioprio_get
      lsm_get_self_attr lsm_list_modules madvise map_shadow_stack membarrier mmap mprotect mremap mseal munmap nanosleep
      pause prlimit64 rseq rseq_slice_yield sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr
      sched_getparam sched_getscheduler sched_rr_get_interval sched_yield set_robust_list set_tid_address sysinfo time
      times uname uprobe uretprobe`),
  },
  {
    name: "@self",
    about:
      "A process's own memory, signal handlers, sleep and numbers, clocks, random bytes, and the machine's name and size: nothing outside of it changes, and no memory becomes executable",
    members: list(`
      brk clock_getres clock_gettime clock_nanosleep futex get_robust_list getcpu getegid geteuid getgid getgroups getpgrp
      getpid getppid getrandom getresgid getresuid getrusage gettid gettimeofday getuid madvise mremap munmap nanosleep
      rseq rt_sigaction rt_sigprocmask sched_getaffinity sched_yield set_robust_list set_tid_address sigaltstack
      sysinfo time times uname`),
  },
  {
    name: "@basic-io",
    about: "Reading, writing, duplicating and closing descriptors that the process has already",
    members: list(`
      close close_range dup dup2 dup3 lseek pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readv write writev`),
  },
  {
    name: "@zero-copy",
    about: "Moving data between descriptors that the process has already, without reading it",
    members: list("copy_file_range sendfile splice tee vmsplice"),
  },
  {
    name: "@file-system",
    about: "Opening, looking at, changing, naming and removing files and directories, and watching them",
    members: list(`
      access chdir chmod close creat faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fcntl
      fgetxattr file_getattr file_setattr flistxattr flock fremovexattr fsetxattr fstat fstatfs ftruncate futimesat
      getcwd getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch
      lgetxattr link linkat listmount listxattr listxattrat llistxattr lremovexattr lsetxattr lstat mkdir mkdirat mknod
      mknodat newfstatat open openat openat2 readahead readlink readlinkat removexattr removexattrat rename renameat
      renameat2 rmdir setxattr setxattrat stat statfs statmount statx symlink symlinkat truncate umask unlink unlinkat
      utime utimensat utimes`),
  },
  {
    name: "@io-event",
    about: "Waiting until one of many descriptors is ready",
    members: list(`
      epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 poll ppoll pselect6
      select`),
  },
  {
    name: "@network-io",
    about: "Sockets of every family, Unix sockets included",
    members: list(`
      accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg sendmmsg sendmsg
      sendto setsockopt shutdown socket socketpair`),
  },
  {
    name: "@process",
    about: "Starting programs, processes and threads, waiting for them, signalling and ending them",
    members: list(`
      capget clone clone3 execve execveat fork getrusage kill pidfd_open pidfd_send_signal prctl rt_sigqueueinfo
      rt_tgsigqueueinfo setpgid setsid tgkill times tkill vfork wait4 waitid`),
  },
  {
    name: "@signal",
    about: "Handling and awaiting signals; sending them is in @process",
    members: list(`
      rt_sigaction rt_sigpending rt_sigprocmask rt_sigsuspend rt_sigtimedwait sigaltstack signalfd signalfd4`),
  },
  {
    name: "@timer",
    about: "Timers that notify by a signal or through a descriptor",
    members: list(`
      alarm getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create
      timerfd_gettime timerfd_settime times`),
  },
  {
    name: "@sync",
    about: "Writing cached data to the disk",
    members: list("fdatasync fsync msync sync sync_file_range syncfs"),
  },
  {
    name: "@aio",
    about: "The older asynchronous input and output; io_uring's calls are in no group",
    members: list("io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit"),
  },
  {
    name: "@ipc",
    about: "Pipes, message queues, semaphores and shared memory, of System V and of POSIX",
    members: list(`
      memfd_create mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd
      pipe pipe2 semctl semget semop semtimedop shmat shmctl shmdt shmget`),
  },
  {
    name: "@memlock",
    about: "Keeping memory from being swapped out",
    members: list("mlock mlock2 mlockall munlock munlockall"),
  },
  {
    name: "@resources",
    about: "Changing limits, priorities, scheduling and the placement of memory; queries are in @default",
    members: list(`
      ioprio_set mbind migrate_pages move_pages sched_setaffinity sched_setattr sched_setparam sched_setscheduler
      set_mempolicy set_mempolicy_home_node setpriority setrlimit`),
  },
  {
    name: "@pkey",
    about: "Memory protection keys of the process's own memory",
    members: list("pkey_alloc pkey_free pkey_mprotect"),
  },
  {
    name: "@chown",
    about: "Changing who owns a file",
    members: list("chown fchown fchownat lchown"),
  },
  {
    name: "@setuid",
    about: "Changing the process's own user and groups",
    members: list("setfsgid setfsuid setgid setgroups setregid setresgid setresuid setreuid setuid"),
  },
  {
    name: "@sandbox",
    about: "Restricting oneself further: seccomp and Landlock",
    members: list("landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp"),
  },
  {
    name: "@namespace",
    about: "Creating, joining and listing namespaces; clone and clone3 can also create them, by their flags",
    members: list("listns setns unshare"),
  },
  {
    name: "@keyring",
    about: "The kernel's own keys",
    members: list("add_key keyctl request_key"),
  },
  {
    name: "@debug",
    about: "Inspecting and changing other processes, taking their descriptors, and measuring the machine",
    members: list(`
      kcmp perf_event_open pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace`),
  },
  {
    name: "@mount",
    about:
      "Mounting and unmounting, and changing the root directory (including chroot, which daemons use to confine themselves)",
    members: list(`
      chroot fchroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr pivot_root
      umount2`),
  },
  {
    name: "@module",
    about: "Loading code into the kernel as a module, and unloading it",
    members: list("delete_module finit_module init_module"),
  },
  { name: "@raw-io", about: "Access to the machine's input and output ports", members: list("ioperm iopl") },
  {
    name: "@reboot",
    about: "Restarting the machine or starting another kernel",
    members: list("kexec_file_load kexec_load reboot"),
  },
  { name: "@swap", about: "Enabling and disabling swap space", members: list("swapoff swapon") },
  {
    name: "@clock",
    about: "Setting the machine's clocks; reading them is in @default",
    members: list("adjtimex clock_adjtime clock_settime settimeofday"),
  },
  {
    name: "@cpu-emulation",
    about: "Segments for emulating older processors",
    members: list("modify_ldt"),
  },
  {
    name: "@privileged",
    about: "Calls that need root or a capability",
    members: list(`
      @chown @clock @module @mount @raw-io @reboot @setuid @swap
      acct bpf capset fanotify_init fanotify_mark open_by_handle_at quotactl quotactl_fd setdomainname sethostname
      syslog vhangup`),
  },
  {
    name: "@obsolete",
    about: "Calls that the kernel no longer has, or that current programs do not make",
    members: list(`
      _sysctl afs_syscall create_module epoll_ctl_old epoll_wait_old get_kernel_syms get_thread_area getpmsg
      lookup_dcookie nfsservctl putpmsg query_module remap_file_pages security set_thread_area sysfs tuxcall uselib
      ustat vserver`),
  },
  {
    name: "@system-service",
    about:
      "A base for a usual service: files, sockets, processes, dropping root; nothing that changes the machine, other processes or namespaces",
    members: list(`
      @aio @basic-io @chown @default @file-system @io-event @ipc @memlock @network-io @pkey @process @resources @sandbox
      @setuid @signal @sync @timer @zero-copy
      capset ioctl name_to_handle_at`),
  },
];

/**
 * Calls in no group: those that are never judged; io_uring's, whose effect a filter cannot see; and a few that a policy
 * should allow or refuse only by name.
 */
export const ungroupedCalls: readonly string[] = list(`
  exit exit_group restart_syscall rt_sigreturn
  io_uring_enter io_uring_register io_uring_setup
  cachestat lsm_set_self_attr memfd_secret mincore personality process_mrelease userfaultfd`);

let expanded: ReadonlyMap<string, readonly string[]> | undefined;

/** The calls of each group, with included groups expanded, sorted. */
export function groups(): ReadonlyMap<string, readonly string[]> {
  expanded ??= expand();
  return expanded;
}

function expand(): ReadonlyMap<string, readonly string[]> {
  const byName = new Map(callGroups.map((group) => [group.name as string, group]));
  const calls = (members: readonly string[]): string[] =>
    members.flatMap((member) => (member.startsWith("@") ? calls(byName.get(member)?.members ?? []) : [member]));
  // A list of calls is sorted as it stands.
  const listed = (members: readonly string[]) =>
    members.some((member) => member.startsWith("@")) ? [...new Set(calls(members))].sort() : members;
  return new Map(callGroups.map(({ name, members }) => [name, listed(members)]));
}
