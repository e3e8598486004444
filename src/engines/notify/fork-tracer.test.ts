import { afterEach, expect, test, vi } from "vitest";
import * as ptrace from "../../linux/ptrace.ts";
import { ForkTracer } from "./fork-tracer.ts";
import type { TaskRegistry } from "./tasks.ts";

vi.mock("../../linux/ptrace.ts");
afterEach(() => vi.restoreAllMocks());

const none = () => undefined;

/** The looks at the outcome of a fork that fails, if each gives the processor away for so many milliseconds. */
function looks(milliseconds: number): number {
  let [now, count] = [0, 0];
  vi.spyOn(performance, "now").mockImplementation(() => now);
  vi.mocked(ptrace.seize).mockReturnValue(0);
  vi.mocked(ptrace.nextStop).mockReturnValue("none yet");
  vi.mocked(ptrace.yieldProcessor).mockImplementation(() => {
    now += milliseconds;
    count++;
    return 0;
  });
  const options = { kill: none, lost: none, isPinned: () => false, restarts: none, interruptsForks: false };
  const tracer = new ForkTracer({} as TaskRegistry, options);
  tracer.seize(7);
  tracer.advanceEagerly();
  return count;
}

test("looks often for the outcome of a fork", () => {
  expect(looks(0.001)).toBe(200);
});

test("does not give the processor away for long, on a machine where each look takes a time slice", () => {
  expect(looks(8)).toBe(1);
});
