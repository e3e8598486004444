/** The live tests run each command as the only tree of a thread; here as one of an agent's thread, in a run of vitest of its own. */
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { patience } from "../support/patience.ts";

it("the live tests pass for trees of an agent's thread", { timeout: patience.machineProgram }, () => {
  const { PORTCULLIS_PARTS, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync("npx", ["vitest", "run", "test/live"], {
    encoding: "utf8",
    env: { ...env, PORTCULLIS_TREES: "many" },
    timeout: patience.machineProgram,
    killSignal: "SIGKILL",
    maxBuffer: 1 << 28,
  });
  expect(status, `${stdout.slice(-4000)}${stderr.slice(-2000)}`).toBe(0);
});
