/**
 * Containers under `seccomp-ebpf`: by deploy/crun/portcullis-crun, whose annotation names a bundle, and with the launcher as
 * entry point; and what hostile processes try against both.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { it } from "vitest";
import { casesInMachine, unable } from "./vm.ts";

const title = "containers of crun";
const guest = "test/kernel/guest/crun";
const missing = ["crun", "jq"].filter((program) => spawnSync(program, ["--version"]).status !== 0);

if (missing.length > 0) it(title, (context) => context.skip(`there is no ${missing.join(", ")}`));
else {
  const bundles = resolve("build/test/crun");
  mkdirSync(bundles, { recursive: true });
  const compile = (policy: string, bundle: string, ...options: readonly string[]) =>
    execFileSync(
      "bin/portcullis",
      ["compile", ...options, "-p", `${guest}/${policy}.ts`, "-o", `${bundles}/${bundle}.pcl`],
      { stdio: "pipe" },
    );
  if (unable("patched") === undefined) {
    for (const policy of ["counting", "sealed", "no-links", "objects"]) compile(policy, policy);
    compile("counting", "unprivileged", "--target", "unprivileged");
  }
  await casesInMachine({ kernel: "patched" }, [
    { title, command: { words: ["sh", `${guest}/containers.sh`], env: { BUNDLES: bundles } }, count: 55 },
  ]);
}
