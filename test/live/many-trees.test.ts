/** Runs programs as one of many trees of a thread, and as trees that are suspended, with another thread that goes on. */
import { beforeAll, describe, expect, test } from "vitest";
import { prepare, runBeside, victim } from "./run.ts";

beforeAll(prepare);

for (const trees of ["many", "suspended"] as const) {
  describe.concurrent(trees, () => {
    test("64 forking threads never exceed the limit", async () => {
      const { out, status } = await runBeside({ program: "most-20", trees }, victim("bomb"), "64", "20");
      expect(out).toBe("bomb: never too many, all places used, some refused\n");
      expect(status).toBe(0);
    });

    test("a process is no longer counted when wait() has returned", async () => {
      const { out } = await runBeside({ program: "most-20", trees }, victim("bomb"), "0");
      expect(out).toBe("places: 19 children, 0 refused after a wait\n");
    });

    test("a count of the tree goes on", async () => {
      // sh makes one of the thousand calls, for $PPID.
      const calls = "for (1..300) { $n++ if getppid() > 0; select(undef, undef, undef, 0.001) } print qq($n\\n)";
      const script = `for i in 1 2 3 4; do perl -e '$| = 1; ${calls}'; done`;
      const { out, status } = await runBeside({ program: "first-thousand", trees }, "sh", "-c", script);
      expect({ out, status }).toEqual({ out: "300\n300\n300\n99\n", status: 0 });
    });
  });
}

// Each suspension takes a further place of a window (native/addon/pin/pin.h).
test.for([{ trees: "many" as const }, { trees: "suspended" as const, suspensions: 8 }])(
  "calls that a text decides, calls that it does not, and pinned calls: $trees",
  async (how) => {
    const pinned = "$w++ if open(F, '+<', '/dev/null')";
    const calls = `for (1..2000) { $n++ if open(F, '<', '/'); $d++ if !open(F, '<', 'forbidden'); ${pinned}; getppid() }`;
    const { out, status } = await runBeside(
      { program: "paths-elsewhere", ...how },
      "perl",
      "-e",
      `${calls} print "$n $d $w"`,
    );
    expect({ out, status }).toEqual({ out: "2000 2000 2000", status: 0 });
  },
);
