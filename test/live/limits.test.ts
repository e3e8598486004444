/** The confined tree sets the supervisor's resource limits to 0: kills are still carried out, and no process hangs. */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { Conversation, prepare, run, users, victim } from "./run.ts";

beforeAll(prepare);

const limits = victim("limits");
const ask = victim("ask");

for (const { name, uid } of users) {
  const same = uid === undefined ? [] : ["--reuid", `${uid}`, "--regid", `${uid}`, "--clear-groups"];

  for (const kernel of ["present", "oldest"] as const) {
    describe(`without file descriptors, as ${name}, with the features of the ${kernel} kernel`, () => {
      test("a stateful kill kills, the run ends, and lost events are reported", () => {
        const { out, status, events } = run({ program: "stateful-kill", uid, kernel }, limits, "nofile");
        expect({ out, status }).toEqual({ out: "call allowed\ncall allowed\n", status: 137 });
        expect(events.filter(({ kind }) => kind === "judgement")).toMatchObject([{ verdict: 5 }]);
        expect(events.filter(({ kind }) => kind === "judgement")[0]).not.toHaveProperty("notKilled");
        expect(events.filter(({ kind }) => kind === "notice")).toMatchObject([
          { text: expect.stringContaining("no file descriptor left") },
        ]);
      });

      test("calls of known tasks are judged", () => {
        const { out, status } = run({ program: "process-fresh", uid, kernel }, limits, "nofile");
        expect({ out, status }).toEqual({ out: "call allowed\n".repeat(6), status: 0 });
      });

      test("calls of unknown tasks are denied, and the event gives the reason", () => {
        const script = `${limits} nofile; ${ask} thrice; exit 7`;
        const { out, status, events } = run({ program: "process-fresh", uid, kernel }, "sh", "-c", script);
        expect(out).toBe("call allowed\n".repeat(6) + "call errno 1\n".repeat(3));
        expect(status).toBe(7);
        expect(events).toContainEqual(expect.objectContaining({ verdict: "no-descriptors" }));
      });

      test("a child that cannot be followed is ended, with an event", () => {
        const script = `${limits} nofile; ${ask} thrice; exit 7`;
        const { out, status, events } = run({ program: "process-copied", uid, kernel }, "sh", "-c", script);
        expect({ out, status }).toEqual({ out: "call allowed\n".repeat(6), status: 7 });
        expect(events).toContainEqual(
          expect.objectContaining({ kind: "notice", text: expect.stringContaining("was killed: no file descriptors") }),
        );
      });
    });
  }

  // An older kernel does not notify the supervisor of a thread's end.
  test.for(["present", "oldest"] as const)(
    `threads that have ended need no descriptors, as ${name}: %s`,
    async (kernel, context) => {
      if (process.getuid?.() !== 0) context.skip("needs root, to look into portcullis, which is not dumpable");
      const one = new Conversation({ program: "thread-fresh", uid, kernel }, victim("threads"), "1000", "200");
      try {
        const open = () => readdirSync(`/proc/${one.supervisor}/fd`).map(Number);
        expect(await one.line()).toBe("begin");
        const before = open().length;
        one.write("");
        expect(await one.line()).toBe("refused 0");
        const after = open();
        // 64, and some of the supervisor's other threads.
        expect(after.length).toBeLessThan(before + 100);
        const limit = Math.max(...after) + 20;
        execFileSync("setpriv", [...same, "prlimit", "--pid", `${one.supervisor}`, `--nofile=${limit}:${limit}`]);
        one.write("");
        expect(await one.line()).toBe("refused 0");
        one.end();
        expect(await one.ended).toEqual({ status: 0, signal: null });
      } finally {
        one.close();
      }
    },
  );

  // The tree cannot do this itself (native/launcher/shield.c); any other process of the user can.
  test(`the launcher without file descriptors ends the tree, as ${name}`, async () => {
    const one = new Conversation({ program: "first-thousand", uid, killTree: true }, limits, "daemon");
    const launcher = await one.line();
    execFileSync("setpriv", [...same, "prlimit", "--pid", launcher!, "--nofile=0"]);
    one.write("");
    expect(await one.ended).toEqual({ status: 0, signal: null });
    one.close();
  });

  // The command can lower the limit before portcullis has received the listener, or while the supervisor's thread starts.
  test(`a command that takes the descriptors at once is not reported as one that was not started, as ${name}`, () => {
    for (const program of ["stateful-kill", "static-deny"])
      for (let attempt = 0; attempt < 8; attempt++) {
        const { out, error, status, events } = run({ program, uid }, limits, "early", "nofile");
        expect({ error, out }).toEqual({
          error: "",
          out: expect.stringMatching(/^(call (allowed|errno (33|38))\n)+$/),
        });
        const isKilled = events.some((one) => one["kind"] === "judgement" && one["verdict"] === 5);
        expect(status).toBe(isKilled ? 137 : 0);
        const failure = expect.objectContaining({ text: expect.stringMatching(/^the supervisor failed/) });
        if (out.includes("errno 38")) expect(events).toContainEqual(failure);
      }
  });

  // These attacks are no stronger than SIGKILL: calls are judged, or denied.
  describe(`the policy is enforced and no process hangs, as ${name}, with an exhausted limit`, () => {
    test.each(["nofile", "as", "nproc", "cpu", "data", "sigpending"])("%s", (resource) => {
      for (const when of [[], ["early"]]) {
        const { out } = run({ program: "stateful-kill", uid }, limits, ...when, resource);
        expect(out.replace(/^(call allowed\n){0,2}/, "")).toMatch(/^(call errno 38\n)*$/);
        const denied = run({ program: "static-deny", uid }, limits, ...when, resource);
        expect(denied.out).toMatch(/^(call errno (33|38)\n){5,6}$/);
      }
    });
  });
}
