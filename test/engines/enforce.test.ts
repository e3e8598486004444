/** The engine seccomp-ebpf in the machine: as root, as anybody, in a user namespace, from bundles; and that it fails closed. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { casesInMachine, inMachine, unable } from "../kernel/vm.ts";
import { compiled, portcullis } from "../support/run.ts";

const folder = "build/engines";
const patience = 900_000;

/** What the guest needs is made here, where it is quick. */
function prepare(): void {
  execFileSync("make", ["-s", "-C", "native"], { stdio: "inherit" });
  mkdirSync(folder, { recursive: true });
  compiled("test/policies/victims/attempt.c");
  compiled("test/policies/victims/attempt.c", ["-static"]);
  compiled("test/policies/victims/flow.c", ["-static"]);
  compiled("demo/hijacked.c");
  for (const words of [["children", "--set", "most=16"], ["exec-once"]] as const) {
    const [policy, ...parameters] = words;
    const ran = portcullis(["compile", "-p", policy, ...parameters, "-o", `${folder}/${policy}.pcl`]);
    if (ran.status !== 0) throw new Error(ran.stderr);
  }
}

const reason = unable("patched");
if (reason === undefined) prepare();
await casesInMachine("seccomp-ebpf", { kernel: "patched" }, ["node", "test/engines/guest.mjs", folder], {
  atLeast: 18,
});

describe("every ready policy passes its live tests under seccomp-ebpf", () => {
  for (const [who, user] of [
    ["root", undefined],
    ["anybody", "65534"],
  ] as const) {
    it(
      `as ${who}`,
      async (context) => {
        if (reason !== undefined) context.skip(reason);
        const env = { PORTCULLIS_TEST_ENGINE: "seccomp-ebpf", HOME: "/tmp" };
        // The runner: the other loader writes beside the modules, which only their owner may.
        const words = ["npx", "vitest", "run", "--configLoader", "runner", "test/policies/live.test.ts"];
        words.push("--test-timeout=240000");
        const ran = await inMachine({ kernel: "patched", env, ...(user === undefined ? {} : { user }) }, words);
        expect(ran.status, `${ran.stdout.slice(-4000)}\n${ran.stderr.slice(-2000)}`).toBe(0);
      },
      patience,
    );
  }
});
