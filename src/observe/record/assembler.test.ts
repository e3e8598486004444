/** Tests the lines of a recording: results in their calls' lines, tasks behind the calls that made them. */
import { describe, expect, it } from "vitest";
import { readJsonTrace } from "../../traces/formats/json.ts";
import { TraceAssembler } from "./assembler.ts";
import { CallCensus } from "./census.ts";
import { registerText, resultText } from "./registers.ts";

const registers = (...low: readonly number[]) => {
  const words = new Uint32Array(12);
  low.forEach((word, index) => {
    words[2 * index] = word;
  });
  return words;
};
const make = () => new TraceAssembler("x86_64", new CallCensus());
const take = (assembler: TraceAssembler, before: number) => Buffer.from(assembler.take(before)).toString();
const getppid = 110;
const clone = 56;
const everything = Number.POSITIVE_INFINITY;
const call = (tid: number, time: number, number = getppid) => ({ tid, time, number, registers: registers(1, 2) });

describe("the lines of a recording", () => {
  it("have the result of a call that has returned", () => {
    const assembler = make();
    assembler.call(call(7, 1_000));
    assembler.returned(7, 2_000, 3, 0);
    expect(take(assembler, 0)).toBe(
      '{"v":1,"kind":"call","tid":7,"time":1000,"call":"getppid","arguments":[],"result":3}\n',
    );
  });

  it("wait for a call that has not returned, but not for ever", () => {
    const assembler = make();
    assembler.call(call(7, 1_000));
    assembler.call(call(8, 2_000));
    assembler.returned(8, 3_000, 0, 0);
    expect(take(assembler, 1_000)).toBe("");
    expect(take(assembler, 1_500).split("\n")).toHaveLength(3);
    assembler.returned(7, 9_000, 0xffff_fffc, 0xffff_ffff);
    expect(take(assembler, 0)).toBe('{"v":1,"kind":"return","tid":7,"time":9000,"result":-4}\n');
  });

  it("have a task behind the call that made it, if that is not printed yet", () => {
    const assembler = make();
    const line = assembler.call(call(7, 1_000, clone));
    assembler.call(call(7, 2_000));
    assembler.birth("fork", 7, 8, line);
    expect(take(assembler, everything)).toMatch(/"clone".*\n.*"child":8}\n.*"getppid"/);
    assembler.birth("thread", 7, 9, line);
    expect(take(assembler, everything)).toBe('{"v":1,"kind":"thread","tid":7,"child":9}\n');
  });

  it("never go back in time, and can be read", () => {
    const assembler = make();
    assembler.call(call(7, 5_000));
    assembler.call({ ...call(7, 4_000, 9_999), instructionPointer: [0, 0x7f00] });
    assembler.call({ ...call(7, 6_000, 4), foreignAbi: 0x4000_0003 });
    assembler.call({ ...call(7, 6_000, 257), memory: '"memory":{"path":"/etc/hosts"}' });
    assembler.exec(7, 9, 7_000);
    assembler.exit(7, 8_000);
    assembler.lost(3, 9_000);
    assembler.lost(undefined, 9_000);
    const { runs, diagnostics } = readJsonTrace(take(assembler, everything), "t", "x86_64");
    expect(diagnostics.map(({ code }) => code)).toEqual(["P0823"]);
    expect(runs[0]!.events.map(({ kind }) => kind)).toEqual(["call", "call", "call", "call", "exec", "exit"]);
    const times = runs[0]!.events.map(({ time }) => Number(time));
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });
});

it("registers are numbers while they are exact, results are signed", () => {
  expect([registerText(5, 0), registerText(0xffff_ff9c, 0), registerText(0x1234, 0x7f00)]).toEqual([
    "5",
    "4294967196",
    '"0x7f0000001234"',
  ]);
  expect(registerText(0x1234, 0x7f00)).toBe('"0x7f0000001234"');
  expect([resultText(0xffff_fffe, 0xffff_ffff), resultText(3, 0)]).toEqual(["-2", "3"]);
  expect(resultText(0, 0x8000_0000)).toBe('"0x8000000000000000"');
});

it("a census forgets new calls after ten seconds", () => {
  let now = 0;
  const census = new CallCensus(() => now);
  census.call("open");
  now = 9_000;
  census.call("close");
  census.begins();
  expect(census.count()).toEqual({ calls: 2, kinds: 2, fresh: 2, tasks: 2 });
  now = 15_000;
  expect(census.count().fresh).toBe(1);
});
