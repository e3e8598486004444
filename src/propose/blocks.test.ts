/** The groups of calls in a proposal: a list with groups allows what the list of their calls allows, and nothing else. */
import { describe, expect, it } from "vitest";
import { architectureNames } from "../abi/architecture.ts";
import { allCalls } from "../abi/calls.ts";
import { comparePolicies } from "../analysis/compare/compare.ts";
import { loadPolicy } from "../frontend/load.ts";
import { SeededChoices } from "../ir/testing/choices.ts";
import { membersOf, wholeGroups } from "./alternatives.ts";
import { type Block, distributed, type Entry, linesOfCalls } from "./blocks.ts";
import type { State } from "./permissions.ts";
import type { Role } from "./roles.ts";
import { type Line, many } from "./testing/lines.ts";
import { policyOf, refusedBy } from "./testing/policies.ts";

const serving: Line[] = [
  [1, "openat", 0, 0, 0],
  [1, "dup2", 3, 4],
  [1, "epoll_create1", 0],
  [1, "setsid"],
  [1, "getppid"],
  [1, "listen", 3],
  ...many(200, [1, "epoll_wait", 3]),
  [1, "epoll_ctl", 3],
  [1, "read", 3],
  [1, "write", 3],
  [1, "close", 3],
];

/** Each group as the names of its calls. */
function withoutGroups(policy: string): string {
  return policy.replaceAll(/"(@[a-z-]+)"/g, (_, group: string) =>
    membersOf(group, "x86_64")
      .map((call) => `"${call}"`)
      .join(", "),
  );
}

function compile(policy: string) {
  const { program, diagnostics } = loadPolicy("/a.ts", { architecture: "x86_64", readFile: () => policy });
  expect(diagnostics, policy).toEqual([]);
  return program!;
}

it("a policy of a server with one role and threads is a page", () => {
  const threadFlags = 0x3d0f00;
  const start: Line[] = [
    [1, "brk", 0],
    [1, "mmap", 0, 4096, 3, 0x22, -1, 0],
    [1, "mmap", 0, 4096, 5, 0x812, 3, 0],
    [1, "mprotect", 0, 4096, 1],
    [1, "arch_prctl", 0x1002, 0],
    [1, "prlimit64", 0, 7, 0, 0],
    ...["set_tid_address", "rseq", "getrandom", "setsid", "umask"].map((call): Line => [1, call, 0]),
    [1, "socket", 2, 0x80801, 0],
    [1, "setsockopt", 3, 1, 2],
    [1, "setuid", 33],
    [1, "clone3", 0, { uargs: { flags: `0x${threadFlags.toString(16)}`, exit_signal: 0 } }],
    [1, "fcntl", 3, 4, 0x800],
  ];
  const lines = policyOf([[...start, ...serving]])
    .trimEnd()
    .split("\n");
  expect(lines.length, lines.join("\n")).toBeLessThanOrEqual(50);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(120);
});

describe("rules of several roles", () => {
  const roles = ["a", "b", "c"].map((name) => ({ name }) as Role);
  const phases = ["starting", "running"] as const;
  const all = roles.flatMap((role) => phases.map((phase) => ({ role, phase }) as State));
  const [start, , begin, , first, later] = all;
  const entry = (call: string, states: readonly (State | undefined)[]): Entry => ({
    ...{ calls: [call], states: new Set(states.map((state) => state!)), conditions: [], unseen: undefined },
  });
  /** A block has a line for each role of its condition, and for each rule. */
  const linesOf = ({ states, entries }: Block) => new Set([...states].map(({ role }) => role)).size + entries.length;
  const printed = (entries: readonly Entry[]) =>
    distributed(entries, all, roles, linesOf).map(({ states, entries: own }) => [
      [...states].map(({ role, phase }) => `${role.name} ${phase}`).join(", "),
      own.flatMap(({ calls }) => calls).join(", "),
    ]);

  it("stand in the blocks of these roles, if these have any", () => {
    const shared = entry("getcwd", [start, begin]);
    expect(printed([entry("bind", [start]), shared, entry("chdir", [begin])])).toEqual([
      ["a starting", "bind, getcwd"],
      ["b starting", "chdir, getcwd"],
    ]);
  });

  it("stand together, if they are many", () => {
    const shared = ["getcwd", "umask", "chroot"].map((call) => entry(call, [start, begin]));
    expect(printed([...shared, entry("bind", [start]), entry("chdir", [begin])])).toEqual([
      ["a starting, b starting", "getcwd, umask, chroot"],
      ["a starting", "bind"],
      ["b starting", "chdir"],
    ]);
  });

  it("of whole roles stand apart from those of a phase", () => {
    const shared = ["getcwd", "umask"].map((call) => entry(call, [start, all[1], first, later, begin]));
    const other = entry("bind", [start, all[1], first, later]);
    expect(printed([...shared, other, entry("chdir", [begin])])).toEqual([
      ["a starting, a running, c starting, c running", "bind, getcwd, umask"],
      ["b starting", "chdir, getcwd, umask"],
    ]);
  });
});

describe("lists of calls", () => {
  it("name each group as a whole, and have each call once", () => {
    const choices = new SeededChoices(7);
    for (const architecture of architectureNames) {
      const names = allCalls.filter(({ number }) => number[architecture] !== undefined).map(({ name }) => name);
      for (let round = 0; round < 40; round++) {
        const some = new Set(names.filter(() => choices.below(9) === 0));
        for (const { group } of wholeGroups)
          if (choices.below(2) === 0) for (const call of membersOf(group, architecture)) some.add(call);
        const lines = linesOfCalls([...some], architecture, 90);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(90);
        const found = lines.flatMap((line) => line.split(", ").map((word) => word.slice(1, -1)));
        const calls = found.flatMap((word) => (word.startsWith("@") ? membersOf(word, architecture) : [word]));
        expect(calls.sort()).toEqual([...some].sort());
      }
    }
  });

  it("make the same split as the names of their calls", () => {
    for (const phases of ["none", "usual", "strict", "exact"] as const) {
      const policy = policyOf([serving], { phases });
      const plain = withoutGroups(policy);
      if (phases !== "exact") expect(policy).toContain('"@basic-io"');
      expect(plain).not.toContain('"@');
      expect(comparePolicies(compile(policy), compile(plain))).toEqual({ calls: [], state: [], joined: false });
    }
  });

  it("and functions have short names, without the machine and the version of a program", () => {
    const path = "/usr/bin/x86_64-linux-gnu-gcc-14";
    const others = ["/opt/a/gcc-14", "/opt/b/gcc-14", "/opt/c/gcc-14"].map((one): Line => [1, "execve", one]);
    const lines: Line[] = [[1, "getpid"], [1, "setsid"], [1, "execve", path], { exec: 1 }, ...serving, ...others];
    const policy = policyOf([lines]);
    expect(policy).toContain("const gccPhase = perProcess.phases(");
    expect(policy.replaceAll(/"[^"]*"|\/\/.*/g, "")).not.toMatch(/x86|\d\(|inSome/);
  });

  it("of situations are behind the recorded ones of the same processes, with a comment", () => {
    const lines = policyOf([serving]).split("\n");
    const comments = lines.filter((line) => line.includes("Not recorded"));
    expect(comments).toEqual(["  // Not recorded (situations connections, libc-errors)."]);
    const [at, end] = [
      lines.indexOf(comments[0]!),
      lines.findIndex((line) => line.startsWith('  if (phase.is("starting")')),
    ];
    expect(at).toBeGreaterThan(lines.findIndex((line) => line.includes('"@basic-io"')));
    expect(at).toBeLessThan(end);
    expect(lines[end - 1]).toBe("");
  });

  it("have in each process what every program does at any moment, and nothing else of its kind", () => {
    const child: Line[] = [
      [1, "clone", 0x1200011],
      { fork: [1, 2] },
      ...["setsid", "umask", "chdir", "chroot"].map((call): Line => [2, call, 0]),
      ...many(200, [2, "pause"]),
    ];
    const lines = [...serving, ...child];
    const policy = policyOf([lines]);
    const everywhere = membersOf("@self", "x86_64").flatMap((call): Line[] => [
      [1, call, 0],
      [2, call, 0],
    ]);
    expect(refusedBy(policy, [...lines, ...everywhere]), policy).toEqual([]);
    const others: Line[] = ["capget", "prlimit64", "membarrier", "rt_sigsuspend"].map((call) => [2, call, 0]);
    expect(refusedBy(policy, [...lines, ...others]), policy).toHaveLength(others.length);
    expect(refusedBy(policy, [...lines, [2, "mmap", 0, 4096, 3, 0x21, 3, 0]]), policy).toHaveLength(1);
  });

  it("of flags have a name where that makes a rule shorter", () => {
    const loading: Line = [1, "mmap", 0, 4096, 5, 0x812, 3, 0];
    const policy = policyOf([[loading, ...serving]]);
    expect(policy).toContain('const elfFlags = ["MAP_PRIVATE", "MAP_FIXED", "MAP_DENYWRITE"] as const;');
    expect(policy).toContain(
      '    if (name === "mmap" && args.prot.hasOnly("PROT_READ", "PROT_EXEC") && args.flags.hasOnly(...elfFlags)) return allow;',
    );
  });

  it("have the whole of a group only where a process shows what it is for", () => {
    const policy = policyOf([serving]);
    const more: Line[] = [
      [1, "pread64", 3],
      [1, "dup", 3],
      [1, "poll", 7],
    ];
    expect(refusedBy(policy, [...serving, ...more]), policy).toEqual([]);
    const reading = serving.filter((line) => !Array.isArray(line) || line[1] !== "write");
    const without = policyOf([reading]);
    expect(without).not.toContain("@basic-io");
    expect(refusedBy(without, [...reading, [1, "pwrite64", 3]])).toHaveLength(1);
  });
});
