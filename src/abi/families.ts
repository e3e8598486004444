/**
 * Families: calls with the same effect. A policy that refuses one and omits the others gets a warning; each family is
 * also a set, `calls.open`.
 */
export interface CallFamily {
  /** An identifier: `calls.open`. */
  readonly name: string;
  /** The common effect, as the rest of "openat, openat2 and creat …". */
  readonly does: string;
  readonly members: readonly string[];
}

const family = (name: string, does: string, members: string): CallFamily => ({
  name,
  does,
  members: members.split(" "),
});

/** A call can be in several families: clone creates processes and namespaces. */
export const callFamilies: readonly CallFamily[] = [
  family("open", "open or create a file", "creat open openat openat2"),
  family("exec", "start another program", "execve execveat"),
  family("fork", "make a process or a thread", "clone clone3 fork vfork"),
  family("connect", "reach an address: sending does so without connecting", "connect sendmmsg sendmsg sendto"),
  family("accept", "accept a connection", "accept accept4"),
  family("send", "send on a socket", "sendmmsg sendmsg sendto"),
  family("receive", "receive from a socket", "recvfrom recvmmsg recvmsg"),
  family("read", "read from a descriptor", "pread64 preadv preadv2 read readv"),
  family("write", "write to a descriptor", "pwrite64 pwritev pwritev2 write writev"),
  family("copy", "move data between descriptors", "copy_file_range sendfile splice tee vmsplice"),
  family("duplicate", "duplicate a descriptor", "dup dup2 dup3"),
  family("close", "close descriptors", "close close_range"),
  family("stat", "read a file's metadata", "fstat lstat newfstatat stat statx"),
  family("access", "check access to a file", "access faccessat faccessat2"),
  family("list", "list a directory", "getdents getdents64"),
  family("readlink", "read a symbolic link", "readlink readlinkat"),
  family("mkdir", "make a directory", "mkdir mkdirat"),
  family("mknod", "make a device, a socket or a FIFO", "mknod mknodat"),
  family("link", "create a link to a file", "link linkat symlink symlinkat"),
  family("rename", "rename a file", "rename renameat renameat2"),
  family("remove", "remove a file or a directory", "rmdir unlink unlinkat"),
  family("chmod", "change a file's mode", "chmod fchmod fchmodat fchmodat2"),
  family("chown", "change a file's owner", "chown fchown fchownat lchown"),
  family("truncate", "change a file's size", "fallocate ftruncate truncate"),
  family("touch", "change a file's times", "futimesat utime utimensat utimes"),
  family("setxattr", "set an extended attribute", "fsetxattr lsetxattr setxattr setxattrat"),
  family("getxattr", "read an extended attribute", "fgetxattr getxattr getxattrat lgetxattr"),
  family("listxattr", "list extended attributes", "flistxattr listxattr listxattrat llistxattr"),
  family("removexattr", "remove an extended attribute", "fremovexattr lremovexattr removexattr removexattrat"),
  family("chdir", "change the working directory", "chdir fchdir"),
  family("pipe", "make a pipe", "pipe pipe2"),
  family("eventfd", "make an eventfd", "eventfd eventfd2"),
  family("signalfd", "make a signalfd", "signalfd signalfd4"),
  family("inotify", "make an inotify descriptor", "inotify_init inotify_init1"),
  family("epollCreate", "make an epoll descriptor", "epoll_create epoll_create1"),
  family("epollWait", "wait on an epoll descriptor", "epoll_pwait epoll_pwait2 epoll_wait"),
  family("poll", "wait on descriptors", "poll ppoll pselect6 select"),
  family("sleep", "sleep", "clock_nanosleep nanosleep"),
  family("signal", "send a signal", "kill pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo tgkill tkill"),
  family("wait", "wait for a child", "wait4 waitid"),
  family("setuid", "change the user", "setfsuid setresuid setreuid setuid"),
  family("setgid", "change the group", "setfsgid setgid setregid setresgid"),
  family("setrlimit", "change a limit", "prlimit64 setrlimit"),
  family("schedule", "change how a thread is scheduled", "sched_setattr sched_setparam sched_setscheduler"),
  family("protect", "change the protection of memory", "mprotect pkey_mprotect"),
  family("lockMemory", "keep memory from being swapped out", "mlock mlock2 mlockall"),
  family("namespace", "make or join a namespace", "clone clone3 setns unshare"),
  family("inspect", "reach into another process", "pidfd_getfd process_vm_readv process_vm_writev ptrace"),
  family("mount", "mount a file system", "fsmount mount move_mount"),
  family("chroot", "change the root directory", "chroot fchroot pivot_root"),
  family("loadModule", "load a kernel module", "finit_module init_module"),
  family("kexec", "load another kernel", "kexec_file_load kexec_load"),
  family("setClock", "set the clock", "adjtimex clock_adjtime clock_settime settimeofday"),
  family("semaphore", "operate on a semaphore", "semop semtimedop"),
  family("asyncWait", "wait for asynchronous input or output", "io_getevents io_pgetevents"),
];

/** Families by name. */
export const families: ReadonlyMap<string, CallFamily> = new Map(callFamilies.map((entry) => [entry.name, entry]));

/** The families of a call. */
export function familiesOf(call: string): readonly CallFamily[] {
  return callFamilies.filter((entry) => entry.members.includes(call));
}
