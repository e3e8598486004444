/** Tests parts of traces: by time, by call, by run, and what is readable of damaged ones. */
import { describe, expect, it } from "vitest";
import { InterpreterEvaluator } from "../engines/simulate/interpreter-evaluator.ts";
import { loadPolicy } from "../frontend/load.ts";
import { type CutBounds, TraceCut } from "./cut.ts";
import { readJsonTrace } from "./formats/json.ts";
import type { LineReading } from "./lines.ts";
import { replay } from "./replay.ts";

const call = (tid: number, name: string, time: number) =>
  `{"v":1,"kind":"call","tid":${tid},"call":"${name}","time":${time}}`;
const run = [
  '{"v":1,"kind":"recording","recorder":"notifier"}',
  '{"v":1,"kind":"start","tid":7}',
  call(7, "brk", 1_000),
  call(7, "fork", 2_000),
  '{"v":1,"kind":"fork","tid":7,"child":8}',
  call(8, "accept4", 3_000),
  '{"v":1,"kind":"return","tid":8,"time":3500,"result":4}',
  '{"v":1,"kind":"exit","tid":8,"time":4000}',
  call(7, "close", 5_000),
];
const readings = (...lines: readonly (string | undefined)[]): LineReading[] =>
  lines.map((text) => (text === undefined ? { kind: "damage", offset: 0, size: 1 } : { kind: "line", text }));
const cut = (bounds: CutBounds, ...lines: readonly (string | undefined)[]) => [
  ...new TraceCut(bounds).lines(readings(...lines)),
];
const calls = (lines: readonly string[]) => lines.flatMap((line) => /"call":"(\w+)"/.exec(line)?.[1] ?? []);

describe("a part of a trace", () => {
  it("without bounds is all of it", () => {
    expect(cut({}, ...run, ...run)).toEqual([...run, ...run]);
  });

  it("has the calls between two times since its start, and every task", () => {
    const part = cut({ from: 500, to: 3_500 }, ...run);
    expect(calls(part)).toEqual(["fork", "accept4"]);
    expect(part.filter((line) => /"kind":"(?:fork|exit)"/.test(line))).toHaveLength(2);
  });

  it("goes from the first of one call up to the first of another", () => {
    expect(calls(cut({ fromCall: "accept4" }, ...run))).toEqual(["accept4", "close"]);
    expect(calls(cut({ toCall: "accept4" }, ...run))).toEqual(["brk", "fork"]);
    expect(calls(cut({ fromCall: "fork", toCall: "close" }, ...run, ...run))).toEqual([
      "fork",
      "accept4",
      "fork",
      "accept4",
    ]);
  });

  it.each([
    [{ toCall: "accept4" }, true],
    [{ toCall: "mount" }, false],
    [{ toCall: "brk", fromCall: "fork" }, false],
    [{ toCall: "fork", runs: new Set([2]) }, false],
  ])("knows whether it has an end: %o", (bounds, expected) => {
    const part = new TraceCut(bounds);
    Array.from(part.lines(readings(...run)));
    expect(part.hasFoundEnd).toBe(expected);
  });

  it("is one of several recordings", () => {
    const other = run.map((line) => line.replaceAll("7", "17"));
    expect(cut({ runs: new Set([2]) }, ...run, ...other)).toEqual(other);
  });

  it.each([
    ["without the birth of a task", run.slice(0, 3), run.slice(5)],
    ["without its beginning", [], run.slice(2)],
    ["without the end of a task", run.slice(0, 6), [run[4]!, call(8, "brk", 5_000)]],
    ["whose command has ended unseen", run.slice(0, 3), [call(9, "brk", 5_000)]],
  ])("of a damaged trace %s can be read", (_, before, after) => {
    const part = cut({}, ...before, undefined, ...after);
    const { runs, diagnostics } = readJsonTrace(part.join("\n"), "t", "x86_64");
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    const program = loadPolicy("policies/exec-once.ts", { architecture: "x86_64" }).program!;
    const replayed = replay(new InterpreterEvaluator(program), runs[0]!, { file: "t" });
    expect([...replayed.calls()]).toHaveLength(calls(part).length);
    expect(replayed.diagnostics()).toEqual([]);
  });
});
