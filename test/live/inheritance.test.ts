/**
 * Tests the initial state of processes and threads on the running kernel: forks before and after a change, reused ids.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { pidNamespace } from "../support/processes.ts";
import { firstReader } from "./programs.ts";
import { prepare, run, users, victim } from "./run.ts";

beforeAll(prepare);

const root = process.getuid?.() === 0;
const onlyRoot = "only root can make a pid namespace and choose the next id in it";

for (const { name, uid } of users) {
  const tally = (program: string, ...words: readonly string[]) => {
    const { out, error, status } = run({ program, uid }, victim("tally"), ...words);
    return { out: out.trim(), error, status };
  };
  const says = (out: string) => ({ out, error: "", status: 0 });

  describe(`state of a process, as ${name}`, () => {
    // The first child starts with 2, the second, after one more, with 3; the parent's own is 4 at the end.
    test.each(["fork", "clone", "clone-silent", "vfork", "clone-vm", "clone-parent"])("%s copies it", (how) => {
      expect(tally("process-copied", how)).toEqual(says(`${how}: 2 3 3 4 4`));
    });

    test.each(["fork", "vfork", "clone-parent"])("%s leaves it fresh if it is declared fresh", (how) => {
      expect(tally("process-fresh", how)).toEqual(says(`${how}: 0 1 0 1 4`));
    });

    test.each(["fork", "vfork", "clone-parent"])("%s shares the tree's", (how) => {
      expect(tally("tree", how)).toEqual(says(`${how}: 2 3 4 5 6`));
    });

    test("children that exit at once, with SIGCHLD ignored, have no effect", () => {
      expect(tally("process-copied", "dies-at-once")).toEqual(says("dies-at-once: 1 2 1 0"));
    });

    // The kernel restarts a fork that is interrupted before it begins.
    test("a clone3 with a pinned structure is judged once if the supervisor interrupts it", () => {
      const settings = { program: "counted-clone3", uid, interruptsForks: true };
      const { out, error, status } = run(settings, victim("tally"), "many-clone3", "30");
      expect({ out, error, status }).toEqual({ out: "many-clone3: 30 made, tally 30\n", error: "", status: 0 });
    });

    test("a thread's fork copies its process's state", () => {
      expect(tally("process-copied", "from-thread")).toEqual(says("from-thread: 4 4 5 4"));
    });

    test("a failed fork has no effect", () => {
      expect(tally("process-copied", "clone-wrong")).toEqual(says("clone-wrong: -22 0"));
    });

    test("a child that cannot be traced is denied, and an event gives the reason", () => {
      const { out, events } = run({ program: "process-copied", uid }, victim("tally"), "clone-untraced");
      expect(out).toBe("clone-untraced: -1\n");
      expect(events).toMatchObject([{ verdict: "unseen-child", obstacle: { why: "untraced-flag" } }]);
    });

    test("a fork of a task with another tracer is denied, and an event names the tracer", () => {
      const { out, events } = run({ program: "process-copied", uid }, victim("tally"), "traced");
      expect(out).toBe("traced: -1 0\n");
      expect(events).toMatchObject([{ verdict: "unseen-child", obstacle: { why: "traced", command: "tally" } }]);
      const [{ obstacle, pid }] = events as [{ obstacle: { by: number }; pid: number }];
      expect(obstacle.by).not.toBe(pid);
    });

    test("audited, a fork that cannot be followed passes with an event, and its child starts fresh", () => {
      const { out, events } = run({ program: "process-copied", mode: "audit", uid }, victim("tally"), "untraced");
      expect(out).toBe("untraced: made\n");
      expect(events).toMatchObject([
        { verdict: "unseen-child", obstacle: { why: "untraced-flag" }, audit: true },
        { kind: "judgement", number: 111, verdict: firstReader, audit: true },
      ]);
    });

    test("a fork of a process that is not dumpable is denied without CAP_SYS_PTRACE, and an event gives the reason", () => {
      const { out, events } = run({ program: "process-copied", uid }, victim("tally"), "undumpable");
      if (uid === undefined && process.getuid?.() === 0) {
        expect({ out, events }).toEqual({ out: "undumpable: made\n", events: [] });
        return;
      }
      expect(out).toBe("undumpable: Operation not permitted\n");
      expect(events).toMatchObject([{ verdict: "unseen-child", obstacle: { why: "not-dumpable" } }]);
    });

    test("forks under a storm of signals are followed exactly", () => {
      expect(tally("process-copied", "signal-storm")).toEqual(says("signal-storm: 0 wrong, some made"));
    });

    test("three hundred consecutive processes each start with fresh state", () => {
      expect(tally("process-fresh", "many-in-turn", "300")).toEqual(says("many-in-turn: 0"));
    });
  });

  describe(`state of a thread, as ${name}`, () => {
    test.each(["fork", "clone", "vfork", "clone-parent"])("%s copies the forking thread's", (how) => {
      expect(tally("thread-copied", how)).toEqual(says(`${how}: 2 3 3 4 4`));
    });

    test("a new thread's is fresh, and its child copies it", () => {
      expect(tally("thread-copied", "from-thread")).toEqual(says("from-thread: 1 1 2 3"));
    });

    test("a thread that executes a program has its former state, not the leader's", () => {
      expect(tally("thread-copied", "exec-from-thread")).toEqual(says("tell: 1"));
      expect(tally("thread-fresh", "exec-from-thread")).toEqual(says("tell: 1"));
    });

    test("a failed execve changes nothing", () => {
      expect(tally("thread-copied", "exec-fails-in-thread")).toEqual(says("exec-failed: 1 3"));
    });
  });

  test(`a hundred threads together get exactly the limit, as ${name}`, () => {
    expect(tally("first-thousand", "hundred-threads")).toEqual(says("hundred-threads: 1000"));
  });
}

describe("without features newer than Linux 5.9", () => {
  test.each([
    ["process-copied", ["fork"], "fork: 2 3 3 4 4"],
    ["process-copied", ["from-thread"], "from-thread: 4 4 5 4"],
    ["thread-copied", ["from-thread"], "from-thread: 1 1 2 3"],
    ["thread-copied", ["exec-from-thread"], "tell: 1"],
    ["process-fresh", ["many-in-turn", "50"], "many-in-turn: 0"],
    ["first-thousand", ["hundred-threads"], "hundred-threads: 1000"],
  ])("%s, %s", (program, words, expected) => {
    expect(run({ program, kernel: "oldest" }, victim("tally"), ...words).out).toBe(`${expected}\n`);
  });

  test("thread-fresh, reused-thread", (context) => {
    if (!root) context.skip(onlyRoot);
    const settings = { program: "thread-fresh", kernel: "oldest", within: pidNamespace } as const;
    const { out } = run(settings, victim("tally"), "reused-thread");
    expect(out).toBe("reused-id: 0 2, 0 2\n");
  });
});

describe("a reused id has fresh state", () => {
  test.for([
    ["process-fresh", "reused-process"],
    ["process-copied", "reused-process"],
    ["thread-fresh", "reused-thread"],
    ["thread-copied", "reused-thread"],
  ] as const)("%s, %s", ([program, which], context) => {
    if (!root) context.skip(onlyRoot);
    const { out } = run({ program, within: pidNamespace }, victim("tally"), which);
    expect(out).toBe("reused-id: 0 2, 0 2\n");
  });
});
