/**
 * A supervisor for test/live/pin that only pins: starts a victim (test/live/pin/victim), takes over the listener and
 * answers all notifications. Bundled by `run.ts`.
 *
 *     node harness.mjs OPTIONS-AS-JSON VICTIM [ARGUMENT...]
 *
 * It forbids a path or a program's argument whose last component begins with "n", an IPv4 address that ends in 2, an open
 * for writing by openat2, and a child that shares its parent's descriptors. When the victim has ended, it prints the number
 * of windows that it still has and the outcomes of the calls to standard error, the latter as JSON.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { SuperviseLoop } from "./loop.ts";
import type { PinHarnessOptions } from "./options.ts";

const [given = "{}", victim = "", ...words] = process.argv.slice(2);
const options = JSON.parse(given) as PinHarnessOptions;
const child = spawn(victim, words, {
  stdio: ["pipe", "inherit", "inherit", "pipe"],
  env: { ...process.env, PIN_FILTER: options.filter, PIN_KILLABLE: options.killable === false ? "" : "1" },
});
child.stdio[3]!.once("data", (text: Buffer) => {
  const loop = new SuperviseLoop(options, child.pid!, Number(text.toString()));
  child.stdin!.write("\n", () => {
    loop.run();
    const windows = readFileSync("/proc/self/maps", "latin1").match(/memfd:portcullis/g) ?? [];
    process.stderr.write(`windows: ${windows.length}\n`);
    process.stderr.write(`${JSON.stringify(loop.counts)}\n`);
  });
});
child.on("exit", (status, signal) => process.exit(signal === null ? (status ?? 1) : 200));
