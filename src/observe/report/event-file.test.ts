import { expect, it } from "vitest";
import { readEvents } from "./event-file.ts";
import { Refusals } from "./refusals.ts";

it("an event of several calls counts as all of them", () => {
  const event = { v: 1, kind: "decision", time: 1, pid: 1, tid: 1, command: "c", call: "bind", number: 49 };
  const lines = [{}, { count: 46 }, { count: "1" }, { count: -1 }].map((more) => ({
    kind: "line" as const,
    text: JSON.stringify({ ...event, arguments: [], verdict: "deny", errno: "EPERM", policy: "p", ...more }),
  }));
  const refusals = new Refusals();
  const { decisions } = readEvents(lines as never, (one) => refusals.addEvent(one));
  expect(decisions).toBe(49);
  expect(refusals.list.map(({ count }) => count)).toEqual([49]);
});
