import { describe, expect, test } from "vitest";
import { argument, constant, programOf, returnVerdict } from "../../../test/differential/hand-made.ts";
import type { BooleanExpression, IntegerExpression, Program, Statement } from "../../ir/program.ts";
import type { Evaluator } from "./evaluator.ts";
import { InterpreterEvaluator } from "./interpreter-evaluator.ts";
import { RefusedError } from "./task.ts";
import { SimulatedTree, type TreeOptions } from "./tree.ts";
import { WasmEvaluator } from "./wasm-evaluator.ts";

const evaluators: Readonly<Record<string, (program: Program) => Evaluator>> = {
  interpreter: (program) => new InterpreterEvaluator(program) as Evaluator,
  wasm: (program) => new WasmEvaluator(program) as Evaluator,
};

const input = (name: "number" | "alive" | "pid" | "tid" | "uid" | "now"): IntegerExpression => ({
  kind: "input",
  input: name,
});

const isNumber = (number: bigint): BooleanExpression => ({
  kind: "compare",
  operator: "equal",
  left: input("number"),
  right: constant(number),
});

const when = (condition: BooleanExpression, then: readonly Statement[]): Statement => ({
  kind: "if",
  condition,
  then,
  otherwise: [],
});

const [getpid, clone, vfork, clone3, execve] = [39n, 56n, 58n, 435n, 59n];

/** Counts calls per thread, process and tree, and reports the counts and who calls. */
const counting: Program = programOf({
  cells: [
    { name: "thread", scope: "thread", kind: { is: "counter" }, initial: 0n, onFork: "copy", at: undefined },
    { name: "process", scope: "process", kind: { is: "counter" }, initial: 0n, onFork: "copy", at: undefined },
    { name: "fresh", scope: "process", kind: { is: "counter" }, initial: 0n, onFork: "fresh", at: undefined },
    { name: "tree", scope: "tree", kind: { is: "counter" }, initial: 0n, onFork: "fresh", at: undefined },
  ],
  reports: [
    {
      text: "counts",
      values: ["thread", "process", "fresh", "tree", "pid", "tid", "uid", "alive"].map((name) => ({
        name,
        print: "unsigned",
      })),
      at: { file: 0, line: 9, column: 3, length: 1 },
    },
  ],
  body: [
    ...[0, 1, 2, 3].map(
      (cell): Statement => ({
        kind: "store",
        cell,
        value: { kind: "binary", operator: "add", left: { kind: "cell", cell }, right: constant(1n) },
      }),
    ),
    {
      kind: "report",
      report: 0,
      values: [
        ...[0, 1, 2, 3].map((cell): IntegerExpression => ({ kind: "cell", cell })),
        ...(["pid", "tid", "uid", "alive"] as const).map(input),
      ],
    },
    returnVerdict(0),
  ],
});

/** At most 3 alive; says so. */
const children: Program = programOf({
  verdicts: [
    { action: "allow", errno: 0, reason: undefined, at: undefined },
    { action: "deny", errno: 11, reason: "enough", at: { file: 0, line: 4, column: 7, length: 3 } },
  ],
  body: [
    when({ kind: "all", of: [{ kind: "any", of: [isNumber(clone), isNumber(vfork), isNumber(clone3)] }] }, [
      when({ kind: "compare", operator: "less-or-equal-unsigned", left: constant(3n), right: input("alive") }, [
        returnVerdict(1),
      ]),
    ]),
    returnVerdict(0),
  ],
});

for (const [name, make] of Object.entries(evaluators)) {
  describe(`a simulated tree over ${name}`, () => {
    const grow = (program: Program, options?: TreeOptions) => new SimulatedTree(make(program), options);
    const number = Number(getpid);

    test("state is a thread's, a process's, or the tree's, and children begin as declared", () => {
      const tree = grow(counting);
      const { command } = tree;
      const counts = (task = command) => task.call({ number }).reports[0]!.values;
      expect(counts()).toEqual({
        ...{ thread: 1n, process: 1n, fresh: 1n, tree: 1n },
        ...{ pid: 1000n, tid: 1000n, uid: 1000n, alive: 1n },
      });
      const thread = command.thread();
      expect(counts(thread)).toMatchObject({ thread: 1n, process: 3n, tree: 3n, pid: 1000n, tid: 1001n, alive: 1n });
      const child = thread.fork();
      // The copies are of the forking thread at the judgement, with the count of this call.
      expect(counts(child)).toMatchObject({ thread: 3n, process: 5n, fresh: 1n, tree: 5n, pid: 1002n, alive: 2n });
      expect(counts()).toMatchObject({ thread: 3n, process: 5n, tree: 6n });
    });

    test("a child has the state of its parent at the judgement, not at its birth", () => {
      const { command } = grow(counting);
      const { birth } = command.call({ number: Number(clone), arguments: [17n] });
      command.call({ number });
      const child = birth!.process(77);
      expect(child.call({ number }).reports[0]!.values).toMatchObject({ process: 2n, pid: 77n, tid: 77n });
      expect(() => birth!.fail()).toThrow("already been given");
    });

    test("forks in flight count as alive until they happen or fail", () => {
      const tree = grow(children);
      const { command } = tree;
      const call = { number: Number(vfork) };
      const first = command.call(call).birth!;
      const second = command.call(call).birth!;
      expect(tree.alive).toBe(3n);
      expect(command.call(call)).toMatchObject({
        verdict: "deny EAGAIN",
        passes: false,
        birth: undefined,
        reason: "enough",
        rule: "test.ts:4:7",
      });
      second.fail();
      expect(tree.alive).toBe(2n);
      const child = first.process();
      expect(tree.alive).toBe(2n);
      const grandchild = child.fork("vfork");
      expect(() => grandchild.fork()).toThrow(RefusedError);
      expect(() => grandchild.fork()).toThrow("clone is not allowed: deny EAGAIN (enough, test.ts:4:7)");
      grandchild.exit();
      expect(tree.alive).toBe(2n);
      expect(child.thread().pid).toBe(child.pid);
      expect(tree.alive).toBe(2n);
      child.exitGroup();
      expect(tree.alive).toBe(1n);
      expect(tree.livingTasks).toEqual([command]);
    });

    test("a fork in flight fails with its parent", () => {
      const tree = grow(children);
      const child = tree.command.fork();
      child.call({ number: Number(vfork) });
      expect(tree.alive).toBe(3n);
      child.exit();
      expect(tree.alive).toBe(1n);
      expect(() => child.call({ number })).toThrow("has ended");
    });

    test("clone makes a thread or a process by its flags; clone3 may make either", () => {
      const { command } = grow(counting);
      const kind = (call: bigint, flags: bigint, unknown?: bigint) =>
        command.call({ number: Number(call), arguments: [flags] }, unknown === undefined ? {} : { unknown: [unknown] })
          .birth?.kind;
      expect(kind(clone, 17n)).toBe("process");
      expect(kind(clone, 0x1_0000n)).toBe("thread");
      expect(kind(clone, 0x1_0000n, 0x1_0000n)).toBe("either");
      expect(kind(clone, 0n, 0xffff_ffff_0000_0000n)).toBe("process");
      expect(kind(vfork, 0x1_0000n)).toBe("process");
      expect(kind(clone3, 0n)).toBe("either");
      expect(kind(execve, 0n)).toBe(undefined);
    });

    test("after an exec by a thread other than the leader, it is the leader, with its state unchanged", () => {
      const tree = grow(counting);
      const { command } = tree;
      const other = command.thread();
      const third = command.thread();
      other.call({ number });
      other.execute();
      expect([other.tid, other.pid, command.alive, third.alive]).toEqual([1000, 1000, false, false]);
      expect(other.process.tasks).toEqual([other]);
      expect(tree.task(1000)).toBe(other);
      expect(tree.task(1001)).toBe(undefined);
      expect(other.call({ number }).reports[0]!.values).toMatchObject({ thread: 2n, process: 4n, tid: 1000n });
    });

    test("a process whose leader ended stays alive, with the same number", () => {
      const tree = grow(counting, { pid: 5, highestPid: 8 });
      const { command } = tree;
      const thread = command.thread();
      command.exit();
      expect([tree.alive, thread.pid, thread.tid]).toEqual([1n, 5, 6]);
      expect(thread.fork().pid).toBe(7);
      expect(thread.fork().pid).toBe(8);
      expect(() => thread.fork()).toThrow("all process numbers from 5 to 8 are in use");
    });

    test("a reused number has fresh state", () => {
      const tree = grow(counting, { pid: 5, highestPid: 6 });
      const { command } = tree;
      for (let round = 0; round < 3; round++) {
        const child = command.fork();
        expect(child.pid).toBe(6);
        expect(child.call({ number }).reports[0]!.values).toMatchObject({ fresh: 1n });
        child.exit();
      }
    });

    test("before the policy: foreign ABIs, unknown numbers, and calls that are always allowed", () => {
      const { command } = grow({
        ...counting,
        admission: { always: [{ from: 60n, to: 60n }], judged: [{ from: 39n, to: 39n }] },
      });
      const verdict = (number: number, architecture?: number) => {
        const decision = command.call(architecture === undefined ? { number } : { number, architecture });
        return [decision.verdict, decision.admission];
      };
      expect(verdict(39, 0x4000_0003)).toEqual(["deny ENOSYS", "foreign"]);
      expect(verdict(39 + 0x4000_0000)).toEqual(["deny ENOSYS", "foreign"]);
      expect(verdict(-1)).toEqual(["deny ENOSYS", "unknown"]);
      expect(verdict(60)).toEqual(["allow", "always"]);
      expect(verdict(61)).toEqual(["deny ENOSYS", "unknown"]);
      expect(command.call({ number: 39 }).reports[0]!.values).toMatchObject({ tree: 1n });
    });

    test("the clock only goes forward, and ids are a thread's own", () => {
      const tree = grow(counting, { now: 10n, uid: 33 });
      tree.advance(5n);
      expect(tree.now).toBe(15n);
      expect(() => tree.advanceTo(14n)).toThrow("monotonic");
      expect(() => tree.advance(1n << 63n)).toThrow(RangeError);
      const { command } = tree;
      const child = command.fork();
      command.uid = 0;
      expect(child.call({ number }).reports[0]!.values).toMatchObject({ uid: 33n });
      expect(command.call({ number }).reports[0]!.values).toMatchObject({ uid: 0n });
    });

    test("phases before and after each call, and those that were never entered", () => {
      const at = { file: 0, line: 3, column: 15, length: 5 };
      const tree = grow(
        programOf({
          cells: [
            {
              name: "phase",
              scope: "process",
              kind: { is: "phases", names: ["starting", "serving", "worker", "never"] },
              initial: 0n,
              onFork: { map: [0, 2, 2, 3] },
              at,
            },
          ],
          body: [when(isNumber(1n), [{ kind: "store", cell: 0, value: constant(1n) }]), returnVerdict(0)],
        }),
      );
      const { command } = tree;
      expect(command.call({ number: 1 }).phases).toEqual({
        before: { phase: "starting" },
        after: { phase: "serving" },
      });
      expect(tree.neverEntered.map(({ phase }) => phase)).toEqual(["worker", "never"]);
      command.fork();
      expect(tree.neverEntered).toEqual([{ phases: "phase", phase: "never", at }]);
    });

    describe("with bits of a call unknown", () => {
      const upper = 0xffff_ffff_0000_0000n;
      const low32: IntegerExpression = { kind: "extend", width: 32, signed: true, value: argument(0) };
      const equals = (left: IntegerExpression, right: bigint): BooleanExpression => ({
        kind: "compare",
        operator: "equal",
        left,
        right: constant(right),
      });

      test("a verdict that does not depend on them is known, one that does is not", () => {
        const { command } = grow(
          programOf({
            body: [
              when(equals(low32, 2n), [returnVerdict(2)]),
              when(equals(argument(0), 3n), [returnVerdict(3)]),
              returnVerdict(0),
            ],
          }),
        );
        const verdict = (value: bigint) => command.call({ number, arguments: [value] }, { unknown: [upper] }).verdict;
        expect(verdict(2n)).toBe("deny EPERM");
        expect(verdict(3n)).toBe("unknown");
        expect(verdict(4n)).toBe("allow");
        const decision = command.call({ number, arguments: [3n] }, { unknown: [upper] });
        expect(decision).toMatchObject({ possible: [0, 3], passes: undefined, effectsKnown: true, action: "unknown" });
      });

      test("calls have one decision if the policy reads none of their arguments, and theirs is known", () => {
        const reads = when(isNumber(1n), [when(equals(argument(0), 3n), [returnVerdict(2)])]);
        const { command } = grow(programOf({ body: [reads, returnVerdict(0)] }));
        const judge = (of: number, value: bigint) =>
          command.call({ number: of, arguments: [value], content: {} }, { unknown: [0n, upper] });
        expect(judge(3, 3n)).toBe(judge(3, 4n));
        expect([judge(1, 3n), judge(1, 4n)]).toMatchObject([{ verdict: "deny EPERM" }, { verdict: "allow" }]);
        const all = { unknown: [~0n] };
        expect(command.call({ number: 3 }, all).verdict).toBe("allow");
        expect(command.call({ number: 1 }, all).verdict).toBe("unknown");
        const foreign = { number: 3, architecture: 1, content: {} };
        expect(command.call(foreign).admission).not.toBe("judged");
        expect(judge(3, 5n).admission).toBe("judged");
      });

      test("state stays known if they do not decide about it, and uncertainty spreads no further than necessary", () => {
        const tree = grow(
          programOf({
            cells: [
              { name: "calls", scope: "process", kind: { is: "counter" }, initial: 0n, onFork: "copy", at: undefined },
              { name: "seen", scope: "process", kind: { is: "flag" }, initial: 0n, onFork: "copy", at: undefined },
            ],
            body: [
              {
                kind: "store",
                cell: 0,
                value: { kind: "binary", operator: "add", left: { kind: "cell", cell: 0 }, right: constant(1n) },
              },
              when(equals(argument(0), 3n), [{ kind: "store", cell: 1, value: constant(1n) }]),
              when(equals({ kind: "cell", cell: 1 }, 1n), [returnVerdict(2)]),
              when(equals({ kind: "cell", cell: 0 }, 4n), [returnVerdict(3)]),
              returnVerdict(0),
            ],
          }),
        );
        const { command } = tree;
        const judge = (task: typeof command, value: bigint, unknown: bigint) => {
          const { verdict, effectsKnown } = task.call({ number, arguments: [value] }, { unknown: [unknown] });
          return [verdict, effectsKnown];
        };
        expect(judge(command, 2n, upper)).toEqual(["allow", true]);
        const child = command.make("process");
        expect(judge(command, 3n, upper)).toEqual(["unknown", false]);
        // The child was forked before, so its state is its own.
        expect(judge(child, 2n, 0n)).toEqual(["allow", true]);
        expect(judge(child, 2n, 0n)).toEqual(["allow", true]);
        expect(judge(child, 2n, 0n)).toEqual(["deny EACCES", true]);
        expect(judge(command.make("process"), 2n, 0n)[0]).toBe("unknown");
        expect(judge(command, 3n, 0n)[0]).toBe("deny EPERM");
        expect(tree.state("process")).toBe(undefined);
      });
    });
  });
}

describe.each(Object.entries(evaluators))("a call that asks, with the %s", (_, evaluatorOf) => {
  /** Counts each getpid in all scopes, and asks. */
  const asking: Program = {
    ...counting,
    verdicts: [...counting.verdicts, { action: "ask", errno: 0, reason: "why", at: undefined }],
    body: [
      ...counting.body.slice(0, -1),
      { kind: "return", verdict: { kind: "verdict", verdict: counting.verdicts.length } },
    ],
  };
  const counts = (tree: SimulatedTree) =>
    (["thread", "process", "tree"] as const).map((scope) => [...tree.state(scope, tree.command)!.cells].map(Number));

  test("fails without an answer, and has no effects", () => {
    const tree = new SimulatedTree(evaluatorOf(asking));
    const before = counts(tree);
    const decision = tree.command.call({ number: Number(getpid) });
    expect(decision).toMatchObject({ verdict: "ask", passes: false, effectsKnown: true, reports: [], reason: "why" });
    expect(counts(tree)).toEqual(before);
  });

  test("passes with the answer, and has its effects", () => {
    const tree = new SimulatedTree(evaluatorOf(asking));
    const decision = tree.command.call({ number: Number(getpid) }, { allowed: true });
    expect(decision).toMatchObject({ verdict: "ask", passes: true });
    expect(decision.reports).toHaveLength(1);
    expect(counts(tree)).not.toEqual(counts(new SimulatedTree(evaluatorOf(asking))));
  });

  test("has no effects either if unknown bits do not decide about the verdict", () => {
    const tree = new SimulatedTree(evaluatorOf(asking));
    const decision = tree.command.call({ number: Number(getpid) }, { unknown: [1n] });
    expect(decision).toMatchObject({ verdict: "ask", passes: false, effectsKnown: true, reports: [] });
    expect(counts(tree)).toEqual(counts(new SimulatedTree(evaluatorOf(asking))));
  });
});
