import { describe, expect, it } from "vitest";
import { ExpectedThreads } from "./expected.ts";

/** A thread whose calls are reported, each after `gap` and for `call` milliseconds, until it is expected or has made `most`. */
function reportedCalls(threads: ExpectedThreads<object>, thread: object, gap: number, call: number, most = 10_000) {
  let time = 1;
  for (let calls = 0; calls < most; calls++) {
    if (threads.comes(thread, time)) return { calls, time };
    threads.reported(thread, time, time + call);
    time += call + gap;
  }
  return undefined;
}

describe("a thread whose calls' ends are reported", () => {
  it("is expected after eight calls that came at once", () => {
    expect(reportedCalls(new ExpectedThreads(), {}, 0.05, 0.01)?.calls).toBe(8);
  });

  it("is not expected if its next call comes later than a report, or its calls are long", () => {
    expect(reportedCalls(new ExpectedThreads(), {}, 0.5, 0.01)).toBeUndefined();
    expect(reportedCalls(new ExpectedThreads(), {}, 0.05, 2)).toBeUndefined();
  });

  it("is not expected if half of its calls come later", () => {
    const threads = new ExpectedThreads();
    const thread = {};
    let time = 1;
    for (let calls = 0; calls < 1000; calls++) {
      expect(threads.comes(thread, time)).toBe(false);
      threads.reported(thread, time, time + 0.01);
      time += calls % 2 === 0 ? 0.05 : 0.5;
    }
  });

  it("is expected if its next call comes sooner than a report", () => {
    const [threads, thread] = [new ExpectedThreads(), {}];
    let time = 1;
    let calls = 0;
    for (; !threads.comes(thread, time); calls++) {
      threads.prepared(thread, time + 0.8);
      threads.reported(thread, time + 0.8, time + 0.81);
      time += 0.81 + 0.5;
    }
    expect(calls).toBeLessThan(30);
  });

  it("does not affect other threads", () => {
    const threads = new ExpectedThreads();
    reportedCalls(threads, {}, 0.05, 0.01);
    expect(threads.comes({}, 1)).toBe(false);
  });
});

describe("an expected thread", () => {
  it("stays expected as long as it comes at once", () => {
    const [threads, thread] = [new ExpectedThreads(), {}];
    let { time } = reportedCalls(threads, thread, 0.05, 0.01)!;
    for (let calls = 0; calls < 10_000; calls++) {
      threads.came(thread, time, time + 0.1, true);
      time += 0.1;
      expect(threads.comes(thread, time)).toBe(true);
    }
  });

  it("may take long if no other call waits for it", () => {
    const [threads, thread] = [new ExpectedThreads(), {}];
    const { time } = reportedCalls(threads, thread, 0.05, 0.01)!;
    threads.came(thread, time, time + 1000, false);
    expect(threads.comes(thread, time + 1000)).toBe(true);
  });

  it("lets others wait no longer than reports would have taken, and at first 5 ms", () => {
    const [threads, thread] = [new ExpectedThreads(), {}];
    let waited = 0;
    let saved = 0;
    let { time } = reportedCalls(threads, thread, 0.05, 0.01)!;
    while (threads.comes(thread, time)) {
      threads.came(thread, time, time + 0.5, true);
      time += 0.5;
      waited += 0.3;
      saved += 0.05;
    }
    expect(waited).toBeLessThanOrEqual(5 + saved + 0.3);
  });

  it("needs twice as many calls after each failed expectation, at most 1,024", () => {
    const [threads, thread] = [new ExpectedThreads(), {}];
    const needed = Array.from({ length: 10 }, () => {
      const { calls } = reportedCalls(threads, thread, 0.05, 0.01)!;
      threads.failed(thread);
      return calls;
    });
    // The first call of each row follows a call whose end was not reported.
    expect(needed).toEqual([8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024]);
  });
});
