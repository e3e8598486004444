/** Roles and triggers on small recordings: how processes are grouped, which event begins a phase, and which is refused. */
import { describe, expect, it } from "vitest";
import { loadPolicy } from "../frontend/load.ts";
import { divideRoles } from "./branches.ts";
import { findPermissions, statesOf } from "./permissions.ts";
import { propose } from "./proposal.ts";
import { findRoles, processesOf } from "./roles.ts";
import { historyOf, type Line, many } from "./testing/lines.ts";
import { policyOf, refusedBy } from "./testing/policies.ts";
import { describePredicate, findTriggers } from "./triggers.ts";

const start: Line[] = [
  [1, "openat", 0, 0, 0],
  [1, "socket", 2, 1, 0],
  [1, "bind", 3],
  [1, "setuid", 33],
  [1, "setgid", 33],
  [1, "listen", 3],
];

describe("roles", () => {
  const names = (lines: readonly Line[]) => findRoles(historyOf([lines])).list.map(({ name }) => name);

  it("are the command, its children and their children", () => {
    const worker: Line[] = [
      [2, "epoll_create1", 0],
      [2, "setsid"],
      [2, "epoll_wait", 3],
    ];
    const helper: Line[] = [
      [3, "sync"],
      [3, "uname"],
      [3, "pause"],
    ];
    const lines: Line[] = [...start, { fork: [1, 2] }, ...worker, { fork: [2, 3] }, ...helper];
    expect(names(lines)).toEqual(["main", "child", "grandchild"]);
  });

  /** A child looks for git in the folders of PATH. */
  const searched: readonly Line[] = [
    [1, "getpid"],
    { fork: [1, 2] },
    [2, "dup2", 3, 1],
    [2, "execve", "/usr/local/bin/git"],
    [2, "execve", "/usr/bin/git"],
  ];

  it("are programs by their last names, independent of PATH", () => {
    const lines: Line[] = [...searched, [2, "uname", 0]];
    const { executions, list } = findRoles(historyOf([lines]));
    expect(list.map(({ name }) => name)).toEqual(["main", "child", "git"]);
    expect(executions.map(({ from, to, programs }) => [from.name, to.name, programs])).toEqual([
      ["child", "git", ["git"]],
    ]);
  });

  it("are kept by a program that executes itself, as a server that loads its configuration", () => {
    const reloaded: Line[] = [
      [1, "execve", "/usr/sbin/haproxy"],
      { exec: 1 },
      ...start,
      { fork: [1, 2] },
      ...["setsid", "umask", "epoll_wait"].map((call): Line => [2, call]),
    ];
    const again: Line[] = [[1, "execve", "/proc/self/exe"], { exec: 1 }, ...start, [1, "sync"], { fork: [1, 3] }];
    const lines = [...reloaded, ...again, [1, "execve", "/opt/haproxy"], { exec: 1 }, [3, "setsid"]] as Line[];
    expect(names(lines)).toEqual(["main", "haproxy", "haproxy-child"]);
    expect(names([[1, "getpid"], ...lines.slice(2)])).toEqual(["main", "child", "exe", "exe-child"]);
  });

  it("are no program that never began, and count a process once", () => {
    const lines: Line[] = [
      ...searched,
      { exec: 2 },
      [2, "uname", 0],
      { fork: [1, 3] },
      [3, "execve", "/usr/bin/missing"],
      [3, "sync"],
    ];
    const { executions, list } = findRoles(historyOf([lines]));
    expect(list.map(({ name, segments }) => [name, processesOf(segments)])).toEqual([
      ["main", 1],
      ["child", 2],
      ["git", 1],
    ]);
    expect(executions.map(({ from, to, programs }) => [from.name, to.name, programs])).toEqual([
      ["child", "git", ["git"]],
    ]);
  });

  it("branch where children of one parent begin differently", () => {
    const worker = (tid: number): Line[] => [
      { fork: [1, tid] },
      ...["getppid", "setsid", "setuid", "epoll_create1"].map((call): Line => [tid, call, 33]),
      ...many(40, [tid, "epoll_wait", 3]),
      [tid, "shutdown", 3, 1],
    ];
    const helper: Line[] = [
      { fork: [1, 2] },
      ...["getppid", "umask", "chmod", "chown", "listen"].map((call): Line => [2, call, 0]),
      ...many(20, [2, "pause"]),
    ];
    const recording = [...start, ...helper, ...worker(3), ...worker(4)];
    const { roles } = divideRoles(historyOf([recording, recording]));
    expect(roles.list.map(({ name, segments }) => [name, processesOf(segments)])).toEqual([
      ["main", 2],
      ["child", 6],
      ["child-epoll_create1", 4],
    ]);
    expect(roles.branches.map(({ from, to, call }) => [from.name, call, to.name])).toEqual([
      ["child", "epoll_create1", "child-epoll_create1"],
    ]);
    // A worker with less load is a worker.
    const idle: Line[] = [{ fork: [1, 5] }, ...worker(5).slice(1, 9)];
    const quiet = historyOf([[...start, ...worker(3), ...idle, [1, "pause"]]]);
    expect(divideRoles(quiet).roles.list.map(({ name }) => name)).toEqual(["main", "child"]);
  });

  it("are one where programs execute each other, because phases go forward only", () => {
    const lines: Line[] = [
      [1, "execve", "/bin/a"],
      [1, "getpid"],
      [1, "execve", "/bin/b"],
      [1, "uname", 0],
      [1, "execve", "/bin/a"],
      [1, "sync"],
    ];
    expect(names(lines)).toEqual(["main", "a"]);
  });

  it("are apart where one of them executes and the other does not, however short they are", () => {
    const lines: Line[] = [
      [1, "listen", 3],
      { fork: [1, 2] },
      [2, "execve", "/usr/lib/auth"],
      { exec: 2 },
      ...["getppid", "setsid", "read"].map((call): Line => [2, call, 3]),
      { fork: [1, 3] },
      ...["getppid", "setsid", "read"].map((call): Line => [3, call, 3]),
      [3, "execve", "/bin/sh"],
      { exec: 3 },
      ...many(2000, [3, "write", 1]),
    ];
    expect(names(lines)).toEqual(["main", "child", "auth", "sh"]);
  });

  it("are one where the calls are almost the same", () => {
    const lines: Line[] = [[1, "getpid"], [1, "clone"], { fork: [1, 2] }, [2, "getpid"], [2, "clone"]];
    expect(names(lines)).toEqual(["main"]);
  });
});

describe("triggers", () => {
  it("are the event after which the most calls are never made again", () => {
    const history = historyOf([[...start, ...many(100, [1, "epoll_wait", 3])]]);
    const roles = findRoles(history);
    const [best] = findTriggers(history, roles, roles.list[0]!);
    expect(best).toMatchObject({ predicate: { call: "listen", argument: undefined, nth: 1 }, refusal: undefined });
    expect(best!.dropped).toEqual(["bind", "listen", "openat", "setgid", "setuid", "socket"]);
    expect([...best!.after]).toEqual(["epoll_wait"]);
  });

  it("are no frequent calls, nor those that a recording lacks", () => {
    const served: Line[] = Array.from(
      { length: 200 },
      () =>
        [
          [1, "accept4", 3, 0, 0, 0],
          [1, "sendto", 4],
        ] as Line[],
    ).flat();
    const history = historyOf([
      [...start.slice(0, 5), ...served],
      [...start, ...served],
    ]);
    const roles = findRoles(history);
    const found = findTriggers(history, roles, roles.list[0]!);
    const of = (call: string) => found.find(({ predicate }) => predicate.call === call);
    expect(of("accept4")).toMatchObject({ refusal: "frequent" });
    expect(of("listen")).toMatchObject({ refusal: "not in every recording" });
    expect(found[0]).toMatchObject({ predicate: { call: "setgid" }, refusal: undefined });
  });

  it("are none that only the end of the program makes", () => {
    const end: Line[] = [[1, "kill", 2, 15], ...many(30, [1, "pause"])];
    const early: Line[] = [{ seconds: 0 }, ...start.slice(0, 5), ...many(20, [1, "epoll_wait", 3]), { seconds: 9 }];
    const found = (lines: readonly Line[]) => {
      const history = historyOf([lines]);
      const roles = findRoles(history);
      return findTriggers(history, roles, roles.list[0]!).find(({ predicate }) => predicate.call === "kill");
    };
    expect(found([...early, ...end, { seconds: 10 }, [1, "pause"]])).toMatchObject({ refusal: "ends the program" });
    expect(found([...early, ...end, { seconds: 90 }, [1, "pause"]])).toMatchObject({ refusal: undefined });
  });

  it("are a value of an argument where the call alone comes too early", () => {
    const early: Line[] = [[1, "prctl", 15], [1, "prctl", 16], ...start, [1, "prctl", 38]];
    const history = historyOf([[...early, ...many(200, [1, "epoll_wait", 3])]]);
    const roles = findRoles(history);
    const [best] = findTriggers(history, roles, roles.list[0]!);
    // PR_SET_NO_NEW_PRIVS
    expect(best).toMatchObject({ predicate: { call: "prctl", argument: { index: 0, value: 38n } } });
  });

  it("are the second of two calls if there are always two", () => {
    const early: Line[] = [[1, "chroot"], ...start.slice(0, 5), [1, "chroot"]];
    const history = historyOf([[...early, ...many(200, [1, "epoll_wait", 3])]]);
    const roles = findRoles(history);
    const [best] = findTriggers(history, roles, roles.list[0]!);
    expect(best).toMatchObject({ predicate: { call: "chroot", nth: 2 } });
  });

  it("are no call that a process makes with a path behind a null pointer, which fails without a judgement", () => {
    const begins = (root: Line): Line[] => [...start.slice(1), root, ...many(9, [1, "epoll_wait", 3]), [1, "uname", 0]];
    const exact = { phases: "exact" } as const;
    const whole = begins([1, "pivot_root", 7, 7]);
    expect(policyOf([whole], exact)).toContain('call.name === "pivot_root") phase.enter');
    const lines = begins([1, "pivot_root", 0, 0]);
    const policy = policyOf([lines], exact, "paths");
    expect(policy).not.toContain('call.name === "pivot_root") phase.enter');
    expect(refusedBy(policy, lines).filter((call) => !call.includes("pivot_root"))).toEqual([]);
  });

  it("are a call to an address where the call alone comes too early", () => {
    const unix = { kind: "unix", path: "/run/log" };
    const database = { kind: "ip", address: "10.0.0.7", port: 5432 };
    const recording = (port: number): Line[] => [
      [1, "connect", 3, unix, 10],
      ...start,
      [1, "connect", 3, { kind: "ip", address: "10.0.0.7", port }, 16],
      [1, "connect", 3, database, 16],
      ...many(200, [1, "epoll_wait", 3]),
    ];
    const history = historyOf([recording(53), recording(54)], "paths");
    const roles = findRoles(history);
    const [best] = findTriggers(history, roles, roles.list[0]!);
    expect(best).toMatchObject({ predicate: { call: "connect", argument: { value: "10.0.0.7 port 5432" } } });
    expect(describePredicate(best!)).toBe("The first connect(addr=10.0.0.7 port 5432)");
    const { policy } = propose(history, { phases: "usual", with: [], origin: "A test." });
    expect(policy).toContain('cidr("10.0.0.7/32").has(call.args.addr.address)');
    const { program, diagnostics } = loadPolicy("/a.ts", { architecture: "x86_64", readFile: () => policy });
    expect(diagnostics, policy).toEqual([]);
    expect(program).toBeDefined();
  });
});

describe("phases", () => {
  const loading: Line[] = ["readlink", "access", "mprotect", "arch_prctl", "prlimit64", "getrandom", "uname"].map(
    (call) => [1, call, 0, 0, 0],
  );
  const phasesOf = (lines: readonly Line[]) => {
    const history = historyOf([lines]);
    const { policy } = propose(history, { phases: "usual", with: [], origin: "A test." });
    const { diagnostics } = loadPolicy("/a.ts", { architecture: "x86_64", readFile: () => policy });
    expect(diagnostics, policy).toEqual([]);
    const { states, triggers } = findPermissions(history, findRoles(history), "usual");
    const calls = [...triggers.values()].flat().map(({ trigger }) => trigger.predicate.call);
    return { phases: states.map(({ phase, recorded }) => [phase, recorded.size]), calls };
  };

  it("are two of a program that starts and serves", () => {
    const { phases, calls } = phasesOf([...loading, ...start, ...many(300, [1, "epoll_wait", 3])]);
    expect(calls).toEqual(["listen"]);
    expect(phases).toEqual([
      ["starting", 13],
      ["running", 1],
    ]);
  });

  it("are none of helpers that live for a moment, unless they serve a connection", () => {
    const helper = (call: string): Line[] => [
      { seconds: 0 },
      [1, "listen", 3],
      { fork: [1, 2] },
      [2, "execve", "/usr/bin/cc1"],
      { exec: 2 },
      ...["access", "arch_prctl", "mprotect", "prlimit64", call, "getrandom"].map((one): Line => [2, one, 0, 0, 0, 0]),
      { seconds: 0.5 },
      ...many(20, [2, "pause"]),
      { seconds: 9 },
      [1, "pause"],
    ];
    const phasesIn = (lines: readonly Line[]) => {
      const history = historyOf([lines]);
      const { states } = findPermissions(history, findRoles(history), "usual");
      return states.filter(({ role }) => role.name === "cc1").length;
    };
    expect(phasesIn(helper("uname"))).toBe(1);
    expect(phasesIn(helper("getpeername"))).toBe(2);
  });

  it("are three where the calls become fewer twice, and each time for long", () => {
    const fill = many(250, [1, "pread64", 3]);
    const { phases, calls } = phasesOf([...loading, [1, "chroot"], ...fill, ...start, ...many(300, [1, "pause"])]);
    expect(calls).toEqual(["chroot", "listen"]);
    expect(phases).toEqual([
      ["starting", 8],
      ["preparing", 7],
      ["running", 1],
    ]);
  });
});

describe("permissions", () => {
  const lines: Line[] = [...start, ...many(300, [1, "sendfile", 3]), [1, "sync"], [1, "sync"]];
  const allowed = (mode: "usual" | "strict" | "exact", call: string) => {
    const history = historyOf([lines]);
    const roles = findRoles(history);
    const { calls } = findPermissions(history, roles, mode);
    return [...statesOf(calls.find((use) => use.call === call)!)].map(({ phase }) => phase);
  };

  it("leave frequent calls to the kernel, or not", () => {
    expect(allowed("usual", "openat")).toEqual(["starting", "running"]);
    expect(allowed("strict", "openat")).toEqual(["starting"]);
    expect(allowed("exact", "sendfile")).toEqual(["starting", "running"]);
  });

  it("give the first phase the calls that the last one needs, or not", () => {
    expect(allowed("usual", "sync")).toEqual(["starting", "running"]);
    expect(allowed("exact", "sync")).toEqual(["running"]);
    expect(allowed("usual", "bind")).toEqual(["starting"]);
  });
});
