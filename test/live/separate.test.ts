/** `separate`: a confined program tries to get into a process of its user that is outside the tree. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { asUser } from "../support/ordinary-user.ts";
import { front, prepare, run, supervisor, users, victim } from "./run.ts";

let hasScopes = false;

beforeAll(async () => {
  await prepare();
  hasScopes = spawnSync(victim("evade"), ["scopes", "0"], { encoding: "utf8" }).stdout === "yes\n";
});

/** The files are protected as tracing is, so they fail with EACCES; a new user namespace may be forbidden (ENOSPC). */
const isRefused = /^\w+ \S+ (EPERM|EACCES|ENOSPC)$/;
/** CAP_PERFMON permits to read these of any process on recent kernels (may_access_mm() in kernel/fork.c, Linux 6.18). */
const isPerformanceData = /^\w+ (environ|maps) reached$/;

for (const { name, uid } of users) {
  describe(`as ${name}`, () => {
    let target: ChildProcess | undefined;
    let place: readonly string[] = [];

    async function startTarget(): Promise<void> {
      const words = [victim("reach"), "target"];
      const [file, ...rest] = uid === undefined ? words : asUser(uid, ...words);
      target = spawn(file!, rest, { stdio: ["ignore", "pipe", "inherit"] });
      const [line] = (await once(target.stdout!, "data")) as [Buffer];
      place = line.toString().trim().split(" ");
    }
    afterEach(() => void target?.kill("SIGKILL"));
    afterAll(() => void target?.kill("SIGKILL"));

    // Under `objects`, portcullis itself makes the opens, from outside the domain.
    for (const program of ["allow-all", "first-thousand", "objects"]) {
      test(`no process, thread or child under ${program} reaches it`, async (context) => {
        if (!hasScopes) context.skip("no signal scopes in this kernel (Landlock, Linux 6.12)");
        await startTarget();
        const { out, status } = run({ program, uid, separate: true }, victim("reach"), ...place);
        expect(status).toBe(0);
        const lines = out.trimEnd().split("\n");
        for (const from of ["process", "thread", "child", "namespace"])
          expect(lines.some((line) => line.startsWith(from))).toBe(true);
        const isExpected = (line: string) =>
          isRefused.test(line) || (uid === undefined && isPerformanceData.test(line));
        expect(lines.filter((line) => !isExpected(line))).toEqual([]);
        expect(lines.length).toBeGreaterThan(42);
      });
    }

    test("without the option each process reaches it", async () => {
      await startTarget();
      const { out } = run({ program: "allow-all", uid }, victim("reach"), ...place);
      for (const way of ["kill", "process_vm_writev", "mem", "environ"])
        expect(out).toContain(`child ${way} reached\n`);
    });

    test("processes of the tree reach one another", (context) => {
      if (!hasScopes) context.skip("no signal scopes in this kernel (Landlock, Linux 6.12)");
      const script = [
        "place=$(mktemp) || exit",
        '"$0" target >"$place" & target=$!',
        'until [ -s "$place" ]; do sleep 0.05; done',
        'read -r words <"$place"',
        '"$0" $words | grep ^process',
        'kill $target; rm "$place"',
      ].join("\n");
      const { out } = run({ program: "allow-all", uid, separate: true }, "sh", "-c", script, victim("reach"));
      for (const way of ["kill", "tgkill", "process_vm_writev", "mem"])
        expect(out).toContain(`process ${way} reached\n`);
    });

    test("nothing starts on a kernel without Landlock", () => {
      // The outer portcullis is root's or the user's own; the inner one finds no Landlock.
      const within = [
        ...front(),
        JSON.stringify({ program: "without-landlock", mode: "quiet", supervisor }),
        ...["setsid", "--wait"],
      ];
      const { status, out, error } = run({ program: "allow-all", uid, separate: true, within }, "echo", "started");
      expect(status).toBe(125);
      expect(out).toBe("");
      expect(error).toContain("cannot be separated from other processes");
    });
  });
}
