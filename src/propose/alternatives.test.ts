/** What a proposal allows beside the recorded calls: those that a program takes instead, and the situations of every program. */
import { describe, expect, it } from "vitest";
import { propose } from "./proposal.ts";
import { historyOf, type Line, many } from "./testing/lines.ts";
import { policyOf, refusedBy } from "./testing/policies.ts";

const [create, exclusive, closing, noLink] = [0o100, 0o200, 0o2000000, 0o400000];
const [getLock, setLock, waitForFileLock, setOwner] = [5, 6, 38, 8];
const [abort, kill, terminate] = [6, 9, 15];

const lines: Line[] = [
  [1, "brk", 0],
  [1, "openat", 0, 0, 1 | create, 0],
  [1, "unlink", 0],
  [1, "dup2", 3, 4],
  [1, "pipe2", 0, 0],
  [1, "fcntl", 3, setLock, 0],
  [1, "kill", 77, terminate],
  [1, "write", 1],
  ...many(20, [1, "poll", 0, 0, 0]),
];
const policy = policyOf([lines], { phases: "none" });

const alternatives: Line[] = [
  [1, "ppoll", 0, 0, 0],
  [1, "openat", 0, 0, 1 | create | exclusive | closing | noLink, 0],
  [1, "open", 0, 1 | create, 0],
  [1, "unlinkat", 3, 0, 0],
  [1, "dup3", 3, 4, closing],
  [1, "pipe", 0],
  [1, "pipe2", 0, closing],
  [1, "fcntl", 3, getLock, 0],
  [1, "fcntl", 3, waitForFileLock, 0],
  [1, "kill", 0, kill],
  [1, "kill", 78, terminate],
  [1, "kill", 78, 0],
  [1, "mremap", 0, 0, 0, 0, 0],
  [1, "tgkill", 1, 1, abort],
];

it.each(alternatives.map((line) => ({ line })))("allows an alternative: $line", ({ line }) => {
  expect(refusedBy(policy, [...lines, line]), policy).toEqual([]);
});

const others: Line[] = [
  [1, "openat", 0, 0, 2, 0],
  [1, "unlinkat", 3, 0, 0x200],
  [1, "fcntl", 3, setOwner, 0],
  [1, "kill", 78, kill],
  [1, "tgkill", 1, 1, kill],
  [1, "rename", 0, 0],
  [1, "select", 0],
];

it.each(others.map((line) => ({ line })))("allows nothing else: $line", ({ line }) => {
  expect(refusedBy(policy, [...lines, line]), policy).toHaveLength(1);
});

describe("a server that answers", () => {
  const [tcp, noDelay, cork, repair] = [6, 1, 3, 19];
  const server: Line[] = [
    [1, "listen", 3],
    [1, "setsockopt", 3, tcp, noDelay],
    ...["accept4", "read", "write", "close"].map((call): Line => [1, call, 3]),
  ];

  it("may send a large file as well, and collect what it sends", () => {
    const large: Line[] = [
      [1, "sendfile", 4, 5, 0, 300_000],
      [1, "setsockopt", 4, tcp, cork],
    ];
    const policy = policyOf([server]);
    expect(refusedBy(policy, [...server, ...large]), policy).toEqual([]);
    const others: Line[] = [
      [1, "setsockopt", 4, tcp, repair],
      [1, "splice", 4, 0, 5, 0, 9, 0],
    ];
    expect(refusedBy(policy, [...server, ...others]), policy).toHaveLength(2);
  });

  it("may send none without its connections", () => {
    const silent = server.filter((line) => !Array.isArray(line) || !["listen", "accept4"].includes(line[1]));
    expect(refusedBy(policyOf([silent]), [...silent, [1, "sendfile", 4, 5, 0, 9]])).toHaveLength(1);
  });
});

it("names a situation whose calls only the start has", () => {
  const start = ["setsid", "umask", "chdir", "mkdir", "fallocate", "ftruncate", "rename"].map(
    (call): Line => [1, call, 0],
  );
  const recorded: Line[] = [[1, "openat", 0, 0, 0o101, 0], ...start, [1, "listen", 3], ...many(99, [1, "pause"])];
  const { unseen } = propose(historyOf([recorded]), { phases: "usual", with: [], origin: "A test." });
  const { lacks } = unseen.find(({ situation }) => situation.name === "files")!;
  expect(lacks).toEqual(expect.arrayContaining(["fallocate", "ftruncate", "mkdir", "flock", "unlink"]));
  const asked = policyOf([recorded], { with: ["files"] });
  const later = ["fallocate", "ftruncate", "flock"].map((call): Line => [1, call, 0]);
  expect(refusedBy(asked, [...recorded, ...later]), asked).toEqual([]);
  expect(refusedBy(policyOf([recorded]), [...recorded, ...later])).toHaveLength(3);
});

it("has alternatives in the role and the phase of the recorded call", () => {
  const child: Line[] = [
    [1, "clone", 0x1200011],
    { fork: [1, 2] },
    ...["setsid", "getppid", "umask", "epoll_create1"].map((call): Line => [2, call, 0]),
    ...many(200, [2, "epoll_wait", 3]),
  ];
  const forked = policyOf([[...lines, ...child]]);
  expect(refusedBy(forked, [...lines.slice(0, 4), [1, "dup3", 3, 4, 0]])).toEqual([]);
  expect(refusedBy(forked, [...lines, ...child, [2, "epoll_pwait", 3]])).toEqual([]);
  expect(refusedBy(forked, [...lines, ...child, [2, "dup3", 3, 4, 0]]), forked).toHaveLength(1);
});

it("refuses clone3 with ENOSYS if no recording has a fork: the refusal of clone then shows the flags, which amend can allow", () => {
  const thread: Line = [1, "clone", 0x3d0f00, 0, 0, 0, 0];
  expect(policy).toMatch(/"clone3"[^\n]*return deny\("ENOSYS"\)/);
  expect(refusedBy(policy, [thread])).toHaveLength(1);
});
