/**
 * Tests callers that lose their ids, or end, while their calls are followed: a thread that executes a program, whose former
 * id another task gets; a leader that another thread's execution ends; a child that is killed before its first stop. And
 * the calls that portcullis's own stops interrupt.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { pidNamespace } from "../support/processes.ts";
import { prepare, run, users, victim } from "./run.ts";

beforeAll(prepare);

const again = "Resource temporarily unavailable";
const root = process.getuid?.() === 0;

describe("a thread whose former id another process's thread gets while it executes a program", () => {
  test.for(["thread-copied", "process-copied"])("keeps the state of the policy %s", (program, context) => {
    if (!root) context.skip("only root can make a pid namespace");
    const { out, error, status } = run({ program, within: pidNamespace }, victim("moved_ids"), "execution");
    expect({ out, error, status }).toEqual({ out: "execution: 0 lost\n", error: "", status: 0 });
  });

  test("keeps its state without the descriptors of newer kernels", (context) => {
    if (!root) context.skip("only root can make a pid namespace");
    const settings = { program: "thread-copied", kernel: "oldest", within: pidNamespace } as const;
    const { out, error, status } = run(settings, victim("moved_ids"), "execution");
    expect({ out, error, status }).toEqual({ out: "execution: 0 lost\n", error: "", status: 0 });
  });
});

for (const { name, uid } of users) {
  const says = (program: string, which: string) => {
    const { out, error, status, events } = run({ program, uid }, victim("moved_ids"), which);
    return { out, error, status, events };
  };

  describe(`as ${name}`, () => {
    // Without the wait, about one in 500 gets the leader's registers, is killed, or waits for an answer for ever.
    test("a program that has got the id of a leader in a stop is not changed", () => {
      const { out, error, status, events } = run({ program: "paths", uid }, victim("replaced"), "1500");
      expect({ out, error, status, events }).toEqual({ out: "0 changed\n", error: "", status: 0, events: [] });
    });

    test("a leader goes on when the execution of another thread has failed", () => {
      const { out, error, status, events } = run({ program: "paths", uid }, victim("replaced"), "fails");
      expect({ out, error, status, events }).toEqual({ out: "opened\n", error: "", status: 0, events: [] });
    });

    // Its child would be killed as one whose parent is not known.
    test("a child whose parent another thread's execution ends lives", () => {
      const expected = { out: "leader-forks: done\n", error: "", status: 0, events: [] };
      expect(says("most-20", "leader-forks")).toEqual(expected);
    });

    // Its id can be another process's by the time its parent names it.
    test("a child that is killed before its first stop is not killed again", () => {
      const { out, error, status, events } = says("most-20", "killed");
      expect({ out, error, status }).toEqual({ out: "killed: done\n", error: "", status: 0 });
      // On a busy machine 20 can be alive at once, and forks are denied.
      expect(events.filter(({ kind, dropped }) => kind === "notice" && dropped === undefined)).toEqual([]);
    });

    test("a call that waits is not ended by a stop of portcullis's, and is by a handler", () => {
      const lines = ["epoll_wait: 0 -", ...["sigtimedwait", "semtimedop", "recv"].map((one) => `${one}: -1 ${again}`)];
      const out = [...lines, "handlers: done", ""].join("\n");
      expect(says("most-20", "calls")).toEqual({ out, error: "", status: 0, events: [] });
    });
  });
}
