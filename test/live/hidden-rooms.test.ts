/**
 * Rooms on the engine notify against processes that a supervisor without CAP_SYS_PTRACE may neither look at nor stop
 * (victims/rooms_hidden.c): no such process keeps a room from others.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { prepare, type RunSettings, run, users, victim } from "./run.ts";

beforeAll(prepare);

const [EPERM, EINTR] = [-1, -4];

function said(which: string, settings: Partial<RunSettings>) {
  // A victim that hangs ends with its test.
  const { status, out, events } = run(
    { dieWithParent: true, program: "rooms", ...settings },
    victim("rooms_hidden"),
    which,
  );
  const lines = [...out.matchAll(/^(.+): (-?\d+)$/gm)].map(([, name, value]) => [name, Number(value)] as const);
  return { status, said: lines, events };
}

const { uid } = users.at(-1)!;

describe("as an ordinary user, a room is free", () => {
  it.each(["sleeper", "computer", "within", "within-reported", "stopped"])("%s", (which) => {
    const { events, ...rest } = said(which, { uid });
    expect(rest).toEqual({ status: 0, said: [["asked", 0]] });
    expect(events).toEqual([]);
  });

  it("again: the next call is refused, and the event gives the reason", () => {
    const { events, ...rest } = said("again", { uid });
    expect(rest).toEqual({
      status: 0,
      said: [
        ["napped", EPERM],
        ["asked", 0],
      ],
    });
    expect(events).toMatchObject([{ verdict: "unheld", obstacle: { why: "not-dumpable" } }]);
  });

  it.each(["other-sleeps", "other-computes"])("%s: a process that gets past this is killed", (which) => {
    const { events, ...rest } = said(which, { uid });
    expect(rest).toEqual({
      status: 0,
      said: [
        ["asked", 0],
        ["holder", 137],
        ["asked", 0],
      ],
    });
    expect(events).toMatchObject([
      { kind: "notice", text: expect.stringMatching(/^process \d+ was killed: it kept the room gate from others/) },
    ]);
  });

  it("a room's call that hides its own process ends, too", () => {
    const { events, ...rest } = said("hiding", { uid, program: "rooms-hiding" });
    expect(rest).toEqual({ status: 0, said: [["asked", 0]] });
    expect(events).toEqual([]);
  });
});

// A supervisor without descriptors stops the thread.
describe.each(users)("without descriptors, as $name", ({ uid }) => {
  it.each(["blind-sleeps", "blind-computes"])("%s", (which) => {
    const { status, said: lines } = said(which, { uid, dieWithParent: false });
    expect({ status, said: lines }).toEqual({ status: 0, said: [["asked", 0]] });
  });
});

// With CAP_SYS_PTRACE no process is hidden, and no call is stopped.
it.runIf(users.length > 1)("a privileged supervisor sees the end of such a process's call", () => {
  expect(said("sleeper", {})).toMatchObject({ status: 0, said: [["asked", 0]], events: [] });
  expect(said("again", {}).said).toEqual([
    ["napped", 0],
    ["asked", 0],
  ]);
  expect(said("held", { program: "rooms-late" }).said).toEqual([
    ["asked", -33],
    ["held", EINTR],
  ]);
});
