/** What a proposal refuses to an attacker in a process that serves, although other processes of the recording did it. */
import { describe, expect, it } from "vitest";
import { allCalls } from "../abi/calls.ts";
import { describeExecutables } from "./executable.ts";
import { propose } from "./proposal.ts";
import { executableMemory, sensitiveCalls } from "./sensitive.ts";
import { type Situation, situations } from "./situations.ts";
import { historyOf, type Line, many } from "./testing/lines.ts";
import { policyOf, refusedBy } from "./testing/policies.ts";

const [read, readExecute, threadFlags, child] = [1, 5, 0x3d0f00, 0x1200011];

/** What the message says about executable memory. */
function executables(lines: readonly Line[]): readonly string[] {
  const { permissions } = propose(historyOf([lines]), { phases: "usual", with: [], origin: "A test." });
  return describeExecutables(permissions, undefined);
}

describe("sensitive calls", () => {
  it("are calls, and each has one reason", () => {
    const names = new Set(allCalls.map(({ name }) => name));
    const listed = sensitiveCalls.flatMap(({ calls }) => calls);
    expect(listed.filter((call) => !names.has(call))).toEqual([]);
    expect(listed).toHaveLength(new Set(listed).size);
  });
});

describe("a server like sshd", () => {
  const load = (tid: number): Line[] => [
    [tid, "openat", 0, 0, 0],
    [tid, "mmap", 0, 4096, readExecute, 2, 3, 0],
    [tid, "mmap", 0, 4096, read, 2, 3, 0],
  ];
  const start: Line[] = [...load(1), [1, "socket", 2, 1, 0], [1, "bind", 3], [1, "listen", 3]];
  /** A process before the login, one that logs in, and the shell of the user. */
  const session = (number: number): { readonly before: Line[]; readonly after: Line[]; readonly preAuth: number } => {
    const [parent, preAuth, user] = [10 * number, 10 * number + 1, 10 * number + 2];
    const before: Line[] = [
      [1, "accept", 3],
      [1, "clone", child],
      { fork: [1, parent] },
      [parent, "execve", "/usr/lib/openssh/sshd-session"],
      { exec: parent },
      ...load(parent),
      [parent, "getpeername", 3],
      [parent, "clone", child],
      { fork: [parent, preAuth] },
      [preAuth, "execve", "/usr/lib/openssh/sshd-auth"],
      { exec: preAuth },
      ...load(preAuth),
      [preAuth, "chroot"],
      [preAuth, "setgroups"],
      [preAuth, "setuid", 33],
      [preAuth, "prctl", 22],
      ...many(10, [preAuth, "read", 3]),
    ];
    const after: Line[] = [
      { exit: preAuth },
      [parent, "wait4", preAuth],
      [parent, "clone", child],
      { fork: [parent, user] },
      [user, "setsid"],
      [user, "setuid", 1000],
      [user, "umask"],
      [user, "execve", "/bin/sh"],
      { exec: user },
      ...load(user),
      ...many(5, [user, "write", 1]),
      { exit: user },
      { exit: parent },
    ];
    return { before, after, preAuth };
  };
  const sessions = Array.from({ length: 150 }, (_, index) => session(index + 1));
  const recording = [...start, ...sessions.flatMap(({ before, after }) => [...before, ...after])];
  const policy = policyOf([recording]);

  it("passes its own recording", () => {
    expect(refusedBy(policy, recording)).toEqual([]);
  });

  it("has no shell, no new program and no executable memory before the login", () => {
    const { before, preAuth } = sessions[0]!;
    const attack: Line[] = [
      [preAuth, "execve", "/bin/sh"],
      [preAuth, "execve", "/usr/lib/openssh/sshd-session"],
      [preAuth, "execve", "/bin/sh"],
      [preAuth, "mmap", 0, 4096, readExecute, 2, 3, 0],
      [preAuth, "setuid", 0],
      [preAuth, "setuid", 1000],
      [preAuth, "clone", child],
      [preAuth, "socket", 2, 1, 0],
    ];
    const refused = refusedBy(policy, [...start, ...before, ...attack]);
    expect(refused, policy).toHaveLength(attack.length);
  });

  it("has no shell before the login from the first call of that program on", () => {
    const { before, preAuth } = sessions[0]!;
    const begun = before.slice(0, before.findIndex((line) => "exec" in line && line.exec === preAuth) + 1);
    expect(refusedBy(policy, [...start, ...begun, [preAuth, "execve", "/bin/sh"]]), policy).toHaveLength(1);
  });

  it("has no shell in the listener", () => {
    const attack: Line = [1, "execve", "/bin/sh"];
    expect(refusedBy(policy, [...start, ...sessions[0]!.before, attack]), policy).toHaveLength(1);
  });
});

it("a thread at any time is no licence for a process", () => {
  const thread: Line[] = [[1, "clone", threadFlags]];
  const lines: Line[] = [
    [1, "socket", 2, 1, 0],
    [1, "bind", 3],
    [1, "chroot"],
    [1, "setuid", 33],
    [1, "listen", 3],
  ];
  const recording = [...lines, ...Array.from({ length: 300 }, () => [...thread, [1, "epoll_wait", 3] as Line]).flat()];
  const policy = policyOf([recording]);
  expect(refusedBy(policy, recording)).toEqual([]);
  for (const flags of [child, threadFlags & ~0x10000, 0]) {
    expect(refusedBy(policy, [...recording, [1, "clone", flags]]), policy).toHaveLength(1);
  }
});

describe("executable memory", () => {
  const load = (path: string): Line[] => [
    [1, "openat", { path, result: 7 }, 0, 0, 0],
    [1, "mmap", 0, 4096, readExecute, 2, 7, 0],
  ];
  const starting: Line[] = [
    ...load("/lib/libc.so.6"),
    ...["getrandom", "uname", "chroot", "umask", "setsid"].map((call): Line => [1, call]),
    [1, "socket", 2, 1, 0],
    [1, "listen", 3],
  ];
  const serving: Line[] = [...many(300, [1, "epoll_wait", 3]), ...many(9, [1, "mmap", 0, 4096, 3, 34, -1, 0])];
  const mapping: Line = [1, "mmap", 0, 4096, readExecute, 2, 7, 0];

  it("is not made behind the trigger, and no other mapping is judged", () => {
    const policy = policyOf([[...starting, ...serving]]);
    expect(refusedBy(policy, [...starting, ...serving, mapping])).toHaveLength(1);
    expect(policy).toMatch(/^ {2}if \(name === "mmap" && args\.prot\.hasOnly\("PROT_READ", "PROT_WRITE"\)/m);
    expect(executables([...starting, ...serving])).toEqual([
      "no process can make executable memory behind its trigger",
    ]);
  });

  it("is not made behind it, although one recording lacks the protection of a mapping", () => {
    const unknown: Line[] = [[1, "mmap", 0, 4096, "0x????????00000001", 2, 7, 0], ...starting, ...serving];
    const policy = policyOf([unknown, [...starting, ...serving]]);
    expect(refusedBy(policy, [...starting, ...serving, mapping]), policy).toHaveLength(1);
  });

  it("is made behind it by modules that load late, which the message names", () => {
    const late = [...starting, ...serving, ...load("/lib/libnss_dns.so.2"), ...serving];
    expect(refusedBy(policyOf([late]), [...late, mapping])).toEqual([]);
    expect(executables(late).slice(0, 2)).toEqual([
      "processes can make executable memory (PROT_EXEC)",
      "  main while it is running: /lib/libnss_dns.so.2, loaded late",
    ]);
    const preload = "  not main, if it is recorded and run with LD_PRELOAD=/lib/libnss_dns.so.2 in its environment";
    expect(executables(late)).toContain(preload);
    const modules = [...late, ...load("/usr/lib/postgresql/17/lib/plugin.so"), ...serving];
    expect(executables(modules).join("\n")).not.toContain("LD_PRELOAD");
    const compiled: Line[] = [...starting, ...serving, [1, "mprotect", 0, 4096, readExecute], ...serving];
    expect(executables(compiled)[1]).toBe("  main while it is running: memory of its own, as a compiler does");
  });

  it("cannot be of a file that was written, with rules on paths", () => {
    const open = (path: string, flags: number): Line => [1, "openat", { path, result: 7 }, 0, flags, 0];
    const [write, create] = [1, 0o101];
    const lines = [...starting, open("/var/log/a", create), open("/etc/a", 0), ...serving];
    const policy = policyOf([lines], {}, "paths");
    expect(refusedBy(policy, lines)).toEqual([]);
    const attack = [open("/lib/libc.so.6", create), open("/lib/libc.so.6", write), open("/var/log/a", 0)];
    for (const call of attack) expect(refusedBy(policy, [...lines, call]), policy).toHaveLength(1);
  });
});

describe("--with", () => {
  const lines: Line[] = [
    [1, "openat", 0, 0, 0o101, 0],
    [1, "socket", 2, 1, 0],
    [1, "bind", 3],
    [1, "listen", 3],
    [1, "clone", child],
    { fork: [1, 2] },
    ...["setsid", "getppid", "umask", "epoll_create1"].map((call): Line => [2, call, 0]),
    [2, "openat", 0, 0, 0, 0],
    ...many(200, [2, "epoll_wait", 3]),
    ...many(50, [1, "pause"]),
  ];
  const rotate = (tid: number): Line => [tid, "rename"];
  const listen = (tid: number): Line => [tid, "bind", 3];

  it("adds no executable memory, also if no mapping was recorded", () => {
    for (const { calls, only } of situations as readonly Situation[])
      for (const call of calls.filter((one) => executableMemory.includes(one))) expect(only).toHaveProperty(call);
    const brk: Line[] = [
      [1, "brk", 0],
      [1, "write", 1],
      [1, "openat", 0, 0, 0, 0],
    ];
    const policy = policyOf([brk], { with: ["locale", "memory"] });
    expect(
      refusedBy(policy, [...brk, [1, "mmap", 0, 4096, 3, 0x22, -1, 0], [1, "mmap", 0, 4096, read, 2, 3, 0]]),
    ).toEqual([]);
    expect(refusedBy(policy, [...brk, [1, "mmap", 0, 4096, readExecute, 2, 3, 0]]), policy).toHaveLength(1);
  });

  it("adds a situation to the roles that made its first call, and to no others", () => {
    const policy = policyOf([lines], { with: ["rotation", "reload"] });
    expect(refusedBy(policy, [...lines, rotate(1), listen(1)]), policy).toEqual([]);
    expect(refusedBy(policy, [...lines, rotate(2), listen(2)]), policy).toHaveLength(2);
    expect(refusedBy(policyOf([lines]), [...lines, rotate(1)])).toHaveLength(1);
  });

  it("lets a role that makes threads make them in each phase, and no processes", () => {
    const start: Line[] = [
      ...["setsid", "umask", "capget", "chdir"].map((call): Line => [1, call, 0]),
      [1, "clone", threadFlags],
      [1, "clone", child],
      { fork: [1, 2] },
      [1, "listen", 3],
      ...many(300, [1, "epoll_wait", 3]),
    ];
    const policy = policyOf([start]);
    expect(refusedBy(policy, [...start, [1, "clone", threadFlags], [1, "rseq"], [1, "prctl", 15]]), policy).toEqual([]);
    expect(refusedBy(policy, [...start, [1, "clone", child]]), policy).toHaveLength(1);
    expect(refusedBy(policy, [...start, [1, "prctl", 22]]), policy).toHaveLength(1);
    expect(refusedBy(policyOf([lines]), [...lines, [2, "clone", threadFlags]])).toHaveLength(1);
  });

  it("lets a further thread make its event loop, in a role that makes threads", () => {
    const start = (clone: number): Line[] => [
      ...["setsid", "umask", "capget", "chdir"].map((call): Line => [1, call, 0]),
      [1, "pipe2", 0, 0x80000],
      [1, "mprotect", 0, 4096, readExecute],
      [1, "clone", clone],
      [1, "listen", 3],
      ...many(300, [1, "epoll_wait", 3]),
    ];
    // libuv: uv_loop_init; the stack of the C library's thread.
    const loop: Line[] = [
      [1, "mprotect", 0, 4096, 3],
      [1, "epoll_create1", 0x80000],
      [1, "pipe2", 0, 0x80800],
      [1, "eventfd2", 0, 0x80800],
      [1, "timerfd_create", 1, 0x80800],
    ];
    const policy = policyOf([start(threadFlags)]);
    expect(refusedBy(policy, [...start(threadFlags), ...loop]), policy).toEqual([]);
    // O_EXCL makes a queue of notifications.
    const others: Line[] = [
      [1, "pipe2", 0, 0x80],
      [1, "mprotect", 0, 4096, readExecute],
    ];
    expect(refusedBy(policy, [...start(threadFlags), ...others]), policy).toHaveLength(2);
    const alone = [...start(child).filter((line) => !Array.isArray(line) || line[1] !== "clone")];
    expect(refusedBy(policyOf([alone]), [...alone, [1, "pipe2", 0, 0x80800], [1, "eventfd2", 0]])).toHaveLength(2);
  });

  it("names further code of a compiler, and adds it only where memory was writable and executable", () => {
    const start = (protection: number): Line[] => [
      ...["setsid", "umask", "capget", "getcwd"].map((call): Line => [1, call, 0]),
      [1, "mprotect", 0, 4096, protection],
      [1, "mmap", 0, 4096, readExecute, 2, 3, 0],
      [1, "clone", threadFlags],
      [1, "listen", 3],
      ...many(300, [1, "epoll_wait", 3]),
    ];
    const compiler = start(7);
    const worker: Line[] = [
      [1, "pipe2", 0, 0x80800],
      [1, "capget", 0],
      [1, "mprotect", 0, 4096, 7],
      [1, "mmap", 0, 4096, readExecute, 2, 3, 0],
    ];
    const { unseen } = propose(historyOf([compiler]), { phases: "usual", with: [], origin: "A test." });
    expect(unseen.find(({ situation }) => situation.name === "jit")?.lacks).toEqual([
      ...["capget", "getcwd", "pipe2", "mmap", "mprotect"],
    ]);
    // Refused at its loop, the worker reports an error; refused its code, it would end the process.
    expect(refusedBy(policyOf([compiler]), [...compiler, ...worker])).toHaveLength(4);
    const asked = policyOf([compiler], { with: ["jit"] });
    expect(refusedBy(asked, [...compiler, ...worker]), asked).toEqual([]);
    const plain = start(readExecute);
    const none = policyOf([plain], { with: ["jit"] });
    expect(refusedBy(none, [...plain, ...worker.slice(1)]), none).toHaveLength(3);
  });

  it("accepts connections where a program listens and no recording has one", () => {
    const silent: Line[] = [[1, "socket", 2, 1, 0], [1, "listen", 3], ...many(20, [1, "poll", 0])];
    expect(refusedBy(policyOf([silent]), [...silent, [1, "accept", 3], [1, "accept4", 3]])).toEqual([]);
    // A thread of pdns_server waits at its control socket from the start to the end.
    const waiting: Line[] = [...silent, [1, "accept", 3]];
    expect(refusedBy(policyOf([waiting]), [...waiting, [1, "getpeername", 4]])).toEqual([]);
    // The listening socket has other options than a connection.
    const [level, noDelay, cork] = [6, 1, 3];
    const optioned: Line[] = [[1, "setsockopt", 3, 1, 2], ...silent];
    const policy = policyOf([optioned]);
    expect(refusedBy(policy, [...optioned, [1, "setsockopt", 4, level, noDelay]]), policy).toEqual([]);
    expect(
      refusedBy(policy, [...optioned, [1, "setsockopt", 4, level, cork], [1, "setsockopt", 4, 1, 9]]),
    ).toHaveLength(2);
    // What the recording of a connection shows is not widened.
    const shown: Line[] = [...silent, [1, "accept", 3], [1, "read", 4]];
    expect(refusedBy(policyOf([shown]), [...shown, [1, "setsockopt", 4, 1, 2], [1, "sendmsg", 4]])).toHaveLength(2);
    expect(
      refusedBy(policyOf([[[1, "poll", 0]]]), [
        [1, "poll", 0],
        [1, "accept", 3],
      ]),
    ).toHaveLength(1);
  });

  it("accepts connections in the children that inherit the socket, as the servers of nsd do", () => {
    const server = (tid: number): Line[] => [
      [tid, "setsid"],
      ...many(20, [tid, "epoll_wait", 5, 0, 1, 0]),
      ...many(20, [tid, "recvmsg", 4]),
    ];
    const recorded: Line[] = [
      [1, "socket", 2, 1, 0],
      [1, "bind", 3],
      [1, "listen", 3],
      [1, "clone", child],
      { fork: [1, 2] },
      [2, "mkdir", 0],
      [2, "clone", child],
      { fork: [2, 3] },
      ...server(3),
      ...many(20, [2, "poll", 0]),
      ...many(20, [1, "wait4", 0]),
    ];
    const policy = policyOf([recorded]);
    expect(policy).toContain("grandchild");
    expect(refusedBy(policy, [...recorded, [3, "accept4", 3], [3, "getpeername", 4], [3, "sendto", 4]])).toEqual([]);
    expect(refusedBy(policy, [...recorded, [3, "listen", 3]])).toHaveLength(1);
  });

  it("answers questions for the time and the process's own numbers", () => {
    const asks = ["getpid", "getrusage", "times", "clock_gettime", "clock_nanosleep"].map((call): Line => [1, call, 0]);
    expect(refusedBy(policyOf([[[1, "poll", 0]]]), [[1, "poll", 0], ...asks])).toEqual([]);
  });
});
