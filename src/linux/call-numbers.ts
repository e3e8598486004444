/**
 * Numbers of the calls that portcullis itself makes (asm/unistd.h). Separate from the generated table, so that a start
 * need not load it.
 */
import { type ArchitectureName, hostArchitecture } from "./architecture.ts";

const numbers = {
  x86_64: {
    read: 0,
    write: 1,
    close: 3,
    lseek: 8,
    rt_sigaction: 13,
    ioctl: 16,
    sched_yield: 24,
    sendto: 44,
    recvfrom: 45,
    socket: 41,
    bind: 49,
    socketpair: 53,
    recvmsg: 47,
    clone: 56,
    fork: 57,
    vfork: 58,
    execve: 59,
    wait4: 61,
    kill: 62,
    ptrace: 101,
    prctl: 157,
    fcntl: 72,
    exit_group: 231,
    epoll_ctl: 233,
    tkill: 200,
    tgkill: 234,
    epoll_pwait: 281,
    prlimit64: 302,
    ppoll: 271,
    epoll_create1: 291,
    openat: 257,
    faccessat: 269,
    execveat: 322,
    getrandom: 318,
    bpf: 321,
    capget: 125,
    capset: 126,
    seccomp: 317,
    pwritev2: 328,
    pidfd_send_signal: 424,
    pidfd_open: 434,
    clone3: 435,
    landlock_create_ruleset: 444,
  },
  aarch64: {
    rt_sigaction: 134,
    read: 63,
    write: 64,
    sendto: 206,
    recvfrom: 207,
    socket: 198,
    bind: 200,
    pwritev2: 287,
    lseek: 62,
    close: 57,
    ioctl: 29,
    sched_yield: 124,
    socketpair: 199,
    recvmsg: 212,
    clone: 220,
    fork: -1,
    vfork: -1,
    execve: 221,
    wait4: 260,
    kill: 129,
    ptrace: 117,
    prctl: 167,
    fcntl: 25,
    exit_group: 94,
    epoll_ctl: 21,
    tkill: 130,
    tgkill: 131,
    epoll_pwait: 22,
    prlimit64: 261,
    ppoll: 73,
    epoll_create1: 20,
    openat: 56,
    faccessat: 48,
    execveat: 281,
    getrandom: 278,
    bpf: 280,
    capget: 90,
    capset: 91,
    seccomp: 277,
    pidfd_send_signal: 424,
    pidfd_open: 434,
    clone3: 435,
    landlock_create_ruleset: 444,
  },
} as const satisfies { readonly [A in ArchitectureName]: Readonly<Record<string, number>> };

export type OwnCall = keyof (typeof numbers)["x86_64"];

/** The number on an architecture; -1 if it lacks the call. */
export function callNumber(name: OwnCall, architecture: ArchitectureName = host()): number {
  return numbers[architecture][name];
}

function host(): ArchitectureName {
  const architecture = hostArchitecture();
  if (architecture === undefined) throw new Error(`portcullis has no call numbers for ${process.arch}`);
  return architecture;
}
