import { spawn, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { isEndedBySignal } from "./pending-signals.ts";

describe("isEndedBySignal", () => {
  it("has no such signal of this process, nor of one that is not there", () => {
    expect(isEndedBySignal(process.pid)).toBe(false);
    expect(isEndedBySignal(0x7fffffff)).toBe(false);
  });

  it.each([
    ["TERM", "trap - TERM", true],
    ["TERM", "trap : TERM", false],
    ["TERM", "trap '' TERM", false],
    ["CHLD", "trap - CHLD", false],
  ])("of a stopped process: SIG%s after %s", async (signal, action, expected) => {
    const child = spawn("sh", ["-c", `${action}; echo ready; kill -STOP $$; sleep 1`], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    await new Promise((ready) => child.stdout.once("data", ready));
    while (!/^State:\tT/m.test(spawnSync("cat", [`/proc/${child.pid}/status`], { encoding: "utf8" }).stdout));
    spawnSync("sh", ["-c", `kill -${signal} ${child.pid}`]);
    expect(isEndedBySignal(child.pid!)).toBe(expected);
    child.kill("SIGKILL");
  });
});
