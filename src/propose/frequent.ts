/** Calls that a proposal leaves to the kernel, because a supervisor at each of them would slow the program. */
import { hotCalls } from "../analysis/explain/hot-calls.ts";

/**
 * Calls of a new thread of the C library. A thread can start at any time: before a trigger in one run, behind it in
 * another.
 */
const threadStart = ["rseq", "set_robust_list"];

/** Calls of each connection, even if a recording has only one. */
const connection = ["accept", "accept4", "shutdown"];

/** Calls that many programs make often, for files, memory, time and signals. */
const usualCalls: readonly string[] = [
  "open",
  "openat",
  "close",
  "stat",
  "lstat",
  "fstat",
  "newfstatat",
  "statx",
  "access",
  "faccessat",
  "faccessat2",
  "readlink",
  "readlinkat",
  "getdents64",
  "lseek",
  "fcntl",
  "ioctl",
  "unlink",
  "unlinkat",
  "mmap",
  "munmap",
  "mprotect",
  "madvise",
  "brk",
  "rt_sigaction",
  "rt_sigprocmask",
  "clock_gettime",
  "gettimeofday",
  "getpid",
  "gettid",
];

/** Calls in the inner loops of programs (P0602), calls that many programs make often, a connection's, and a thread's. */
export const frequentCalls: ReadonlySet<string> = new Set([
  ...[...hotCalls, ...usualCalls],
  ...[...connection, ...threadStart],
]);
