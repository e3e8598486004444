/** Tests the verdicts, exit statuses and events of the filter, the launcher and the supervisor together. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { front, prepare, run, supervisor, users, victim } from "./run.ts";

beforeAll(prepare);

const ask = victim("ask");
const verdicts = (events: readonly Record<string, unknown>[]) => events.map(({ verdict }) => verdict);

for (const { name, uid } of users) {
  describe(`exit status, as ${name}`, () => {
    test.each([
      ["its own", ["sh", "-c", "exit 7"], 7],
      ["0", ["true"], 0],
      ["128 and the signal's number", ["sh", "-c", "kill -TERM $$"], 143],
      ["127 for a command that is not found", ["no-such-command"], 127],
      ["127 for a path that is not there", ["/no/such/file"], 127],
      ["126 for a folder", ["/usr"], 126],
      ["126 for a file that is not executable", ["/etc/passwd"], 126],
    ])("is %s", (_, command, status) => {
      expect(run({ program: "allow-all", uid }, ...command).status).toBe(status);
    });

    test("is 127 also if a folder of PATH may not be searched", () => {
      const folder = mkdtempSync(join(tmpdir(), "portcullis-live-"));
      const path = process.env["PATH"];
      process.env["PATH"] = `${folder}:${path}`;
      try {
        expect(run({ program: "allow-all", uid }, "no-such-command").status).toBe(127);
      } finally {
        process.env["PATH"] = path;
        rmSync(folder, { recursive: true });
      }
    });

    test("is 126 for a file that the kernel cannot execute, 127 if the interpreter is missing", () => {
      const folder = mkdtempSync(join(tmpdir(), "portcullis-live-"));
      try {
        writeFileSync(join(folder, "nonsense"), "no program\n", { mode: 0o755 });
        writeFileSync(join(folder, "script"), "#!/no/such/interpreter\n", { mode: 0o755 });
        expect(run({ program: "allow-all" }, join(folder, "nonsense")).status).toBe(126);
        expect(run({ program: "allow-all" }, join(folder, "script")).status).toBe(127);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });

  test(`a call without a path has no words of an earlier call's path, as ${name}`, () => {
    const opens = `try { require("fs").openSync("forbidden"); } catch ({ errno }) { console.log(errno, process.ppid > 0); }`;
    const { out } = run({ program: "paths-elsewhere", uid }, process.execPath, "-e", opens);
    expect(out).toBe("-33 true\n");
  });

  describe(`a static verdict, as ${name}`, () => {
    test("deny: its errno, and an event", () => {
      const { out, events } = run({ program: "static-deny", uid }, ask, "thrice");
      expect(out).toBe("call errno 33\ncall errno 33\ncall errno 33\n");
      expect(verdicts(events)).toEqual([2, 2, 2]);
      expect(events[0]).toMatchObject({ kind: "judgement", command: "ask", number: 110, audit: false });
      expect(events[0]!["pid"]).toBe(events[0]!["tid"]);
    });

    test("deny, quietly: its errno and no event", () => {
      const { out, events } = run({ program: "static-deny", mode: "quiet", uid }, ask, "thrice");
      expect(out).toBe("call errno 33\ncall errno 33\ncall errno 33\n");
      expect(events).toEqual([]);
    });

    test("log: passes, with an event", () => {
      const { out, events } = run({ program: "static-log", uid }, ask, "thrice");
      expect(out).toBe("call allowed\ncall allowed\ncall allowed\n");
      expect(verdicts(events)).toEqual([1, 1, 1]);
    });

    test.each(["static-kill", "static-kill-thread", "static-trap"])("%s: SIGSYS, from the kernel", (program) => {
      const { status, out, events } = run({ program, uid }, ask, "thrice");
      expect({ status, out }).toEqual({ status: 159, out: "" });
      expect(events).toMatchObject([{ kind: "end", status: 159, isKilled: true }]);
      expect(events[0]!["text"]).toContain(
        program === "static-trap" ? "static trap" : "with --kill-events the supervisor kills instead",
      );
    });

    test("a kill of a shell's child: the event has only the shell's status", () => {
      const { status, events } = run({ program: "kill-sync", uid }, "sh", "-c", "sync; exit $?");
      expect(status).toBe(159);
      expect(events).toMatchObject([{ kind: "end", status: 159, isKilled: false }]);
    });

    test.each(["static-deny", "static-kill", "static-trap"])("%s, audited: passes, with an event", (program) => {
      const { out, status, events } = run({ program, mode: "audit", uid }, ask, "thrice");
      expect({ out, status }).toEqual({ out: "call allowed\ncall allowed\ncall allowed\n", status: 0 });
      expect(events.map(({ audit }) => audit)).toEqual([true, true, true]);
    });
  });

  describe(`a static kill that the supervisor carries out, as ${name}`, () => {
    const killEvents = true;

    test.each([
      ["static-kill", 4],
      ["static-kill-thread", 5],
    ])("%s: SIGKILL, and an event that names the rule", (program, verdict) => {
      for (const mode of ["reported", "quiet"] as const) {
        const { status, out, events } = run({ program, mode, killEvents, uid }, ask, "thrice");
        expect({ status, out }).toEqual({ status: 137, out: "" });
        expect(events).toMatchObject([{ kind: "judgement", command: "ask", number: 110, verdict, audit: false }]);
      }
    });

    test("audited, passes", () => {
      const { status, out, events } = run({ program: "static-kill", mode: "audit", killEvents, uid }, ask, "thrice");
      expect({ status, out }).toEqual({ status: 0, out: "call allowed\ncall allowed\ncall allowed\n" });
      expect(verdicts(events)).toEqual([4, 4, 4]);
    });

    test("a grandchild is killed, and the event names it", () => {
      const marker = join(tmpdir(), `portcullis-killed-${process.pid}-${uid ?? "root"}`);
      const { status, out, events } = run({ program: "static-kill", killEvents, uid }, ask, "daemon", marker);
      rmSync(marker, { force: true });
      expect({ status, out }).toEqual({ status: 5, out: "" });
      expect(verdicts(events)).toEqual([4]);
    });

    test("the call does not pass if a signal interrupts it", () => {
      for (const storm of ["storm", "storm-restarted"])
        expect(run({ program: "static-kill", killEvents, uid }, ask, storm)).toMatchObject({ status: 137, out: "" });
    });

    test("the kernel carries out a trap", () => {
      expect(run({ program: "static-trap", killEvents, uid }, ask, "thrice")).toMatchObject({ status: 159, out: "" });
    });

    test("the kernel kills if another supervisor has a listener", () => {
      const options = JSON.stringify({ program: "static-kill", killEvents, supervisor });
      const inner = [...front(), options, ask, "thrice"];
      expect(run({ program: "allow-all", uid }, ...inner)).toMatchObject({ status: 159, out: "" });
    });
  });

  describe(`a verdict that depends on state, as ${name}`, () => {
    test("kill(thread) ends the process with SIGKILL, and the event names the rule", () => {
      const { out, status, events } = run({ program: "stateful-kill", uid }, ask, "thrice");
      expect({ out, status }).toEqual({ out: "call allowed\ncall allowed\n", status: 137 });
      expect(verdicts(events)).toEqual([5]);
    });

    test("audited, it is only an event", () => {
      const { out, status, events } = run({ program: "stateful-kill", mode: "audit", uid }, ask, "thrice");
      expect({ out, status }).toEqual({ out: "call allowed\ncall allowed\ncall allowed\n", status: 0 });
      expect(verdicts(events)).toEqual([5]);
    });

    test("a report of an allowed call is an event", () => {
      const { events } = run({ program: "reports", uid }, ask, "number", "110");
      expect(events).toMatchObject([{ verdict: 0, reports: [{ report: 0, values: ["18446744073709551615"] }] }]);
    });

    test("a call that a signal interrupts is allowed, denied or EINTR, and never more pass than may", () => {
      const asked = "storm: no more allowed than may be, some denied, 0 other, as asked\n".replace(
        "some denied",
        "denied",
      );
      expect(run({ program: "first-thousand", uid }, ask, "storm").out).toBe(asked);
      expect(run({ program: "first-thousand", uid }, ask, "storm-restarted").out).toBe(asked);
    });
  });

  describe(`the launcher's execve, as ${name}`, () => {
    test("passes, but neither an execve without a token nor one with a guessed token does", () => {
      const { out, events } = run({ program: "exec-once", uid }, ask, "guess");
      expect(out).toBe(["guess", "guess", "guess", "plain", "at"].map((what) => `${what} errno 33\n`).join(""));
      expect(verdicts(events)).toEqual([2, 2, 2, 2, 2]);
    });
  });

  describe(`refused before any policy, as ${name}`, () => {
    const refused = (...numbers: readonly string[]) => run({ program: "allow-all", uid }, ask, "number", ...numbers);

    test("io_uring, and undefined numbers", () => {
      const { out, events } = refused("425", "426", "427", "400", "5000");
      expect(out).toBe(["425", "426", "427", "400", "5000"].map((one) => `${one} errno 38\n`).join(""));
      expect(new Set(verdicts(events))).toEqual(new Set(["unknown-call"]));
    });

    test.skipIf(process.arch !== "x64")("x32 calls", () => {
      const { out, events } = refused("0x40000027");
      expect(out).toBe("0x40000027 errno 38\n");
      expect(verdicts(events)).toEqual(["foreign-abi"]);
    });

    test.skipIf(process.arch !== "x64")("i386 calls", (context) => {
      const bare = run({ program: "allow-all", mode: "quiet", uid }, ask, "int80");
      if (bare.status === 139) context.skip("this kernel has no i386 support");
      expect(bare.out).toBe("int80 errno 38\n");
      const { out, events } = run({ program: "allow-all", uid }, ask, "int80");
      expect(out).toBe("int80 errno 38\n");
      expect(verdicts(events)).toEqual(["foreign-abi"]);
      expect(events[0]).toMatchObject({ architecture: 0x4000_0003, number: 20 });
    });

    test("clone3 if processes are followed, without an event", () => {
      for (const program of ["most-20", "process-copied"]) {
        const { out, events } = run({ program, uid }, ask, "number", "435", "435");
        expect({ out, events }).toEqual({ out: "435 errno 38\n435 errno 38\n", events: [] });
      }
    });

    test("also under audit", () => {
      const { out } = run({ program: "allow-all", mode: "audit", uid }, ask, "number", "425", "0x40000027");
      expect(out).toBe("425 errno 38\n0x40000027 errno 38\n");
    });
  });

  describe(`a second supervisor, as ${name}`, () => {
    const nested = (program: string, command: readonly string[]) => {
      const options = JSON.stringify({ program, supervisor });
      const inner = [...front(), options, ...command];
      return run({ program: "allow-all", uid }, ...inner);
    };

    test("is not needed if no call needs state: denials are enforced without events", () => {
      const { out, status, events } = nested("static-deny", [ask, "thrice"]);
      expect({ out, status }).toEqual({ out: "call errno 33\ncall errno 33\ncall errno 33\n", status: 0 });
      // Node 22 and later try io_uring, in the inner portcullis.
      expect(verdicts(events).filter((verdict) => verdict !== "unknown-call")).toEqual([]);
    });

    test("prevents the start of a stateful policy", () => {
      const { out, status, error } = nested("first-thousand", [ask, "thrice"]);
      expect({ out, status }).toEqual({ out: "", status: 125 });
      expect(error).toContain("another supervisor");
    });
  });

  describe(`the caller, as ${name}`, () => {
    test("the leader is distinguished from other threads", () => {
      expect(run({ program: "leaders", uid }, ask, "thrice").out).toBe("call allowed\ncall allowed\ncall allowed\n");
    });
  });
}

describe("credentials", () => {
  test("are those at the time of the evaluation: a change of user has immediate effect", (context) => {
    if (process.getuid?.() !== 0) context.skip("only root can change its user");
    expect(run({ program: "credentials" }, ask, "setuid").out).toBe("before errno 33\nafter allowed\n");
  });
});
