/**
 * clone3 with its structure pinned, for each kind of child: the kernel uses the judged structure, and parent and child
 * continue with the registers of the call.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { users } from "../../support/ordinary-user.ts";
import { preparePinning, runPinned, tries } from "./run.ts";

beforeAll(preparePinning);

/** By their position in victim/children.c. */
const kinds = [
  "a copy of the memory and the stack",
  "a copy of the memory, and a stack",
  "its parent's memory and stack (vfork)",
  "its parent's memory, and a stack (posix_spawn)",
  "its parent's memory, and a stack, beside its parent",
  "its parent's process (a thread)",
] as const;
const thread = kinds.length - 1;
const calls = ["clone3", "openat"];

for (const { name, uid } of users) {
  describe(`as ${name}, a child with`, () => {
    it.each(kinds.map((kind, index) => [kind, index] as const))("%s", (_, index) => {
      const ran = runPinned({ uid, calls, dawdlesIn: "clone3" }, "births", tries, index);
      expect(ran.status, ran.error).toBe(0);
      const of = (key: string) => ran.victim[key]!;
      expect(of("forbidden") + of("other") + of("interrupted"), ran.out + ran.error).toBe(0);
      expect(of("allowed"), ran.out).toBeGreaterThan(0);
      expect(of("allowed") + of("denied")).toBe(tries);
      expect(of("changed registers") + of("changed registers of children"), ran.out).toBe(0);
      expect([of("children"), of("opened")]).toEqual([of("allowed"), of("allowed")]);
      expect(ran.counts["changed"], ran.error).toBeGreaterThan(0);
    });

    it.each(kinds.slice(0, thread).map((kind, index) => [kind, index] as const))(
      "%s, in a storm of signals",
      (_, index) => {
        const ran = runPinned({ uid, calls }, "births", tries, index, "storm");
        expect(ran.status, ran.error).toBe(0);
        const of = (key: string) => ran.victim[key]!;
        expect(of("allowed"), ran.out + ran.error).toBe(tries);
        expect(of("changed registers") + of("changed registers of children") + of("wrong in handlers"), ran.out).toBe(
          0,
        );
        expect([of("children"), of("opened")]).toEqual([tries, tries]);
        expect(of("handled")).toBeGreaterThan(0);
      },
    );
  });
}

describe("the control", () => {
  it.each(kinds.map((kind, index) => [kind, index] as const))("with %s loses", (_, index) => {
    const ran = runPinned({ calls, dawdlesIn: "clone3", answer: "continue" }, "births", Math.ceil(tries / 2), index);
    expect(ran.status, ran.error).toBe(0);
    expect(ran.victim["forbidden"], ran.out + ran.error).toBeGreaterThan(0);
  });
});
