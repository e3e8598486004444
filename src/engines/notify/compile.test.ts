import { describe, expect, test } from "vitest";
import {
  cell,
  cellOf,
  constant,
  give,
  input,
  number,
  onCall,
  programOf,
  programs,
  verdicts,
  when,
} from "../../../test/live/programs.ts";
import { auditArchitecture } from "../../abi/architecture.ts";
import { decodeInstructions } from "../../backend/classic/instruction.ts";
import { runClassic } from "../../backend/classic/interpreter.ts";
import type { ObservedWord } from "../../ir/observation.ts";
import { Observer } from "../../ir/observe.ts";
import type { IntegerExpression, Program, Statement } from "../../ir/program.ts";
import type { Mode } from "../engine/engine.ts";
import { compileForNotify } from "./compile.ts";
import { notifyFilter } from "./filter.ts";
import { needsOf } from "./needs.ts";
import { type ArmedFilter, callTrait, decodePolicy, encodePolicy } from "./policy/policy.ts";

const words = (filter: ArmedFilter) =>
  new Set(decodeInstructions(filter.instructions).flatMap(({ code, k }) => (code === 0x06 ? [k >>> 0] : [])));
const ask = 0x7fc0_0000;
const allow = 0x7fff_0000;
const errno = (value: number) => (0x0005_0000 | value) >>> 0;

describe("a policy without state", () => {
  test("notifies only of calls that it does not allow, and works without a supervisor", () => {
    const { policy } = compileForNotify(programs["static-deny"]!());
    expect(policy).toMatchObject({ stateful: false });
    expect(words(policy!.filter)).toEqual(new Set([ask, allow]));
    expect(words(policy!.fallback!)).toEqual(new Set([errno(33), errno(38), allow]));
    expect(policy!.fallback!.notifies).toBe(false);
    expect(policy!.fallback!.tokenPositions).toEqual(policy!.filter.tokenPositions);
  });

  test("notifies of nothing in the quiet mode", () => {
    const { policy } = compileForNotify(programs["static-log"]!(), "quiet");
    expect(policy!.filter.notifies).toBe(false);
    expect(words(policy!.filter)).toEqual(new Set([0x7ffc_0000, errno(38), allow]));
  });

  test("notifies of kills only if they must become events", () => {
    const program = programs["static-kill"]!();
    expect(words(compileForNotify(program).policy!.filter)).toEqual(new Set([0x8000_0000, ask, allow]));
    expect(words(compileForNotify(program, "audit").policy!.filter)).toEqual(new Set([ask, allow]));
    const { filter, fallback } = compileForNotify(program, "quiet", { killEvents: true }).policy!;
    expect(words(filter)).toEqual(new Set([ask, errno(38), allow]));
    expect(filter).toMatchObject({ notifies: true, kills: false, traps: false });
    // Without a supervisor the kernel kills.
    expect(words(fallback!)).toEqual(new Set([0x8000_0000, errno(38), allow]));
    expect(fallback).toMatchObject({ notifies: false, kills: true, traps: false });
    const trapping = compileForNotify(programs["static-trap"]!(), "reported", { killEvents: true }).policy!.filter;
    expect(trapping).toMatchObject({ notifies: true, kills: false, traps: true });
  });
});

describe("clone3 with ENOSYS", () => {
  const word = (program: Program, mode: Mode, call: number = number.clone3) =>
    runClassic(notifyFilter(program, { mode, armed: false }).classic.instructions, {
      architecture: auditArchitecture.x86_64,
      number: call,
      instructionPointer: 0n,
      arguments: [],
    }).word;
  const missing = give(verdicts.missing);
  const refusing = (...calls: readonly number[]) =>
    programOf("refusing", { body: [...calls.map((call) => onCall(call, [missing])), give(verdicts.allow)] });

  test("is refused by the kernel, where no signal interrupts it, except in an audit", () => {
    for (const program of [programs["most-20"]!(), refusing(number.clone3)]) {
      expect(word(program, "reported")).toBe(errno(38));
      expect(word(program, "quiet")).toBe(errno(38));
      expect(word(program, "audit")).toBe(ask);
    }
  });

  test("does not make refusals of other calls silent", () => {
    expect(word(refusing(number.clone3), "reported", 425)).toBe(ask);
    expect(word(refusing(number.clone3, number.getppid), "reported", number.getppid)).toBe(ask);
  });
});

describe("a policy with state", () => {
  test("does not work without a supervisor", () => {
    const { policy } = compileForNotify(programs["first-thousand"]!());
    expect(policy).toMatchObject({ stateful: true, fallback: undefined });
  });

  test("needs births only if state is copied or living processes are counted", () => {
    const births = Object.entries(programs).flatMap(([name, make]) => (needsOf(make()).births ? [name] : []));
    const followed = ["paths-followed", "rooms-followed"];
    const withClone3 = ["counted-clone3", "process-clone3"];
    const others = ["most-20", "process-copied", "thread-copied"];
    expect(births.sort()).toEqual([...followed, ...withClone3, ...others].sort());
    const { calls } = compileForNotify(programs["process-copied"]!()).policy!;
    const creating = [...calls.keys()].filter((one) => (calls[one]! & callTrait.creates) !== 0);
    expect(creating).toEqual([number.clone, number.fork, number.vfork, number.clone3]);
  });

  test("needs executions if threads have state", () => {
    const { calls } = compileForNotify(programs["thread-fresh"]!()).policy!;
    const executing = [...calls.keys()].filter((one) => (calls[one]! & callTrait.executes) !== 0);
    expect(executing).toEqual([number.execve, number.execveat]);
    expect(words(compileForNotify(programs["thread-fresh"]!()).policy!.filter)).toContain(ask);
  });

  test("must not trap by state, and the diagnostic has the place", () => {
    const program = programOf("trapping", {
      cells: [cell("count", "tree")],
      body: [
        onCall(number.getppid, [when(cellOf(0), "equal", constant(3), [give(verdicts.trap)])]),
        onCall(number.getuid, [when(input("uid"), "equal", constant(3), [give(verdicts.trap)])]),
        give(verdicts.allow),
      ],
    });
    const { policy, diagnostics } = compileForNotify(program);
    expect(policy).toBeUndefined();
    expect(diagnostics).toMatchObject([{ code: "P0604", span: { file: "trapping.ts", line: 8 } }]);
    expect(compileForNotify(program, "audit").diagnostics).toEqual([]);
  });
});

test("a policy can be stored in the cache", () => {
  const { policy } = compileForNotify(programs["thread-copied"]!());
  expect(decodePolicy(encodePolicy(policy!))).toEqual(policy);
});

test("a policy is stored with its automata, so that a start does not compile them", () => {
  const at = { file: 0, line: 3, column: 5, length: 4 };
  const path = {
    name: "path",
    shape: { is: "path" },
    sources: [{ number: 2, register: 0, length: undefined }],
    at,
  } as const;
  const program = programOf("asking", {
    observations: [path, { ...path, sources: [{ number: 4, register: 0, length: undefined }] }],
    words: [
      { observation: 0, reads: { is: "length" } },
      {
        observation: 1,
        reads: { is: "matches", part: { is: "whole" }, patterns: [{ kind: "under", text: "/srv" }] },
      },
    ],
  });
  const { memory } = decodePolicy(encodePolicy(compileForNotify(program).policy!));
  expect(memory.matchers).toEqual([undefined, [expect.objectContaining({ acceptSets: [0n, 1n] })]]);
  const observer = new Observer(memory, memory.matchers);
  const read = [{ is: "bytes", bytes: new TextEncoder().encode("/srv/file") }] as const;
  expect(observer.observe(4, read)).toEqual({ words: [0n, 1n] });
});

const readingPath = (call: number, reads: ObservedWord["reads"], refused: readonly number[] = []) => {
  const at = { file: 0, line: 3, column: 5, length: 4 };
  return programOf("reading", {
    observations: [
      { name: "path", shape: { is: "path" }, sources: [{ number: call, register: 0, length: undefined }], at },
    ],
    words: [{ observation: 0, reads }],
    body: [
      ...refused.map((one) => onCall(one, [give(verdicts.deny)])),
      onCall(call, [when({ kind: "observed", word: 0 }, "equal", constant(0), [give(verdicts.deny)])]),
      give(verdicts.allow),
    ],
  });
};
const [open, mprotect, unlink, prctl] = [2, 10, 87, 157];

test("a policy supervises Landlock's restrictions if the supervisor may open for a caller", () => {
  const restrict = number.landlockCreateRuleset + 2;
  const supervised = (reads: ObservedWord["reads"], call: number) => {
    const leaf = notifyFilter(readingPath(call, reads), { mode: "quiet", armed: true }).split.get(restrict)!;
    return leaf.kind === "leaf" && leaf.stateful.some(({ because }) => because === "restriction");
  };
  expect(supervised({ is: "resolved", objects: [{ is: "is", path: "/run/agent.sock" }] }, open)).toBe(true);
  expect(supervised({ is: "length" }, open)).toBe(true);
  expect(supervised({ is: "length" }, unlink)).toBe(false);
});

test("results are written to callers' memory only if the policy never restricts its protection", () => {
  const isFree = (call: number, ...refused: readonly number[]) =>
    compileForNotify(readingPath(call, { is: "length" }, refused)).policy!.memoryIsFree;
  expect(isFree(open)).toBe(true);
  expect(isFree(open, mprotect)).toBe(false);
  expect(isFree(unlink)).toBe(false);
});

test("the filter reports no protection to which the policy itself gives a verdict", () => {
  const compiled = (...body: readonly Statement[]) => {
    const base = readingPath(open, { is: "length" });
    const { memoryIsFree, protections } = compileForNotify({ ...base, body: [...body, ...base.body] }).policy!;
    const options = protections.filter((one) => one.number === prctl).map(({ tests }) => tests[0]!.is);
    return { memoryIsFree, options };
  };
  const low = (argument: "argument0" | "argument1"): IntegerExpression => ({
    kind: "extend",
    width: 32,
    signed: false,
    value: { kind: "input", input: argument },
  });
  const option = (value: number) => [low("argument0"), "equal", constant(value)] as const;
  const second = [low("argument1"), "equal", constant(2)] as const;
  const [trap, allowed] = [[give(verdicts.trap)], [give(verdicts.allow)]];
  expect(compiled(onCall(prctl, allowed))).toEqual({ memoryIsFree: true, options: [[22], [65], [75]] });
  expect(compiled(onCall(prctl, trap))).toEqual({ memoryIsFree: true, options: [] });
  expect(compiled(onCall(prctl, [when(...option(22), trap)]))).toEqual({ memoryIsFree: true, options: [[65], [75]] });
  expect(compiled(onCall(prctl, [when(...option(22), [when(...second, trap)])]))).toEqual({
    memoryIsFree: false,
    options: [],
  });
});

test("under a policy with rooms the filter reports the calls that hide their process, as far as it may allow them", () => {
  const gate = { name: "gate", scope: "tree", sides: ["in"], exclusive: 1, timeout: 1n, late: verdicts.deny } as const;
  const hiding = (rooms: boolean, ...body: readonly Statement[]) => {
    const at = { file: 0, line: 1, column: 1, length: 1 };
    const entering = onCall(number.getppid, [{ kind: "enter", room: 0, side: 0 }]);
    const program = programOf("hiding", {
      rooms: rooms ? [{ ...gate, at }] : [],
      body: [...body, ...(rooms ? [entering] : []), give(verdicts.allow)],
    });
    return compileForNotify(program).policy!.hidingCalls.map((one) => one.number);
  };
  const setuid = 105;
  expect(hiding(false)).toEqual([]);
  expect(hiding(true)).toEqual(expect.arrayContaining([prctl, setuid]));
  expect(hiding(true, onCall(prctl, [give(verdicts.trap)]))).not.toContain(prctl);
});

test("only calls whose judgement can depend on the number of living processes wait for forks in flight", () => {
  const limited = when(input("alive"), "less-unsigned", constant(9), [give(verdicts.allow)], [give(verdicts.deny)]);
  const read = when(cellOf(0), "equal", constant(0), [give(verdicts.allow)], [give(verdicts.deny)]);
  const program = programOf("counting", {
    cells: [cell("most", "tree")],
    body: [
      onCall(number.fork, [limited]),
      onCall(number.getuid, [{ kind: "store", cell: 0, value: input("alive") }, give(verdicts.allow)]),
      onCall(number.getppid, [read]),
      give(verdicts.allow),
    ],
  });
  const { countingCalls } = compileForNotify(program).policy!;
  expect([number.fork, number.getuid, number.getppid, number.sync].map((one) => countingCalls[one])).toEqual([
    ...[1, 1, 0, 0],
  ]);
});
