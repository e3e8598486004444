/** Tests that the events of several processors become one stream in the order of time. */

import fc from "fast-check";
import { expect } from "vitest";
import { property } from "../../../ir/testing/property.ts";
import { eventKind, HeldEvents, merge } from "./event-stream.ts";

const time = fc.integer({ min: 0, max: 1000 });
const processors = fc.array(fc.array(time, { maxLength: 40 }), { minLength: 1, maxLength: 5 });

property([processors, fc.array(time, { maxLength: 4 })])("a merge takes each event once, in order", (times, bounds) => {
  const all = times.map((ofOne) => {
    const events = new HeldEvents();
    for (const one of [...ofOne].sort((a, b) => a - b)) events.add(eventKind.enter, one, one + 1, one + 2, 0);
    return events;
  });
  const taken: number[] = [];
  for (const until of [...bounds.sort((a, b) => a - b), Number.POSITIVE_INFINITY]) {
    merge(all, until, (events, slot) => {
      expect(events.tid(slot)).toBe(events.time(slot) + 1);
      expect(events.first(slot)).toBe(events.time(slot) + 2);
      taken.push(events.time(slot));
    });
    expect(taken).toEqual(
      times
        .flat()
        .filter((one) => one <= until)
        .sort((a, b) => a - b),
    );
  }
  expect(all.map(({ count }) => count)).toEqual(times.map(() => 0));
});
