/** Tests the count of live processes: it never exceeds the limit, and an exit decrements it. */
import { beforeAll, describe, expect, test } from "vitest";
import { prepare, run, users, victim } from "./run.ts";

beforeAll(prepare);

// Debian permits userfaultfd(2) only to root.
test("forks that never end delay the others once, however many they are", (context) => {
  const { out } = run({ program: "most-20" }, victim("stuck_forks"), "8");
  if (out === "no userfaultfd\n") context.skip("userfaultfd(2) is not permitted");
  const seconds = [...out.matchAll(/^forked: (\d+)$/gm)].map(([, time]) => Number(time));
  expect(seconds).toHaveLength(2);
  // Each of the eight would take five seconds.
  expect(seconds[0]! + seconds[1]!).toBeLessThan(15);
});

for (const { name, uid } of users) {
  test(`64 forking threads never exceed the limit, as ${name}`, () => {
    const { out, status } = run({ program: "most-20", uid }, victim("bomb"), "64", "20");
    expect(out).toBe("bomb: never too many, all places used, some refused\n");
    expect(status).toBe(0);
  });

  test(`a process is no longer counted when wait() has returned, as ${name}`, () => {
    const { out } = run({ program: "most-20", uid }, victim("bomb"), "0");
    expect(out).toBe("places: 19 children, 0 refused after a wait\n");
  });

  test(`forks that the kernel refuses are not counted, as ${name}`, () => {
    const { out } = run(
      { program: "most-20", uid },
      "sh",
      "-c",
      `for i in $(seq 25); do ${victim("tally")} clone-wrong; done`,
    );
    expect(out.split("\n").filter((line) => line.startsWith("clone-wrong: -22"))).toHaveLength(25);
  });

  test(`threads that fork while others execute programs do not stop the supervisor, as ${name}`, () => {
    const rounds = 500;
    // The former follows forks only, the latter also executions.
    for (const program of ["most-20", "thread-copied"])
      expect(run({ program, uid }, victim("crowd"), String(rounds)).out).toBe(`crowd: ${rounds} ended\n`);
  });

  describe(`a fork that the kernel refuses is uncounted before the next call, as ${name}`, () => {
    const failing = (...words: readonly string[]) => run({ program: "most-20", uid }, victim("failing"), ...words).out;

    test("if the thread executes a program at once", () => {
      expect(failing("execute", "20", "50")).toBe("execute: 19 made\n");
    });
    test("if the thread forks again at once", () => {
      expect(failing("again", "20", "100")).toBe("again: 0 refused\n");
    });
    test("if another process forks at once", () => {
      expect(failing("beside", "20", "100")).toBe("beside: 0 refused\n");
    });
    test("if the thread exits at once", () => {
      expect(failing("exit", "20", "100")).toBe("exit: 0 refused\n");
    });
    // RLIMIT_NPROC does not hold for root.
    if (uid !== undefined || process.getuid?.() !== 0)
      test("because of RLIMIT_NPROC", () => {
        expect(failing("many", "20", "50")).toBe("many: 0 passed, 0 refused\n");
      });
  });
}
