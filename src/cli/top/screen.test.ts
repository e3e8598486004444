import { expect, test } from "vitest";
import type { DecisionEvent } from "../../events/event.ts";
import type { NamedState, Status } from "../../observe/status/status.ts";
import { placeInTree, type ShownProcess } from "./processes.ts";
import { firstView, type ScreenSize, statusScreen, type View, viewAfter } from "./screen.ts";

const status: Status = {
  ...{ v: 1, kind: "status", time: 100, running: 12.4, pid: 5, policy: "p", command: ["a\x1b[2J", "b"], audit: false },
  ...{ engine: "n", unknown: [] },
  ...{ calls: 10, perSecond: 2.5, refusedByPortcullis: 1 },
  verdicts: [{ verdict: "deny EACCES", rule: "d/p.ts:1:2", reason: "no\u202e", calls: 9, perSecond: 2 }],
  state: {
    ...{ time: 99, callsSince: 4, more: 3 },
    tree: { phases: {}, values: { count: "7" }, tables: [{ name: "seen", keys: 5, capacity: 10 }] },
    processes: [{ pid: 0, threads: 2, phases: { phase: "serving" }, values: {}, tables: [] }],
  },
  ...{ refused: [], refusedBefore: 0, refusals: [] },
};
const one: ShownProcess = { pid: 7, parent: 1, threads: 2, name: "b\u0007", state: status.state!.processes[0]! };

/** The texts of the lines. */
function shown(of: Status, processes: readonly ShownProcess[] = [], view: Partial<View> = {}, size?: ScreenSize) {
  return statusScreen(of, processes, { ...firstView, ...view }, size).map(({ text }) => text);
}

/** A server with roles. Times are at noon of the time zone. */
const noon = new Date(2026, 10, 26, 12).getTime() / 1000;
const event = (members: Partial<DecisionEvent>): DecisionEvent => ({
  ...{ v: 1, kind: "decision", time: noon, pid: 12, tid: 12, command: "server", call: "socket", number: 41 },
  arguments: [
    { name: "family", text: "AF_INET" },
    { name: "type", text: "SOCK_STREAM" },
    { name: "protocol", text: "0" },
  ],
  ...{ verdict: "deny", errno: "EPERM", rule: "policies/server.ts:198:10", policy: "server" },
  ...{ reason: "no recording has it", phases: { role: "child", mainPhase: "starting", childPhase: "running" } },
  ...members,
});
const inRole = (role: string): NamedState => ({
  phases: { role, mainPhase: "running", childPhase: "running" },
  ...{ values: {}, tables: [] },
});
const rules = ["bind listen", "mmap", "clone", "prctl", "setuid", "setgid", "socketpair", "openat"].map(
  (names, index) => ({
    ...{ verdict: "allow", rule: `policies/server.ts:${100 + index}:65`, reason: undefined, names: names.split(" ") },
    ...{ moreNames: 0, calls: 20 - index, perSecond: index },
  }),
);
const server: Status = {
  ...status,
  ...{ command: ["/usr/sbin/server", "-c", "x".repeat(200)], policy: "server", engine: "n", running: 3700 },
  ...{ calls: 1_234_567, perSecond: 1234.5, refusedByPortcullis: 2 },
  verdicts: [
    ...rules,
    {
      ...{ verdict: "deny EPERM", rule: "policies/server.ts:198:10", reason: "no recording has it" },
      ...{ names: ["acct", "add_key"], moreNames: 345, calls: 1012, perSecond: 0 },
    },
  ],
  state: { time: noon, callsSince: 0, more: 0, tree: inRole("x"), processes: [] },
  refused: [
    { calls: 12, perSecond: 0.5, event: event({}) },
    {
      ...{ calls: 1000, perSecond: 0 },
      event: event({
        call: "openat",
        command: "worker 日本",
        pid: 13,
        arguments: [{ name: "path", text: `"${"/日".repeat(90)}"` }],
      }),
    },
  ],
};
const processes: readonly ShownProcess[] = [
  { pid: 11, parent: 1, threads: 1, name: "server", state: inRole("main") },
  { pid: 12, parent: 11, threads: 4, name: "server", state: inRole("child") },
  { pid: 13, parent: 12, threads: 1, name: "worker 日本", state: inRole("child") },
  { pid: 14, parent: 11, threads: 1, name: "server", state: inRole("child") },
];

test("without a terminal: everything, the state of the tree and its age", () => {
  expect(shown(status, [one])).toEqual([
    "a\ufffd[2J b",
    "policy p, engine n, portcullis 5, 12 s",
    "judged: 2.5 calls/s, 10 in all, 10 refused (1 without a rule)",
    "",
    "refused calls: none",
    "",
    "calls by rule",
    "calls/s  calls  verdict      calls of the rule  rule",
    "      2      9  deny EACCES                     d/p.ts:1:2  no\ufffd",
    "",
    "processes",
    "tree: count=7  seen [#####.....] 5 of 10",
    "the state is that before the last 4 calls",
    "3 more processes are not listed",
    "pid  threads  name  phases and state",
    "  7        2  b\ufffd    phase serving",
  ]);
});

test("fills a terminal of 80 columns and 24 lines, refused calls first", () => {
  expect(shown(server, processes, { hasKeys: true }, { columns: 80, rows: 24 })).toEqual([
    `/usr/sbin/server -c ${"x".repeat(59)}…`,
    "policy server, engine n, portcullis 5, 1:01:40 h",
    "judged: 1,234.5 calls/s, 1,234,567 in all, 1,014 refused (2 without a rule)",
    "",
    "refused calls",
    "calls/s  calls  call    verdict     role, phase     rule",
    "      0  1,000  openat  deny EPERM  child, running  server.ts:198:10",
    '         12:00:00 worker 日本[13] openat("/日/日/日/日/日/日/日/日/日/日/日/日/…',
    "    0.5     12  socket  deny EPERM  child, running  server.ts:198:10",
    "         12:00:00 server[12] socket(AF_INET, SOCK_STREAM, 0)  (no recording has…",
    "",
    "calls by rule (3 of 9)",
    "calls/s  calls  verdict     calls of the rule  rule",
    "      0  1,012  deny EPERM  openat socket      server.ts:198:10",
    "      7     13  allow       openat             server.ts:107:65",
    "      6     14  allow       socketpair         server.ts:106:65",
    "",
    "processes (3 of 4)",
    "tree: x",
    "pid  threads  name             phases and state",
    " 11        1  server           main, running",
    " 12        4  ├ server         child, running",
    " 13        1  │ └ worker 日本  child, running",
    "q quit  o order: refusals  t list  r c p: one part  ? help",
  ]);
});

test("a terminal of 180 columns and 50 lines shows all, and each refused call in one line", () => {
  const lines = shown(server, processes, { hasKeys: true }, { columns: 180, rows: 50 });
  expect(lines).toHaveLength(50);
  expect(lines.slice(4, 9)).toEqual([
    "refused calls",
    "calls/s  calls  call    verdict     role, phase     rule              last",
    `      0  1,000  openat  deny EPERM  child, running  server.ts:198:10  12:00:00 worker 日本[13] openat("${"/日".repeat(25)}/…`,
    "    0.5     12  socket  deny EPERM  child, running  server.ts:198:10  12:00:00 server[12] socket(AF_INET, SOCK_STREAM, 0)  (no recording has it)",
    "",
  ]);
  expect(lines).toContain("      0  1,012  deny EPERM  openat socket      server.ts:198:10  no recording has it");
  expect(lines.filter((line) => line.includes("allow"))).toHaveLength(8);
  expect(lines).toContain(" 14        1  └ server         child, running");
  expect(lines.slice(-2)).toEqual(["", "q quit  o order: refusals  t list  r c p: one part  ? help"]);
});

test("fits any terminal, with the keys in its last line", () => {
  for (const rows of [1, 2, 5, 8, 12, 23, 24, 40, 100]) {
    for (const columns of [1, 10, 40, 79, 80, 119, 120, 300]) {
      for (const only of [undefined, "refused", "calls", "processes"] as const) {
        const lines = shown(server, processes, { hasKeys: true, only }, { columns, rows });
        expect(lines).toHaveLength(rows);
        expect(lines.at(-1)!.startsWith("q quit".slice(0, columns - 1))).toBe(true);
        const cells = (line: string) => [...line].reduce((sum, one) => sum + (/[日本]/.test(one) ? 2 : 1), 0);
        expect(Math.max(...lines.map(cells))).toBeLessThanOrEqual(columns);
      }
    }
  }
  // The refused calls are the last to be left out.
  expect(shown(server, processes, {}, { columns: 80, rows: 8 })[4]).toBe("refused calls (1 of 2)");
});

test("keys change the order, the part, and the drawing of the processes", () => {
  const keys = (text: string) => [...text].reduce(viewAfter, firstView);
  const first = (text: string) =>
    shown(server, processes, { ...keys(text), only: "calls" }).find((line) => /deny|allow/.test(line));
  expect(["", "o", "oo", "ooo"].map(first)).toEqual([
    "      0  1,012  deny EPERM  openat socket      policies/server.ts:198:10  no recording has it",
    "      7     13  allow       openat             policies/server.ts:107:65",
    "      0  1,012  deny EPERM  openat socket      policies/server.ts:198:10  no recording has it",
    first(""),
  ]);
  const refused = (text: string) => shown(server, [], { ...keys(text) }).findIndex((line) => line.includes("socket("));
  expect(refused("o")).toBeLessThan(refused("oo"));
  expect(shown(server, processes, keys("p")).slice(3)).toEqual([
    "",
    "processes",
    "tree: x",
    "pid  threads  name             phases and state",
    " 11        1  server           main, running",
    " 12        4  ├ server         child, running",
    " 13        1  │ └ worker 日本  child, running",
    " 14        1  └ server         child, running",
  ]);
  expect(shown(server, processes, keys("pt")).slice(-2)).toEqual([
    " 13        1  worker 日本  child, running",
    " 14        1  server       child, running",
  ]);
  expect(keys("pp")).toEqual(firstView);
  expect(shown(server, processes, keys("?")).slice(3, 6)).toEqual(["", "keys", "q       quit; Ctrl-C, too"]);
  expect(keys("?o")).toEqual(firstView);
  expect(keys("xyz")).toEqual(firstView);
});

test("processes whose ids make a circle are listed", () => {
  const circle = [
    { ...one, pid: 1, parent: 2 },
    { ...one, pid: 2, parent: 1 },
  ];
  expect(placeInTree(circle).map(({ pid, lead }) => [pid, lead])).toEqual([
    [1, ""],
    [2, ""],
  ]);
});

test("lists the data that the engine cannot show, and that it counts reported calls", () => {
  const lines = shown({ ...status, engine: "e", unknown: ["calls that pass"] });
  expect(lines).toContain("reported: 2.5 calls/s, 10 in all, 10 refused (1 without a rule)");
  expect(lines.slice(-2)).toEqual(["not known under e", "  calls that pass"]);
  expect(shown({ ...status, calls: 0, unknown: ["calls that pass"] })).toContain("the kernel has reported no call yet");
});

test("reports that the state is not known yet", () => {
  const line = "phases and state: not known before the next judged call";
  expect(shown({ ...status, state: undefined })).toContain(line);
  expect(shown({ ...status, state: undefined, unknown: ["calls that pass"] })).not.toContain(line);
  expect(shown(status)).not.toContain(line);
});
