/**
 * Small recordings for tests, a call in each line: its thread, its name, and its registers. execve begins with its path,
 * openat, and execve if it fails, with path and result; clone3 ends with its memory.
 */
import { expect } from "vitest";
import { Faults } from "../../traces/faults.ts";
import { readJsonTrace } from "../../traces/formats/json.ts";
import type { Trace } from "../../traces/trace.ts";
import type { Detail } from "../aspects.ts";
import { HistoryBuilder } from "../history.ts";

type CallLine = readonly [tid: number, call: string, ...registers: (number | string | object)[]];
/** `seconds`: the time of the calls that follow. */
export type Line =
  | CallLine
  | { fork: readonly [number, number] }
  | { exec: number }
  | { exit: number }
  | { seconds: number };

export function historyOf(recordings: readonly (readonly Line[])[], detail: Detail = "arguments"): HistoryBuilder {
  const history = new HistoryBuilder("x86_64", detail);
  for (const lines of recordings) {
    history.open("a.trace", new Faults("a.trace"));
    const run = traceOf(lines);
    for (const event of run.events) history.event(event, run);
  }
  return history;
}

export function traceOf(lines: readonly Line[]): Trace {
  let time: number | undefined;
  const text = lines.flatMap((line) => {
    if ("seconds" in line) {
      time = line.seconds * 1e9;
      return [];
    }
    if ("fork" in line) return JSON.stringify({ v: 1, kind: "fork", tid: line.fork[0], child: line.fork[1] });
    if ("exec" in line) return JSON.stringify({ v: 1, kind: "exec", tid: line.exec });
    if ("exit" in line) return JSON.stringify({ v: 1, kind: "exit", tid: line.exit });
    const [tid, call, ...registers] = line;
    const hasResult = ["openat", "execve"].includes(call) && typeof registers[0] === "object";
    const path = call === "execve" && !hasResult ? { memory: { path: registers.shift() } } : {};
    if (hasResult) {
      const { path: named, result } = registers.shift() as { path: string; result: number };
      Object.assign(path, { memory: { path: named }, result });
      if (call === "openat") registers.splice(1, 0, 7);
    }
    if (call === "clone3") Object.assign(path, { memory: registers.pop() });
    const addr = typeof registers[1] === "object" ? { memory: { addr: registers.splice(1, 1, 7)[0] } } : {};
    return JSON.stringify({ v: 1, kind: "call", tid, time, call, arguments: registers.map(String), ...path, ...addr });
  });
  const { runs, diagnostics } = readJsonTrace(text.join("\n"), "a.trace", "x86_64");
  expect(diagnostics).toEqual([]);
  expect(runs).toHaveLength(1);
  return runs[0]!;
}

export const many = (count: number, line: Line): Line[] => Array.from({ length: count }, () => line);
