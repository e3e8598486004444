/**
 * Rooms on the engine notify: calls of different sides never overlap, and no hold outlives its call. The victims detect
 * overlaps themselves (victims/rooms.c). Most of their time they wait for a late call or a time limit, so they run concurrently.
 */
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { until } from "../support/patience.ts";
import { Conversation, prepare, type RunSettings, runBeside, users, victim } from "./run.ts";

beforeAll(prepare);

const rooms = victim("rooms");
const attack = victim("rooms_attack");
/** The errno of a room that is late (programs.ts). */
const late = -33;

async function scenario(settings: RunSettings, ...command: readonly string[]) {
  // A victim that hangs ends with its test.
  const { status, out, events } = await runBeside({ dieWithParent: true, ...settings }, ...command);
  const failure = events.find(({ kind, text }) => kind === "notice" && `${text}`.startsWith("the supervisor failed"));
  if (failure !== undefined) throw new Error(`${failure["text"]}`);
  const said = [...out.matchAll(/^(.+): (-?\d+)$/gm)].map(([, name, value]) => [name, Number(value)] as const);
  return { status, said, events };
}

/** The output of each scenario; `reported`: the ends of its calls are reported. */
const scenarios: Readonly<Record<string, readonly (readonly [string, number])[]>> = {
  order: [
    ["the other side is done", 0],
    ["the holder's side is done", 0],
    ["held", -4],
    ["asked", 0],
    ["napped", 0],
  ],
  "interrupted-waiter": [
    ["done", 0],
    ["held", -4],
    ["asked", 0],
    ["done", 0],
    ["held", -4],
    ["asked", 0],
  ],
  "interrupted-holder": [
    ["asked", 0],
    ["handled", 0],
    ["held", 0],
    ["asked", 0],
    ["asked", 0],
    ["handled", 0],
    ["held", 0],
    ["asked", 0],
  ],
  nested: [
    ["held", -4],
    ["handled", 1],
    ["asked", 0],
  ],
  "killed-holder": [
    ["done", 0],
    ["asked", 0],
    ["holder", 137],
  ],
  "killed-waiter": [
    ["done", 0],
    ["waiter", 137],
    ["napped", 0],
    ["held", -4],
  ],
  "exited-holder": [["asked", 0]],
  "executed-holder": [["asked", 0]],
  forked: [
    ["held", -4],
    ["asked", 0],
    ["child", 0],
  ],
  "stopped-holder": [
    ["asked", 0],
    ["holder", 137],
  ],
};

for (const { name, uid } of users) {
  for (const kernel of ["present", "oldest"] as const) {
    describe.concurrent.each([
      ["is seen", []],
      ["is reported", ["reported"]],
    ] as const)(`the end of a call %s, as ${name}, with what the ${kernel} kernel has`, (_, words) => {
      it("excludes other sides, and lets calls of one side run together", async () => {
        const which = words.length > 0 ? "sides-reported" : "sides";
        const { status, said } = await scenario({ program: "rooms", uid, kernel }, rooms, which);
        expect({ status, said }).toEqual({
          status: 0,
          said: [
            ["same side", 0],
            ["reported", words.length],
            ["holder is done", 0],
            ["other side is done", 0],
            ["held", -4],
            ["other side", 0],
          ],
        });
      });

      it.each(Object.entries(scenarios))("%s", async (which, expected) => {
        const { status, said } = await scenario({ program: "rooms", uid, kernel }, rooms, which, ...words);
        expect({ status, said }).toEqual({ status: 0, said: expected });
      });

      it("gives the room's verdict to a call that has waited too long, with an event", async () => {
        const { status, said, events } = await scenario(
          { program: "rooms-late", uid, kernel },
          rooms,
          "late",
          ...words,
        );
        expect({ status, said }).toEqual({
          status: 0,
          said: [
            ["first", late],
            ["second", late],
            ["holder is done", 0],
            ["held", -4],
            ["third", 0],
          ],
        });
        const event = { kind: "judgement", number: 110, verdict: 2, late: { room: "gate", side: "ask" } };
        // Two of the scenario's, and none or one of its beginning.
        expect(events.length).toBeGreaterThanOrEqual(2);
        for (const one of events) expect(one).toMatchObject(event);
      });
    });
  }

  describe.concurrent(`as ${name}`, () => {
    it("ends the hold of a call that a handler has left, although its thread runs all the time", async () => {
      const { status, said } = await scenario({ program: "rooms", uid }, rooms, "jumped");
      expect({ status, said }).toEqual({
        status: 0,
        said: [
          ["asked", 0],
          ["jumped", 0],
        ],
      });
    });

    it("does not stop such a thread if its end is reported: the others are late", async () => {
      const { status, said } = await scenario({ program: "rooms-late", uid }, rooms, "jumped-reported");
      expect({ status, said }).toEqual({
        status: 0,
        said: [
          ["asked", late],
          ["jumped", 0],
        ],
      });
    });

    it.each(["rooms-pinned", "rooms-served"])("holds rooms for calls whose memory is judged: %s", async (program) => {
      const { status, said, events } = await scenario({ program, uid }, rooms, "opened");
      expect({ status, said, events }).toEqual({
        status: 0,
        said: [
          ["opened", 0],
          ["done", 0],
          ["held", -4],
          ["opened", 0],
          ["napped", 0],
        ],
        events: [],
      });
    });

    it("opens at once what enters no room, while another call waits for one", async () => {
      const { status, said, events } = await scenario({ program: "rooms-beside-objects", uid }, rooms, "beside");
      expect({ status, said, events }).toEqual({
        status: 0,
        said: [
          ["opened", 0],
          ["opened", 0],
          ["opened", 0],
          ["done", 0],
          ["held", -4],
          ["asked", 0],
        ],
        events: [],
      });
    });

    it("releases the objects of calls that are killed while they wait", async (context) => {
      if (process.getuid?.() !== 0) context.skip("needs root, to look into portcullis, which is not dumpable");
      const settings = { program: "rooms-served", uid, dieWithParent: true };
      const conversation = new Conversation(settings, rooms, "killed-openers");
      try {
        const count = () => readdirSync(`/proc/${conversation.supervisor}/fd`).length;
        expect(await conversation.line()).toBe("opened: 0");
        const before = count();
        conversation.write("");
        await until(
          "the supervisor has a descriptor of each process, and one of its object",
          () => count() >= before + 200,
        );
        conversation.write("");
        // This call is admitted when no killed call waits any more.
        expect(await conversation.line()).toBe("napped: 0");
        expect(count()).toBeLessThan(before + 50);
        conversation.write("");
        expect(await conversation.line()).toBe("held: -4");
      } finally {
        conversation.close();
      }
    });

    it.each([
      ["rooms-late", 1, 1],
      ["rooms-of-memory", 0, 1],
      ["rooms-of-process", 0, 0],
    ])("has one room for each owner: %s", async (program, copied, shared) => {
      const { status, said } = await scenario({ program, uid }, rooms, "scopes");
      expect({ status, said }).toEqual({
        status: 0,
        said: [
          ["a child of its own memory", copied],
          ["a child with its parent's memory", shared],
          ["held", -4],
        ],
      });
    });

    it("kills a late call by a room's verdict", async () => {
      const { status, events } = await scenario({ program: "rooms-kill", uid }, rooms, "late");
      expect(status).toBe(137);
      expect(events).toMatchObject([{ verdict: 4, late: { room: "gate", side: "ask" } }]);
    });

    it("ends the tree at its time limit, although calls wait", async () => {
      const { status } = await scenario({ program: "rooms", uid, timeout: 2000, killTree: true }, rooms, "endless");
      expect(status).toBe(143);
    });

    it("holds rooms for a process that another one traces", async () => {
      const { status, said } = await scenario(
        { program: "rooms-late", uid },
        "strace",
        "-f",
        "-o",
        "/dev/null",
        rooms,
        "late",
      );
      expect({ status, said }).toMatchObject({ status: 0, said: expect.arrayContaining([["first", late]]) });
    });

    // Overlapping calls are no more certain than the scheduler makes them.
    it("detects overlaps in memory without a policy, and none with it", async () => {
      const overlaps = (): number => {
        const out = execFileSync(rooms, ["memory", "4", "1000"], { encoding: "utf8" });
        return Number(/^torn: (\d+)$/m.exec(out)![1]);
      };
      let found = 0;
      for (let look = 0; look < 100 && found === 0; look++) found = overlaps();
      expect(found).toBeGreaterThan(0);
      const { status, said } = await scenario({ program: "rooms", uid }, rooms, "memory", "8", "4000");
      expect({ status, said }).toEqual({
        status: 0,
        said: [
          ["torn", 0],
          ["failures", 0],
        ],
      });
    });
  });

  describe.concurrent(`a hostile program, as ${name}`, () => {
    const kept = [
      ["reported", 1],
      ["asked", late],
      ["holder is done", 0],
    ] as const;

    it.each([
      ["close", "close", -9],
      ["end", "end", 3],
      ["stub", "by the stub", -1],
    ] as const)("ends no other thread's hold, and enters none: %s", async (which, what, result) => {
      const { status, said } = await scenario({ program: "rooms-late", uid }, attack, which);
      const tries = said.filter(([one]) => one === what);
      expect(tries.length).toBeGreaterThan(0);
      for (const [, value] of tries) expect(value).toBe(result);
      expect({ status, said: said.slice(tries.length) }).toEqual({ status: 0, said: kept });
    });

    it("cannot overlap calls by hiding its process", async () => {
      const { status, said } = await scenario({ program: "rooms-late", uid }, attack, "hide");
      expect({ status, said }).toEqual({
        status: 0,
        said: [
          ["asked", 1],
          ["holder is done", 0],
        ],
      });
    });

    it("ends its hold, wherever it makes the stub return", async () => {
      const { status, said } = await scenario({ program: "rooms", uid }, attack, "frame");
      expect({ status, said }).toEqual({
        status: 0,
        said: [
          ["held", -4],
          ["napped", 0],
        ],
      });
    });

    it("can let a thousand threads wait: all are finally admitted", async () => {
      const { status, said } = await scenario({ program: "rooms", uid }, attack, "crowd");
      expect({ status, said }).toEqual({
        status: 0,
        said: [
          ["overtook", 0],
          ["held", -4],
          ["failed", 0],
        ],
      });
    });
  });
}

describe("as an ordinary user", () => {
  const { uid } = users.at(-1)!;
  it("refuses a call of a process that it may not examine, with the reason", async () => {
    const { said, events } = await scenario({ program: "rooms", uid }, rooms, "hidden");
    expect(said).toEqual([["asked", -1]]);
    expect(events).toMatchObject([
      { verdict: "unheld", pin: { why: "untraceable" }, obstacle: { why: "not-dumpable" } },
    ]);
  });
});
