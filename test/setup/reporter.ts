/** The reporter of vitest.config.ts, beside vitest's own. */
import { stripVTControlCharacters } from "node:util";
import type { Reporter, SerializedError, TestCase, TestModule, TestRunEndReason } from "vitest/node";

/**
 * Ends a run with the failed tests and their messages, with the skipped tests and their reasons, and with the number of
 * passed and failed tests. The messages come again here, short and last, because a log that was cut shows only its end.
 *
 * A test that this machine cannot run calls `context.skip("why")`. In CI a skipped test counts as failed, because
 * unnoticed skips reduce coverage.
 */
export default class ClosingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[], _reason: TestRunEndReason): void {
    let passed = 0;
    let failed = unhandled.length;
    const unable: string[] = [];
    const messages = unhandled.map((error) => `unhandled: ${shortened(error)}`);
    for (const module of modules) {
      if (module.state() === "failed" && module.errors().length > 0) {
        failed += 1;
        for (const error of module.errors()) messages.push(`${module.relativeModuleId}: ${shortened(error)}`);
      }
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === "passed") passed += 1;
        else if (result.state === "failed") {
          failed += 1;
          for (const error of result.errors)
            messages.push(`${module.relativeModuleId}: ${test.fullName}: ${shortened(error)}`);
        } else unable.push(`${module.relativeModuleId}: ${test.fullName}: ${reason(test)}`);
      }
    }
    if (messages.length > 0) {
      console.log(`\nFailed:`);
      for (const message of messages) console.log(`  ${message}`);
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

const longest = 1_000;

/** The message of an error with its difference, without colours, at most `longest` characters of each. */
function shortened({ message, diff }: SerializedError): string {
  const plain = (text: string) => stripVTControlCharacters(text).slice(0, longest).replaceAll("\n", "\n    ");
  return typeof diff !== "string" ? plain(message) : `${plain(message)}\n    ${plain(diff)}`;
}

function reason(test: TestCase): string {
  const result = test.result();
  return (result.state === "skipped" && result.note) || "no reason given";
}
