/** What a proposal allows beside the recorded calls: those that a program takes instead, and the situations of every program. */
import { expect, it } from "vitest";
import { type Line, many } from "./testing/lines.ts";
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
