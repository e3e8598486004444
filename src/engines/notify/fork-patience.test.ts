import { expect, test } from "vitest";
import { type AwaitedFork, ForkPatience } from "./fork-patience.ts";

/** Looks every millisecond, and returns the time for which the forks are awaited. */
function wait(patience: ForkPatience, forks: readonly AwaitedFork[], from: number): number {
  let time = from;
  while (patience.awaits(forks, time)) time++;
  return time - from;
}

const fork = (since: number, process: number | undefined = 7): AwaitedFork => ({ since, processOf: () => process });

test("a fork that does not end is awaited for the tree's time, and the next ones of its process are not", () => {
  const patience = new ForkPatience();
  const stuck = fork(0);
  expect(wait(patience, [stuck], 0)).toBeGreaterThanOrEqual(5000);
  const later = wait(patience, [stuck, fork(5100)], 5100);
  expect(later).toBeLessThan(5);
  // Also if the stuck one has ended.
  expect(wait(patience, [fork(5200)], 5200)).toBeLessThan(5);
});

test("those of other processes are awaited as long as a fork takes on a busy machine", () => {
  const patience = new ForkPatience();
  wait(patience, [fork(0)], 0);
  for (let other = 0; other < 10; other++) {
    const since = 5200 + 200 * other;
    expect(wait(patience, [fork(since, 100 + other)], since)).toBeLessThan(210);
  }
  expect(wait(patience, [fork(9000, undefined)], 9000)).toBeLessThan(210);
});

test("prompt forks cost none of the time, and hide no late one", () => {
  const patience = new ForkPatience();
  for (let since = 0; since < 100_000; since += 100) patience.awaits([fork(since - 50)], since);
  let [time, stuck] = [100_000, fork(100_000)];
  while (patience.awaits([stuck, fork(time - 1, 8)], time) && time < 105_100) time++;
  expect(wait(patience, [stuck], time)).toBe(0);
  stuck = fork(time, 9);
  expect(wait(patience, [stuck], time)).toBeLessThan(210);
});

test("the time comes back", () => {
  const patience = new ForkPatience();
  wait(patience, [fork(0)], 0);
  const minute = 65_100;
  expect(wait(patience, [fork(minute, 8)], minute)).toBeGreaterThan(1000);
  expect(wait(patience, [fork(minute, 8)], minute + 3000)).toBeLessThan(200);
  const hour = 3_600_000;
  expect(wait(patience, [fork(hour)], hour)).toBeGreaterThan(4000);
});
