/** Flows: the calls that may follow each other, and mistakes in a graph. */
import { expect, it } from "vitest";
import { auditArchitecture } from "../../../abi/architecture.ts";
import { callByName } from "../../../abi/calls.ts";
import { evaluate } from "../../../ir/interpreter.ts";
import { freshState } from "../../../ir/testing/parts.ts";
import { faults, programOf } from "../../testing/compiled.ts";

const graph = '{ start: ["brk"], anytime: ["close"], brk: ["read", "close"], read: ["read", "brk"], close: [] }';

/** Whether each call of a thread is permitted, one after the other. */
function follow(...names: readonly string[]): boolean[] {
  const program = programOf("return flow.follow(call) ? allow : trap();", {
    head: `const flow = perThread.flow(${graph});`,
  });
  const state = freshState(program);
  const who = { now: 0n, pid: 1, tid: 1, uid: 0, gid: 0, alive: 1n, observed: [] };
  return names.map((name) => {
    const event = {
      number: callByName(name)!.number.x86_64!,
      architecture: auditArchitecture.x86_64,
      instructionPointer: 0n,
      arguments: [0n, 0n, 0n, 0n, 0n, 0n] as const,
    };
    return program.verdicts[evaluate(program, event, who, state).verdict]!.action === "allow";
  });
}

it("permits the first calls, and then the successors of the last call", () => {
  expect(follow("brk", "read", "read", "brk", "read")).toEqual([true, true, true, true, true]);
  expect(follow("read")).toEqual([false]);
  expect(follow("brk", "brk", "read")).toEqual([true, false, true]);
  expect(follow("brk", "getpid")).toEqual([true, false]);
});

it("permits calls of `anytime` at any time, and does not count them as the last call", () => {
  expect(follow("close", "brk", "close", "read")).toEqual([true, true, true, true]);
  expect(follow("close", "read")).toEqual([true, false]);
});

it.each([
  ["", "2:14 P0212 a flow takes its graph → portcullis flow writes one from traces: perThread.flow(trueFlow)"],
  ['["brk"]', "2:29 P0410 a flow is an object with a list of successors for each call, not a list"],
  ["{ brk: [] }", '2:29 P0410 the flow has no `start`, the list of permitted first calls → start: ["brk"]'],
  ['{ start: "brk", brk: [] }', "2:29 P0410 the flow's `start` is a list of calls, not a string"],
  ["{ start: [1n] }", '2:29 P0410 in the flow, after "start": a flow contains names of calls, not an integer'],
  [
    '{ start: ["brkk"] }',
    '2:29 P0410 in the flow, after "start": no system call is named "brkk" → write "brk" (x86_64 12, aarch64 214)',
  ],
  [
    "{ start: [], brkk: [] }",
    '2:29 P0410 in the flow, no system call is named "brkk" → write "brk" (x86_64 12, aarch64 214)',
  ],
  [
    '{ start: ["brk"], brk: ["read"] }',
    '2:29 P0410 "read" may follow "brk", but has no entry with its successors → read: []',
  ],
  ["{ start: [] }, { onfork: `copy` }", "2:46 P0106 the settings of a flow have no `onfork` → did you mean `onFork`?"],
])("a fault of a graph: %s", (given, fault) => {
  expect(faults("return allow;", { head: `const flow = perThread.flow(${given});` })).toEqual([`policy.ts:${fault}`]);
});

it.each([
  ["flow.follow()", "1 P0212 `.follow` takes 1 argument, and gets 0"],
  ['flow.follow("brk")', "13 P0207 `.follow` takes the call, not a string"],
])("a fault: %s", (call, fault) => {
  const head = `const flow = perThread.flow(${graph});`;
  expect(faults(`return (\n${call}) ? allow : trap();`, { head })).toEqual([`policy.ts:5:${fault}`]);
});
