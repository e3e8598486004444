/** The rate limit of events: bursts, floods, and the counts of dropped events. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { EventLimit } from "./limit.ts";

const options = { burst: 3, perSecond: 2, keys: 4 };

test("a burst passes, then the rate, and the drops are counted", () => {
  const limit = new EventLimit(options);
  const passed = Array.from({ length: 10 }, () => limit.admit("a", 1000).passes);
  expect(passed).toEqual([true, true, true, ...Array(7).fill(false)]);
  expect(limit.admit("a", 1499).passes).toBe(false);
  expect(limit.admit("a", 1500)).toEqual({ passes: true, dropped: [{ key: "a", count: 8 }] });
  expect(limit.admit("a", 1500)).toEqual({ passes: false, dropped: [] });
  expect(limit.drain()).toEqual([{ key: "a", count: 1 }]);
  expect(limit.drain()).toEqual([]);
});

test("a flood of one key leaves room for another", () => {
  const limit = new EventLimit(options);
  for (let index = 0; index < 1000; index++) limit.admit("flood", 0);
  expect(limit.admit("rare", 0).passes).toBe(true);
});

test("a clock that goes back adds no tokens", () => {
  const limit = new EventLimit(options);
  for (let index = 0; index < 3; index++) limit.admit("a", 5000);
  expect(limit.admit("a", 0).passes).toBe(false);
  expect(limit.admit("a", 5000).passes).toBe(false);
});

test("every event passes or is counted, whichever keys are evicted", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ key: fc.constantFrom("a", "b", "c", "d", "e", "f", "g"), after: fc.integer({ min: 0, max: 400 }) }),
        { maxLength: 300 },
      ),
      (events) => {
        const limit = new EventLimit(options);
        let now = 0;
        let passed = 0;
        let counted = 0;
        for (const { key, after } of events) {
          now += after;
          const result = limit.admit(key, now);
          if (result.passes) passed++;
          for (const { count } of result.dropped) counted += count;
        }
        for (const { count } of limit.drain()) counted += count;
        expect(passed + counted).toBe(events.length);
      },
    ),
  );
});
