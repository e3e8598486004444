/** Tests programs of the kernel's own type against the interpreter, on a model of the kernel with forks. */

import { describe, expect, it } from "vitest";
import { auditArchitecture } from "../../abi/architecture.ts";
import { callByName } from "../../abi/calls.ts";
import { returnWord } from "../../abi/return-word.ts";
import { loadPolicy } from "../../frontend/load.ts";
import { admit } from "../../ir/admission.ts";
import type { EvaluationState, ScopeState, SystemCallEvent } from "../../ir/evaluation.ts";
import { evaluate, inheritState, initialState } from "../../ir/interpreter.ts";
import { printProgram } from "../../ir/print.ts";
import type { Program } from "../../ir/program.ts";
import { generateProgram, generateTrace, identifier, SeededChoices } from "../../ir/testing/arbitrary.ts";
import { expectEqual } from "../../ir/testing/expect-equal.ts";
import { casesOf } from "../../ir/testing/seeds.ts";
import { verdictWord } from "../classic/verdict-word.ts";
import { compileForSeccomp, type SeccompProgram } from "./seccomp.ts";
import { refusals } from "./targets/records.ts";
import type { SeccompTargetOptions } from "./targets/seccomp.ts";
import { ModelledTree, modelledToken } from "./testing/seccomp.ts";

const enosys = returnWord("ERRNO", 38);
const allow = returnWord("ALLOW");

function compile(program: Program, options: Partial<SeccompTargetOptions> = {}): SeccompProgram {
  const { compiled, diagnostics } = compileForSeccomp(program, {
    unprivileged: false,
    reportsVerdicts: true,
    ...options,
  });
  if (compiled === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return compiled;
}

/** Whether the program is small enough; other errors are reported elsewhere. */
function fits(program: Program, options: SeccompTargetOptions): boolean {
  const { diagnostics } = compileForSeccomp(program, options);
  return !diagnostics.some(({ message }) => /it takes \d+ instructions/.test(message));
}

/** Makes every third program's tables so large that the tree's use another form. */
function withLargeTables(seed: number, program: Program): Program {
  if (seed % 3 !== 0) return program;
  return { ...program, tables: program.tables.map((table) => ({ ...table, capacity: table.capacity * 12 })) };
}

/** Runs one trace and compares after each step; returns the number of judged calls. */
function compareRun(program: Program, options: SeccompTargetOptions, choices: SeededChoices): number {
  const recordsVerdicts = options.reportsVerdicts;
  const tree = initialState(program, "tree");
  const reference = new Map<number, EvaluationState>();
  reference.set(0, { thread: initialState(program, "thread"), process: initialState(program, "process"), tree });
  const modelled = new ModelledTree(program, compile(program, options));
  let judged = 0;
  for (const step of generateTrace(choices, program, 40)) {
    switch (step.kind) {
      case "call": {
        const { leader } = modelled.tasks.get(step.task)!;
        const [pid, tid] = [identifier(leader), identifier(step.task)];
        const { now, uid, gid, event } = step;
        const alive = BigInt(modelled.alive);
        const who = (BigInt(pid) << 32n) | BigInt(tid);
        const owner = (BigInt(gid >>> 0) << 32n) | BigInt(uid >>> 0);
        const found = modelled.evaluate(step.task, event, { now, who, owner });
        const admission = admit(program, event);
        if (admission !== "judged") {
          expectEqual(found.returned, admission === "always" ? allow : enosys);
          if (recordsVerdicts && admission !== "always")
            expect(found.records.map(({ which }) => which)).toEqual([refusals.refused]);
          break;
        }
        const circumstances = { now, pid, tid, uid, gid, alive };
        const wanted = evaluate(program, event, circumstances, reference.get(step.task)!);
        const word = verdictWord(program.verdicts[wanted.verdict]!);
        expectEqual(found.returned, word);
        expectEqual(found.entered, wanted.entered);
        const reports = wanted.reports.map(({ report, values }) => ({ kind: "report", which: report, values }));
        const verdicts =
          recordsVerdicts && word !== allow ? [{ kind: "verdict", which: wanted.verdict, values: [] }] : [];
        expectEqual(
          found.records.map(({ kind, which, values }) => ({ kind, which, values })),
          [...reports, ...verdicts],
        );
        for (const record of found.records) {
          expectEqual([record.now, record.pid, record.tid, record.number], [now, pid, tid, event.number]);
          expectEqual([record.instructionPointer, ...record.arguments], [event.instructionPointer, ...event.arguments]);
          if (record.kind === "verdict") expectEqual(record.returned, word);
        }
        judged += 1;
        break;
      }
      case "fork": {
        const parent = reference.get(step.parent)!;
        // The body that judged the forking call has done this too.
        modelled.mapPhases(step.parent);
        modelled.fork(step.parent, step.child);
        modelled.mapPhases(step.child);
        reference.set(step.child, {
          thread: inheritState(program, "thread", parent.thread),
          process: inheritState(program, "process", parent.process),
          tree,
        });
        break;
      }
      case "thread":
        modelled.thread(step.parent, step.child);
        reference.set(step.child, { ...reference.get(step.parent)!, thread: initialState(program, "thread") });
        break;
      case "exit":
        modelled.tasks.delete(step.task);
        reference.delete(step.task);
    }
    compareStates(program, modelled, reference);
  }
  return judged;
}

function compareStates(program: Program, modelled: ModelledTree, reference: ReadonlyMap<number, EvaluationState>) {
  for (const [task, state] of reference) {
    const of = (scope: keyof EvaluationState): ScopeState => state[scope];
    program.cells.forEach(({ name, scope }, index) => {
      const word = modelled.cell(task, index);
      expectEqual(word, of(scope).cells[index], () => `task ${task}: ${name}`);
    });
    program.tables.forEach(({ name, scope, holdsValues }, index) => {
      const wanted = [...of(scope).tables[index]!].map(([key, value]) => [key, holdsValues ? value : 0n]);
      const found = [...modelled.table(task, index)];
      const sorted = (entries: unknown[][]) => entries.map(String).sort();
      expectEqual(sorted(found), sorted(wanted), () => `task ${task}: ${name}`);
    });
  }
}

/** All seeds in the part `random`, else each fourth. */
const stride = casesOf(1, 4);

describe("programs of type BPF_PROG_TYPE_SECCOMP", () => {
  // test/engines/replay has all of these on the kernel; here each differs from the first in few places.
  for (const { first, last, ...options } of [
    { unprivileged: false, reportsVerdicts: true, first: 1, last: 100 },
    { unprivileged: false, reportsVerdicts: false, first: 33, last: 66 },
    { unprivileged: true, reportsVerdicts: true, first: 33, last: 66 },
  ]) {
    const { unprivileged, reportsVerdicts } = options;
    it(`agree with the interpreter, ${unprivileged ? "un" : ""}privileged, ${reportsVerdicts ? "recording" : "not recording"} verdicts`, () => {
      let judged = 0;
      let compiled = 0;
      for (let seed = first; seed <= last; seed += stride) {
        const choices = new SeededChoices(seed);
        const program = generateProgram(choices, { statements: seed < 50 ? 4 : 40, rooms: seed % 2 === 0 });
        // Inlined tables take much room: 4,096 instructions fill up soon, and jumps reach at most 32,767.
        if (!fits(withLargeTables(seed, program), options)) continue;
        compiled += 1;
        try {
          judged += compareRun(withLargeTables(seed, program), options, choices);
        } catch (error) {
          throw new Error(`seed ${seed}\n${printProgram(program)}`, { cause: error });
        }
      }
      expect(compiled).toBeGreaterThan((0.8 * (last - first)) / stride);
      expect(judged).toBeGreaterThan((15 * (last - first)) / stride);
    });
  }
});

function load(text: string): Program {
  const { program, diagnostics } = loadPolicy("/policy.ts", { architecture: "x86_64", readFile: () => text });
  if (program === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return program;
}

const event = (name: string, ...values: bigint[]): SystemCallEvent => {
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = values;
  return {
    number: callByName(name)!.number.x86_64!,
    architecture: auditArchitecture.x86_64,
    instructionPointer: 0n,
    arguments: [a, b, c, d, e, f],
  };
};
const given = { now: 0n, who: (7n << 32n) | 7n, owner: 0n };

describe("phases that a fork maps", () => {
  const program = load(`import { allow, deny, perProcess, policy } from "portcullis";
const phase = perProcess.phases(["first", "second", "third"], { onFork: { first: "second", second: "third" } });
export default policy((call) => {
  if (call.name === "getpid") return phase.is("third") ? deny("EIO") : phase.is("second") ? deny("EPERM") : allow;
  return allow;
});
`);

  it("are mapped once for each fork, also without an evaluation in between", () => {
    const tree = new ModelledTree(program, compile(program));
    const ask = (task: number) => tree.evaluate(task, event("getpid"), given).returned;
    const fork = (parent: number, child: number) => {
      expect(tree.evaluate(parent, event("fork"), given).returned).toBe(allow);
      tree.fork(parent, child);
    };
    fork(0, 1);
    fork(1, 2);
    fork(2, 3);
    expect([0, 1, 2, 3].map(ask)).toEqual([
      allow,
      returnWord("ERRNO", 1),
      returnWord("ERRNO", 5),
      returnWord("ERRNO", 5),
    ]);
    expect([0, 1, 2, 3].map(ask)).toEqual([
      allow,
      returnWord("ERRNO", 1),
      returnWord("ERRNO", 5),
      returnWord("ERRNO", 5),
    ]);
  });
});

describe("a policy that counts the living", () => {
  const program = load(
    `import { allow, calls, deny, perTree, policy, tree } from "portcullis";
const most = 3n;
const refused = perTree.counter();
export default policy((call) => {
  if (call.name === "fork" || call.name === "vfork" || call.name === "clone") {
    if (tree.alive() < most) return allow;
    refused.add();
    return deny("EAGAIN");
  }
  if (call.name === "getppid" && tree.alive() > 1n) return deny("EPERM");
  return allow;
});
`,
  );
  const compiled = compile(program);
  const ask = (name: string, ...words: bigint[]) => {
    const tree = new ModelledTree(program, compiled);
    const { returned, expectsChild } = tree.evaluate(0, event(name, ...words), given);
    return { allowed: returned === allow, expectsChild };
  };

  it("reserves a place for the process that a call creates, and for no other task", () => {
    expect(ask("fork")).toEqual({ allowed: true, expectsChild: true });
    expect(ask("vfork")).toEqual({ allowed: true, expectsChild: true });
    expect(ask("clone", 17n)).toEqual({ allowed: true, expectsChild: true });
    expect(ask("clone", 0x3d_0f00n)).toEqual({ allowed: true, expectsChild: false });
    // The kernel reads only the low half as flags.
    expect(ask("clone", (0x1_0000n << 32n) | 17n)).toEqual({ allowed: true, expectsChild: true });
    expect(ask("getppid")).toEqual({ allowed: true, expectsChild: false });
  });

  it("counts and reserves in one step, under the lock", () => {
    expect(compiled.locked).toBe(true);
    const bare = load(`import { allow, calls, deny, policy, tree } from "portcullis";
export default policy((call) => (calls.fork.has(call) && tree.alive() > 2n ? deny("EAGAIN") : allow));
`);
    expect(compile(bare).locked).toBe(true);
  });
});

describe("around the policy", () => {
  const program = load(
    `import { allow, deny, perProcess, policy } from "portcullis";
const started = perProcess.counter();
export default policy((call) => {
  if (call.name === "execve") return started.add() > 1n ? deny("EPERM") : allow;
  if (call.name === "getppid" && call.caller.pid > 1n) return deny("EIO");
  return allow;
});
`,
  );
  const denied = returnWord("ERRNO", 1);

  it("only the launcher's own execve bypasses the policy", () => {
    const tree = new ModelledTree(program, compile(program));
    const [first, second] = modelledToken;
    const execve = (a: bigint, b: bigint) => tree.evaluate(0, event("execve", 0n, 0n, 0n, 0n, a, b), given).returned;
    expect(execve(first, second)).toBe(allow);
    expect(tree.cell(0, 0)).toBe(0n);
    expect(execve(first, second ^ 1n)).toBe(allow);
    expect(tree.cell(0, 0)).toBe(1n);
    expect(execve(first ^ (1n << 63n), second)).toBe(denied);
    expect(tree.cell(0, 0)).toBe(2n);
  });

  it("a token of zeros matches no call", () => {
    const tree = new ModelledTree(program, compile(program));
    tree.maps[0]!.bytes.fill(0);
    for (const wanted of [allow, denied]) expect(tree.evaluate(0, event("execve"), given).returned).toBe(wanted);
  });

  it("a program that was never attached denies calls that need state, and records it", () => {
    const tree = new ModelledTree(program, compile(program));
    const { returned, records } = tree.evaluate(0, event("execve"), { ...given, attached: false });
    expect(returned).toBe(enosys);
    expect(records.map(({ which }) => which)).toEqual([refusals.noState]);
  });

  it("an invisible caller is denied if the policy reads its ids", () => {
    const tree = new ModelledTree(program, compile(program));
    const { returned, records } = tree.evaluate(0, event("getppid"), { ...given, who: 0n });
    expect(returned).toBe(denied);
    expect(records.map(({ which, pid }) => [which, pid])).toEqual([[refusals.invisible, 0]]);
  });

  it("dropped records are counted, and do not change verdicts", () => {
    const tree = new ModelledTree(program, compile(program));
    tree.mostRecords = 0;
    const results = [1, 2, 3].map(() => tree.evaluate(0, event("execve"), given).returned);
    expect(results).toEqual([allow, denied, denied]);
    expect(tree.dropped).toBe(2n);
  });
});

describe("the dispatch", () => {
  const program = load(
    `import { allow, deny, perProcess, policy } from "portcullis";
const phase = perProcess.phases(["starting", "serving"]);
export default policy((call) => {
  if (call.name === "eventfd2") phase.enter("serving");
  if (call.name === "getppid") return phase.is("starting") ? allow : deny("EPERM");
  if (call.name === "getpid") return deny("EPERM");
  return allow;
});
`,
  );
  const { object, constantAllow } = compile(program, { reportsVerdicts: false });
  const number = (name: string) => callByName(name)!.number.x86_64!;

  it("tests the call that state decides first, after the architecture", () => {
    const jumps = object.instructions.filter((instruction) => instruction.kind === "jump");
    expect(jumps[1]).toMatchObject({ condition: "equal", right: { immediate: number("getppid") } });
  });

  it("has an allow as the first exit, to which the JIT compiler makes the others jump", () => {
    const first = object.instructions.findIndex(({ kind }) => kind === "exit");
    expect(object.instructions[first - 1]).toMatchObject({ kind: "arithmetic", source: { immediate: allow } });
  });

  it("does not test an execve that is allowed in any case for the launcher's token", () => {
    expect(constantAllow).toContain(number("execve"));
    for (const name of ["eventfd2", "getppid", "getpid"]) expect(constantAllow).not.toContain(number(name));
  });
});
