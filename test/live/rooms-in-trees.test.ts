/**
 * Rooms on the engine notify in trees whose forks are followed, and with threads whose next call does not come as expected
 * (src/engines/notify/rooms/expected.ts).
 */
import { beforeAll, describe, expect, it } from "vitest";
import { prepare, run, users, victim } from "./run.ts";

beforeAll(prepare);

function said(program: string, uid: number | undefined, ...command: readonly string[]) {
  // A victim that hangs ends with its test.
  const { status, out } = run({ dieWithParent: true, program, uid }, ...command);
  const lines = [...out.matchAll(/^(.+): (-?\d+)$/gm)].map(([, name, value]) => [name, Number(value)] as const);
  return { status, said: lines };
}

const scenarios: Readonly<Record<string, readonly (readonly [string, number])[]>> = {
  grow: [
    ["done", 0],
    ["held", -4],
    ["failed", 0],
    ["done", 12],
  ],
  "fork-in-holder": [
    ["child", 0],
    ["held", -4],
    ["asked", 0],
  ],
  bomb: [
    ["early", 0],
    ["held", -4],
    ["too many", 0],
    ["all asked", 1],
    ["child", 0],
  ],
  orphan: [
    ["parent", 137],
    ["asked", 0],
    ["held", -4],
    ["asked", 1],
  ],
  massacre: [
    ["asked", 0],
    ["napped", 0],
    ["alone", 0],
  ],
};

const disappointed = [
  ["failed", 0],
  ["asked", 0],
  ["other", 0],
] as const;

describe.each(users)("as $name", ({ uid }) => {
  it.each(Object.entries(scenarios))("%s", (which, expected) => {
    expect(said("rooms-followed", uid, victim("rooms_tree"), which)).toEqual({ status: 0, said: expected });
  });

  it.each(["spin", "starved", "sleep", "end"])("ends the hold of a thread that does not come again: %s", (which) => {
    expect(said("rooms", uid, victim("rooms_expected"), which)).toEqual({ status: 0, said: disappointed });
  });

  it("does not end the hold of a call that lasts, though its thread was expected", () => {
    expect(said("rooms", uid, victim("rooms_expected"), "hold")).toEqual({
      status: 0,
      said: [
        ["failed", 0],
        ["asked early", 0],
        ["held", -4],
        ["asked", 0],
      ],
    });
  });
});
