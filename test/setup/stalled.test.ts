import { spawn } from "node:child_process";
import { expect, it } from "vitest";
import { type Process, patienceWithoutProgress, processes, Stalled } from "./stalled.ts";

const minute = 60_000;
const worker = (pid: number, ticks: number): Process => ({ pid, parent: 1, command: "node workers/forks.js", ticks });
const child = (pid: number, parent: number, ticks: number): Process => ({ pid, parent, command: "sleep", ticks });

it("finds the tree that uses no processor time, and no other", () => {
  const stalled = new Stalled(1);
  const found: number[][] = [];
  for (let time = 0; time <= patienceWithoutProgress; time += minute) {
    const busy = [worker(2, 5), child(3, 2, (time / minute) * 600)];
    const changing = [worker(4, 5), child(100 + time / minute, 4, 0)];
    const idle = [worker(6, 5), child(7, 6, 5), child(8, 7, time / minute)];
    const other = { pid: 9, parent: 1, command: "esbuild", ticks: 0 };
    const all = [...busy, ...changing, ...idle, other];
    found.push(...stalled.look(all, time).map((tree) => tree.map(({ pid }) => pid)));
    if (time < patienceWithoutProgress) expect(found).toEqual([]);
  }
  expect(found).toEqual([[6, 7, 8]]);
});

it("counts from a worker's last progress", () => {
  const stalled = new Stalled(1);
  expect(stalled.look([worker(2, 0)], 0)).toEqual([]);
  expect(stalled.look([worker(2, 0), child(3, 2, 0)], patienceWithoutProgress)).toEqual([]);
  expect(stalled.look([worker(2, 0), child(3, 2, 0)], patienceWithoutProgress + minute)).toEqual([]);
  expect(stalled.look([worker(2, 0), child(3, 2, 0)], 2 * patienceWithoutProgress)).toHaveLength(1);
});

it("sees this machine's processes", async () => {
  const sleeper = spawn("sh", ["-c", "sleep 600; :"]);
  try {
    const own = processes().find(({ pid }) => pid === process.pid);
    expect(own).toMatchObject({ parent: process.ppid, command: expect.stringContaining("forks") });
    expect(own!.ticks).toBeGreaterThan(0);
    expect(processes()).toContainEqual(expect.objectContaining({ pid: sleeper.pid, parent: process.pid }));
  } finally {
    sleeper.kill();
  }
});
