import { existsSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { patience } from "./test/support/patience.ts";

/** Files whose machines take minutes. They run while they are collected, which vitest does not count as their duration. */
const long = ["test/engines/enforce.test.ts", "test/kernel/ebpf-filters.test.ts", "test/kernel/selftests.test.ts"];
for (const name of long) {
  if (!existsSync(new URL(name, import.meta.url)))
    throw new Error(`vitest.config.ts names ${name}, which does not exist`);
}

/** Begins with the long files, so that no worker is left alone with one at the end. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => long.some((name) => moduleId.endsWith(`/${name}`));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: patience.test,
    hookTimeout: patience.test,
    teardownTimeout: patience.command,
    pool: "forks",
    // Two processors, and tests that wait for machines and timers.
    maxWorkers: 3,
    sequence: { sequencer: LongFirst },
    setupFiles: ["./test/setup/fast-check.ts"],
    reporters: ["default", "./test/setup/reporter.ts"],
    // With --coverage, test/setup/reporter.ts prints the sums of each folder.
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      exclude: ["src/**/*.test.ts", "src/**/testing/**", "src/linux/generated/**", "src/language/types/**"],
      reporter: [],
      reportsDirectory: "build/coverage",
      reportOnFailure: true,
    },
  },
});
