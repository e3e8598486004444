import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, expect, it, onTestFinished, vi } from "vitest";
import type { TestModule } from "vitest/node";
import { patience } from "../support/patience.ts";
import ClosingReporter from "./reporter.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it("names the test files that run for long, until they end", () => {
  vi.useFakeTimers();
  const said: string[] = [];
  vi.spyOn(console, "log").mockImplementation((text) => said.push(text));
  const file = (name: string) => ({ relativeModuleId: name, meta: () => ({}) }) as TestModule;
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

it("names the file whose worker ended, and says how it ended", () => {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-reporter-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "passes.test.js"), 'import { it } from "vitest";\nit("passes", () => {});\n');
  const end = '{ process.kill(process.pid, "SIGSEGV"); await new Promise(() => {}); }';
  const test = `import { it } from "vitest";\nit("ends", async () => ${end});\n`;
  writeFileSync(join(folder, "collects.test.js"), `${end}\n`);
  writeFileSync(join(folder, "runs.test.js"), test);
  const words = ["run", "--root", folder, "--reporter", resolve("test/setup/reporter.ts")];
  const { stdout, status } = spawnSync(process.execPath, ["node_modules/vitest/vitest.mjs", ...words], {
    encoding: "utf8",
    timeout: patience.command,
  });
  expect(status).toBe(1);
  const lines = stdout
    .replaceAll(/worker \d+/g, "worker PID")
    .split("\n")
    .map((line) => line.trim());
  const error = ["unhandled: [vitest-pool]: Worker forks emitted error.", "caused by: Worker exited unexpectedly"];
  const ended = "worker PID ended with SIGSEGV";
  const files = ["collects.test.js: did not end", "runs.test.js: did not end"];
  const expected = ["Failed:", ...error, ...error, ended, ended, ...files, "1 passed, 3 failed"];
  expect(lines.filter((line) => line !== "").sort()).toEqual(expected.sort());
});

it("ends a long run with a line for each failure", () => {
  const said: string[] = [];
  vi.spyOn(console, "log").mockImplementation((text) => said.push(text));
  let atExit = () => {};
  vi.spyOn(process, "once").mockImplementation((_event, listener) => {
    atExit = listener as () => void;
    return process;
  });
  const { exitCode } = process;
  onTestFinished(() => {
    process.exitCode = exitCode;
  });
  vi.stubEnv("CI", "true");
  onTestFinished(() => void vi.unstubAllEnvs());
  const results: Record<number, { state: string; errors?: object[]; note?: string }> = {
    7: { state: "failed", errors: [{ message: "expected\n1 to be 2" }] },
    8: { state: "skipped", note: "needs a kernel" },
  };
  const file = (index: number) => {
    const result = results[index] ?? { state: "passed" };
    return {
      relativeModuleId: `${index}.test.ts`,
      meta: () => ({ processorTime: index }),
      state: () => result.state,
      errors: () => [],
      children: { allTests: () => [{ fullName: "adds > one", result: () => result }] },
    } as unknown as TestModule;
  };
  const files = Array.from({ length: 21 }, (_, index) => file(index));
  const folder = mkdtempSync(join(tmpdir(), "portcullis-reporter-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const times = join(folder, "build/times");
  const reporter = new ClosingReporter({ times });
  for (const each of files) {
    reporter.onTestModuleQueued(each);
    reporter.onTestModuleEnd(each);
  }
  reporter.onTestRunEnd(files, [], "failed");
  atExit();
  const lines = said.join("\n").split("\n");
  expect(lines.slice(0, 4)).toEqual(["", "Failed:", "  7.test.ts: adds > one: expected", "    1 to be 2"]);
  const faults = ["failed: 7.test.ts: adds > one: expected", "failed: 8.test.ts: adds > one: needs a kernel"];
  expect(lines.slice(-5)).toEqual(["", ...faults, "", "19 passed, 2 failed"]);
  const all = readFileSync(times, "utf8").trimEnd().split("\n");
  expect([all[0], all.length]).toEqual(["20.0\t0.0\t20.test.ts", 21]);
});
