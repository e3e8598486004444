/** Reasons for the calls of a server's initialisation, for the explanation of the table's first column call by call. */

const groups: Readonly<Record<string, string>> = {
  "loading the program and its libraries": "access mmap mprotect munmap pread64 openat open read close fstat",
  "starting the C library and the allocator":
    "arch_prctl set_tid_address set_robust_list rseq prlimit64 brk getrandom madvise readlink sched_getaffinity membarrier",
  "accounts, host names and locales":
    "newfstatat lseek connect uname getuid geteuid getgid getegid stat lstat getgroups getxattr sethostname",
  "threads and their locks":
    "clone3 futex rt_sigprocmask exit clock_nanosleep nanosleep sched_yield sched_setaffinity sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min getcpu get_robust_list",
  signals:
    "rt_sigaction rt_sigreturn rt_sigsuspend setitimer kill tgkill rt_sigtimedwait rt_sigpending sigaltstack alarm pause signalfd4 getitimer timer_create timer_settime timer_delete",
  "giving up privileges":
    "setuid setgid setgroups setresuid setresgid prctl capget capset setreuid setregid setfsuid setfsgid chroot",
  sockets:
    "socket bind listen setsockopt getsockname getsockopt getpeername sendto recvmsg sendmsg socketpair accept accept4 ioctl poll shutdown sendmmsg recvmmsg recvfrom ppoll select sendfile splice",
  "event loops and pipes":
    "epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd2 pipe2 io_uring_setup io_uring_enter io_uring_register pselect6 epoll_pwait2 pipe timerfd_create timerfd_settime inotify_init1 inotify_add_watch inotify_rm_watch",
  "configuration, logs and other files":
    "write writev pwrite64 fcntl ftruncate statfs fstatfs getcwd chdir fchdir mkdir chmod chown unlink rename umask dup dup2 dup3 getdents64 fsync fdatasync flock utimensat readv preadv preadv2 pwritev link linkat symlink symlinkat readlinkat rmdir renameat renameat2 unlinkat mkdirat mknod mknodat fchmod fchmodat fchown lchown fchownat faccessat faccessat2 truncate fallocate fadvise64 sync_file_range copy_file_range statx sync syncfs getdents mount umount2",
  "children and their supervision":
    "clone fork vfork execve wait4 waitid close_range getppid getpid gettid exit_group setsid setpgid getpgid getpgrp getsid getpriority setpriority setrlimit getrlimit ioprio_set waitpid pidfd_open pidfd_send_signal",
  "clocks and the machine":
    "times sysinfo getrusage time gettimeofday clock_gettime clock_getres clock_settime adjtimex settimeofday",
  "memory that is shared or moved":
    "mremap msync mlock mlock2 munlock mlockall mincore shmget shmat shmdt shmctl semget semop semctl semtimedop msgget msgsnd msgrcv msgctl memfd_create get_mempolicy set_mempolicy mbind",
};

const byCall: ReadonlyMap<string, string> = new Map(
  Object.entries(groups).flatMap(([reason, names]) => names.split(" ").map((name) => [name, reason] as const)),
);

export const reasons: readonly string[] = [...Object.keys(groups), "other"];

export function reasonFor(call: string): string {
  return byCall.get(call) ?? "other";
}
