/**
 * Tests forks whose parents are killed at any moment: also when the kernel has made the child, and before it has reported
 * it. Each child has the state of its own parent, and no fork that made nothing counts as a process.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { prepare, run, users, victim } from "./run.ts";

beforeAll(prepare);

for (const { name, uid } of users) {
  const says = (settings: { readonly program: string; readonly interruptsForks?: boolean }, ...words: string[]) => {
    const { out, error, status, events } = run({ ...settings, uid }, victim("killed_parents"), ...words);
    // Reads of the tally are refusals, of which many are dropped.
    const lost = events.filter(
      ({ kind, verdict, dropped }) => verdict === "unseen-child" || (kind === "notice" && dropped === undefined),
    );
    return { out, error, status, lost };
  };
  const good = (out: string) => ({ out: `${out}\n`, error: "", status: 0, lost: [] });

  describe(`the parents of children are killed, as ${name}`, () => {
    test.each(["process-copied", "process-clone3"])("each child has its parent's state: %s", (program) => {
      expect(says({ program }, "states", "250")).toEqual(good("states: 0 wrong, some right"));
    });

    test("also if the parents get signals", () => {
      expect(says({ program: "process-copied" }, "signals", "120")).toEqual(good("signals: 0 wrong, some right"));
    });

    test("also if the supervisor interrupts each fork", () => {
      const settings = { program: "process-copied", interruptsForks: true };
      expect(says(settings, "states", "100")).toEqual(good("states: 0 wrong, some right"));
    });

    test.each(["first-thousand", "most-20"])(
      "no child of the last process with a handler stays stopped: %s",
      (program) => {
        const { out, status } = run({ program, killTree: true, uid }, victim("last_handlers"), "100");
        expect({ out, status }).toEqual({ out: "all have ended\n", status: 0 });
      },
    );

    test("their forks count no longer when a wait has returned them", () => {
      expect(says({ program: "most-20" }, "places", "20")).toEqual(good("places: 0 refused"));
    });
  });
}
