/** Tests which tasks live according to their calls: births behind their calls, executions, and ends. */
import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../linux/architecture.ts";
import { cloneFlag } from "../../linux/process-calls.ts";
import { TraceAssembler } from "../assembler.ts";
import { CallCensus } from "../census.ts";
import type { RecordedCall } from "./call-records.ts";
import { Tasks } from "./tasks.ts";

const numbers = { clone: 56, execve: 59, exit: 60, exit_group: 231, brk: 12, getppid: 110 } as const;
const code = [0x1000, 0x7f00] as const;
const threadFlags = new Uint32Array(12).fill(Number(cloneFlag.thread));
const otherCode = [0x1000, 0x7e00] as const;

type Given = { readonly name: keyof typeof numbers } & Partial<RecordedCall>;

/** The lines without calls of getppid, each as its kind and its ids. */
function lines(...calls: readonly Given[]): string[] {
  const assembler = new TraceAssembler("x86_64", new CallCensus());
  const tasks = new Tasks("x86_64", assembler, 100);
  calls.forEach(({ name, ...given }, index) => {
    const call: RecordedCall = {
      ...{ tid: 100, process: given.tid ?? 100, time: 1000 * (index + 1), serial: index + 1, number: numbers[name] },
      ...{ architecture: auditArchitecture.x86_64, instructionPointer: code, registers: new Uint32Array(12).fill(1) },
      ...{ former: given.tid ?? 100, maker: 0, creation: 0, memories: [] },
      ...given,
    };
    tasks.calls(call, true);
    tasks.called(call, assembler.call({ ...call, instructionPointer: undefined }));
  });
  tasks.endOfAll(1000 * calls.length);
  return Buffer.from(assembler.take(Number.POSITIVE_INFINITY))
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ call }) => call !== "getppid")
    .map(({ kind, tid, call, child, former }) => [call ?? kind, tid, child ?? former ?? ""].join(" ").trim());
}

describe("tasks of a recording", () => {
  it("follow the call that made them, also with calls of others in between", () => {
    expect(
      lines(
        { name: "clone", registers: threadFlags },
        { name: "clone" },
        { name: "getppid", tid: 102, former: 0, maker: 100, creation: 2 },
        { name: "getppid", tid: 101, process: 100, former: 0 },
        { name: "exit", tid: 101, process: 100 },
        { name: "exit_group", tid: 102 },
        { name: "exit_group" },
      ),
    ).toEqual([
      ...["clone 100", "thread 100 101", "clone 100", "fork 100 102"],
      ...["exit 101", "exit 101", "exit_group 102", "exit 102", "exit_group 100", "exit 100"],
    ]);
  });

  it("have a maker if its call is missing, and a new owner of an id ends the former", () => {
    expect(
      lines(
        { name: "getppid", tid: 101, former: 0, maker: 100, creation: 9 },
        { name: "getppid", tid: 101, former: 0, maker: 100, creation: 12 },
      ),
    ).toEqual(["fork 100 101", "exit 101", "fork 100 101", "exit 100", "exit 101"]);
  });

  it("are children of a living task if no record of their maker is left", () => {
    expect(lines({ name: "getppid", tid: 103, former: 0, maker: 102, creation: 9 })).toContain("fork 100 103");
    expect(lines({ name: "getppid", tid: 100, former: 102 })).toContain("exec 100");
  });

  it("that have ended are ended behind their calls, and not those that have got their ids since", () => {
    const assembler = new TraceAssembler("x86_64", new CallCensus());
    // No process has such an id.
    const tasks = new Tasks("x86_64", assembler, 0x7fff_fff0);
    const ended = tasks.ended();
    expect([...ended.keys()]).toEqual([0x7fff_fff0]);
    tasks.endOfAll(1000);
    tasks.end(ended, 2000);
    expect(Buffer.from(assembler.take(Number.POSITIVE_INFINITY)).toString().match(/exit/g)).toHaveLength(1);
    expect(tasks.anyLives).toBe(false);
  });

  it("execute programs: known by a changed id, else inferred from the next call", () => {
    const failed = lines({ name: "execve" }, { name: "getppid" });
    expect(failed).not.toContain("exec 100");
    expect(lines({ name: "execve" }, { name: "getppid", instructionPointer: otherCode })).toContain("exec 100");
    expect(lines({ name: "execve" }, { name: "brk", registers: new Uint32Array(12) })).toContain("exec 100");
    expect(
      lines(
        { name: "clone", registers: threadFlags },
        { name: "execve", tid: 101, process: 100, former: 0 },
        { name: "getppid", tid: 100, process: 100, former: 101 },
      ),
    ).toEqual(["clone 100", "thread 100 101", "execve 101", "exec 100 101", "exit 100"]);
  });
});
