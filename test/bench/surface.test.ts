/** The pure parts of the benchmark `surface`: the phases of a recording, its columns, and the order of a load. */
import { describe, expect, it } from "vitest";
import { type Cut, callsByPhase, columnsOf } from "../../bench/surface/columns.ts";
import { documentOf } from "../../bench/surface/document.ts";
import { intrusive, isRefused } from "../../bench/surface/intrusive.ts";
import { proposalOf } from "../../bench/surface/proposal.ts";
import { Random } from "../../bench/surface/random.ts";
import { withRates } from "../../bench/surface/rates-table.ts";
import { servers } from "../../bench/surface/servers.ts";
import { sourceOf } from "../../src/traces/blocks.ts";
import { readTrace } from "../../src/traces/formats/read.ts";
import type { Trace } from "../../src/traces/trace.ts";

/** A recording in short: "1 openat", "1 fork 2", "2 thread 3", "2 exec", "2 exit", "1 mprotect 0 0 4". */
function recorded(...lines: readonly string[]): readonly Trace[] {
  const text = lines.map((line) => {
    const [tid, word, ...rest] = line.split(" ");
    const members: Record<string, unknown> = { v: 1, tid: Number(tid) };
    if ((word === "fork" || word === "thread") && rest.length > 0)
      Object.assign(members, { kind: word, child: Number(rest[0]) });
    else if (word === "exec")
      Object.assign(members, { kind: word, ...(rest.length > 0 ? { former: Number(rest[0]) } : {}) });
    else if (word === "exit") Object.assign(members, { kind: word });
    else if (word === "return") Object.assign(members, { kind: word, result: 0 });
    else Object.assign(members, { kind: "call", call: word, arguments: rest });
    return JSON.stringify(members);
  });
  const reading = readTrace(
    sourceOf(Buffer.from(['{"v":1,"kind":"start","tid":1,"uid":0,"gid":0}', ...text].join("\n"))),
    "short",
    "x86_64",
  );
  expect(reading.diagnostics).toEqual([]);
  return reading.runs;
}

const byCommand: Cut = { role: "command", call: "epoll_wait", why: "" };
const byChild: Cut = { role: "child", call: "accept4", why: "" };

function namesOf(runs: readonly Trace[], cut: Cut): Record<string, string> {
  const { calls } = callsByPhase(runs, cut);
  return Object.fromEntries(
    Object.entries(calls).map(([phase, counts]) => [phase, [...counts].map((one) => one.join(" ")).join(", ")]),
  );
}

describe("the phases of a recording", () => {
  it("end with the first call of the event, which belongs to serving", () => {
    const runs = recorded("1 openat", "1 openat", "1 epoll_wait", "1 read", "1 openat", "1 epoll_wait");
    expect(namesOf(runs, byCommand)).toEqual({
      init: "openat 2",
      serving: "epoll_wait 2, read 1, openat 1",
      program: "",
    });
  });

  it("are a process's: its threads share them, its children inherit them", () => {
    const runs = recorded("1 clone", "1 thread 2", "2 epoll_wait", "1 read", "1 fork", "1 fork 3", "3 write");
    expect(namesOf(runs, byCommand)).toEqual({
      init: "clone 1",
      serving: "epoll_wait 1, read 1, fork 1, write 1",
      program: "",
    });
  });

  it("go on after the return of a call that others interrupt", () => {
    const runs = recorded("1 epoll_wait", "1 clone", "1 thread 2", "2 futex", "1 write", "2 return", "2 read");
    expect(namesOf(runs, byCommand)).toEqual({
      init: "",
      serving: "epoll_wait 1, clone 1, futex 1, write 1, read 1",
      program: "",
    });
  });

  it("of a child do not end the command's, and one child's not another's", () => {
    const lines = ["1 fork", "1 fork 2", "1 fork", "1 fork 3", "2 accept4", "2 read", "3 close", "1 accept4"];
    expect(namesOf(recorded(...lines), byChild)).toEqual({
      init: "fork 2, close 1, accept4 1",
      serving: "accept4 1, read 1",
      program: "",
    });
  });

  it("leave out the programs that a child executes, with all that they start", () => {
    const lines = ["1 fork", "1 fork 2", "2 close", "2 execve", "2 exec", "2 accept4", "2 fork", "2 fork 3", "3 read"];
    expect(namesOf(recorded(...lines), byChild)).toEqual({
      init: "fork 1, close 1, execve 1",
      serving: "",
      program: "accept4 1, fork 1, read 1",
    });
  });

  it("go on if the command executes the server, or a thread becomes its leader", () => {
    expect(namesOf(recorded("1 execve", "1 exec", "1 epoll_wait"), byCommand)).toMatchObject({
      init: "execve 1",
      serving: "epoll_wait 1",
    });
    const lines = ["1 clone", "1 thread 2", "2 execve", "1 exec 2", "1 epoll_wait"];
    expect(namesOf(recorded(...lines), byCommand)).toMatchObject({
      init: "clone 1, execve 1",
      serving: "epoll_wait 1",
    });
  });

  it("do not mistake a task for an ended one with its number", () => {
    const lines = ["1 fork", "1 fork 2", "2 accept4", "2 exit", "1 fork", "1 fork 2", "2 read"];
    expect(namesOf(recorded(...lines), byChild)).toMatchObject({ init: "fork 2, read 1", serving: "accept4 1" });
  });

  it("without a named call begin with a child's first", () => {
    expect(namesOf(recorded("1 fork", "1 fork 2", "2 read"), { role: "child", why: "" })).toMatchObject({
      init: "fork 1",
      serving: "read 1",
    });
  });

  it("of several recordings are added, and those without the event counted", () => {
    const { calls, total, uncut } = callsByPhase(
      [...recorded("1 read"), ...recorded("1 read", "1 epoll_wait")],
      byCommand,
    );
    expect([calls.init.get("read"), total, uncut]).toEqual([2, 3, 1]);
  });
});

describe("the columns", () => {
  it("are those of the paper's table", () => {
    const byPhase = callsByPhase(recorded("1 openat", "1 read", "1 close", "1 epoll_wait", "1 read"), byCommand);
    expect(columnsOf(byPhase)).toEqual({
      init: 3,
      serving: 2,
      common: 1,
      union: 4,
      reduction: 25,
      servingReduction: 50,
    });
  });

  it("of nothing are nothing", () => {
    expect(columnsOf(callsByPhase([], byCommand))).toMatchObject({ union: 0, reduction: 0 });
  });

  it("of the paper are consistent", () => {
    for (const {
      published: { init, serving, common, union, reduction },
    } of servers) {
      expect(init + serving - common).toBe(union);
      expect(100 * (1 - init / union)).toBeCloseTo(reduction, 0);
    }
  });
});

describe("calls that intruders use", () => {
  it("is refused in a phase that never has it, also by an argument", () => {
    const lines = ["1 mprotect 0 0 5", "1 socket", "1 epoll_wait", "1 mprotect 0 0 3", "1 fork", "1 fork 2"];
    const byPhase = callsByPhase(recorded(...lines), byCommand);
    const refused = (phase: "init" | "serving") => intrusive.filter((name) => !isRefused(byPhase, phase, name));
    expect(refused("init")).toEqual(["mprotect with PROT_EXEC", "socket"]);
    expect(refused("serving")).toEqual(["a new process", "fork, vfork"]);
  });
});

describe("a load's order", () => {
  it("follows from its seed", () => {
    const order = (seed: number) => new Random(seed).shuffled([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(order(7)).toEqual(order(7));
    expect(order(7)).not.toEqual(order(8));
    expect([...order(7)].sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

it("a proposal has the calls of each phase, and its triggers as people read them", () => {
  const trigger = { call: "setsockopt", argument: "level", value: "6", nth: 2 };
  const states = (...phases: readonly string[]) => ({ allowed: phases.map((phase) => ({ role: "main", phase })) });
  const figures = {
    calls: 200,
    supervised: 10,
    roles: [
      { name: "main", processes: 2, hasPhases: true, triggers: [trigger] },
      { name: "child", processes: 1, hasPhases: false, triggers: [trigger] },
    ],
    rules: [states("starting"), states("starting", "running"), states("starting"), { allowed: [{ role: "child" }] }],
  };
  expect(proposalOf(figures)).toEqual({
    names: 4,
    supervised: 0.05,
    roles: [
      {
        name: "main",
        processes: 2,
        trigger: "the second `setsockopt(level 6)`",
        allowed: [
          { phase: "starting", calls: 3 },
          { phase: "running", calls: 1 },
        ],
      },
      { name: "child", processes: 1, trigger: undefined, allowed: [{ phase: "always", calls: 1 }] },
    ],
  });
});

it("the document has the reason for each server that was not measured, and explains a lower reduction", () => {
  const byPhase = callsByPhase(recorded("1 openat", "1 epoll_wait"), byCommand);
  const columns = columnsOf(byPhase);
  const [server, other] = [servers[1]!, servers[0]!];
  const role = { name: "main", processes: 1, trigger: "the first `listen`", allowed: [{ phase: "running", calls: 1 }] };
  const proposal = { names: 2, roles: [role], supervised: 0.25 };
  const bound = {
    architecture: "x86_64" as const,
    calls: ["openat", "chroot", "sendfile"],
    files: ["/usr/sbin/nginx"],
    sites: 4,
    unresolved: ["/usr/sbin/nginx+0x10"],
    missing: [],
    loadsLibraries: true,
    executable: [],
  };
  const enforcement = { failed: [], refused: ["listen at p.ts:1:1"], fallbacks: 0, rates: undefined };
  const text = documentOf({
    measured: [
      {
        server,
        version: "1",
        features: ["static files"],
        byPhase,
        columns,
        byPaperPhase: callsByPhase(recorded("1 epoll_wait"), byCommand),
        atPaperCut: columns,
        bound,
        proposal,
        enforcement,
      },
    ],
    notMeasured: [{ server: other, why: "apache2 not installed" }],
    architecture: "x86_64" as const,
    kernel: "6.12",
    recordings: 1,
  });
  expect(text).toContain("| httpd | not measured: apache2 not installed |");
  expect(text).toContain("| nginx | 1 | 4 (109) | 2 | 1 epoll_wait | 1 of 4 instructions | 75.0 % (52.3 %) | 75.0 % |");
  expect(text).toContain("| nginx | 50.0 % (52.3 %) | 1 (52) | 1 (57) | 99.1 % | 1 | 2 | 75.0 % |");
  expect(text).toContain("At the paper's cut, initialisation is without openat.");
  expect(text).toContain("- giving up privileges (1): chroot");
  expect(text).toContain("| nginx, 2 calls | main | 1 | the first `listen` | running 1 (50.0 %) |");
  expect(text).toContain("| nginx | 1; listen at p.ts:1:1 | 0 | 0 | 25.0 % |");
  expect(text).toContain("| nginx | not measured: wrk is not installed |  |  |  |  |  |  |");
  expect(text).toContain("- loading the program and its libraries (1): openat 1");

  const pairs = { ours: 970, reference: 1000, ratio: 0.97 };
  const same = { perSecond: pairs, perProcessorSecond: pairs };
  const rates = { policy: same, allowAll: same, none: same, judged: { calls: 3, requests: 6000 } };
  const renewed = withRates(text, [{ server, rates }]);
  expect(renewed).toContain("| nginx | 970 (1,000) | 0.970 | 970 (1,000) | 0.970 | 0.970 | 0.970 | 0.50 |");
  expect(renewed.split("\n").length).toBe(text.split("\n").length);
  expect(() => withRates(text, [{ server: other, rates }])).toThrow("no row for httpd");
  expect(() => withRates("# Another document", [])).toThrow("no section");
});
