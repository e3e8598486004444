/** What a program repeats while it serves is left to the kernel, and sensitive calls stay where they were made. */
import { describe, expect, it } from "vitest";
import { loadPolicy } from "../frontend/load.ts";
import { judgedCalls } from "./judged-calls.ts";
import { propose } from "./proposal.ts";
import { historyOf, type Line, many } from "./testing/lines.ts";
import { refusedBy } from "./testing/policies.ts";

const [child, thread] = [0x1200011, 0x3d0f00];
const requests = 4;

interface Judged {
  readonly policy: string;
  readonly triggers: readonly string[];
  /** Calls that the supervisor judges for each request. */
  readonly others: readonly string[];
  readonly sensitive: readonly string[];
}

function judgedOf(...recordings: readonly (readonly Line[])[]): Judged {
  const history = historyOf(recordings);
  const { policy, permissions } = propose(history, { phases: "usual", with: [], origin: "A test." });
  const { program } = loadPolicy("/a.ts", { architecture: "x86_64", readFile: () => policy });
  const { byCall } = judgedCalls(program!, history, permissions);
  const named = (which: "sensitive" | "others") =>
    [...byCall].flatMap(([call, counts]) => (counts[which] >= requests ? [call] : [])).sort();
  const triggers = [...permissions.triggers.values()].flat().map(({ trigger }) => trigger.predicate.call);
  return { policy, triggers, others: named("others"), sensitive: named("sensitive") };
}

const start: Line[] = [
  ...["uname", "getrandom", "chdir", "umask", "sysinfo"].map((call): Line => [1, call, 0]),
  [1, "setsockopt", 3, 1, 2],
  [1, "socket", 2, 1, 0],
  [1, "bind", 3],
  [1, "listen", 3],
];

describe("a server with workers, recorded for a moment", () => {
  const request: Line[] = [
    [2, "epoll_wait", 4],
    [2, "accept4", 3, 0, 0, 0],
    [2, "setsockopt", 5, 6, 1],
    [2, "getpeername", 5],
    [2, "recvfrom", 5],
    [2, "times", 0],
    [2, "socket", 2, 1, 0],
    [2, "connect", 6],
    [2, "sendto", 5],
    [2, "shutdown", 5, 1],
  ];
  const worker: Line[] = [
    [1, "clone", child],
    { fork: [1, 2] },
    ...["setgroups", "setgid", "setuid"].map((call): Line => [2, call, 33]),
    ...["prctl", "getppid", "epoll_create1", "eventfd2"].map((call): Line => [2, call, 1]),
  ];
  const master: Line[] = [
    [1, "rt_sigsuspend", 0],
    [1, "wait4", 2],
  ];
  const recording = [...start, ...worker, ...Array(requests).fill(request).flat(), ...master];
  const { policy, others, sensitive } = judgedOf(recording);

  it("has only its sensitive calls judged for each request", () => {
    expect(refusedBy(policy, recording)).toEqual([]);
    expect({ others, sensitive }, policy).toEqual({ others: [], sensitive: ["connect"] });
  });

  it("keeps what only its beginning did, and the sensitive calls of a worker from its master", () => {
    const attack: Line[] = [
      [2, "setuid", 0],
      [2, "eventfd2", 1],
      [1, "connect", 6],
    ];
    expect(refusedBy(policy, [...recording, ...attack]), policy).toHaveLength(attack.length);
  });
});

describe("a trigger", () => {
  it("is no call that the server repeats", () => {
    const turn: Line[] = [
      [1, "accept", 3],
      [1, "getpeername", 4],
    ];
    const serving = Array(requests).fill(turn).flat();
    expect(judgedOf([...start, ...many(5000, [1, "read", 3]), ...serving]).triggers).toEqual(["listen"]);
  });
});

describe("a server with a process for each connection", () => {
  const connection = (tid: number, program: Line[] = []): Line[] => [
    [1, "accept", 3, 0, 0],
    [1, "clone", child],
    { fork: [1, tid] },
    ...program,
    [tid, "getpeername", 4],
    [tid, "setgid", 33],
    [tid, "setuid", 33],
    [tid, "setsid"],
    [tid, "alarm", 300],
    [tid, "recvfrom", 4],
    [tid, "getcwd", 0],
    [tid, "sendto", 4],
    { exit: tid },
  ];

  it("has only the sensitive calls of these judged", () => {
    const recording = [...start, ...[2, 3, 4, 5].flatMap((tid) => connection(tid))];
    const { policy, others, sensitive } = judgedOf(recording);
    expect(refusedBy(policy, recording)).toEqual([]);
    expect({ others, sensitive }, policy).toEqual({ others: [], sensitive: ["clone", "setgid", "setuid"] });
  });

  it("keeps the calls of a program that they execute in its role", () => {
    const executed = (tid: number): Line[] => [[tid, "execve", "/usr/lib/session"], { exec: tid }];
    const recording = [...start, ...[2, 3, 4, 5].flatMap((tid) => connection(tid, executed(tid)))];
    const { policy } = judgedOf(recording);
    expect(refusedBy(policy, recording)).toEqual([]);
    expect(refusedBy(policy, [...recording, [1, "alarm", 300], [1, "getcwd", 0]]), policy).toHaveLength(2);
  });
});

it("children that a server creates now and then are not for its connections", () => {
  const saves = (tid: number): Line[] => [
    ...many(15, [1, "accept", 3, 0, 0]),
    [1, "clone", child],
    { fork: [1, tid] },
    ...["flock", "ftruncate", "rename", "fsync"].map((call): Line => [tid, call, 3]),
    { exit: tid },
  ];
  const recording = [...start, ...[2, 3, 4, 5].flatMap((tid) => saves(tid)), [1, "accept", 3, 0, 0] as Line];
  const { policy } = judgedOf(recording);
  expect(refusedBy(policy, [...recording, [1, "ftruncate", 3], [1, "flock", 3]]), policy).toHaveLength(2);
});

it("a thread for each request is made by clone, which the kernel decides", () => {
  const flags = { uargs: { flags: `0x${thread.toString(16)}`, exit_signal: 0 } };
  const turn: Line[] = [
    [1, "poll", 0],
    [1, "accept4", 3, 0, 0, 0],
    [1, "clone3", 7, flags],
  ];
  const recording = [...start, ...Array(requests).fill(turn).flat()];
  const { policy, others } = judgedOf(recording);
  expect(others, policy).toEqual([]);
  expect(refusedBy(policy, [...recording, [1, "clone", thread]]).filter((call) => !call.includes("clone3"))).toEqual(
    [],
  );
  expect(
    refusedBy(policy, [...recording, [1, "clone", child]]).filter((call) => !call.includes("clone3")),
  ).toHaveLength(1);
});
