/** If a signal has ended the command, the process that the shell has started ends by the same signal. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { patience } from "../support/patience.ts";
import { prepare, victim } from "./run.ts";

const program = resolve("bin/portcullis");
/** A Python program that restores the signal's default action and sends the signal to itself. */
const kills = `import os, signal, sys
number = getattr(signal, "SIG" + sys.argv[1])
signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
if number != signal.SIGKILL: signal.signal(number, signal.SIG_DFL)
os.kill(os.getpid(), number)`;

let folder = "";
let stateful = "";
beforeAll(async () => {
  await prepare();
  folder = mkdtempSync(join(tmpdir(), "portcullis-ended-"));
  stateful = join(folder, "stateful.ts");
  writeFileSync(
    stateful,
    `import { allow, perTree, policy } from "portcullis";
const asked = perTree.counter();
export default policy((call) => {
  if (call.name === "mkdir") asked.add(1n);
  return allow;
});
`,
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the end by a signal", () => {
  const ending = ["HUP", "INT", "QUIT", "KILL", "SEGV", "PIPE", "ALRM", "TERM", "SYS", "IO"];
  test.each(ending)("SIG%s is seen by the caller, as without portcullis", (name) => {
    // The limit of core files is for the command. Its own signal is not ignored, as in a shell's background job.
    const command = ["python3", "-c", kills, name];
    const cwd = mkdtempSync(join(folder, "cores-"));
    const ended = [[], [program, "run", "-q", "-p", stateful, "--"]].map((words) => {
      const [file, ...rest] = ["bash", "-c", 'ulimit -c 0; exec "$@"', "bash", ...words, ...command];
      const { status, signal, stderr } = spawnSync(file!, rest, { encoding: "utf8", timeout: patience.command, cwd });
      return { status, signal, stderr };
    });
    expect(ended[0]).toEqual({ status: null, signal: `SIG${name}`, stderr: "" });
    expect(ended[1]).toEqual(ended[0]);
  });

  test("is seen although the signal is ignored or blocked", () => {
    const run = [program, "run", "-q", "-p", stateful, "--", "python3", "-c", kills, "TERM"];
    for (const how of ["ignore=15", "block=15"]) {
      const { status, signal } = spawnSync(victim("situation"), [how, "--", ...run], { timeout: patience.command });
      expect({ how, status, signal }).toEqual({ how, status: null, signal: "SIGTERM" });
    }
  });

  test("dumps no core of portcullis", (context) => {
    if (!/^core\n$/.test(readFileSync("/proc/sys/kernel/core_pattern", "utf8")))
      context.skip("this machine's kernel does not write core files to the working directory");
    const cwd = mkdtempSync(join(folder, "cores-"));
    const script = 'ulimit -c unlimited; exec "$@"';
    const run = [program, "run", "-q", "-p", stateful, "--", "sh", "-c", "ulimit -c 0; kill -SEGV $$"];
    const { signal } = spawnSync("bash", ["-c", script, "bash", ...run], { timeout: patience.command, cwd });
    expect({ signal, files: readdirSync(cwd) }).toEqual({ signal: "SIGSEGV", files: [] });
  });

  test("is the status of an init process, which signals do not end", (context) => {
    if (process.getuid?.() !== 0) context.skip("needs root, to make a pid namespace");
    const inShell = (script: string) =>
      spawnSync("bash", ["-c", script], {
        timeout: patience.command,
        env: { ...process.env, portcullis: program, stateful },
      }).status;
    for (const [name, status] of [
      ["TERM", 143],
      ["KILL", 137],
    ] as const) {
      const run = '"$portcullis" run -q -p "$stateful" -- sh -c "kill -$1 \\$\\$"';
      const script = `unshare --pid --fork --mount-proc bash -c 'exec ${run}' bash ${name}`;
      expect({ name, status: inShell(script) }).toEqual({ name, status });
    }
  });
});
