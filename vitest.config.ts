import { existsSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { inSharedMachine, sharedMachine } from "./test/kernel/shared-machine.ts";
import { thresholds } from "./test/setup/least-coverage.ts";
import { filesOfParts, isIncluded } from "./test/support/parts.ts";
import { patience } from "./test/support/patience.ts";

/** Files whose machines take minutes. They run while they are collected, which vitest does not count as their duration. */
const long = [
  sharedMachine,
  "test/kernel/ebpf-filters.test.ts",
  "test/kernel/recent.test.ts",
  "test/kernel/checkpoint.test.ts",
  "test/kernel/vulnerabilities.test.ts",
];
/** Begins with the long files, so that no worker is left alone with one at the end. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => long.some((name) => moduleId.endsWith(`/${name}`));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

/** Tests beside their code that start processes or threads, or change their own process: a worker of their own each. */
const withProcesses = [
  "src/cli/policy/arguments.test.ts",
  "src/engines/notify/tasks/tasks.test.ts",
  "src/engines/command/own-directory.test.ts",
  "src/engines/engine/thread.test.ts",
  "src/events/sink.test.ts",
  "src/machine/bpf/bpf.test.ts",
  "src/machine/processor.test.ts",
  "src/propose/elf/static-bound.test.ts",
  "src/observe/record/notify/ring.test.ts",
];

/** Files of parts also run if the command line names them, or their folder. */
const isNamed = (file: string) => process.argv.some((word) => word.startsWith("test/") && file.startsWith(word));
/** vitest runs the files whose paths contain a word of the command line. */
const isMeant = (file: string) => process.argv.slice(3).some((word) => !word.startsWith("-") && file.includes(word));
const excluded = [
  ...filesOfParts.map(([, file]) => file).filter((file) => !isIncluded(file) && !isNamed(file)),
  ...inSharedMachine.filter((file) => isIncluded(file) && (isMeant(sharedMachine) || !isMeant(file))),
];

for (const name of [...long, ...inSharedMachine, ...withProcesses, ...filesOfParts.map(([, file]) => file)]) {
  if (!existsSync(new URL(name, import.meta.url)))
    throw new Error(`vitest.config.ts names ${name}, which does not exist`);
}

export default defineConfig({
  test: {
    testTimeout: patience.test,
    hookTimeout: patience.test,
    teardownTimeout: patience.command,
    // Two processors, and tests that wait for machines and timers.
    maxWorkers: 3,
    sequence: { sequencer: LongFirst },
    setupFiles: ["./test/setup/fast-check.ts", "./test/setup/path.ts", "./test/setup/processor-time.ts"],
    reporters: ["default", "./test/setup/reporter.ts"],
    projects: [
      {
        extends: true,
        test: { name: "unit", include: ["src/**/*.test.ts"], exclude: withProcesses, pool: "threads", isolate: false },
      },
      {
        extends: true,
        test: {
          name: "system",
          include: ["test/**/*.test.ts", ...withProcesses],
          exclude: excluded,
          pool: "forks",
        },
      },
    ],
    // With --coverage, test/setup/reporter.ts prints the sums of each folder.
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      exclude: ["src/**/*.test.ts", "src/**/testing/**", "src/abi/generated/**", "src/frontend/types/**"],
      reporter: [],
      reportsDirectory: "build/coverage",
      reportOnFailure: true,
      // Of all unit tests. Other runs execute less of some folders.
      thresholds: process.env["PORTCULLIS_THRESHOLDS"] === undefined ? {} : thresholds,
    },
  },
});
