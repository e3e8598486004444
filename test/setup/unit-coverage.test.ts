/** `npm run test:coverage` is a run of vitest of its own, with the usual seed: other random tests execute other branches. */
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { patience } from "../support/patience.ts";

it("the unit tests execute enough of each folder", { timeout: patience.machineTest }, () => {
  const { PORTCULLIS_PARTS, PORTCULLIS_FUZZ_SEED, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync("npm", ["run", "--silent", "test:coverage"], {
    encoding: "utf8",
    env,
    timeout: patience.machine,
    killSignal: "SIGKILL",
  });
  const missed = stderr.split("\n").filter((line) => line.includes("does not meet"));
  expect(missed).toEqual([]);
  expect(status, stdout.slice(-2000)).toBe(0);
});
