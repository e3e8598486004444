import { defineConfig } from "vitest/config";
import { patience } from "./test/support/patience.ts";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: patience.test,
    hookTimeout: patience.test,
    teardownTimeout: patience.command,
    pool: "forks",
    maxWorkers: 2,
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
