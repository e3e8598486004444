// Exports, files and dependencies that nothing uses: `npm run check -- exports`. What is started or compiled, and not
// imported, is an entry.
import type { KnipConfig } from "knip";

export default {
  entry: [
    // tools/build.mjs
    "src/{testing,inert}.ts",
    "src/cli/{entry/{main,fast,man-pages},run-context}.ts",
    "src/observe/report/page/main.ts",
    "src/engines/{hosts/process,notify/worker}.ts",
    "demo/demo.ts",
    "bin/portcullis.cjs",
    "tools/*.{mjs,cjs}",
    "tools/warm-up/policy.ts",
    // Bundled and started by tools/generate/main.mjs.
    "tools/generate/generate.ts",
    // npm run bench
    "bench/*.ts",
    "kernel/machine/cli.mjs",
    "examples/systemd/hello.mjs",
    "test/kernel/guest/*.{ts,mjs}",
    "test/agent/agent-process.ts",
    "test/live/pin/harness.ts",
    "test/live/status-intruder.mjs",
    "test/engines/guest.mjs",
    "test/engines/service.ts",
    "test/types/testing-types.ts",
    // Policies are compiled, and not imported.
    "policies/*.ts",
    "bench/policies/**/*.ts",
    "deploy/kubernetes/policies/*.ts",
    "test/differential/findings/*.ts",
    "test/kernel/guest/{arguments,checkpoint,crun,pins,recent,rooms}/*.ts",
    "test/goldens/ebpf/*.ts",
    "test/language/rejected/*.ts",
    "test/types/policies/*.ts",
    "{src,test}/**/*.test.ts",
  ],
  project: ["**/*.{ts,mjs,cjs}", "!**/*.d.ts"],
  // tools/check.mjs starts two of them by their paths, native/Makefile reads the headers, and the disassembler is loaded by
  // its name if it is installed.
  ignoreDependencies: ["@alexaltea/capstone-js", "@wasm-fmt/clang-format", "cspell", "node-api-headers"],
  // A type that a function of its file takes or gives can be named where that function is called.
  ignoreExportsUsedInFile: { interface: true, type: true },
  // Programs of the system, which the Makefile installs, and paths that are started, not imported.
  exclude: ["binaries", "unresolved"],
} satisfies KnipConfig;
