/** Automata of string patterns as seccomp programs of a user without privileges, loaded by the patched kernel. */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { casesInMachine, unable } from "./vm.ts";

const folder = resolve("build/test/patterns");

if (unable("patched") === undefined) {
  mkdirSync(folder, { recursive: true });
  await build({
    entryPoints: ["test/kernel/guest/load-patterns.ts"],
    outfile: join(folder, "load-patterns.cjs"),
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    logLevel: "warning",
    // The addon is looked for from here.
    define: { "import.meta.url": JSON.stringify(`file://${resolve("src/linux/native.ts")}`) },
  });
}

await casesInMachine(
  "forms of automata",
  { kernel: "patched", user: "65534" },
  ["node", join(folder, "load-patterns.cjs")],
  { atLeast: 25 },
);
