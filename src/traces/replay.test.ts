/** Calls of a recording that go on while others are made. */
import { expect, test } from "vitest";
import { InterpreterEvaluator } from "../engines/simulate/interpreter-evaluator.ts";
import { loadPolicy } from "../frontend/load.ts";
import { sourceOf } from "./blocks.ts";
import { readTrace } from "./formats/read.ts";
import { CallsThatGoOn, type ReplayedCall, replay } from "./replay.ts";

const policy = `
import { allow, deny, perTree, policy } from "portcullis";
const r = perTree.rooms({ sides: ["a", "b"], timeout: "10ms", late: deny("EDEADLK") });
export default policy((call) => {
  if (call.name === "mkdir") r.enter("a");
  if (call.name === "rmdir") r.enter("b");
  return allow;
});`;

const shown = ({ event, decision: { waits } }: ReplayedCall) => [
  event.tid,
  waits === undefined ? undefined : `${waits.room} behind ${waits.behind.map(({ tid }) => tid)}`,
];

function waits(text: string) {
  const { program } = loadPolicy("/rooms.ts", { architecture: "x86_64", readFile: () => policy });
  const { runs, diagnostics } = readTrace(sourceOf(Buffer.from(text)), "trace", "x86_64");
  expect(diagnostics).toEqual([]);
  const run = replay(new InterpreterEvaluator(program!), runs[0]!, { file: "trace", uid: 0, gid: 0 });
  const found = [...run.calls()].map(shown);
  // The same, where the events come one by one.
  const goingOn = new CallsThatGoOn();
  for (const event of runs[0]!.events) goingOn.add(event);
  const { events, ...head } = runs[0]!;
  const streamed = replay(new InterpreterEvaluator(program!), head, { file: "trace", uid: 0, gid: 0, goingOn });
  const calls = events.map((event) => streamed.take(event)).filter((call) => call !== undefined);
  expect(calls.map(shown)).toEqual(found);
  return found;
}

test("JSON: until their return, if that has a line of its own", () => {
  const lines = [
    { kind: "call", tid: 7, call: "clone", arguments: ["17"], result: "8" },
    { kind: "fork", tid: 7, child: 8 },
    { kind: "call", tid: 7, call: "mkdir" },
    { kind: "call", tid: 8, call: "rmdir" },
    { kind: "call", tid: 8, call: "mkdir" },
    { kind: "return", tid: 7, result: "0" },
    { kind: "call", tid: 7, call: "mkdir", result: "0" },
    { kind: "call", tid: 8, call: "rmdir" },
  ];
  expect(waits(`${lines.map((line) => JSON.stringify({ v: 1, ...line })).join("\n")}\n`)).toEqual([
    [7, undefined],
    [7, undefined],
    [8, "r behind 7"],
    [8, undefined],
    [7, undefined],
    [8, undefined],
  ]);
});

test("strace: from unfinished to resumed", () => {
  const text = `7 1.0 execve(0x1, 0x2, 0x3) = 0
7 1.1 clone(0x11, 0, 0, 0, 0) = 0x8
7 1.2 mkdir(0x1, 0x1ed <unfinished ...>
8 1.3 rmdir(0x1) = 0
7 1.4 <... mkdir resumed>) = 0
8 1.5 rmdir(0x1) = 0
8 1.6 exit_group(0) = ?
8 1.7 +++ exited with 0 +++
`;
  expect(waits(text)).toEqual([
    [7, undefined],
    [7, undefined],
    [8, "r behind 7"],
    [8, undefined],
    [8, undefined],
  ]);
});
