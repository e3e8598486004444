/** Servers and folders of a benchmark end with it, however it ends. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { expect, it } from "vitest";
import { folderOf } from "../cli/harness.ts";
import { until } from "../support/patience.ts";

/** A benchmark whose server has a child and ignores SIGTERM; it waits as if for a load generator, so no handler runs. */
const program = `
import { execFileSync } from "node:child_process";
import { removeWithUs, startWithUs } from "./bench/support/end-with-us.ts";
const [how, folder] = process.argv.slice(2);
removeWithUs(folder);
const ended = startWithUs(["true"], {});
await new Promise((resolve) => ended.once("exit", resolve));
const words = ["sh", "-c", "trap '' TERM; sleep 987654 & echo $$ $!; wait"];
const server = startWithUs(words, { stdio: ["ignore", "pipe", "ignore"] });
server.stdout.once("data", (pids) => {
  const generator = how === "exit" ? "" : "exec sleep 987654";
  execFileSync("sh", ["-c", "echo " + String(pids).trim() + "; " + generator], { stdio: ["ignore", "inherit", "ignore"] });
  process.exit();
});
`;

async function bundled(): Promise<string> {
  const file = join(folderOf({}), "program.mjs");
  const stdin = { contents: program, resolveDir: process.cwd(), loader: "ts" } as const;
  await build({ stdin, outfile: file, bundle: true, format: "esm", platform: "node", target: "node20" });
  return file;
}

/** Neither running nor waiting for its parent. */
const lives = (pid: number) => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

it.each(["exit", "SIGINT", "SIGTERM", "SIGKILL"] as const)("by %s", async (how) => {
  const file = await bundled();
  const folder = mkdtempSync(join(tmpdir(), "portcullis-ends-"));
  const child = spawn(process.execPath, [file, how, folder], { stdio: ["ignore", "pipe", "ignore"], detached: true });
  const text = await new Promise<string>((resolve) => child.stdout.once("data", (data) => resolve(String(data))));
  const pids = text.trim().split(" ").map(Number);
  expect(pids).toHaveLength(2);
  if (how !== "exit") {
    expect(pids.every(lives)).toBe(true);
    // The server also gets the signal of a terminal's group.
    process.kill(how === "SIGINT" ? -child.pid! : child.pid!, how);
  }
  await until("its server and its folder are gone", () => !pids.some(lives) && !existsSync(folder));
  // The generator that it waited for.
  if (how === "SIGTERM" || how === "SIGKILL") process.kill(-child.pid!, "SIGKILL");
});
