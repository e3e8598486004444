/**
 * Another thread or process changes the memory behind a call's pointers after each judgement. With the pin, no forbidden
 * object is reached. The control, which lets the call pass unpinned, loses about every second try.
 */

import { appendFileSync, mkdirSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { users } from "../../support/ordinary-user.ts";
import { isFull, preparePinning, runPinned } from "./run.ts";

/** Each try is decisive, because the supervisor waits for the change. */
const tries = isFull ? 300 : 100;
/** The supervisor does not wait, so the attacker wins the race sometimes. */
const plainTries = 30_000;

beforeAll(preparePinning);

/** Name of the scenario (victim/races.c), the call, and what must not change but does. */
const races: readonly (readonly [scenario: string, call: string, what: string])[] = [
  ["open", "openat", "a path"],
  ["boundary", "openat", "a path of 300 bytes that ends with its memory, and one across two pages"],
  ["long", "openat", "a path as long as a path can be"],
  ["shared", "openat", "a path in memory that another process changes"],
  ["file", "openat", "a path in a file's mapping, which write(2) changes"],
  ["unmapped", "openat", "a path whose page is unmapped, protected and mapped again"],
  ["rename", "rename", "both paths of a call"],
  ["openat2", "openat2", "a structure"],
  ["connect", "connect", "a socket address"],
  ["sendto", "sendto", "the address of a datagram"],
  ["sendmsg", "sendmsg", "the address behind a message header"],
  ["pointer", "sendmsg", "the pointer to an address in a message header"],
  ["execve", "execve", "a program's path and its arguments, after vfork"],
];

for (const { name, uid } of users) {
  describe(`pinned, as ${name}`, () => {
    it.each(races)("%s (%s): %s", (scenario, call) => {
      const ran = runPinned({ uid, calls: [call], dawdlesIn: call }, scenario, tries);
      expect(ran.status, ran.error).toBe(0);
      const { allowed, forbidden } = ran.victim;
      expect(forbidden, ran.out).toBe(0);
      expect(allowed, ran.out + ran.error).toBeGreaterThan(0);
      expect(ran.counts["passed"], ran.error).toBe(ran.counts["prepared"]);
      expect(ran.counts["changed"], ran.error).toBeGreaterThan(0);
      // One call is one judgement: nothing was judged anew, as no signal came.
      expect((ran.counts["refused"] ?? 0) + ran.counts["prepared"]!).toBe(tries);
    });
  });
}

/** The addon does not wait for the change, so not every run has both kinds of paths. */
describe.each(users)("judged by the text filter, as $name", ({ uid }) => {
  it.each(races.filter(([, call]) => call === "openat"))("%s (%s): %s", (scenario, call) => {
    const ran = runPinned({ uid, calls: [call], filtersTexts: true }, scenario, isFull ? plainTries : 3000);
    expect(ran.status, ran.error).toBe(0);
    const { allowed = 0, forbidden, denied = 0, faults = 0, ...rest } = ran.victim;
    expect({ forbidden, ...rest }, ran.out).toMatchObject({ forbidden: 0, other: 0, interrupted: 0 });
    expect(allowed + denied + faults, ran.error).toBe(isFull ? plainTries : 3000);
    // The unmapped path can also be empty, and is allowed then.
    if (scenario !== "unmapped") expect(ran.counts["passed"] ?? 0, ran.error).toBe(allowed);
  });
});

/** Where PORTCULLIS_FULL=1 leaves its counts. */
const counts = "build/races.jsonl";

/** With PORTCULLIS_FULL=1: the races as another program would run them. */
if (isFull) {
  describe(`in ${plainTries} tries without a wait`, () => {
    const run = (scenario: string, call: string, answer: "pin" | "continue", uid?: number) => {
      const ran = runPinned({ calls: [call], answer, uid }, scenario, plainTries);
      mkdirSync("build", { recursive: true });
      appendFileSync(counts, `${JSON.stringify({ scenario, answer, uid, ...ran.victim })}\n`);
      expect(ran.status, ran.error).toBe(0);
      return ran.victim["forbidden"];
    };

    it.each(races)("%s (%s) wins none with the pin, and some without", (scenario, call) => {
      for (const { uid } of users) expect(run(scenario, call, "pin", uid)).toBe(0);
      expect(run(scenario, call, "continue")).toBeGreaterThan(0);
    });
  });
}

describe("the control", () => {
  it.each(races)("%s (%s) loses", (scenario, call) => {
    const ran = runPinned({ calls: [call], dawdlesIn: call, answer: "continue" }, scenario, Math.ceil(tries / 2));
    expect(ran.status, ran.error).toBe(0);
    expect(ran.victim["forbidden"], ran.out + ran.error).toBeGreaterThan(0);
  });
});
