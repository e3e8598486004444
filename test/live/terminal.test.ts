/** Tests job control under a shell: Ctrl-C, Ctrl-Z and fg have the same effect on the command as without portcullis. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { patience, until } from "../support/patience.ts";
import type { HarnessOptions } from "./harness.ts";
import { front, prepare, supervisor, victim } from "./run.ts";

beforeAll(prepare);

function terminal(program: string, steps: readonly string[], ...command: readonly string[]) {
  return limited(program, undefined, steps, ...command);
}

function limited(
  program: string,
  timeout: number | undefined,
  steps: readonly string[],
  ...command: readonly string[]
) {
  const options: HarnessOptions = { program, supervisor, ...(timeout === undefined ? {} : { timeout }) };
  const confined = [...front(), JSON.stringify(options), ...command];
  const { stdout } = spawnSync(victim("terminal"), [...steps, "--", ...confined], {
    encoding: "utf8",
    timeout: patience.command,
  });
  return stdout;
}

const countInterrupts = `n=0; trap 'n=$((n+1)); echo "interrupt $n"' INT; echo ready; while read line; do echo "line $line, $n"; [ "$line" = end ] && exit 6; done; exit 7`;

// Without and with a supervisor thread.
for (const program of ["allow-all", "first-thousand"]) {
  test(`Ctrl-C reaches the command, once, and not portcullis (${program})`, () => {
    const steps = [
      "expect",
      "ready",
      "send",
      "\\x03",
      "expect",
      "interrupt 1",
      "send",
      "end\\n",
      "expect",
      "line end, 1",
      "exit",
    ];
    expect(terminal(program, steps, "bash", "-c", countInterrupts)).toBe("exit 6\n");
  });

  test(`Ctrl-C ends a command with the default action (${program})`, () => {
    expect(
      terminal(program, ["expect", "ready", "send", "\\x03", "exit"], "sh", "-c", "echo ready; exec sleep 3600"),
    ).toBe("exit 1002\n");
  });

  test(`Ctrl-Z stops the job, and fg continues it (${program})`, () => {
    const steps = [
      "expect",
      "ready",
      "send",
      "\\x1a",
      "stopped",
      "continue",
      "send",
      "end\\n",
      "expect",
      "line end, 0",
      "exit",
    ];
    expect(terminal(program, steps, "bash", "-c", countInterrupts)).toBe("stopped by SIGTSTP\nexit 6\n");
  });

  test(`the job stops and continues many times (${program})`, () => {
    const round = ["expect", "awake", "send", "\\x1a", "stopped", "continue"];
    const steps = [...Array.from({ length: 50 }, () => round).flat(), "expect", "awake", "send", "\\x03", "exit"];
    expect(terminal(program, steps, victim("continued"))).toBe(`${"stopped by SIGTSTP\n".repeat(50)}exit 1002\n`);
  });

  test(`a command that stops itself stops the job (${program})`, () => {
    const steps = ["expect", "ready", "stopped", "continue", "expect", "awake", "exit"];
    for (const signal of ["TSTP", "TTIN", "TTOU", "STOP"])
      expect(terminal(program, steps, "sh", "-c", `echo ready; kill -s ${signal} $$; echo awake`)).toBe(
        `stopped by SIG${signal}\nexit 0\n`,
      );
  });

  test(`a command that stops itself without a shell still has its time limit (${program})`, () => {
    const steps = ["without-job-control", "exit"];
    expect(limited(program, 300, steps, "sh", "-c", "kill -STOP $$")).toBe("exit 1015\n");
    // The shell must have set its trap by then.
    expect(limited(program, 2000, steps, "sh", "-c", "trap '' TERM; while :; do kill -STOP $$; done")).toBe(
      "exit 1009\n",
    );
  });

  test(`the command can read the terminal (${program})`, () => {
    expect(
      terminal(program, ["send", "hello\\n", "expect", "got hello", "exit"], "sh", "-c", 'read word; echo "got $word"'),
    ).toBe("exit 0\n");
  });
}

test.each([
  ["bash", "sleep"],
  ["bash", "portcullis"],
  ["dash", "sleep"],
  ["dash", "portcullis"],
])("Ctrl-C ends a loop and a script of %s around %s", (shell, what) => {
  const command = ["sh", "-c", "echo ready; exec sleep 3600"];
  const options: HarnessOptions = { program: "first-thousand", supervisor };
  const words = what === "sleep" ? command : [...front(), JSON.stringify(options), ...command];
  for (const script of ['for i in 1 2; do "$@"; echo next; done; exit 3', '"$@"; echo after; exit 3']) {
    const steps = ["expect", "ready", "send", "\\x03", "exit", "--", shell, "-c", script, shell];
    const { stdout } = spawnSync(victim("terminal"), [...steps, ...words], {
      encoding: "utf8",
      timeout: patience.command,
    });
    expect({ script, stdout }).toEqual({ script, stdout: "exit 1002\n" });
  }
});

describe("a command that leads the session, so that no shell could continue it,", () => {
  const stopsItself = (signal: string) => ["sh", "-c", `echo ready; kill -s ${signal.slice(3)} $$; echo awake`];
  const awake = ["expect", "awake", "exit"];
  test.each([
    [
      "ignores Ctrl-Z",
      ["send", "\\x1a", "send", "end\\n", "expect", "line end, 0", "exit"],
      ["bash", "-c", countInterrupts],
    ],
    ["ignores its own SIGTSTP", awake, stopsItself("SIGTSTP")],
    ["ignores its own SIGTTIN", awake, stopsItself("SIGTTIN")],
    ["ignores its own SIGTTOU", awake, stopsItself("SIGTTOU")],
    ["stops by SIGSTOP", ["stopped", "continue", ...awake], stopsItself("SIGSTOP")],
  ])("%s, as without portcullis", (_, steps, command) => {
    const all = ["without-shell", "expect", "ready", ...steps];
    const { stdout } = spawnSync(victim("terminal"), [...all, "--", ...command], {
      encoding: "utf8",
      timeout: patience.command,
    });
    expect(stdout).toMatch(/^(stopped by SIGSTOP\n)?exit [06]\n$/);
    for (const program of ["allow-all", "first-thousand"])
      expect({ program, stdout: terminal(program, all, ...command) }).toEqual({ program, stdout });
  });
});

test("Ctrl-C during the start ends it, and no command is run", () => {
  const options: HarnessOptions = { program: "first-thousand", supervisor };
  const words = [...front(), JSON.stringify(options), "sh", "-c", "echo ran; sleep 3600"];
  const steps = ["expect", "starts", "send", "\\x03", "exit", "--", "sh", "-c", 'echo starts; exec "$@"', "sh"];
  const { stdout } = spawnSync(victim("terminal"), [...steps, ...words], {
    encoding: "utf8",
    timeout: patience.command,
  });
  expect(stdout).toBe("exit 1002\n");
});

// The kernel signals the leader of the session alone, or else the leader's foreground process group when it has ended.
test.each([
  ["that leads the session", ["without-shell"]],
  ["of a shell", []],
])("the end of the terminal is one SIGHUP for a command %s", async (_, how) => {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-hangup-"));
  const script = `trap 'echo hangup >>${folder}/seen; n=1' HUP; n=0; echo ready; while [ $n = 0 ]; do sleep 0.02; done; sleep 0.3; : >${folder}/over`;
  terminal("allow-all", [...how, "expect", "ready"], "sh", "-c", script);
  await until("the command has ended", () => existsSync(join(folder, "over")));
  expect(readFileSync(join(folder, "seen"), "utf8")).toBe("hangup\n");
  rmSync(folder, { recursive: true });
});
