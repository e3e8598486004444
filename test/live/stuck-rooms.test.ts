/**
 * Rooms on the engine notify against programs that want the supervisor to take a call for one that lasts, or for one that has
 * ended, or that hide one call's end among many others (victims/rooms_stuck.c).
 */
import { beforeAll, describe, expect, it } from "vitest";
import { prepare, run, users, victim } from "./run.ts";

beforeAll(prepare);

/** The errno of a room that is late (programs.ts). */
const late = -33;

function said(program: string, uid: number | undefined, which: string) {
  // A victim that hangs ends with its test.
  const { status, out } = run({ dieWithParent: true, program, uid }, victim("rooms_stuck"), which);
  const lines = [...out.matchAll(/^(.+): (-?\d+)$/gm)].map(([, name, value]) => [name, Number(value)] as const);
  return { status, said: lines };
}

type Said = readonly (readonly [string, number])[];

/** Under rooms whose waits last a minute. */
const admitted: Readonly<Record<string, Said>> = {
  "traced-signal": [["asked", 0]],
  "traced-end": [["asked", 0]],
  "traced-death": [
    ["asked", 0],
    ["holder", 137],
  ],
  "ended-leader": [["asked", 0]],
  "executed-waiter": [
    ["done", 0],
    ["napped", 0],
    ["held", -4],
  ],
  "exited-waiter": [
    ["done", 0],
    ["napped", 0],
    ["held", -4],
  ],
  "stopped-waiter": [
    ["napped", 0],
    ["held", -4],
    ["child", 0],
  ],
  storm: [
    ["done", 0],
    ["held", -4],
    ["asked", 0],
  ],
};

/** Under rooms whose waits are short. */
const refused: Readonly<Record<string, Said>> = {
  "inherited-id": [
    ["asked", late],
    ["asked", 0],
  ],
  "stale-report": [
    ["asked", 0],
    ["holder is done", 0],
    ["asked", late],
    ["held", -4],
    ["asked", 0],
  ],
};

describe.each(users)("as $name", ({ uid }) => {
  it.each(Object.entries(admitted))("no wait outlasts the calls that it is for: %s", (which, expected) => {
    expect(said("rooms", uid, which)).toEqual({ status: 0, said: expected });
  });

  it.each(Object.entries(refused))("no call passes one that lasts: %s", (which, expected) => {
    expect(said("rooms-late", uid, which)).toEqual({ status: 0, said: expected });
  });

  it("sees the end of a call, however many others last", () => {
    expect(said("rooms-of-patient-process", uid, "bystanders")).toEqual({
      status: 0,
      said: [
        ["done", 0],
        ["asked", 0],
      ],
    });
  });
});

// Ordinary users make no cgroups of their own.
it("ends the hold of a process that is frozen", (context) => {
  const result = said("rooms", undefined, "frozen");
  if (result.said.some(([what]) => what === "no group")) context.skip("it can make no group of processes (cgroup2)");
  expect(result).toEqual({ status: 0, said: [["asked", 0]] });
});
