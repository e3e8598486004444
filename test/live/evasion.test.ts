/**
 * A confined program tries to evade the end of its tree by ending, stopping or limiting portcullis's own processes.
 *
 * Each test runs in a separate pid namespace, because some attempts signal all processes that the caller may signal; so
 * these tests need root. A surviving process makes the test wait for it. The tests wait for time limits most of their time,
 * so they run concurrently.
 */
import { spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ordinaryUser } from "../support/ordinary-user.ts";
import { pidNamespace } from "../support/processes.ts";
import { front, prepare, type RunSettings, run, runBeside, supervisor, users, victim } from "./run.ts";

let hasScopes = false;

beforeAll(async () => {
  await prepare();
  hasScopes = spawnSync(victim("evade"), ["scopes", "0"], { encoding: "utf8" }).stdout === "yes\n";
});

beforeEach((context) => {
  if (process.getuid?.() !== 0) context.skip("only root can make a pid namespace");
});

/** The namespace's init process waits until all processes of the victim have exited. */
const survivors = 'while grep -qs "^evade" /proc/[0-9]*/comm; do sleep 0.05; done';
const namespace = (script: string) => [...pidNamespace, "sh", "-c", script, "sh"];
const alone = namespace(`"$@"; echo "status $?"; ${survivors}; echo gone`);

/** `alone` with portcullis in the background; \`pid\` is the command's, and \`parent\` gives a process's. */
const meanwhile = (script: string) =>
  namespace(
    [
      'parent() { sed -n "s/^PPid:\\t//p" "/proc/$1/status"; }',
      "mount -t tmpfs none /mnt",
      '"$@" >/mnt/out & front=$!',
      "until [ -s /mnt/out ]; do sleep 0.05; done; read -r pid rest </mnt/out",
      script,
      `wait $front; ${survivors}; echo gone`,
    ].join("\n"),
  );

const kill = "9";
const stop = "19";

for (const { name, uid } of users) {
  const evade = async (settings: Partial<RunSettings>, ...words: readonly string[]) =>
    (await runBeside({ program: "allow-all", uid, within: alone, ...settings }, victim("evade"), ...words)).out;

  describe.concurrent(`a time limit is enforced, as ${name}`, () => {
    for (const signal of [kill, stop]) {
      for (const way of ["direct", "folder", "owner", "threads", "group", "own-group", "all"]) {
        test(`against signal ${signal}, sent by ${way}`, async (context) => {
          if (!hasScopes) context.skip("no signal scopes in this kernel (Landlock, Linux 6.12)");
          const out = await evade({ timeout: 500 }, way, signal);
          expect(out).toContain("status 137\ngone\n");
          if (!way.includes("group") && way !== "all") expect(out).toContain(`${way}: 0 reached`);
        });
      }
    }

    test("under a stateful policy", async (context) => {
      if (!hasScopes) context.skip("no signal scopes in this kernel (Landlock, Linux 6.12)");
      expect(await evade({ program: "first-thousand", timeout: 500 }, "threads", stop)).toContain("status 137\ngone\n");
    });

    // A thread's id names its process. The supervisor's thread of a stateful policy has started before the command.
    test.each(["allow-all", "first-thousand"])("with any limits on portcullis's processes: %s", async (program) => {
      // An agent's processes have limits of their own.
      const out = await evade({ program, timeout: 500, trees: "alone" }, "limit", "0");
      expect(out).toContain("limit: 0 reached");
      expect(out).toContain("status 137\ngone\n");
    });

    test("for a daemon whose command has ended", async () => {
      expect(await evade({ timeout: 500 }, "exit", "0")).toBe("status 3\ngone\n");
    });

    // The outer portcullis runs as root, out of reach for an ordinary user; the inner one leads its own session.
    const withoutLandlock = () => [
      ...alone,
      ...front(),
      JSON.stringify({ program: "without-landlock", mode: "quiet", supervisor }),
      ...["setsid", "--wait"],
    ];
    for (const signal of [kill, stop]) {
      for (const way of ["direct", "threads", "own-group"]) {
        test(`without Landlock, by a filter: ${way} ${signal}`, async () => {
          const out = await evade({ timeout: 500, within: withoutLandlock() }, way, signal);
          expect(out).toContain("status 137\ngone\n");
          if (way !== "own-group") expect(out).toContain(`${way}: 0 reached`);
        });
      }
    }
  });

  describe.concurrent(`processes that the command leaves end, as ${name}`, () => {
    test("with the command", async () => {
      expect(await evade({ killTree: true }, "exit", "0")).toBe("status 3\ngone\n");
    });

    const ended = (settings: Partial<RunSettings>, script: string) =>
      evade({ within: meanwhile(script), ...settings }, "wait", "0");

    test("with the front, with Node", async () => {
      expect(await ended({ dieWithParent: true }, "kill -KILL $front")).toBe("gone\n");
      expect(await ended({ dieWithParent: true }, "kill -KILL $(parent $(parent $pid))")).toBe("gone\n");
    });

    test("with the launcher, by the front", async () => {
      for (const settings of [{ dieWithParent: true }, { killTree: true }, { timeout: 3_600_000 }])
        expect(await ended(settings, "kill -KILL $(parent $pid)")).toBe("gone\n");
    });

    test("at the time limit, after front and Node have exited", async () => {
      expect(await ended({ timeout: 1000 }, "kill -KILL $(parent $(parent $pid)) $front")).toBe("gone\n");
    });
  });
}

describe("a separate cgroup", () => {
  /** The mount point of the version 2 hierarchy. */
  const hierarchy = /^\S+ \S+ \S+ \/ (\S+) .* - cgroup2 /m.exec(readFileSync("/proc/self/mountinfo", "utf8"))?.[1];
  const cgroups = (folder: string) => readdirSync(folder).filter((name) => /^portcullis-[0-9a-f]{16}$/.test(name));

  for (const { name, uid } of users) {
    test(`ends a continuously forking daemon, and is removed, as ${name}`, (context) => {
      if (hierarchy === undefined || !existsSync(join(hierarchy, "cgroup.procs")))
        return context.skip("no cgroup of version 2 is mounted");
      // A cgroup that is delegated to the user.
      const folder = join(hierarchy, `portcullis-test-${process.pid}`);
      try {
        mkdirSync(folder);
      } catch {
        return context.skip("the cgroup hierarchy is not to be written to");
      }
      try {
        for (const file of ["", "cgroup.procs", "cgroup.subtree_control"])
          chownSync(join(folder, file), uid ?? 0, uid ?? 0);
        const enter = ["sh", "-c", `echo $$ >${folder}/cgroup.procs && exec "$@"`, "sh"];
        const { out } = run(
          { program: "allow-all", uid, killTree: true, cgroup: true, within: [...enter, ...alone] },
          victim("evade"),
          "exit",
          "0",
          "fork",
        );
        expect(out).toBe("status 3\ngone\n");
        expect(cgroups(folder)).toEqual([]);
      } finally {
        rmdirSync(folder);
      }
    });
  }

  test("that cannot be created prevents the start", (context) => {
    if (hierarchy === undefined) return context.skip("no cgroup of version 2 is mounted");
    const settings = { program: "allow-all", cgroup: true, killTree: true, uid: ordinaryUser };
    const { status, error } = run(settings, "true");
    expect(status).toBe(125);
    expect(error).toContain(
      "the command cannot get a cgroup: a cgroup cannot be created below the current one (EACCES",
    );
  });
});
