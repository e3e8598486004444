/**
 * Explains a name that is not a system call: most often it is a C library function, a call's name on another
 * architecture or in another program, or a group without its "@".
 */
import { nearestName } from "../diagnostics/suggest.ts";
import { allCallNames, callByName } from "./calls.ts";
import { callFamilies } from "./families.ts";
import { groups } from "./groups.ts";

/**
 * C library functions by the calls that glibc 2.41 makes for them (CALLS: FUNCTIONS); for functions with many calls,
 * those that matter to a policy.
 */
const functionsByCalls = `
openat: fopen fopen64 freopen open64 openat64 opendir shm_open sem_open tmpfile mkstemp mkostemp
unlink: shm_unlink sem_unlink
unlink rmdir: remove
read: fread fgets fgetc getc getchar gets getline scanf fscanf
write: printf fprintf vprintf dprintf puts fputs putchar fputc fwrite perror
close: fclose closedir
lseek: fseek ftell rewind fseeko lseek64
fsync: fflush
getdents64: readdir readdir64 scandir
newfstatat: fstatat fstatat64 stat64 lstat64
fstat: fstat64
pread64: pread
pwrite64: pwrite
statfs: statvfs
fstatfs: fstatvfs
fadvise64: posix_fadvise
fallocate: posix_fallocate
faccessat2: euidaccess eaccess
sendto: send
recvfrom: recv
socket connect sendto: getaddrinfo gethostbyname gethostbyaddr getnameinfo
ioctl: tcgetattr tcsetattr isatty
execve: exec execl execlp execle execv execvp execvpe spawn
execveat: fexecve
clone clone3 execve: system popen posix_spawn posix_spawnp
clone clone3: pthread_create thrd_create
wait4: wait waitpid wait3 pclose
tgkill: pthread_kill pthread_cancel raise abort
kill: killpg
rt_sigqueueinfo: sigqueue
rt_sigaction: signal sigaction
rt_sigprocmask: sigprocmask pthread_sigmask
rt_sigsuspend: sigsuspend
rt_sigpending: sigpending
rt_sigtimedwait: sigwait sigwaitinfo sigtimedwait
futex: pthread_mutex_lock pthread_cond_wait pthread_join sem_wait sem_post
clock_nanosleep: sleep usleep
setpriority: nice
brk mmap: malloc calloc realloc sbrk
munmap: free
setresuid: seteuid
setresgid: setegid
setgroups: initgroups
clone: daemon
newfstatat readlink: realpath
getcwd: get_current_dir_name getwd
uname: gethostname
prlimit64: getrlimit64 setrlimit64
mq_timedsend: mq_send
mq_timedreceive: mq_receive
finit_module init_module: insmod modprobe
delete_module: rmmod
umount2: umount
getrandom: getentropy arc4random
timerfd_create: timerfd
epoll_create1: epoll
inotify_init1: inotify
`;

/** Names of calls in 32-bit programs, by their names here (CALL: NAMES). */
const namesOf32Bit = `
mmap: mmap2
lseek: _llseek llseek
fcntl: fcntl64
getrlimit: ugetrlimit
select: _newselect
sendfile: sendfile64
statfs: statfs64
fstatfs: fstatfs64
truncate: truncate64
ftruncate: ftruncate64
fadvise64: fadvise64_64
setuid: setuid32
setgid: setgid32
chown: chown32
fchown: fchown32
lchown: lchown32
setgroups: setgroups32
setreuid: setreuid32
setregid: setregid32
setresuid: setresuid32
setresgid: setresgid32
futex: futex_time64
clock_gettime: clock_gettime64
clock_settime: clock_settime64
clock_nanosleep: clock_nanosleep_time64
ppoll: ppoll_time64
pselect6: pselect6_time64
recvmmsg: recvmmsg_time64
utimensat: utimensat_time64
socket connect bind: socketcall
shmget semget msgget: ipc
`;

type Kind = "function" | "32-bit";
interface Origin {
  readonly kind: Kind;
  readonly calls: readonly string[];
}

let origins: ReadonlyMap<string, Origin> | undefined;

function originsByName(): ReadonlyMap<string, Origin> {
  const lines = (text: string, kind: Kind) =>
    text
      .trim()
      .split("\n")
      .flatMap((line) => {
        const [calls = "", names = ""] = line.split(": ");
        return names.split(" ").map((name): [string, Origin] => [name, { kind, calls: calls.split(" ") }]);
      });
  origins ??= new Map([...lines(functionsByCalls, "function"), ...lines(namesOf32Bit, "32-bit")]);
  return origins;
}

/** The known C library functions and names of 32-bit calls, with the calls for each. */
export function knownOrigins(): Iterable<readonly [name: string, calls: readonly string[]]> {
  return [...originsByName()].map(([name, { calls }]) => [name, calls] as const);
}

export interface Explanation {
  /** A sentence without its full stop. */
  readonly message: string;
  /** The name to write instead. */
  readonly help: string;
}

const quote = (name: string): string => JSON.stringify(name);

/** The calls that a name stands for, or the nearest one; empty if no name is near. */
export function callsMeantBy(name: string): readonly string[] {
  const near = originsByName().get(name)?.calls ?? nearestName(name, allCallNames());
  return near === undefined ? [] : [near].flat();
}

/** For a name outside of a policy: what to write instead of it. Undefined if no name is near. */
export function writeCallMeantBy(name: string): string | undefined {
  const meant = callsMeantBy(name);
  return meant.length === 0 ? undefined : `write ${meant.join(" or ")}`;
}

/** Explains a name that is neither a system call nor a group, with a remedy. */
export function explainUnknownCall(name: string): Explanation {
  if (groups().has(name)) {
    return {
      message: `${quote(name)} is a group of calls, not a call`,
      help: `calls(${quote(name)}).has(call)`,
    };
  }
  if (name.startsWith("@")) return explainUnknownGroup(name);
  const origin = originsByName().get(name);
  if (origin !== undefined) {
    const what =
      origin.kind === "function" ? "is a C library function, not a system call" : "is a call of 32-bit programs";
    return { message: `${quote(name)} ${what}`, help: write(origin) };
  }
  const message = `no system call is named ${quote(name)}`;
  if (groups().has(`@${name}`))
    return { message, help: `the group is ${quote(`@${name}`)}: calls("@${name}").has(call)` };
  const prefixed = /^(?:__NR_|SYS_|sys_|__x64_sys_|__arm64_sys_|do_)(\w+)$/.exec(name)?.[1];
  if (prefixed !== undefined && callByName(prefixed) !== undefined)
    return { message, help: `write ${quote(prefixed)}` };
  const family = callFamilies.find((one) => one.name.toLowerCase() === name.replace(/\W/g, "").toLowerCase());
  if (family !== undefined && callByName(family.name) === undefined) {
    return { message, help: `calls.${family.name}.has(call): ${family.members.join(", ")}` };
  }
  if (/^[~!-]/.test(name)) {
    const rest = name.slice(1);
    return { message, help: `.without(${quote(rest)}) leaves calls out of a set` };
  }
  if (/^\w*\*\w*$/.test(name)) {
    const [start = "", end = ""] = name.split("*");
    const matching = allCallNames().filter((one) => one.startsWith(start) && one.endsWith(end));
    if (matching.length > 0 && matching.length <= 12) {
      return { message: `${message}: names have no wildcards`, help: `calls(${matching.map(quote).join(", ")})` };
    }
  }
  const near = nearestName(name, allCallNames());
  return {
    message,
    help:
      near === undefined
        ? "`strace -f COMMAND` prints the calls of a command; docs/language-reference.md lists the groups"
        : `write ${quote(near)} (${numbersOf(near)})`,
  };
}

/** "write "openat", or calls.open.has(call) for all that open or create a file". */
function write({ kind, calls }: Origin): string {
  const [only] = calls;
  if (calls.length > 1) {
    const list = `calls(${calls.map(quote).join(", ")}).has(call)`;
    return kind === "function" ? `it makes ${calls.join(" and ")}: ${list}` : `here they are ${list}`;
  }
  const families = callFamilies.filter((one) => one.members.includes(only!) && one.members.length > 1);
  const family = families.sort((one, other) => one.members.length - other.members.length)[0];
  const also =
    family === undefined ? "" : `, or calls.${family.name}.has(call) for all that ${family.does.split(":")[0]}`;
  return `${kind === "function" ? `it makes ${only}: ` : ""}write ${quote(only!)}${also}`;
}

/**
 * Names of systemd's groups that do not exist here (systemd.exec(5), SystemCallFilter=), and of groups in other
 * programs.
 */
const otherGroups: Readonly<Record<string, string>> = {
  "@known": "a policy decides on all calls: leave the group out, and let the last return decide",
  "@network": 'write "@network-io"',
  "@files": 'write "@file-system"',
  "@io": 'write "@basic-io" for descriptors, "@io-event" for waiting, "@network-io" for sockets',
};

function explainUnknownGroup(name: string): Explanation {
  const known = [...groups().keys()];
  const word = name.slice(1).toLowerCase();
  const containing = word.length < 3 ? [] : known.filter((one) => one.includes(word));
  const near = nearestName(name, known);
  const other = otherGroups[name];
  return {
    message: `there is no group of calls ${quote(name)}`,
    help:
      other ??
      (near !== undefined
        ? `write ${quote(near)}`
        : containing.length > 0
          ? `write ${containing.map(quote).join(" or ")}`
          : `the groups are ${known.join(", ")}`),
  };
}

/** "x86_64 257, aarch64 56". */
function numbersOf(name: string): string {
  return Object.entries(callByName(name)?.number ?? {})
    .map(([architecture, number]) => `${architecture} ${number}`)
    .join(", ");
}
