/**
 * Situations that recordings seldom contain: a log is rotated, memory is short. Each has the usual calls of the C
 * library and of servers in it, for `--with`, and the events of a recording that show it.
 */
import { cloneFlag } from "../abi/process-calls.ts";
import { executableMemory } from "./sensitive.ts";

export interface Situation {
  /** The name for `--with`. */
  readonly name: string;
  /** The end of the sentence "No recording shows …". */
  readonly about: string;
  /** The calls with which it begins. A role that never made one of them does not get into it. Absent: every role may. */
  readonly first?: FirstCalls;
  readonly calls: readonly string[];
  /** The children of a role that gets into it do, too: they inherit the descriptor. */
  readonly isInherited?: true;
  /** Calls that each phase of a role has if one of its phases made them. */
  readonly recorded?: FirstCalls;
  /** Calls that a role does not get if it made one of these. */
  readonly except?: Readonly<Record<string, FirstCalls>>;
  /** Values of arguments with which it makes these calls; of the others it may have any. */
  readonly only?: Readonly<Record<string, Readonly<Record<string, bigint>>>>;
  /** Values with which it also makes these calls, where they were recorded with others. */
  readonly besides?: Readonly<Record<string, Readonly<Record<string, bigint>>>>;
  /** Each of these shows it (`evidenceOf`); empty if a recording cannot show it. */
  readonly evidence: readonly Evidence[];
  /** If a recording shows it, a proposal has its calls only by `--with`. */
  readonly unlessShown?: true;
}

export interface FirstCalls {
  readonly calls: readonly string[];
  /** Bits that the flags of such a call have, all of them. */
  readonly bit?: bigint;
}

const creates = 0o100n;
const abort = 6n;
/** PR_SET_NAME */
const setName = 15n;
/** PROT_READ and PROT_WRITE, MAP_PRIVATE and MAP_ANONYMOUS: memory, and never code. */
const memory = { prot: 3n, flags: 0x22n };
/** With MAP_NORESERVE and MAP_STACK. */
const stack = { prot: 3n, flags: 0x2_4022n };
/** O_NONBLOCK and O_CLOEXEC: a loop wakes itself by a pipe where it has no eventfd, or takes signals from it (libuv). */
const loopPipe = { flags: 0x8_0800n };
/** SOL_TCP and TCP_NODELAY. */
const noDelay = { level: 6n, optname: 1n };
/** PROT_READ, MAP_PRIVATE. */
const file = { prot: 1n, flags: 2n };

/** Memory for code that the program compiles itself. */
const compiles: FirstCalls = { calls: executableMemory, bit: 6n };

const kinds = ["connection", "handled a signal", "sent a signal", "resolver", "locale", "rename", "ended"] as const;
export type Evidence = (typeof kinds)[number];

export const situations = [
  {
    name: "libc-errors",
    about: "an abort, a failed assertion or a detected corruption of memory (their messages and signals)",
    only: { tgkill: { sig: abort }, mmap: memory },
    calls: ["brk", "getpid", "gettid", "mmap", "munmap", "rt_sigaction", "rt_sigprocmask", "tgkill", "write", "writev"],
    evidence: ["sent a signal"],
  },
  {
    name: "signals",
    about: "a handled signal",
    first: { calls: ["rt_sigaction"] },
    calls: [
      "getpid",
      "gettid",
      "kill",
      "rt_sigaction",
      "rt_sigpending",
      "rt_sigprocmask",
      "rt_sigsuspend",
      "rt_sigtimedwait",
      "sigaltstack",
      "tgkill",
      "wait4",
    ],
    evidence: ["handled a signal"],
  },
  {
    name: "memory",
    about: "more or less memory than the program had, or its end",
    only: { mmap: memory },
    calls: ["brk", "futex", "madvise", "mmap", "mremap", "munmap", "sched_yield"],
    evidence: [],
  },
  {
    name: "clocks",
    about:
      "a question for the time, a sleep, or a question for the process's own numbers and counters, whose moment no load determines",
    calls: [
      "clock_getres",
      "clock_gettime",
      "clock_nanosleep",
      "getcpu",
      "getegid",
      "geteuid",
      "getgid",
      "getpid",
      "getppid",
      "getrusage",
      "gettid",
      "gettimeofday",
      "getuid",
      "nanosleep",
      "sched_yield",
      "time",
      "times",
    ],
    evidence: [],
  },
  {
    name: "connections",
    about: "a connection to a socket on which the program listens",
    // Without accept, each connection would wake the program again and again.
    unlessShown: true,
    first: { calls: ["listen"] },
    isInherited: true,
    // The options of the listening socket are recorded; this one is a connection's.
    besides: { setsockopt: noDelay },
    calls: [
      "accept",
      "accept4",
      "close",
      "fcntl",
      "getpeername",
      "getsockname",
      "getsockopt",
      "poll",
      "read",
      "recvfrom",
      "recvmsg",
      "sendmsg",
      "sendto",
      "setsockopt",
      "shutdown",
      "write",
      "writev",
    ],
    evidence: ["connection"],
  },
  {
    name: "threads",
    about: "further threads and their event loops, in a program that has made threads",
    first: { calls: ["clone", "clone3"], bit: cloneFlag.thread },
    recorded: { calls: ["clone", "clone3"], bit: cloneFlag.thread },
    // Without memory for its code a worker thread of node ends the process; without a loop it only fails.
    except: { pipe2: compiles },
    only: { mmap: stack, mprotect: { prot: 3n }, pipe2: loopPipe, prctl: { option: setName } },
    calls: [
      "epoll_create1",
      "eventfd2",
      "futex",
      "get_robust_list",
      "gettid",
      "madvise",
      "mmap",
      "mprotect",
      "munmap",
      "pipe2",
      "prctl",
      "rseq",
      "sched_getaffinity",
      "sched_yield",
      "set_robust_list",
      "set_tid_address",
      "timerfd_create",
      "timerfd_settime",
    ],
    evidence: [],
  },
  {
    name: "jit",
    about: "further code that the program compiles itself, as a worker thread of node needs it",
    first: compiles,
    recorded: { calls: executableMemory, bit: 4n },
    only: { pipe2: loopPipe },
    calls: ["capget", "getcwd", "pipe2"],
    evidence: [],
  },
  {
    name: "rotation",
    about: "the rotation of a log",
    first: { calls: ["open", "openat", "creat"], bit: creates },
    calls: [
      "close",
      "dup2",
      "dup3",
      "fchmod",
      "fchown",
      "fcntl",
      "fstat",
      "fsync",
      "ftruncate",
      "lseek",
      "newfstatat",
      "openat",
      "rename",
      "renameat",
      "renameat2",
      "unlink",
      "unlinkat",
    ],
    evidence: ["rename"],
  },
  {
    name: "files",
    about: "files and directories that are made, cut, renamed or removed in another way",
    first: { calls: ["open", "openat", "creat"], bit: creates },
    calls: [
      "fadvise64",
      "fallocate",
      "fdatasync",
      "flock",
      "fsync",
      "ftruncate",
      "mkdir",
      "mkdirat",
      "rename",
      "renameat",
      "renameat2",
      "rmdir",
      "truncate",
      "unlink",
      "unlinkat",
    ],
    evidence: [],
  },
  {
    name: "reload",
    about: "a configuration that is read again",
    first: { calls: ["bind", "listen", "rt_sigsuspend"] },
    calls: [
      "access",
      "bind",
      "close",
      "faccessat",
      "faccessat2",
      "fcntl",
      "fstat",
      "getcwd",
      "getdents64",
      "getsockname",
      "ioctl",
      "kill",
      "listen",
      "lseek",
      "newfstatat",
      "openat",
      "pread64",
      "read",
      "readlink",
      "readlinkat",
      "rt_sigaction",
      "rt_sigprocmask",
      "rt_sigsuspend",
      "setsockopt",
      "socket",
      "socketpair",
      "statx",
      "uname",
      "wait4",
    ],
    evidence: [],
  },
  {
    name: "resolver",
    about: "a name that is resolved",
    first: { calls: ["socket"] },
    calls: [
      "bind",
      "close",
      "connect",
      "fcntl",
      "fstat",
      "getpeername",
      "getsockname",
      "getsockopt",
      "ioctl",
      "lseek",
      "newfstatat",
      "openat",
      "poll",
      "ppoll",
      "read",
      "recvfrom",
      "recvmsg",
      "sendmmsg",
      "sendmsg",
      "sendto",
      "setsockopt",
      "socket",
      "uname",
    ],
    evidence: ["resolver"],
  },
  {
    name: "locale",
    about: "a locale or a character set that is loaded",
    first: { calls: ["open", "openat"] },
    only: { mmap: file },
    calls: ["close", "fstat", "futex", "lseek", "mmap", "munmap", "newfstatat", "openat", "read"],
    evidence: ["locale"],
  },
  {
    name: "shutdown",
    about: "the end of the command's first process",
    first: { calls: ["wait4", "waitid", "unlink", "unlinkat"] },
    calls: [
      "close",
      "fsync",
      "futex",
      "kill",
      "munmap",
      "newfstatat",
      "shutdown",
      "unlink",
      "unlinkat",
      "wait4",
      "write",
    ],
    evidence: ["ended"],
  },
] as const satisfies readonly Situation[];

export type SituationName = (typeof situations)[number]["name"];
/** Every program gets into these, so every proposal has them. */
export const usualSituations: readonly SituationName[] = ["libc-errors", "memory", "clocks", "threads", "connections"];
export const situationNames: readonly SituationName[] = situations.map(({ name }) => name);

const byCall: Readonly<Record<string, Evidence>> = {
  rt_sigreturn: "handled a signal",
  tgkill: "sent a signal",
  rename: "rename",
  renameat: "rename",
  renameat2: "rename",
};

/** The evidence that the attempt of a call gives. `path`: of the opened file, if it is known. */
export function evidenceOf(call: string, path: string | undefined): Evidence | undefined {
  const shown = byCall[call];
  if (shown !== undefined) return shown;
  if (path === undefined) return undefined;
  if (/^\/etc\/(?:resolv\.conf|hosts|nsswitch\.conf|host\.conf)$/.test(path)) return "resolver";
  return /\/locale\/|\/gconv\//.test(path) ? "locale" : undefined;
}
