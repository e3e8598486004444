/**
 * The kernel checks automata once, when the filter is attached, if the launcher has frozen their map. Then a byte of a path
 * costs 4 instructions and a share of the loop; without that, 21. `npm run bench -- kernel` measures the whole call.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { expect, it } from "vitest";
import { patience } from "../support/patience.ts";
import { inMachine, isDebug, unable } from "./vm.ts";

it("reads a byte of a path in at most eight instructions", { timeout: patience.machineTest }, async (context) => {
  const reason = isDebug ? "the debug kernel counts more" : unable("patched");
  if (reason !== undefined) context.skip(reason);
  const program = "build/bench/instructions";
  execFileSync("make", ["-s", program]);
  const paths = ["/dev/shm/opened", `/dev/shm/${"./".repeat(16)}opened`];
  const bundle = "build/test/match-cost.pcl";
  mkdirSync("build/test", { recursive: true });
  execFileSync("bin/portcullis", ["compile", "-p", "bench/policies/kernel/patterns.ts", "-o", bundle]);
  const under = `dist/native/x64/launcher run ${bundle} --`;
  const commands = paths.flatMap((path) => ["", under].map((run) => `${run} ${program} openat ${path}`));
  const script = [`: >${paths[0]}`, ...commands.map((command) => `${command} || exit 1`)].join("\n");
  const ran = await inMachine({ kernel: "patched", icount: true }, ["sh", "-c", script]);
  expect(ran).toMatchObject({ status: 0, stderr: "" });
  const [short, judgedShort, long, judgedLong] = ran.stdout.trim().split("\n").map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const each = (judgedLong - long - (judgedShort - short)) / (paths[1]!.length - paths[0]!.length);
  expect(each).toBeGreaterThan(0);
  expect(each).toBeLessThanOrEqual(8);
});
