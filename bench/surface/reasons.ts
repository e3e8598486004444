/** Why servers make the calls of their initialisation: the explanation, call by call, of the table's first column. */

const groups: Readonly<Record<string, string>> = {
  "loading the program and its libraries": "access mmap mprotect munmap pread64 openat open read close fstat",
  "starting the C library and the allocator":
    "arch_prctl set_tid_address set_robust_list rseq prlimit64 brk getrandom madvise readlink sched_getaffinity membarrier",
  "accounts, host names and locales": "newfstatat lseek connect uname getuid geteuid getgid getegid",
  "threads and their locks": "clone3 futex rt_sigprocmask exit clock_nanosleep",
  signals: "rt_sigaction rt_sigreturn rt_sigsuspend setitimer kill tgkill",
  "giving up privileges": "setuid setgid setgroups setresuid setresgid prctl capget capset",
  sockets:
    "socket bind listen setsockopt getsockname getsockopt getpeername sendto recvmsg sendmsg socketpair accept accept4 ioctl poll shutdown sendmmsg recvmmsg recvfrom",
  "event loops and pipes":
    "epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd2 pipe2 io_uring_setup io_uring_enter pselect6",
  "configuration, logs and other files":
    "write writev pwrite64 fcntl ftruncate statfs fstatfs getcwd chdir fchdir mkdir chmod chown unlink rename umask dup dup2 dup3 getdents64 fsync fdatasync flock utimensat",
  "children and their supervision":
    "clone fork vfork execve wait4 waitid close_range getppid getpid gettid exit_group setsid",
  "clocks and the machine": "times sysinfo getrusage",
};

const byCall: ReadonlyMap<string, string> = new Map(
  Object.entries(groups).flatMap(([reason, names]) => names.split(" ").map((name) => [name, reason] as const)),
);

export const reasons: readonly string[] = [...Object.keys(groups), "other"];

export function reasonFor(call: string): string {
  return byCall.get(call) ?? "other";
}
