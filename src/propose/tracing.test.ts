/** What a proposal says of recorded tracers. */
import { describe, expect, it } from "vitest";
import { loadPolicy } from "../frontend/load.ts";
import type { Detail } from "./aspects.ts";
import { propose } from "./proposal.ts";
import { historyOf, type Line } from "./testing/lines.ts";
import { describeTracing } from "./tracing.ts";

const [forks, traceme, seize] = [0x1200011, 0, 0x4206];

function tracing(lines: readonly Line[], detail: Detail = "arguments", phases: "none" | "usual" = "usual") {
  const { policy, permissions } = propose(historyOf([lines], detail), { phases, with: [], origin: "A test." });
  const { program } = loadPolicy("/a.ts", { architecture: "x86_64", readFile: () => policy });
  return describeTracing(permissions, program!);
}

/** As gdb does: a child asks to be traced, and executes the program. */
const debugged: Line[] = [
  [1, "clone", forks, 0, 0, 0, 0],
  { fork: [1, 2] },
  [2, "ptrace", traceme],
  [2, "execve", "/usr/bin/program"],
  { exec: 2 },
  [2, "close", 3],
  { exit: 2 },
  [1, "wait4", 2],
];

const isTracing = (line: Line) => "length" in line && line[1] === "ptrace";
const others = debugged.filter((line) => !isTracing(line));
const remedy = "  --detail calls --phases none makes a policy that denies at most clone3 there";

describe("recorded tracers", () => {
  it("are named with the calls that fail in the processes that they trace", () => {
    const text = "a task has one tracer, so in a traced process the supervisor (notify) denies";
    expect(tracing(debugged)).toEqual([`ptrace (child): ${text} clone, execve`, remedy]);
    expect(tracing([[1, "ptrace", seize, 7], ...others])).toEqual([`ptrace (main): ${text} clone, execve`, remedy]);
    const spawning: Line[] = [...debugged, [1, "clone3", 7, 88, { uargs: { flags: "0x4100", exit_signal: 17 } }]];
    expect(tracing(spawning, "calls", "none")).toEqual([`ptrace (main): ${text} clone3`]);
  });

  it("are not named if the kernel decides alone", () => {
    expect(tracing(debugged, "calls", "none")).toEqual([]);
  });

  it("are not named if no process traces", () => {
    expect(tracing(others)).toEqual([]);
  });
});
