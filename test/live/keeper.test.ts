/** Tests attacks of the confined tree on its supervisor, and the behaviour after the supervisor has exited. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { patience, until } from "../support/patience.ts";
import { ends, isAlive } from "../support/processes.ts";
import { number } from "./programs.ts";
import { Conversation, prepare, type RunSettings, run, users, victim } from "./run.ts";

beforeAll(prepare);

const open: Conversation[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

function converse(settings: RunSettings, ...command: readonly string[]): Conversation {
  const one = new Conversation(settings, ...command);
  open.push(one);
  return one;
}

for (const { name, uid } of users) {
  describe(`the supervisor, as ${name}`, () => {
    // A root tree with CAP_SYS_PTRACE can succeed on this engine, as documented, so it is not tested.
    if (uid !== undefined || process.getuid?.() !== 0) {
      test("cannot be reached by a tree of the same user", async () => {
        const one = converse({ program: "first-thousand", uid }, victim("attack"));
        const lines: (string | undefined)[] = [];
        for (let line = await one.line(); line !== undefined; line = await one.line()) lines.push(line);
        // After its death every supervised call is denied: ENOSYS.
        expect(lines).toEqual(["call allowed", "call allowed", "call errno 38"]);
      });
    }

    test("passes none of its descriptors to the command", () => {
      const bare = spawnSync(victim("attack"), ["descriptors"], { encoding: "utf8" }).stdout;
      const { out } = run({ program: "first-thousand", uid }, victim("attack"), "descriptors");
      const ours = new Set(bare.split("\n"));
      expect(out.split("\n").filter((one) => !ours.has(one))).toEqual([]);
    });

    test("stopped, makes calls wait; continued, responds to them", async () => {
      const one = converse({ program: "first-thousand", uid }, victim("ask"));
      expect(await one.line()).toBe("ready");
      one.write("");
      expect(await one.line()).toBe("call allowed");
      process.kill(one.supervisor, "SIGSTOP");
      await stopped(one.supervisor);
      one.write("");
      // The call blocks.
      await until("ask waits in getppid", () => descendants(one.pid).some((pid) => callOf(pid) === number.getppid));
      expect(one.hasLine).toBe(false);
      process.kill(one.supervisor, "SIGCONT");
      expect(await one.line()).toBe("call allowed");
    });

    test("killed, causes every supervised call to be denied", async () => {
      const one = converse({ program: "first-thousand", uid }, victim("ask"));
      expect(await one.line()).toBe("ready");
      one.write("");
      expect(await one.line()).toBe("call allowed");
      const { supervisor } = one;
      one.write(`after ${supervisor}`);
      process.kill(supervisor, "SIGKILL");
      expect(await one.line()).toBe("call errno 38");
      one.end();
      expect((await one.ended).status).toBe(0);
    });

    test("killed, causes calls with a supervised kill to be denied", async () => {
      const one = converse({ program: "static-kill", killEvents: true, uid }, victim("ask"));
      expect(await one.line()).toBe("ready");
      const { supervisor } = one;
      one.write(`after ${supervisor}`);
      process.kill(supervisor, "SIGKILL");
      expect(await one.line()).toBe("call errno 38");
    });

    test("continues after the front is killed, and so does the command", async () => {
      const one = converse({ program: "first-thousand", uid }, victim("ask"));
      expect(await one.line()).toBe("ready");
      one.write("");
      expect(await one.line()).toBe("call allowed");
      one.write(`after ${one.pid}`);
      one.signal("SIGKILL");
      expect(await one.line()).toBe("call allowed");
    });

    test.each(["front", "supervisor"])("killed with --die-with-parent, ends the tree: the %s", async (who) => {
      const one = converse(
        { program: "first-thousand", dieWithParent: true, uid },
        "sh",
        "-c",
        "sleep 3600 & echo $!; wait",
      );
      const child = Number(await one.line());
      expect(child).toBeGreaterThan(0);
      expect(isAlive(child)).toBe(true);
      process.kill(who === "front" ? one.pid : one.supervisor, "SIGKILL");
      await one.ended;
      await ends(child);
    });

    test("denies every call after the first internal error, and reports it", () => {
      for (const sabotage of ["step", "start"] as const) {
        const { out, status, events } = run({ program: "first-thousand", sabotage, uid }, victim("ask"), "thrice");
        expect({ out, status }).toEqual({ out: "call errno 38\ncall errno 38\ncall errno 38\n", status: 0 });
        expect(events.map(({ text }) => text)).toContainEqual(expect.stringContaining("the supervisor failed"));
      }
    });

    test("then denies also calls that the text filter has allowed before", () => {
      const words = ["open", "/", "/etc", "forbidden", "/"];
      const { out, status } = run({ program: "paths", sabotage: "second-step", uid }, victim("ask"), ...words);
      const expected = "/ allowed\n/etc allowed\nforbidden errno 38\n/ errno 38\n";
      expect({ out, status }).toEqual({ out: expected, status: 0 });
    });

    test("ends the command if the launcher is killed, and exits with its status", () => {
      const { status, out } = run(
        { program: "first-thousand", uid },
        "sh",
        "-c",
        "kill -KILL $PPID; for i in $(seq 36000); do sleep 0.1; done; echo awake",
      );
      expect({ status, out }).toEqual({ status: 137, out: "" });
    });

    test("forwards SIGTERM to the command", async () => {
      const script = "trap 'echo got it; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
      const one = converse({ program: "first-thousand", uid }, "sh", "-c", script);
      expect(await one.line()).toBe("ready");
      one.signal("SIGTERM");
      expect(await one.line()).toBe("got it");
      expect((await one.ended).status).toBe(9);
    });

    test("waits for a tree that outlives its command, and exits with the command's status", () => {
      const marker = `/tmp/portcullis-daemon-${process.pid}-${uid ?? "root"}`;
      const { status, out } = run(
        { program: "first-thousand", uid },
        "sh",
        "-c",
        `${victim("ask")} daemon ${marker}; s=$?; rm -f ${marker}; exit $s`,
      );
      expect({ status, out }).toEqual({ status: 5, out: "daemon allowed\n" });
    });

    test("ends processes that outlive the command with --kill-tree", () => {
      const script = "setsid sleep 3600 & echo $!; exit 4";
      const { status, out } = run({ program: "first-thousand", killTree: true, uid }, "sh", "-c", script);
      expect(status).toBe(4);
      expect(isAlive(Number(out))).toBe(false);
    });

    test("ends a command at its time limit, and its tree", () => {
      // If the shell is too slow, try again with a longer time limit.
      const script = "trap '' TERM; echo minds no SIGTERM; sleep 3600";
      for (let timeout = 300; ; timeout *= 2) {
        const { status, out, events } = run({ program: "first-thousand", timeout, uid }, "sh", "-c", script);
        expect(events.map(({ text }) => text)).toContain("the time limit was reached: the command is ended");
        if (out === "" && timeout < patience.command) continue;
        expect(status).toBe(137);
        break;
      }
    });

    test("ends such a command also without a supervisor", () => {
      expect(run({ program: "allow-all", timeout: 300, uid }, "sleep", "3600").status).toBe(143);
    });
  });
}

/** Waits, because a process may still run when kill(2) with a stop signal returns. */
async function stopped(pid: number): Promise<void> {
  const states = () =>
    readdirSync(`/proc/${pid}/task`).map(
      (tid) => readFileSync(`/proc/${pid}/task/${tid}/stat`, "latin1").split(") ")[1]![0],
    );
  await until(`process ${pid} stops`, () => states().every((state) => state === "T"));
}

function descendants(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((tid) =>
    readFileSync(`/proc/${pid}/task/${tid}/children`, "latin1").trim().split(" ").filter(Boolean).map(Number),
  );
  return children.flatMap((child) => [child, ...descendants(child)]);
}

/** The number of the call in which a process sleeps; undefined if it does not, or may not be inspected. */
function callOf(pid: number): number | undefined {
  try {
    const [state] = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]!;
    const call = Number.parseInt(readFileSync(`/proc/${pid}/syscall`, "latin1"), 10);
    return state === "S" && call >= 0 ? call : undefined;
  } catch (error) {
    // An ordinary user may not inspect the launcher: it is not dumpable.
    if ((error as NodeJS.ErrnoException).code === "EACCES") return undefined;
    throw error;
  }
}
