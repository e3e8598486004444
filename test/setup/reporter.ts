/** The reporter of vitest.config.ts, beside vitest's own. */
import type { Reporter, SerializedError, TestCase, TestModule, TestRunEndReason } from "vitest/node";

/**
 * Ends a run with the list of skipped tests and their reasons, and with the number of passed and failed tests.
 *
 * A test that this machine cannot run calls `context.skip("why")`. In CI a skipped test counts as failed, because
 * unnoticed skips reduce coverage.
 */
export default class ClosingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[], _reason: TestRunEndReason): void {
    let passed = 0;
    let failed = unhandled.length;
    const unable: string[] = [];
    for (const module of modules) {
      if (module.state() === "failed" && module.errors().length > 0) failed += 1;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === "passed") passed += 1;
        else if (result.state === "failed") failed += 1;
        else unable.push(`${module.relativeModuleId}: ${test.fullName}: ${reason(test)}`);
      }
    }
    if (unable.length > 0) {
      console.log(`\nNot run on this machine (${unable.length}):`);
      for (const line of unable) console.log(`  ${line}`);
      if (process.env["CI"]) {
        console.log("In CI these count as failed.");
        failed += unable.length;
        process.exitCode = 1;
      }
    }
    console.log(`\n${passed} passed, ${failed} failed`);
    if (failed > 0) process.exitCode = 1;
  }
}

function reason(test: TestCase): string {
  const result = test.result();
  return (result.state === "skipped" && result.note) || "no reason given";
}
