import { expect, test } from "vitest";
import { JsonTraceReader } from "../../traces/formats/json.ts";
import { chartsOf } from "./charts.ts";
import { RunTally } from "./run-tally.ts";

function tallyOf(lines: readonly object[]): RunTally {
  const tally = new RunTally("a run", "x86_64", "/usr/sbin/server");
  const reader = new JsonTraceReader("t", "x86_64");
  lines.forEach((line, index) => {
    reader.line(JSON.stringify({ v: 1, ...line }), index + 1);
    for (const event of reader.take()) tally.add(event, undefined);
  });
  expect(reader.failed).toBe(false);
  return tally;
}

const call = (tid: number, name: string, seconds?: number, more: object = {}) => ({
  ...{ kind: "call", tid, call: name, ...more },
  ...(seconds === undefined ? {} : { time: seconds * 1e9 }),
});

test("the tree of processes, with their programs and threads", () => {
  const { processes, clock, length } = chartsOf(
    tallyOf([
      call(1, "clone", 1),
      { kind: "fork", tid: 1, child: 2, time: 1e9 },
      call(2, "execve", 2, { memory: { path: "/bin/<b>" } }),
      { kind: "exec", tid: 2, time: 2e9 },
      { kind: "thread", tid: 2, child: 3, time: 3e9 },
      call(3, "read", 3),
      { kind: "exit", tid: 3, time: 4e9 },
      { kind: "exit", tid: 2, time: 5e9 },
      call(1, "wait4", 6),
    ]),
  );
  expect({ clock, length }).toEqual({ clock: "seconds", length: 5 });
  expect(processes).toMatchObject([
    { pid: 1, name: "server", parent: undefined, depth: 0, from: 0, to: 5, calls: 2, threads: 1 },
    {
      pid: 2,
      name: "<b>",
      parent: 0,
      depth: 1,
      from: 0,
      to: 4,
      calls: 2,
      threads: 2,
      executions: [{ at: 1, name: "<b>" }],
    },
  ]);
});

test("a thread that executes leaves its process with one thread", () => {
  const tally = tallyOf([
    call(1, "clone", 0),
    { kind: "thread", tid: 1, child: 2, time: 0 },
    call(2, "execve", 1, { memory: { path: "/bin/a" } }),
    { kind: "exec", tid: 1, former: 2, time: 1e9 },
    { kind: "exit", tid: 1, time: 2e9 },
    { kind: "clock", time: 9e9 },
  ]);
  expect(chartsOf(tally).processes).toMatchObject([{ pid: 1, name: "a", to: 2 }]);
});

test("without times the axis counts calls", () => {
  const { clock, length, surface } = chartsOf(tallyOf([call(1, "read"), call(1, "write"), call(1, "read")]));
  expect({ clock, length }).toEqual({ clock: "calls", length: 3 });
  expect(surface.map(({ name, steps }) => [name, steps])).toEqual([
    [
      "seen",
      [
        [1, 1],
        [2, 2],
      ],
    ],
    [
      "still made",
      [
        [0, 2],
        [2, 1],
        [3, 0],
      ],
    ],
  ]);
});

test("charts are bounded, and omitted parts are counted", () => {
  const lines: object[] = [call(1, "clone", 0)];
  for (let child = 2; child < 5_000; child++) {
    lines.push({ kind: "fork", tid: 1, child, time: 0 }, call(child, "getpid", 0), {
      kind: "exit",
      tid: child,
      time: 0,
    });
  }
  const charts = chartsOf(tallyOf(lines));
  expect(charts.processes.length + charts.undrawn).toBe(4_999);
  expect(charts.processes.length).toBeLessThan(200);
  expect(JSON.stringify(charts).length).toBeLessThan(100_000);
});
