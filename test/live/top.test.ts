/** `run --status` and `top`: the state that they show of a running tree, and attacks of the tree on them. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readStatus } from "../../src/observe/status/client.ts";
import type { Status } from "../../src/observe/status/status.ts";
import { patience, until } from "../support/patience.ts";

const policy = `import { allow, deny, perProcess, perTree, policy } from "portcullis";
const phase = perProcess.phases(["starting", "asking"]);
const count = perProcess.counter();
const seen = perTree.set({ capacity: 10n, full: deny("ENOSPC") });
export default policy((call) => {
  if (call.name === "mkdir") return deny("EACCES", "no folders");
  if (call.name !== "getppid") return allow;
  phase.enter("asking");
  count.add();
  seen.add(1n);
  return allow;
});
`;

/** Most calls of stat are judged by the text filter. */
const textPolicy = `import { allow, deny, policy } from "portcullis";
export default policy((call) => {
  if (call.name !== "statx" && call.name !== "newfstatat") return allow;
  if (call.args.path.text.is("/never")) return deny("EXFULL");
  return allow;
});
`;
const stats = `
const { statSync } = require("node:fs");
const all = (count, path) => { for (let i = 0; i < count; i++) try { statSync(path); } catch {} };
all(300, "/"); all(7, "/never"); all(300, "/no such file");
console.log("done");
process.stdin.resume();
`;

/** Judges two calls; the second one changes the phase. */
const startingPolicy = `import { allow, perProcess, policy } from "portcullis";
const phase = perProcess.phases(["starting", "serving"]);
const count = perProcess.counter();
export default policy((call) => {
  if (call.name === "getppid") count.add();
  if (call.name === "chdir") phase.enter("serving");
  return allow;
});
`;

const statelessPolicy = `import { allow, deny, policy } from "portcullis";
export default policy((call) => (call.name === "mkdir" ? deny("EACCES", "no folders") : allow));
`;

let folder = "";
let socket = "";
const started: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "portcullis-top-"));
  socket = join(folder, "s");
  writeFileSync(join(folder, "p.ts"), policy);
});
afterEach(async () => {
  for (const child of started.splice(0)) {
    child.stdin!.end();
    if (child.exitCode === null) await new Promise((ended) => child.once("exit", ended));
  }
  rmSync(folder, { recursive: true, force: true });
});

const environment = () => ({ ...process.env, XDG_RUNTIME_DIR: folder });

/** A confined process that ends with its standard input. Returns when it has said its first line. */
async function start(mode: string, status: string): Promise<{ child: ChildProcess; out: () => string }> {
  const command = [process.execPath, "test/live/status-intruder.mjs", mode, socket];
  const words = ["run", "-q", "--status", status, "-p", join(folder, "p.ts"), "--", ...command];
  const child = spawn("bin/portcullis", words, { stdio: ["pipe", "pipe", "inherit"], env: environment() });
  started.push(child);
  let out = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  await until(`${mode} says something`, () => out.includes("\n") || child.exitCode !== null);
  return { child, out: () => out };
}

function top(...words: readonly string[]) {
  const { status, stdout, stderr } = spawnSync("bin/portcullis", ["top", ...words], {
    encoding: "utf8",
    env: environment(),
    timeout: patience.command,
  });
  return { status, out: stdout, err: stderr };
}

async function statusWhen(path: string, is: (status: Status) => boolean): Promise<Status> {
  let found: Status | undefined;
  await readStatus({ socket: path }, (status) => {
    if (is(status)) found = status;
    return found === undefined;
  });
  return found!;
}

const enter = "\x1b[?1049h\x1b[?25l";
const erase = "\x1b[K";
const leave = "\x1b[0m\x1b[?25h\x1b[?1049l";

/** `top` on a terminal, with its process and the text that it has written. */
async function onTerminal(words: string) {
  const steps = [
    "stty rows 24 columns 80",
    `sh -c 'echo pid $$; exec bin/portcullis top ${words}'`,
    "echo ended $?",
    "stty -a",
  ];
  const child = spawn("script", ["-qec", steps.join("; "), "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
  started.push(child);
  let out = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  await until("top shows a screen", () => out.includes("? help"));
  /** The lines of the last screen. */
  const screen = () => out.split("\x1b[H").at(-1)!.split(`\r\n${erase}`);
  const pid = Number(/pid (\d+)/.exec(out)![1]);
  return { child, pid, out: () => out, screen, press: (keys: string) => child.stdin!.write(keys) };
}

const isRestored = (out: string) => / icanon/.test(out.split(leave).at(-1)!) && / echo /.test(out.split(leave).at(-1)!);

describe("top on a terminal", () => {
  test("obeys keys, and q restores the terminal", async () => {
    await start("work", socket);
    const { screen, press, out } = await onTerminal(socket);
    const plain = () => stripVTControlCharacters(screen().join("\n"));
    expect(screen()).toHaveLength(24);
    press("?");
    await until("the help is shown", () => plain().includes("q       quit"));
    press("\x1b[Ap");
    await until(
      "the processes alone are shown",
      () => /^processes/m.test(plain()) && !plain().includes("calls by rule"),
    );
    press("\x1b[15~q");
    await until("the terminal is restored", () => isRestored(out()));
    expect(out().split(leave)[1]).toMatch(/^ended 0\r\n/);
  });

  test.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGQUIT", 131],
  ] as const)("%s restores the terminal", async (signal, status) => {
    await start("work", socket);
    const { pid, out } = await onTerminal(socket);
    process.kill(pid, signal);
    await until("the terminal is restored", () => isRestored(out()));
    expect(out()).toContain(`ended ${status}\r\n`);
  });

  test("Ctrl-C ends it by the signal, and a stop restores the terminal until it continues", async () => {
    await start("work", socket);
    const { pid, screen, press, out } = await onTerminal(socket);
    press("\x1a");
    await until("top has stopped", () => /^State:\tT/m.test(readFileSync(`/proc/${pid}/status`, "utf8")));
    // What it has written arrives after it has stopped.
    await until("the terminal is restored", () => out().endsWith(leave));
    process.kill(pid, "SIGCONT");
    await until("top shows its screen again", () => out().split(enter).length === 3 && screen().length === 24);
    press("\x03");
    await until("the terminal is restored", () => isRestored(out()));
    expect(out()).toContain("ended 130\r\n");
  });

  test("follows the size of the terminal", async () => {
    await start("work", socket);
    const { pid, screen, press, out } = await onTerminal(socket);
    const terminal = readlinkSync(`/proc/${pid}/fd/0`);
    spawnSync("stty", ["-F", terminal, "rows", "50", "columns", "180"]);
    await until("the screen has 50 lines", () => screen().length === 50);
    press("q");
    await until("the terminal is restored", () => isRestored(out()));
  });

  test("leaves the last screen when the tree ends, and restores the terminal", async () => {
    const { child } = await start("work", socket);
    const { out } = await onTerminal(socket);
    child.stdin!.end();
    await until("the terminal is restored", () => isRestored(out()));
    expect(out().split(leave)[1]).toMatch(/judged: (?:.*\r\n)+\r\nthe tree has ended\r\nended 0\r\n/);
  });
});

describe("top", () => {
  test("counts the calls that need no turn through the policy's step", async () => {
    writeFileSync(join(folder, "t.ts"), textPolicy);
    const words = ["run", "-q", "--status", socket, "-p", join(folder, "t.ts"), "--", process.execPath, "-e", stats];
    const child = spawn("bin/portcullis", words, { stdio: ["pipe", "pipe", "inherit"], env: environment() });
    started.push(child);
    let out = "";
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    await until("all calls are made", () => out === "done\n" || child.exitCode !== null);
    const calls = (status: Status, rule: string) =>
      status.verdicts.find((one) => one.rule?.endsWith(`t.ts:${rule}`))?.calls ?? 0;
    const status = await statusWhen(socket, (one) => calls(one, "4:48") > 0);
    expect(calls(status, "4:48")).toBe(7);
    expect(calls(status, "5:10")).toBeGreaterThan(599);
  });

  test("finds the only tree, and shows its phases, counters, tables and rules", async () => {
    await start("work", "auto");
    const runtime = join(folder, "portcullis");
    const [name] = readdirSync(runtime);
    expect(statSync(runtime).mode & 0o777).toBe(0o700);
    expect(statSync(join(runtime, name!)).mode & 0o777).toBe(0o600);
    const status = await statusWhen(
      join(runtime, name!),
      ({ state }) => state?.processes[0]?.phases["phase"] === "asking",
    );
    expect(status).toMatchObject({ policy: "p", audit: false });
    // Node 22 and later try io_uring three times.
    expect([0, 3]).toContain(status.refusedByPortcullis);
    expect(status.verdicts.find(({ rule }) => rule?.endsWith("p.ts:11:10"))?.calls).toBeGreaterThan(0);
    expect(status.state!.tree.tables).toEqual([{ name: "seen", keys: 1, capacity: 10 }]);
    expect(Number(status.state!.processes[0]!.values["count"])).toBeGreaterThan(0);
    const shown = top();
    expect(shown).toMatchObject({ status: 0, err: "" });
    expect(shown.out).toMatch(/judged: .* calls\/s/);
    // On a terminal the screen is written again, from its first line on; the last one stays.
    const terminal = spawnSync("script", ["-qec", `bin/portcullis top -n 1 ${join(runtime, name!)}`, "/dev/null"], {
      encoding: "utf8",
    });
    expect(terminal.stdout.startsWith(`${enter}\x1b[H${erase}`)).toBe(true);
    expect(terminal.stdout).toContain(`\r\n${erase}judged: `);
    expect(terminal.stdout.split(leave)[1]).toMatch(/^.*status-intruder.*\r\npolicy p, .*\r\njudged: /);
    const json = top("--json", "-n", "2", name!.replace(".sock", ""));
    expect(
      json.out
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as Status).policy),
    ).toEqual(["p", "p"]);
  });

  test("shows the phases of a tree that has made its last judged call before", async () => {
    // sh asks for its parent's number when it starts.
    const script = "cd /; echo ready; read line";
    writeFileSync(join(folder, "p.ts"), startingPolicy);
    const words = ["run", "-q", "--status", socket, "-p", join(folder, "p.ts"), "--", "sh", "-c", script];
    const child = spawn("bin/portcullis", words, { stdio: ["pipe", "pipe", "inherit"], env: environment() });
    started.push(child);
    await new Promise((said) => child.stdout!.once("data", said));
    const shown = top(socket);
    expect(shown.out).toMatch(/\n *\d+ +1 {2}sh {4}phase serving {2}count=1\n/);
    expect(shown.out).not.toContain("not known before");
  });

  // A kernel without CONFIG_PROC_CHILDREN tells no descendants.
  if (existsSync(`/proc/self/task/${process.pid}/children`)) {
    test("shows the tree of processes of a policy without state", async () => {
      writeFileSync(join(folder, "p.ts"), statelessPolicy);
      const script = `mkdir ${folder}/no; sh -c 'echo ready; read line; true'; true`;
      const words = ["run", "-q", "--status", socket, "-p", join(folder, "p.ts"), "--", "sh", "-c", script];
      const child = spawn("bin/portcullis", words, { stdio: ["pipe", "pipe", "ignore"], env: environment() });
      started.push(child);
      await new Promise((said) => child.stdout!.once("data", said));
      const { out } = top(socket);
      expect(out).toMatch(/\nrefused calls\n.*\n +[\d.]+ +1 {2}mkdir {2}deny EACCES .*mkdir\[\d+\] mkdir\(/);
      expect(out).toMatch(/\nprocesses\n.*\n *\d+ +1 {2}sh\n *\d+ +1 {2}└ sh\n/);
    });
  }

  test("ends with the tree, whose socket is removed", async () => {
    const { child } = await start("work", socket);
    const reading = spawn("bin/portcullis", ["top", "--json", socket], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((said) => reading.stdout.once("data", said));
    child.stdin!.end();
    expect(await new Promise((ended) => reading.once("exit", ended))).toBe(0);
    await until("the run ends", () => child.exitCode !== null);
    expect(existsSync(socket)).toBe(false);
  });

  test("fails if the tree refuses it", async () => {
    await start("work", socket);
    const readers = Array.from({ length: 8 }, () => connect(socket).resume());
    try {
      await Promise.all(readers.map((reader) => new Promise((said) => reader.once("data", said))));
      expect(top("--json", "-n", "1", socket)).toEqual({
        status: 125,
        out: "",
        err: expect.stringMatching(
          /^error P0915: .* refuses this process: it has 8 readers, or .*\n {2}help: end another/,
        ),
      });
    } finally {
      for (const reader of readers) reader.destroy();
    }
    // The server learns that they have gone.
    await until("a place is free", () => top("-n", "1", socket).status === 0);
  });

  test("fails inside the tree", () => {
    const inner = ["bin/portcullis", "top", "--json", "-n", "1", socket];
    const words = ["run", "-q", "--status", socket, "-p", join(folder, "p.ts"), "--", ...inner];
    const ran = spawnSync("bin/portcullis", words, { encoding: "utf8", timeout: patience.command });
    expect(ran).toMatchObject({ status: 125, stdout: "" });
    expect(ran.stderr).toMatch(/^error P0915: .* refuses this process: .* in the tree/);
  });

  test.each([
    ["its socket is removed", true, "there is no such socket"],
    ["its socket stays", false, "no tree runs there"],
  ])("does not report a refusal if the tree ends before its first status and %s", async (_, isRemoved, message) => {
    const server = createServer((reader) => {
      // Node removes the name of a socket that it closes.
      if (!isRemoved) renameSync(socket, `${socket}.moved`);
      server.close();
      if (!isRemoved) renameSync(`${socket}.moved`, socket);
      reader.destroy();
    });
    await new Promise<void>((listening) => server.listen(socket, listening));
    await expect(readStatus({ socket: socket }, () => true)).rejects.toThrow(message);
  });

  test("reports missing trees and names", async () => {
    expect(top()).toMatchObject({
      status: 125,
      err: expect.stringContaining("no tree of this user has a status socket"),
    });
    expect(top("77")).toMatchObject({
      status: 125,
      err: expect.stringContaining("portcullis 77 has no status socket"),
    });
    expect(top(socket)).toMatchObject({ status: 125, err: expect.stringContaining("there is no such socket") });
    writeFileSync(socket, "");
    expect(top(socket).status).toBe(125);
  });
});

describe("run --status", () => {
  test("refuses a socket in use, a folder that others can write, and a name that is too long", () => {
    writeFileSync(socket, "");
    const attempt = (place: string) =>
      spawnSync("bin/portcullis", ["run", "--status", place, "-p", "exec-once", "--", "echo", "ran"], {
        encoding: "utf8",
        env: environment(),
      });
    expect(attempt(socket)).toMatchObject({ status: 125, stdout: "", stderr: expect.stringContaining("EADDRINUSE") });
    expect(attempt(join(folder, "x".repeat(120)))).toMatchObject({
      status: 125,
      stdout: "",
      stderr: expect.stringContaining("too long"),
    });
    mkdirSync(join(folder, "portcullis"));
    chmodSync(join(folder, "portcullis"), 0o777);
    expect(attempt("auto")).toMatchObject({
      status: 125,
      stdout: "",
      stderr: expect.stringContaining("is not a folder of this user's alone"),
    });
  });

  test("works with a policy that needs no supervisor", () => {
    const ran = spawnSync("bin/portcullis", ["run", "--status", socket, "-p", "exec-once", "--", "echo", "ran"], {
      encoding: "utf8",
    });
    expect(ran).toMatchObject({ status: 0, stdout: "ran\n", stderr: "" });
    expect(existsSync(socket)).toBe(false);
  });
});

describe("a confined process of the same user", () => {
  test("gets nothing from the socket", async () => {
    const { out } = await start("listen-in", socket);
    await until("it is turned away", () => out().includes("closed"));
    expect(out()).toBe("closed after 0 bytes\n");
  });

  test("cannot make top read its own socket", async () => {
    await start("forge", socket);
    const { status, out, err } = top("--json", "-n", "1", socket);
    expect({ status, out }).toEqual({ status: 125, out: "" });
    expect(err).toMatch(/is not trusted: its server, process \d+, is under a filter/);
  });

  test("does not block other readers by connecting repeatedly", async () => {
    await start("flood", socket);
    const { calls } = await statusWhen(socket, () => true);
    expect(calls).toBeGreaterThan(0);
  });
});

test("a reader that stops reading delays neither the tree nor other readers", async () => {
  await start("work", socket);
  const stopped = connect(socket);
  stopped.pause();
  await new Promise((done) => stopped.once("connect", done));
  const first = await statusWhen(socket, () => true);
  await statusWhen(socket, ({ calls }) => calls > first.calls + 1000);
  stopped.destroy();
});
