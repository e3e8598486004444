/** A caller that attacks its own window, sealed by the kernel or protected by the filter; and callers without a window. */
import { release } from "node:os";
import { beforeAll, describe, expect, it, type TestContext } from "vitest";
import { hostArchitecture } from "../../../src/abi/architecture.ts";
import { kernelAtLeast } from "../../../src/abi/kernel-version.ts";
import { windowRules } from "../../../src/engines/notify/pin/window-rules.ts";
import { users } from "../../support/ordinary-user.ts";
import { type PinSettings, preparePinning, runPinned, tries } from "./run.ts";

beforeAll(preparePinning);

const calls = ["openat"];
const [eperm, efault, einval, eacces, eio] = [-1, -14, -22, -13, -5];
const hasSeals = kernelAtLeast(release(), 6, 10);
const protections = [
  { protection: "seal", before: [] },
  { protection: "rules", before: windowRules(hostArchitecture()!) },
] as const;

for (const { name, uid } of users) {
  describe.each(protections)(`as ${name}, protected by $protection`, ({ protection, before }) => {
    it("cannot change its window", (context) => {
      if (protection === "seal" && !hasSeals) context.skip("mseal(2) is of Linux 6.10");
      const { victim, status, error } = runPinned({ uid, calls, protection, before }, "tamper");
      expect(status, error).toBe(0);
      const { changed, after, ...attacks } = victim;
      expect({ changed, after }).toEqual({ changed: 0, after: 0 });
      for (const [attack, result] of Object.entries(attacks)) {
        expect([eperm, efault, einval, eacces, eio], `${attack}: ${result}`).toContain(result);
      }
      expect(Object.keys(attacks)).toHaveLength(18);
    });

    it("cannot change its window during its calls", (context) => {
      if (protection === "seal" && !hasSeals) context.skip("mseal(2) is of Linux 6.10");
      const { victim, error } = runPinned({ uid, calls, protection, before }, "replace", tries);
      expect(victim, error).toEqual({ good: tries, forbidden: 0, other: 0 });
    });

    it("is refused if it cannot have a window, and the event gives the reason", (context) => {
      if (protection === "seal" && !hasSeals) context.skip("mseal(2) is of Linux 6.10");
      const isRoot = uid === undefined && process.getuid?.() === 0;
      const { victim, counts, error } = runPinned({ uid, calls, protection, before }, "without");
      const { stolen, ...rest } = victim;
      expect(rest, error).toEqual({
        occupied: eperm,
        "first place occupied": 0,
        "without descriptors": eperm,
        "without memory": eperm,
        // Root may trace it all the same.
        "not dumpable": isRoot ? 0 : eperm,
        "with dispatch": eperm,
        "without stack": eperm,
        "at stack end": 0,
        own: 0,
        "filled hole": eperm,
        after: 0,
      });
      // Root can map the memory of a window again. That the filter protects it is enough; without, it must be sealed.
      if (isRoot) expect(stolen).toBe(protection === "seal" ? eperm : 0);
      const reasons = Object.keys(counts).map((one) => one.split(" ")[0]);
      const expected = ["occupied", "no-descriptors", "not-mapped", "dispatched", "no-stack"];
      expect(reasons).toEqual(expect.arrayContaining(isRoot ? expected : [...expected, "untraceable"]));
    });
  });
}

describe.each(protections)("callers that do not get a window, protected by $protection,", ({ protection, before }) => {
  const times = 200;
  /** The number of the victim's processes; the supervisor looks for ended address spaces only at further windows. */
  const fewWindows = 40;
  const leave = (context: TestContext, which: string, settings: Partial<PinSettings> = {}) => {
    if (protection === "seal" && !hasSeals) context.skip("mseal(2) is of Linux 6.10");
    return runPinned({ calls, protection, before, ...settings }, "leftovers", which, times);
  };

  it.for(["memory", "dispatch", ...(protection === "seal" ? ["seal"] : [])])("leave nothing: %s", (which, context) => {
    const { victim, windows, error } = leave(context, which);
    expect(victim, error).toEqual({ refused: times, others: 0, left: 0 });
    expect(windows).toBeLessThan(fewWindows);
  });

  it("leave nothing: descriptor", (context) => {
    const { victim, windows, error } = leave(context, "descriptor");
    expect(victim, error).toEqual({ refused: times, others: 0, last: 1, left: 0 });
    expect(windows).toBeLessThan(fewWindows);
  });

  it("leave nothing: a window that comes late", (context) => {
    const { victim, windows, error } = leave(context, "storm", { killable: false });
    expect(victim, error).toEqual({ refused: 0, others: 0, left: 0 });
    expect(windows).toBeLessThan(2 * fewWindows);
  });
});

it("a caller gets its window, however many calls wait in front of those that map it", (context) => {
  if (!hasSeals) context.skip("mseal(2) is of Linux 6.10");
  const { victim, counts, error } = runPinned({ calls: ["openat", "mseal"], protection: "seal" }, "queue", 100);
  expect(victim, error).toEqual({ good: 100 });
  expect(Object.keys(counts).filter((one) => one.startsWith("not-mapped"))).toEqual([]);
});

describe("a file server that does not answer", () => {
  const serve = (context: TestContext, scenario: string, times: number) => {
    if (process.getuid?.() !== 0) context.skip("needs root, to make a device");
    const { victim, error } = runPinned({ calls }, scenario, times);
    const [lack] = ["unshare", "device", "mount"].filter((step) => step in victim);
    if (lack !== undefined) context.skip(`FUSE cannot be used: ${lack}`);
    return { victim, error };
  };

  it("is not asked about its file in the place of the window's descriptors", (context) => {
    const { victim, error } = serve(context, "replaced by a served file", 5);
    expect(victim, error).toEqual({ asked: 0, after: 0 });
  });

  it("delays no window by the lock of another address space", (context) => {
    const { victim, error } = serve(context, "beside a held lock", 80);
    expect(victim, error).toEqual({ good: 80, ended: 0 });
  });
});

it.for(users)("an audit allows calls that cannot be pinned, with an event for each, as $name", ({ uid }) => {
  const protection = hasSeals ? "seal" : "rules";
  const { before } = protections.find((one) => one.protection === protection)!;
  const { victim, counts, error } = runPinned({ uid, calls, protection, before, audits: true }, "without");
  const failed = Object.entries(victim).filter(([, result]) => result !== 0);
  // The kernel's own answer: no descriptor is left for the file.
  expect(failed, error).toEqual([["without descriptors", -24]]);
  const reasons = Object.keys(counts).map((one) => one.split(" ")[0]);
  expect(reasons).toEqual(
    expect.arrayContaining(["occupied", "no-descriptors", "not-mapped", "dispatched", "no-stack"]),
  );
});

describe("the control", () => {
  it("reaches a forbidden file if nothing protects the window", () => {
    // Whether a try wins depends on the scheduler.
    let forbidden = 0;
    for (let round = 0; round < 30 && forbidden === 0; round++) {
      forbidden = runPinned({ calls, protection: "rules" }, "replace", tries).victim["forbidden"] ?? 0;
    }
    expect(forbidden).toBeGreaterThan(0);
  });
});
