/**
 * Trees of processes under policies, dumped and restored by CRIU: with the plugin of kernel/criu under eBPF filters, whose
 * state goes on where it stood; alone on the stock kernel, where the tests show what is lost. On the patched kernel this ends
 * with eBPF filters switched off, which fails closed: the machine is for nothing else then.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { it } from "vitest";
import { runs as includes } from "../support/parts.ts";
import { compiled } from "../support/run.ts";
import { casesInMachine, type Kernel, type Reporting, unable } from "./vm.ts";

const guest = "test/kernel/guest/checkpoint";
const missing = ["/usr/sbin/criu", "/usr/include/criu/criu-plugin.h", "/usr/include/bpf/btf.h"].filter(
  (file) => !existsSync(file),
);

/** The engine where the end of patched.sh has switched eBPF filters off. */
function turnedOff(runs: boolean): Reporting {
  const folder = "build/test/turned-off";
  mkdirSync(folder, { recursive: true });
  if (runs)
    execFileSync("bin/portcullis", ["compile", "-p", "children", "-o", `${folder}/children.pcl`], { stdio: "pipe" });
  const words = ["node", "test/engines/guest.mjs", folder, "off"];
  return { title: "seccomp-ebpf, switched off", command: { words }, count: 2 };
}

for (const [kernel, script, count] of [
  ["patched", "patched.sh", 27],
  ...(includes("machine") ? [["stock", "stock.sh", 9] as const] : []),
] as const satisfies readonly (readonly [Kernel, string, number])[]) {
  const title = `checkpoint on the ${kernel} kernel`;
  if (missing.length > 0) {
    it(title, (context) => context.skip(`there is no ${missing.join(", ")}: make kernel`));
    continue;
  }
  const runs = unable(kernel) === undefined;
  const bundle = resolve("build/test/counting.pcl");
  if (runs) {
    mkdirSync(dirname(bundle), { recursive: true });
    execFileSync("make", ["-s", "-C", "kernel/criu"], { stdio: "inherit" });
    execFileSync("bin/portcullis", ["compile", "-p", `${guest}/counting.ts`, "-o", bundle], { stdio: "pipe" });
  }
  const env = {
    PLUGIN: resolve("build/kernel/criu"),
    WORKER: runs ? compiled(resolve(`${guest}/worker.c`), ["-static"]) : "",
    BUNDLE: bundle,
  };
  await casesInMachine({ kernel }, [
    { title, command: { words: ["sh", `${guest}/${script}`], env }, count },
    ...(kernel === "patched" ? [turnedOff(runs)] : []),
  ]);
}
