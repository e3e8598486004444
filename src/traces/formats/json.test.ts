/** Traces as JSON lines: values, errors and their places. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { signedValue } from "../trace.ts";
import { printWord, readJsonTrace, readWord } from "./json.ts";

const call = (members: object) => JSON.stringify({ v: 1, kind: "call", tid: 7, call: "getppid", ...members });
const codes = (text: string) =>
  readJsonTrace(text, "t", "x86_64").diagnostics.map((one) => `${one.code} ${one.span?.line ?? "-"}`);

test("a trace", () => {
  const text = `${JSON.stringify({ v: 1, kind: "start", tid: 7, uid: 33, gid: 33, directory: "/srv", architecture: "x86_64", future: [] })}
${call({ call: "openat", arguments: ["-100", null, "0x80000", 0], time: "5", result: -2 })}
${JSON.stringify({ v: 1, kind: "fork", tid: 7, child: 8, time: 6 })}
${JSON.stringify({ v: 1, kind: "clock", time: "1000" })}
${JSON.stringify({ v: 1, kind: "call", tid: 8, number: 9999, time: 1000 })}
${JSON.stringify({ v: 1, kind: "exit", tid: 8 })}
`;
  const {
    runs: [trace],
    diagnostics,
  } = readJsonTrace(text, "t", "x86_64");
  expect(diagnostics).toEqual([]);
  expect(trace).toMatchObject({ command: 7, uid: 33, gid: 33, directory: "/srv", timed: true });
  expect(trace!.events.map((event) => event.kind)).toEqual(["call", "fork", "clock", "call", "exit"]);
  const [first] = trace!.events;
  if (first?.kind !== "call") throw new Error("a call");
  expect(first.arguments[0]).toEqual({ value: 0xffff_ffff_ffff_ff9cn, known: (1n << 64n) - 1n });
  expect(first.arguments[1]!.known).toBe(0n);
  expect(signedValue(first.result)).toBe(-2n);
});

test.each([
  ["not JSON", ["P0801 1"]],
  ["[1]", ["P0801 1"]],
  [call({ v: 2 }), ["P0806 1"]],
  [JSON.stringify({ kind: "call", tid: 1 }), ["P0806 1"]],
  [call({ kind: "cal" }), ["P0802 1"]],
  [call({ tid: 0 }), ["P0802 1"]],
  [call({ tid: 1.5 }), ["P0802 1"]],
  [call({ call: "getpid", number: 1 }), ["P0802 1"]],
  [call({ call: "opemat" }), ["P0101 1"]],
  [call({ call: undefined }), ["P0802 1"]],
  [call({ call: undefined, number: 2 ** 40 }), ["P0802 1"]],
  [call({ arguments: [1, 2, 3, 4, 5, 6, 7] }), ["P0802 1"]],
  [call({ arguments: [2 ** 60] }), ["P0802 1"]],
  [call({ arguments: ["0x1ffffffffffffffff"] }), ["P0802 1"]],
  [call({ time: -1 }), ["P0802 1"]],
  [`${call({ time: 5 })}\n${call({ time: 4 })}`, ["P0802 2"]],
  [`${JSON.stringify({ v: 1, kind: "start", tid: 1, architecture: "aarch64" })}\n${call({})}`, ["P0809 1"]],
  [call({ result: "three" }), ["P0802 1"]],
  [JSON.stringify({ v: 1, kind: "start", tid: 7, directory: "srv" }), ["P0802 1"]],
  [`${call({})}\n${JSON.stringify({ v: 1, kind: "return", tid: 7, result: [] })}`, ["P0802 2"]],
  [`${call({})}\n${JSON.stringify({ v: 1, kind: "lost", count: 3 })}`, ["P0823 2"]],
  ["\n\n", ["P0810 -"]],
])("a malformed trace has a place: %j", (text, expected) => {
  expect(codes(text)).toEqual(expected);
});

test("a trace of another architecture is one error", () => {
  const of = (architecture: string) =>
    readJsonTrace(
      `${JSON.stringify({ v: 1, kind: "start", tid: 7, architecture })}\n${call({ call: "arch_prctl" })}\nnonsense`,
      "t",
      architecture === "x86_64" ? "aarch64" : "x86_64",
    ).diagnostics;
  expect(of("x86_64")).toMatchObject([{ code: "P0809", help: "--architecture x86_64" }]);
  expect(of("riscv64")).toMatchObject([{ code: "P0809", help: "it can be x86_64 or aarch64" }]);
});

test("the nearest call is suggested", () => {
  expect(readJsonTrace(call({ call: "vfork" }), "t", "aarch64").diagnostics[0]!.help).not.toBe('write "vfork"');
  expect(readJsonTrace(call({ call: "opnat" }), "t", "x86_64").diagnostics[0]!.help).toBe('write "openat"');
});

test("a printed word is read back", () => {
  const word = fc
    .tuple(fc.bigInt(0n, (1n << 64n) - 1n), fc.integer({ min: 0, max: 0xffff }))
    .map(([value, nibbles]) => {
      const known = BigInt(`0x${nibbles.toString(2).padStart(16, "0").replaceAll("1", "f")}`);
      return { value: value & known, known };
    });
  fc.assert(
    fc.property(word, (one) => {
      expect(readWord(printWord(one))).toEqual(one);
    }),
  );
});

test("one warning for all places where events were lost, and no error", () => {
  const lost = Array.from({ length: 50 }, () => JSON.stringify({ v: 1, kind: "lost", count: 3 }));
  const { runs, diagnostics } = readJsonTrace([call({}), ...lost].join("\n"), "t", "x86_64");
  expect(runs).toHaveLength(1);
  expect(diagnostics.map(({ severity, message }) => [severity, message])).toEqual([
    ["warning", expect.stringContaining("has lost 150 events from here on, in 50 places")],
  ]);
});
