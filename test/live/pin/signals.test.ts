/**
 * Signals during pinned calls, interference by other threads and processes, and the caller's state after a call: every
 * register, the flags, the red zone.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { users } from "../../support/ordinary-user.ts";
import { preparePinning, runPinned, tries } from "./run.ts";

beforeAll(preparePinning);

/** The shortest time between two signals, in microseconds; the handler itself opens a file. */
const densest = 150;

for (const { name, uid } of users) {
  // Without the flag of Linux 5.19 a call can be interrupted after the supervisor has received it.
  describe.each([
    { killable: true, filtersTexts: false },
    { killable: true, filtersTexts: true },
    { killable: false, filtersTexts: false },
    { killable: false, filtersTexts: true },
  ])(`as ${name}, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: $killable, text filter: $filtersTexts`, (settings) => {
    const storm = (flags: string, count: number, pause = densest) => {
      const ran = runPinned({ uid, ...settings, calls: ["openat", "sendto"] }, "storm", count, pause, flags);
      expect(ran.status, ran.error).toBe(0);
      const of = (key: string) => ran.victim[key]!;
      expect(of("changed registers"), ran.error).toBe(0);
      expect(of("wrong") + of("other") + of("wrong in handlers"), ran.out + ran.error).toBe(0);
      expect(of("arrived"), "no datagram is lost, and none is sent twice").toBe(of("sent"));
      expect(of("sent") + of("opened") + of("interrupted")).toBe(count);
      return ran;
    };

    it("does not change any register without signals", () => {
      const { victim, counts } = storm("-", tries, 0);
      expect(victim["interrupted"]).toBe(0);
      const judgedByAddon = counts["passed"]! - counts["prepared"]!;
      if (settings.filtersTexts) expect(judgedByAddon).toBeGreaterThan(victim["opened"]! / 2);
      else expect(judgedByAddon).toBe(0);
    });

    it.each([
      ["r", "SA_RESTART"],
      ["rs", "SA_RESTART on a stack of the handler's own"],
      ["rn", "SA_RESTART, and handlers interrupt handlers"],
    ])("in a storm with %s (%s) no call is lost", (flags) => {
      const { victim } = storm(flags, 4 * tries);
      expect(victim["handled"]).toBeGreaterThan(0);
      expect(victim["interrupted"]! + victim["interrupted in handlers"]!).toBe(0);
    });

    it("makes a call or returns EINTR in a storm of signals without SA_RESTART", () => {
      expect(storm("p", 4 * tries).victim["handled"]).toBeGreaterThan(0);
    });
  });

  describe.each([false, true])(`as ${name}, text filter: %s, beside`, (filtersTexts) => {
    const beside = (scenario: string, settings: Partial<Parameters<typeof runPinned>[0]> = {}) => {
      const ran = runPinned({ uid, filtersTexts, calls: ["openat"], ...settings }, scenario, tries);
      expect(ran.status, ran.out + ran.error).toBe(0);
      return ran;
    };

    it.each(["forks", "closes", "threads"])("a thread that %s", (scenario) => {
      const ran = beside(scenario);
      const of = (key: string) => ran.victim[key]!;
      expect(of("wrong") + of("other") + of("failed neighbours"), ran.out + ran.error).toBe(0);
      expect(of("good") + of("closed")).toBe(tries);
    });

    it("processes that are killed at any moment", () => {
      expect(beside("kill").victim["good"]).toBe(tries);
    });

    it.each([true, false])(
      "a thread that executes a program (executions are reported: %s)",
      (executionsAreReported) => {
        const calls = executionsAreReported ? ["openat", "execve"] : ["openat"];
        const ran = beside("executes", { calls, executionsAreReported });
        const { good = 0, bad = 0 } = ran.victim;
        expect(good + bad, ran.error).toBe(tries);
        // Without reports, which the supervisor always has, a program that executes in the middle of a pin can be killed.
        expect(bad, ran.error).toBeLessThanOrEqual(executionsAreReported ? 0 : 3);
      },
    );

    it("a process that stops and continues it", () => {
      expect(beside("stops").victim["good"]).toBe(tries);
    });

    it("a tracer: the call is refused, and served after the tracer's end", () => {
      const ran = beside("traced");
      expect(ran.victim["status"], ran.error).toBe(0);
      expect(ran.counts["untraceable 1"], ran.error).toBe(1);
    });
  });
}
