/**
 * Prints vitest's results inside the machine as TAP, a line at the end of each test, from which test/kernel/vm.ts makes
 * test cases. It leaves out the tests that `-t` does not select.
 */
import { stripVTControlCharacters } from "node:util";
import type { Reporter, SerializedError, TestCase, TestModule } from "vitest/node";

interface Fault {
  readonly message: string;
  readonly diff?: string | undefined;
  readonly stack?: string | undefined;
}

export default class TapReporter implements Reporter {
  #count = 0;

  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    if (result.state === "skipped" && result.note === undefined) return;
    if (result.state === "skipped") this.#tell("ok", `${test.fullName} # SKIP ${result.note ?? ""}`, []);
    else this.#tell(result.state === "passed" ? "ok" : "not ok", test.fullName, result.errors ?? []);
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const faults = [...modules.flatMap((module) => module.errors()), ...unhandled];
    if (faults.length > 0) this.#tell("not ok", "errors outside of tests", faults);
    console.log(`1..${this.#count}`);
  }

  #tell(is: string, name: string, faults: readonly Fault[]): void {
    for (const { message, diff, stack = message } of faults) {
      const lines = stripVTControlCharacters([stack, diff].filter(Boolean).join("\n")).split("\n");
      for (const line of lines.filter((each) => !/^ +at (?!.*\btest\/)/.test(each))) console.log(`# ${line}`);
    }
    this.#count += 1;
    console.log(`${is} ${this.#count} - ${name}`);
  }
}
