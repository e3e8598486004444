/** Arguments that the kernel has copied for a filter, beyond the kernel's selftests: forks and vforks while they are held. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { compiled } from "../support/run.ts";
import { casesInMachine, full, unable } from "./vm.ts";

const guest = "test/kernel/guest/arguments";
const runs = unable("patched") === undefined;
const bundle = resolve("build/test/held.pcl");
mkdirSync(dirname(bundle), { recursive: true });
if (runs) execFileSync("bin/portcullis", ["compile", "-p", `${guest}/held.ts`, "-o", bundle], { stdio: "pipe" });
const held = runs ? compiled(resolve(`${guest}/held.c`), ["-static", "-pthread"]) : "";

await casesInMachine(
  { kernel: "patched" },
  [0, 65534].map((uid) => ({
    title: `forks while another thread holds copies, as ${uid}`,
    command: { words: ["dist/native/x64/launcher", "run", bundle, "--", held, full ? "1000" : "50"], uid },
    count: 12,
  })),
);
