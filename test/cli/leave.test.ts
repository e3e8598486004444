/** Tests that a process with a supervising thread ends at once, though the thread blocks in a system call. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { bundleOptions, inCheckout } from "../support/bundle.ts";
import { patience } from "../support/patience.ts";
import { folderOf } from "./harness.ts";

const contents = `
  import { readdirSync, readFileSync } from "node:fs";
  import { runContext } from "./src/cli/run-context.ts";
  import { SupervisingThread } from "./src/engines/engine/thread.ts";
  runContext();
  new SupervisingThread('require("node:fs").readSync(0, Buffer.alloc(1))', {});
  // read(0, …) on x86-64 or arm64.
  const waits = (tid) => /^(?:0|63) 0x0 /.test(readFileSync("/proc/self/task/" + tid + "/syscall", "latin1"));
  setInterval(() => {
    if (readdirSync("/proc/self/task").some(waits)) throw new Error("a mistake");
  }, 10);
`;

test("an internal error of run ends the process, although its supervisor blocks in the kernel", async () => {
  const outfile = join(folderOf({}), "program.cjs");
  const stdin = { contents, resolveDir: process.cwd(), loader: "ts" } as const;
  await build({ ...bundleOptions, stdin, outfile, format: "cjs", define: inCheckout });
  // The thread reads from standard input, which stays open.
  const child = spawn(process.execPath, [outfile], { timeout: patience.command, killSignal: "SIGKILL" });
  const [said, [status]] = await Promise.all([text(child.stderr), once(child, "exit")]);
  expect(said).toContain("portcullis: internal error: a mistake\n");
  expect(status).toBe(125);
});
