import { afterEach, expect, it, vi } from "vitest";
import type { TestModule } from "vitest/node";
import ClosingReporter from "./reporter.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it("names the test files that run for long, until they end", () => {
  vi.useFakeTimers();
  const said: string[] = [];
  vi.spyOn(console, "log").mockImplementation((text) => said.push(text));
  const file = (name: string) => ({ relativeModuleId: name }) as TestModule;
  const reporter = new ClosingReporter();
  reporter.onTestRunStart();
  reporter.onTestModuleQueued(file("a.test.ts"));
  reporter.onTestModuleQueued(file("b.test.ts"));
  vi.advanceTimersByTime(240_000);
  reporter.onTestModuleEnd(file("a.test.ts"));
  reporter.onTestModuleQueued(file("c.test.ts"));
  expect(said).toEqual([]);
  vi.advanceTimersByTime(60_000);
  expect(said.splice(0)).toEqual(["running for 5 minutes: b.test.ts"]);
  vi.advanceTimersByTime(300_000);
  expect(said.splice(0)).toEqual(["running for 10 minutes: b.test.ts", "running for 6 minutes: c.test.ts"]);
  reporter.onTestModuleEnd(file("b.test.ts"));
  reporter.onTestModuleEnd(file("c.test.ts"));
  vi.advanceTimersByTime(600_000);
  expect(said).toEqual([]);
});
