/** Tests how work of another thread and the call that needs it go on. */
import { describe, expect, test } from "vitest";
import { errno } from "../abi/errno-numbers.ts";
import { notificationLayout } from "./pinned-calls.ts";
import { Work } from "./work.ts";

const bytes = new Uint8Array(notificationLayout.size);
const memory = { bytes: () => bytes, receiveAgain: (notification: Uint8Array) => bytes.set(notification) };

describe("work", () => {
  test("that this thread has done has its result at once", () => {
    const work = new Work(memory);
    const results: number[] = [];
    expect(work.when(-errno.EINTR, (result) => results.push(result) > 0)).toBe(true);
    expect({ results, isUnderWay: work.isUnderWay }).toEqual({ results: [-errno.EINTR], isUnderWay: false });
  });

  test("of another thread goes on with the notification of its call", () => {
    const work = new Work(memory);
    bytes.fill(1);
    expect(work.when(-errno.EINPROGRESS, () => bytes.every((byte) => byte === 1))).toBe(false);
    expect(work.isUnderWay).toBe(true);
    bytes.fill(2); // another supervisor receives one
    const goOn = work.end();
    expect(work.isUnderWay).toBe(false);
    expect(goOn(0)).toBe(true);
  });

  test("can be a pause", () => {
    const work = new Work(memory);
    bytes.fill(1);
    expect(work.after(0.1, (result) => result === 0 && bytes[0] === 1)).toBe(false);
    expect([work.isUnderWay, work.pause]).toEqual([true, 0.1]);
    bytes.fill(2);
    expect(work.end()(0)).toBe(true);
    work.when(-errno.EINPROGRESS, () => true);
    expect(work.pause).toBeUndefined();
  });

  test("can be followed by further work of the same call", () => {
    const work = new Work(memory);
    work.when(-errno.EINPROGRESS, () => work.when(-errno.EINPROGRESS, (result) => result === 7));
    expect(work.end()(-errno.EINTR)).toBe(false);
    expect(work.isUnderWay).toBe(true);
    expect(work.end()(7)).toBe(true);
  });
});
