/**
 * What to say about a name that is no system call's: most often it is a C library function, a call under the name that
 * another architecture or another program gives it, or a group without its "@".
 */
import { nearestName } from "../diagnostics/suggest.ts";
import { allCallNames, callByName } from "./calls.ts";
import { callFamilies } from "./families.ts";
import { groups } from "./groups.ts";

/**
 * C library functions by the calls that glibc 2.41 makes for them (CALLS: FUNCTIONS). Where a function makes many
 * calls, those that a policy would decide on.
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

/** System calls of 32-bit programs by the names that they have here (CALL: NAMES). */
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

/** The C library functions and the names of 32-bit calls that are known, with the calls that stand for them. */
export function knownOrigins(): Iterable<readonly [name: string, calls: readonly string[]]> {
  return [...originsByName()].map(([name, { calls }]) => [name, calls] as const);
}

export interface Explanation {
  /** What is wrong with the name: a whole sentence without its full stop. */
  readonly message: string;
  /** What to write. */
  readonly help: string;
}

const quote = (name: string): string => JSON.stringify(name);

/** The calls that a name stands for, or the nearest one; none where nothing is near. */
export function callsMeantBy(name: string): readonly string[] {
  const near = originsByName().get(name)?.calls ?? nearestName(name, allCallNames());
  return near === undefined ? [] : [near].flat();
}

/** What is wrong with a name that no system call has, nor any group, and what to write instead. */
export function explainUnknownCall(name: string): Explanation {
  if (groups.has(name)) {
    return {
      message: `${quote(name)} is a group of calls, and no call's name`,
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
  if (groups.has(`@${name}`))
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
        ? "`strace -f COMMAND` prints the calls of a command; docs/language.md lists the groups"
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

/** systemd's groups that are not here (systemd.exec(5), SystemCallFilter=), and what other programs call theirs. */
const otherGroups: Readonly<Record<string, string>> = {
  "@known": "a policy decides on all calls: leave the group out, and let the last return decide",
  "@network": 'write "@network-io"',
  "@files": 'write "@file-system"',
  "@io": 'write "@basic-io" for descriptors, "@io-event" for waiting, "@network-io" for sockets',
};

function explainUnknownGroup(name: string): Explanation {
  const known = [...groups.keys()];
  const word = name.slice(1).toLowerCase();
  const containing = word.length < 3 ? [] : known.filter((one) => one.includes(word));
  const near = nearestName(name, known);
  const other = otherGroups[name];
  return {
    message: `no group of calls is named ${quote(name)}`,
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
