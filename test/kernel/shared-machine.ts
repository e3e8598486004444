/**
 * Test files that need nothing of their machine but the patched kernel: patched.test.ts runs them in one, those of a part
 * (test/support/parts.ts) with that part only. Each runs in a machine of its own if the command line names it and not that
 * file, or if its part does not run.
 */
export const sharedMachine = "test/kernel/patched.test.ts";

/** In the order of their programs in the machine. */
export const inSharedMachine = [
  "test/kernel/bundles.test.ts",
  "test/kernel/held.test.ts",
  "test/kernel/rooms.test.ts",
  "test/kernel/portcullis-crun.test.ts",
  "test/engines/enforce.test.ts",
  "test/engines/replay.test.ts",
  "test/engines/declared-memory.test.ts",
  "test/engines/ready-memory.test.ts",
  "test/engines/held-to-hosts.test.ts",
  "test/engines/limited-trees.test.ts",
  "test/engines/without-jit.test.ts",
];
