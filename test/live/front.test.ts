/** Tests the process that the shell starts: its open descriptors, the forwarding of signals, and its exit. */
import { execFileSync, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { patience, until } from "../support/patience.ts";
import { ends, isAlive, statusInShell } from "../support/processes.ts";
import { prepare, victim } from "./run.ts";

const launcher = resolve("dist/native", process.arch, "launcher");
const program = resolve("bin/portcullis");
const supervised = [launcher, "supervise", process.execPath, resolve("bin/portcullis.cjs")];

let folder = "";
let stateful = "";
beforeAll(async () => {
  await prepare();
  folder = mkdtempSync(join(tmpdir(), "portcullis-front-"));
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

const shell = (script: string, ...words: readonly string[]) =>
  spawnSync("bash", ["-c", script, "bash", ...words], {
    encoding: "utf8",
    timeout: patience.command,
    cwd: folder,
    env: { ...process.env, portcullis: program, stateful },
  });

/** Starts portcullis, with the lines of its standard output. */
function started(words: readonly string[], options: SpawnOptions = {}) {
  const child = spawn(words[0]!, words.slice(1), { stdio: ["pipe", "pipe", "pipe"], ...options });
  let text = "";
  child.stdout!.on("data", (bytes) => {
    text += bytes;
  });
  const ended = new Promise<{ status: number | null; signal: NodeJS.Signals | null }>((done) => {
    child.on("exit", (status, signal) => done({ status, signal }));
  });
  const says = (line: string) => until(line, () => text.split("\n").includes(line));
  return { child, ended, pid: child.pid!, says, text: () => text };
}

const childrenOf = (pid: number): number[] =>
  readdirSync(`/proc/${pid}/task`).flatMap((tid) =>
    readFileSync(`/proc/${pid}/task/${tid}/children`, "latin1").trim().split(" ").filter(Boolean).map(Number),
  );

const parentOf = (pid: string | number) =>
  Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]);

describe("open descriptors", () => {
  test("a slow reader gets all output of the command", () => {
    const ran = shell('seq 200000 | "$portcullis" run -q -p "$stateful" -- cat | (sleep 0.3; wc -l)');
    expect(ran).toMatchObject({ stdout: "200000\n", stderr: "" });
  });

  test("pipes stay blocking after a message", () => {
    const script = `"$portcullis" run -p "$stateful" -- sh -c 'mkdir made; seq 200000' 2>&1 | (sleep 0.3; wc -l)`;
    expect(shell(script).stdout).toBe("200000\n");
  });

  test("only the command holds the inherited descriptors", async (context) => {
    if (process.getuid?.() !== 0) context.skip("needs root, to look into processes that are not dumpable");
    const marker = join(folder, "marker");
    const open = `exec 9>"$0" 17>"$0" 700>"$0"; exec "$@"`;
    const run = [...supervised, "run", "-q", "-p", stateful, "--", "sh", "-c", "echo ready; read line"];
    const one = started(["bash", "-c", open, marker, ...run]);
    await one.says("ready");
    const [node] = childrenOf(one.pid);
    const own = childrenOf(node!).find((pid) => childrenOf(pid).length > 0)!;
    // The launcher can have a child that is not yet reaped.
    const command = childrenOf(own).find((pid) => readFileSync(`/proc/${pid}/comm`, "latin1") === "sh\n");
    const marked = (pid: number) =>
      readdirSync(`/proc/${pid}/fd`)
        .filter((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === marker)
        .sort();
    expect(marked(command!)).toEqual(["17", "700", "9"]);
    // The front and the launcher close theirs when the command runs.
    for (const pid of [one.pid, node!, own]) await until(`no marked file of ${pid}`, () => marked(pid).length === 0);
    one.child.stdin!.end("\n");
    expect((await one.ended).status).toBe(0);
  });

  test("a writer to the command's standard input learns that the command has closed it", async () => {
    const words = ["run", "-p", "children", "--", "sh", "-c", "exec <&-; echo closed; sleep 3600"];
    const child = spawn(resolve("bin/portcullis"), words, { stdio: ["pipe", "pipe", "inherit"], detached: true });
    const ended = new Promise((resolved) => child.on("exit", resolved));
    await new Promise((resolved) => child.stdout.once("data", resolved));
    const failed = new Promise<NodeJS.ErrnoException>((resolved) => child.stdin.once("error", resolved));
    // The launcher closes its own soon after the start.
    const writing = setInterval(() => child.stdin.write("x"), 20);
    expect((await failed).code).toBe("EPIPE");
    clearInterval(writing);
    process.kill(-child.pid!, "SIGTERM");
    await ended;
  });

  test.each([4, 9, 20, 300])("the command does not get descriptor %i, which --events names", (fd) => {
    const forge = `"$portcullis" run -p exec-once --events fd:${fd} -- bash -c 'echo forged >&${fd}; /bin/true' ${fd}>events`;
    const ran = shell(`${forge}; cat events`);
    expect(ran.stderr).toContain("Bad file descriptor");
    expect(
      ran.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).verdict),
    ).toEqual(["deny"]);
  });

  test("the shell's process substitution receives events", () => {
    const ran = shell(
      `"$portcullis" run -p exec-once --events >(cat >substituted) -- bash -c /bin/true; wait $!; cat substituted`,
    );
    expect(ran.stdout).toContain('"verdict":"deny"');
  });

  // Node has files of its own under these numbers: the code of its threads, and the memory that they share.
  test("a name that leads to a closed descriptor is an error, and no file of Node", () => {
    const script = `ln -sf /dev/fd/12 twelve
for name in /dev/fd/3 /dev/fd/11 /proc/self/fd/12 /dev/../dev/fd/15 /proc/thread-self/fd/16 twelve; do
  "$portcullis" run -p exec-once --events "$name" -- echo ran
  "$portcullis" run -p "$name" -- echo ran
  "$portcullis" record -q -o "$name" -- echo ran
done 3<&- 11<&- 12<&- 15<&- 16<&-`;
    const { stdout, stderr } = shell(script);
    expect(stdout).toBe("");
    const lines = stderr.split("\n").filter((line) => line.startsWith("error"));
    expect(lines).toHaveLength(18);
    for (const line of lines) expect(line).toMatch(/^error P09\d\d: .*file descriptor \d+ is not open \(EBADF\)$/);
  });

  test("events in the file of the command's output neither overwrite it nor are overwritten", () => {
    const script = "echo before; /bin/true; until [[ $(<both) == *execve* ]]; do :; done; echo after";
    const run = `"$portcullis" run -p exec-once --events /dev/stdout -- bash -c '${script}' >both; cat both`;
    const lines = shell(run).stdout.split("\n");
    expect(lines.filter((line) => !line.startsWith("{"))).toEqual(["before", "after", ""]);
    const events = lines.filter((line) => line.startsWith("{"));
    expect(events.map((line) => (JSON.parse(line) as { call: string }).call)).toEqual(["execve"]);
  });

  test("messages have the names of descriptors that the user wrote", () => {
    const good = `import { allow, deny, policy } from "portcullis";
export default policy((call) => (call.name === "mkdir" ? deny("EPERM", "no") : allow));`;
    writeFileSync(join(folder, "named.ts"), good);
    writeFileSync(join(folder, "faulty.ts"), "export default policy(() => nothing);");
    const script = `ln -sf /dev/fd/77 linked.json; rm -f named.trace
run() { "$portcullis" run "$@" -- mkdir made 2>&1 | grep -v '^mkdir:'; }
for name in /dev/fd/77 /dev/stdin linked.json; do
  run -p "$name" 77<faulty.ts <faulty.ts
  run -p "$name" 77<named.ts <named.ts
  run -p "$name" 77</ </
done
run -p named.ts --events /dev/fd/77 77</
run -p named.ts --events fd:77 77</
run -p named.ts --events /dev/fd/77 77>/dev/full
run -p /dev/fd/77 --events /dev/stdout 77<named.ts
"$portcullis" record -o /dev/fd/77 -- true 77</ 2>&1
"$portcullis" record -o /dev/fd/77 -- true 77<>named.trace 2>&1`;
    const { stdout } = shell(script);
    expect(stdout).toContain("/dev/fd/77:1:16: error P0105");
    expect(stdout).toContain("linked.json:1:1: error P0702");
    expect(stdout).toContain('"rule":"/dev/fd/77:2:58"');
    expect(stdout).not.toMatch(/\/dev\/fd\/(?!77\b)/);
    expect(stdout).not.toMatch(/file descriptor (?!77\b)/);
  });

  test("a link to an open descriptor names that descriptor", () => {
    const script = `ln -sf /dev/fd/12 twelve
"$portcullis" run -p exec-once --events twelve -- bash -c /bin/true 12>events; grep -c execve events`;
    expect(shell(script).stdout).toBe("1\n");
  });

  test("a descriptor that only the launcher has is refused", () => {
    const script = `for fd in 3 4 5 6 7 8 9; do "$portcullis" run -p exec-once --events fd:$fd -- echo ran; done`;
    const { stdout, stderr } = shell(`exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; ${script}`);
    expect({ stdout, errors: stderr.match(/^error P0910: file descriptor \d is not open \(EBADF\)$/gm) }).toEqual({
      stdout: "",
      errors: [3, 4, 5, 6, 7, 8, 9].map((fd) => `error P0910: file descriptor ${fd} is not open (EBADF)`),
    });
  });

  test("a closed descriptor is an error", () => {
    const ran = shell('"$portcullis" run -p exec-once --events fd:77 -- echo ran');
    expect(ran).toMatchObject({ status: 125, stdout: "" });
    expect(ran.stderr).toContain("file descriptor 77 is not open (EBADF)");
  });

  test("the terminal keeps the modes that the command has set", (context) => {
    if (spawnSync("script", ["--version"]).error !== undefined) context.skip("script is not installed");
    const line = `"${program}" run -q -p "${stateful}" -- stty -echo; stty -a`;
    const { stdout } = spawnSync("script", ["-qec", line, "/dev/null"], { encoding: "utf8", input: "" });
    expect(stdout).toMatch(/ -echo\b/);
  });
});

/** In a daemon: prints "up" when the command, whose pid is the first word, has been reaped. */
const whenGone = "while kill -0 $1 2>/dev/null; do sleep 0.02; done; echo up";

/** Sends the signal until the process has ended: the first may arrive before the front knows of the command's end. */
async function endedBy(one: ReturnType<typeof started>, signal: NodeJS.Signals): Promise<void> {
  let hasEnded = false;
  void one.ended.then(() => {
    hasEnded = true;
  });
  while (!hasEnded) {
    one.child.kill(signal);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe("variables for Node and for the dynamic linker", () => {
  // Node as the command's parent gives it a descriptor 3 that it announces in NODE_CHANNEL_FD.
  const settings = {
    NODE_OPTIONS: "--jitless --inspect=0 --require=/nonexistent.js",
    NODE_CHANNEL_FD: "3",
    NODE_V8_COVERAGE: "coverage",
    LD_PRELOAD: "/nonexistent.so",
  };

  test("reach the command, and no process of portcullis", () => {
    const script = `mkdir dir; rmdir dir; echo "$NODE_OPTIONS $NODE_CHANNEL_FD $NODE_V8_COVERAGE $LD_PRELOAD"`;
    const ran = spawnSync(
      launcher,
      [...supervised.slice(1), "run", "-q", "-p", stateful, "--", "/bin/sh", "-c", script],
      {
        encoding: "utf8",
        cwd: folder,
        env: { ...process.env, ...settings },
      },
    );
    expect(ran).toMatchObject({ status: 0, stdout: `${Object.values(settings).join(" ")}\n` });
    const lines = ran.stderr.split("\n").filter((line) => !line.includes("/nonexistent.so"));
    expect(lines).toEqual([""]);
    // Only the command's own processes are linked with the library: sh, mkdir and rmdir.
    expect(ran.stderr.split("\n")).toHaveLength(4);
    expect(readdirSync(folder)).not.toContain("coverage");
  });

  test("a command that Node starts with a channel has this channel", async () => {
    const words = ["-e", "process.send(process.argv[1]); process.disconnect()", "sent"];
    const run = [...supervised.slice(1), "run", "-q", "-p", stateful, "--", process.execPath, ...words];
    const child = spawn(launcher, run, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const said: unknown[] = [];
    child.on("message", (message) => said.push(message));
    expect(await new Promise((done) => child.on("exit", done))).toBe(0);
    expect(said).toEqual(["sent"]);
  });
});

test("Node survives every signal that is sent to the service's processes, except SIGKILL", async () => {
  // The second policy asks the supervisor only for the event of a denial.
  for (const [policy, use, status] of [
    [stateful, "mkdir signalled && rmdir signalled", 0],
    ["exec-only", "/bin/true", 126],
  ] as const) {
    const script = `echo "pid $$"; read line; ${use}`;
    const one = started([...supervised, "run", "-q", "-p", policy, "--", "bash", "-c", script], { cwd: folder });
    const pid = await until("the command's pid", () => /^pid (\d+)$/m.exec(one.text())?.[1]);
    const node = parentOf(parentOf(pid));
    // Not those of a fault, nor those of the C library; SIGSTOP, SIGCHLD, SIGCONT and SIGURG do not end a process.
    const sent = Array.from({ length: 64 }, (_, index) => index + 1).filter(
      (signal) => ![4, 5, 6, 7, 8, 9, 11, 17, 18, 19, 23, 28, 31, 32, 33].includes(signal),
    );
    for (const signal of sent) process.kill(node, signal);
    one.child.stdin!.end("\n");
    expect(await one.ended).toEqual({ status, signal: null });
  }
});

describe("if Node is killed while the command runs", () => {
  const script = 'echo "pid $$"; read line; mkdir without 2>/dev/null; echo "mkdir $?"';
  const run = (...words: readonly string[]) => {
    const start = [...words, ...supervised, "run", "-q", "-p", stateful, "--", "bash", "-c", script];
    return started(start, { cwd: folder });
  };
  const killNode = async (one: ReturnType<typeof started>) => {
    const pid = await until("the command's pid", () => /^pid (\d+)$/m.exec(one.text())?.[1]);
    const node = parentOf(parentOf(pid));
    process.kill(node, "SIGKILL");
    await until("the end of Node", () => !childrenOf(one.pid).includes(node));
  };

  test("the front says so, and the command goes on without it", async () => {
    const one = run();
    let errors = "";
    one.child.stderr!.on("data", (bytes) => {
      errors += bytes;
    });
    await killNode(one);
    one.child.stdin!.end("\n");
    expect(await one.ended).toEqual({ status: 0, signal: null });
    expect(one.text()).toContain("mkdir 1\n");
    await until("the sentence", () => errors.includes("\n"));
    expect(errors).toMatch(/^portcullis: Node was ended by signal 9 while the command ran: later events are lost/);
  });

  test("the front does not wait for the reader of standard error, and the status shows the failure", async () => {
    // Nothing reads the pipe until the end.
    const one = run("bash", "-c", 'timeout 0.5 cat /dev/zero >&2; exec "$@"', "bash");
    await killNode(one);
    one.child.stdin!.end("\n");
    expect((await one.ended).status).toBe(125);
  });
});

test("without file descriptors, the front kills the tree if the launcher is killed", async (context) => {
  if (spawnSync("prlimit", ["--version"]).error !== undefined) context.skip("prlimit is not installed");
  const script = `sleep 3600 & echo "pids $$ $!"; wait`;
  const one = started([...supervised, "run", "-q", "--die-with-parent", "-p", stateful, "--", "sh", "-c", script]);
  const [, pid, child] = await until("the command's pids", () => /^pids (\d+) (\d+)$/m.exec(one.text()) ?? undefined);
  const killer = parentOf(pid!);
  execFileSync("prlimit", ["--nofile=0:0", "--pid", String(one.pid)]);
  process.kill(killer, "SIGKILL");
  expect(await one.ended).toEqual({ status: null, signal: "SIGKILL" });
  await ends(Number(child));
});

describe("processes that the front's process had before it executed portcullis", () => {
  // The front kills its children if the launcher has been killed and an option limits the tree's life.
  test.each(["--kill-tree", "--die-with-parent", "--timeout=1h"])(
    "are not killed with the tree (%s)",
    async (option) => {
      for (const isKilled of [false, true]) {
        const command = `"$portcullis" run -q ${option} -p "$stateful" -- sh -c 'echo ready; echo $$; read line; exit 6'`;
        const words = ["bash", "-c", `sleep 3600 >/dev/null & echo $! >former; exec ${command}`];
        const one = started(words, { cwd: folder, env: { ...process.env, portcullis: program, stateful } });
        await one.says("ready");
        const pid = await until("the command's pid", () => /^\d+$/m.exec(one.text())?.[0]);
        if (isKilled) process.kill(parentOf(pid), "SIGKILL");
        else one.child.stdin!.end("\n");
        const status = statusInShell(await one.ended);
        const former = Number(readFileSync(join(folder, "former"), "utf8"));
        expect({ isKilled, status, alive: isAlive(former) }).toEqual({
          isKilled,
          status: isKilled ? 137 : 6,
          alive: true,
        });
        process.kill(former, "SIGKILL");
      }
    },
  );
});

describe("a process of portcullis, killed before the launcher has reported that the command runs:", () => {
  /** Starts a program, whose execve(2) waits until `goesOn` is called. Its calls need no supervisor. */
  const starting = async (words: readonly string[], options: readonly string[] = []) => {
    const command = join(mkdtempSync(join(folder, "pair-")), "pair");
    copyFileSync(victim("pair"), command);
    const lease = started([victim("leased"), command]);
    await lease.says("leased");
    const one = started([...words, ...supervised, "run", ...options, "-p", stateful, "--", command], { cwd: folder });
    await lease.says("opened");
    const node = childrenOf(one.pid).at(-1)!;
    const ours = childrenOf(node)[0]!;
    return { one, node, ours, starter: childrenOf(ours)[0]!, goesOn: () => lease.child.stdin!.end("\n") };
  };

  test.each(["-q", "--kill-tree", "--die-with-parent"])("the launcher (%s)", async (option) => {
    const { one, ours, starter, goesOn } = await starting([], [option]);
    // The starter waits in vfork. It stops before it reports, and a launcher that runs would continue it.
    process.kill(ours, "SIGSTOP");
    process.kill(starter, "SIGSTOP");
    goesOn();
    const pids = await until("the command's pids", () => /^pids (\d+) (\d+)$/m.exec(one.text()) ?? undefined);
    const [command, child] = pids.slice(1).map(Number);
    process.kill(ours, "SIGKILL");
    try {
      expect(await one.ended).toEqual({ status: null, signal: "SIGKILL" });
      await ends(command!);
      if (option !== "-q") await ends(child!);
      else process.kill(child!, "SIGKILL");
    } catch (error) {
      // They have the test's pipes.
      for (const pid of [command!, child!]) if (isAlive(pid)) process.kill(pid, "SIGKILL");
      throw error;
    }
  });

  test("Node: the front says so, and the command goes on without it", async () => {
    const { one, node, goesOn } = await starting([]);
    let errors = "";
    one.child.stderr!.on("data", (bytes) => {
      errors += bytes;
    });
    process.kill(node, "SIGKILL");
    await ends(node);
    goesOn();
    const pids = await until("the command's pids", () => /^pids (\d+) (\d+)$/m.exec(one.text()) ?? undefined);
    for (const pid of pids.slice(1).map(Number)) process.kill(pid, "SIGTERM");
    expect(await one.ended).toEqual({ status: null, signal: "SIGTERM" });
    await until("the sentence", () => errors.includes("\n"));
    expect(errors).toMatch(/^portcullis: Node was ended by signal 9 while the command ran: /);
  });

  test("the starter, while the front has a child of its own", async () => {
    const { one, starter, goesOn } = await starting([
      ...["bash", "-c", 'sleep 3600 >/dev/null 2>&1 & echo $! >former; exec "$@"', "bash"],
    ]);
    process.kill(starter, "SIGKILL");
    // The launcher kills the command, which would run until then if its execve(2) went on.
    expect(await one.ended).toEqual({ status: 125, signal: null });
    goesOn();
    expect(one.text()).toBe("");
    process.kill(Number(readFileSync(join(folder, "former"), "utf8")), "SIGKILL");
  });
});

describe("the caller's session", () => {
  const inSession = (script: string, ...words: readonly string[]) =>
    spawnSync("setsid", ["-w", "bash", "-c", script, "bash", ...words], {
      encoding: "utf8",
      timeout: patience.command,
      cwd: folder,
    });

  // The kernel sends SIGHUP to a group that becomes orphaned while one of its processes is stopped: kill_orphaned_pgrp().
  test.each([
    ["with a supervisor", 0, () => ["run", "-q", "-p", stateful, "--", "true"]],
    ["with a classic filter only", 0, () => ["run", "-q", "--no-denial-events", "-p", "exec-once", "--", "true"]],
    ["that is recorded", 0, () => ["record", "-o", join(folder, "hangup.trace"), "--", "true"]],
    ["that cannot be executed", 126, () => ["run", "-q", "-p", stateful, "--", join(folder, "no-program")]],
    ["that is not found", 127, () => ["run", "-q", "-p", stateful, "--", join(folder, "nothing")]],
    ["without a policy", 125, () => ["run", "-q", "-p", join(folder, "nothing.ts"), "--", "true"]],
  ])("gets no signal at the end of a command %s, if one of its processes is stopped", (_, status, words) => {
    writeFileSync(join(folder, "no-program"), "no program", { mode: 0o755 });
    const script = `sleep 1000 >/dev/null & stopped=$!
kill -STOP $stopped
until grep -q '^State:.T' /proc/$stopped/status; do sleep 0.02; done
"$@" 2>/dev/null
echo "status $?"
kill -KILL $stopped`;
    const ran = inSession(script, program, ...words());
    expect(ran).toMatchObject({ status: 0, signal: null, stdout: `status ${status}\n` });
  });

  // A shell that exits sends the signal itself, so it is killed.
  test("does not contain the parent of a command's jobs: those that it leaves stopped get SIGHUP", async () => {
    const script = `set -m; sleep 1000 >/dev/null & kill -STOP $!
until grep -q '^State:.T' /proc/$!/status; do sleep 0.02; done
echo $!; kill -KILL $$`;
    for (const words of [[], [program, "run", "-q", "-p", stateful, "--"]]) {
      const { status, stdout } = inSession('"$@"; exit $?', ...words, "bash", "-c", script);
      expect({ words, status }).toEqual({ words, status: 137 });
      await ends(Number(stdout));
    }
  });

  test("contains the command in its process group, also if the group has no number in the pid namespace", (context) => {
    if (process.getuid?.() !== 0) context.skip("needs root, to make a pid namespace");
    const print = ["sh", "-c", "cut -d' ' -f5 /proc/self/stat"];
    for (const words of [[], [program, "run", "-q", "-p", stateful, "--"]]) {
      const { stdout } = inSession('unshare --pid --fork --mount-proc "$@"', ...words, ...print);
      expect({ words, stdout }).toEqual({ words, stdout: "0\n" });
    }
  });

  // The starter clones the command in the session; the launcher, its parent, has left it.
  describe("contains the starter:", () => {
    async function waiting() {
      const own = mkdtempSync(join(folder, "starter-"));
      const [fifo, script] = [join(own, "fifo"), join(own, "waits.cjs")] as const;
      execFileSync("mkfifo", [fifo]);
      const run = `process.argv[1] = "${supervised[3]}"; require("node:module").runMain();`;
      writeFileSync(script, `require("node:fs").readFileSync("${fifo}"); ${run}`);
      const words = ["run", "-q", "-p", stateful, "--", "sh", "-c", "echo ran; exit 6"];
      const one = started([...supervised.slice(0, 3), script, ...words]);
      let errors = "";
      one.child.stderr!.on("data", (bytes) => {
        errors += bytes;
      });
      const onlyChild = (pid: number) => until("a child", () => childrenOf(pid)[0]);
      const starter = await onlyChild(await onlyChild(await onlyChild(one.pid)));
      return { ...one, starter, errors: () => errors, go: () => writeFileSync(fifo, "") };
    }

    test("it cannot stay stopped", async () => {
      const one = await waiting();
      process.kill(one.starter, "SIGSTOP");
      one.go();
      expect(await one.ended).toEqual({ status: 6, signal: null });
      expect(isAlive(one.starter)).toBe(false);
    });

    test("if it is killed, no command runs", async () => {
      const one = await waiting();
      process.kill(one.starter, "SIGKILL");
      one.go();
      expect(await one.ended).toEqual({ status: 125, signal: null });
      expect(one.errors()).toContain("the launcher ended before it had started the command");
      expect(one.text()).toBe("");
    });
  });
});

describe("signals", () => {
  test("are not lost during the start", async () => {
    // Send more of them early in the start.
    for (let wait = 0; wait < 400; wait += wait < 100 ? 5 : 25) {
      const one = started([...supervised, "run", "-q", "-p", stateful, "--", "sleep", "3600"]);
      await new Promise((resolve) => setTimeout(resolve, wait));
      process.kill(one.pid, "SIGTERM");
      expect({ wait, ended: await one.ended }).toEqual({ wait, ended: { status: null, signal: "SIGTERM" } });
    }
  });

  test("nohup works", async () => {
    const script = "echo ready; read line; echo $line";
    const run = [...supervised, "run", "-q", "-p", stateful, "--", "sh", "-c", script];
    const one = started([victim("situation"), "ignore=1", "--", ...run]);
    await one.says("ready");
    process.kill(one.pid, "SIGHUP");
    one.child.stdin!.end("goes on\n");
    await one.says("goes on");
    expect(await one.ended).toEqual({ status: 0, signal: null });
  });

  test("an ignored signal does not end the start", async () => {
    const run = [...supervised, "run", "-q", "-p", stateful, "--", "sh", "-c", "echo ready; read line"];
    const one = started(["bash", "-c", 'trap "" TERM; echo ignored; exec "$@"', "bash", ...run]);
    await one.says("ignored");
    for (let i = 0; i < 20; i++) {
      process.kill(one.pid, "SIGTERM");
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await one.says("ready");
    one.child.stdin!.end("\n");
    expect(await one.ended).toEqual({ status: 0, signal: null });
  });

  for (const signal of ["INT", "TERM", "HUP", "QUIT"] as const) {
    test(`SIG${signal} ends the wait for a tree that outlives its command, and is sent to the tree`, async () => {
      const file = join(folder, `daemon-${signal}`);
      const daemon = `trap "echo ${signal} >${file}; exit" ${signal}; ${whenGone}; while :; do sleep 0.05; done`;
      // Not by `&`, because a shell ignores SIGINT and SIGQUIT for background commands.
      const script = `setsid --fork bash -c '${daemon}' bash $$; exit 5`;
      const one = started([...supervised, "run", "-q", "-p", stateful, "--", "bash", "-c", script]);
      await one.says("up");
      await endedBy(one, `SIG${signal}`);
      expect(await one.ended).toEqual({ status: 5, signal: null });
      expect(readFileSync(file, "utf8")).toBe(`${signal}\n`);
    });
  }

  test("a process that ignores the signal is killed two seconds later", async () => {
    const daemon = `trap "" TERM; echo $$ >${folder}/stubborn; ${whenGone}; sleep 3600`;
    const script = `setsid --fork sh -c '${daemon}' sh $$; exit 5`;
    const one = started([...supervised, "run", "-q", "-p", stateful, "--", "sh", "-c", script]);
    await one.says("up");
    const pid = Number(readFileSync(join(folder, "stubborn"), "utf8"));
    const from = performance.now();
    await endedBy(one, "SIGTERM");
    expect((await one.ended).status).toBe(5);
    expect(performance.now() - from).toBeGreaterThan(1900);
    expect(isAlive(pid)).toBe(false);
  });

  test("--kill-tree lets a daemon handle SIGTERM", () => {
    const daemon = `trap "echo bye >${folder}/bye; exit" TERM; echo up; while :; do sleep 0.05; done`;
    const script = `exec 3< <(setsid bash -c '${daemon}'); read -u 3 line; exit 4`;
    const run = [...supervised, "run", "-q", "--kill-tree", "-p", stateful, "--", "bash", "-c", script];
    expect(spawnSync(run[0]!, run.slice(1), { timeout: patience.command }).status).toBe(4);
    expect(readFileSync(join(folder, "bye"), "utf8")).toBe("bye\n");
  });
});

test("the status is the command's, also if a process that it left gets its id", (context) => {
  const ran = shell('"$portcullis" run -q -p "$stateful" -- "$1"', victim("recycled"));
  if (ran.stdout === "not possible\n") context.skip("only root can make a task with a certain id");
  expect(ran).toMatchObject({ status: 1, stdout: "", stderr: "" });
});

describe("fails closed", () => {
  const refused = (script: string, sentence: string | RegExp) => {
    const ran = shell(script);
    expect({ status: ran.status, stdout: ran.stdout }).toEqual({ status: 125, stdout: "" });
    expect(ran.stderr).toMatch(sentence);
    expect(ran.stderr).not.toMatch(/internal error|^\s+at /m);
  };
  const run = '"$portcullis" run -q -p "$stateful" -- echo ran';

  test("in a deleted directory", () => {
    refused(`mkdir gone; cd gone; rmdir ../gone; ${run}`, "the working directory was deleted");
  });

  test.each([20, 40])("with %i file descriptors", (count) => {
    refused(`ulimit -n ${count}; ${run}`, "the limit of open files is too low");
  });

  // Node 24 starts and supervises in 4,000,000 KiB.
  const sizes = Number(process.versions.node.split(".")[0]) < 24 ? [400_000, 4_000_000] : [400_000];
  test.each(sizes)("with %i KiB of address space", (size) => {
    refused(`ulimit -v ${size}; ${run}`, /ulimit -v unlimited/);
    // The supervisor of a policy without state would start later.
    refused(`ulimit -v ${size}; ${run.replace('"$stateful"', "exec-once")}`, /ulimit -v unlimited/);
  });

  test("if Node ends before it sends orders", () => {
    const script = join(folder, "ends.cjs");
    for (const [text, status, sentence] of [
      ['process.kill(process.pid, "SIGKILL")', 125, "Node was ended by signal 9"],
      ["process.exit(0)", 0, ""],
      ['throw new Error("of Node")', 125, "Error: of Node"],
      ["process.exit(9)", 125, ""],
      ['require("fs").writeSync(3, "nonsense that is long enough to be orders, of which there are 48 bytes")', 0, ""],
    ] as const) {
      writeFileSync(script, text);
      const ran = spawnSync(launcher, ["supervise", process.execPath, script, "run", "echo", "ran"], {
        encoding: "utf8",
      });
      expect({ status: ran.status, stdout: ran.stdout }).toEqual({ status, stdout: "" });
      expect(ran.stderr).toContain(sentence);
    }
  });

  test("if no memory may become executable", (context) => {
    if (spawnSync(victim("situation"), ["inexecutable=1", "--", "/bin/true"]).status !== 0)
      context.skip("this kernel lacks PR_SET_MDWE (Linux 6.3)");
    const ran = spawnSync(
      victim("situation"),
      ["inexecutable=1", "--", ...supervised, "run", "-p", stateful, "--", "echo"],
      {
        encoding: "utf8",
      },
    );
    expect(ran).toMatchObject({ status: 125, stdout: "" });
    expect(ran.stderr).toContain("no memory may become executable here (PR_SET_MDWE)");
    expect(ran.stderr.split("\n")).toHaveLength(3);
  });

  test("without Node", () => {
    const ran = spawnSync(launcher, ["supervise", "no-such-node", "x.cjs"], { encoding: "utf8" });
    expect(ran).toMatchObject({ status: 125, stdout: "" });
    expect(ran.stderr).toContain("no-such-node: command not found");
  });

  test("started as node bin/portcullis.cjs, it starts its front itself", () => {
    const script = resolve("bin/portcullis.cjs");
    const words = [script, "run", "-q", "-p", stateful, "--", "sh", "-c", "echo ran; exit 6"];
    expect(spawnSync(process.execPath, words, { encoding: "utf8" })).toMatchObject({ status: 6, stdout: "ran\n" });
  });
});

describe("the command's path", () => {
  const found = (path: string | undefined, name: string) => {
    const words = ["run", "-q", "-p", stateful, "--", name];
    const env = path === undefined ? {} : { PATH: path };
    const ran = spawnSync(launcher, ["supervise", process.execPath, resolve("bin/portcullis.cjs"), ...words], {
      encoding: "utf8",
      cwd: folder,
      env: { ...env, XDG_CACHE_HOME: folder },
    });
    return { status: ran.status, stderr: ran.stderr };
  };

  test("is searched in PATH like in a shell", () => {
    for (const one of ["a", "b", "b/directory"]) execFileSync("mkdir", ["-p", join(folder, one)]);
    writeFileSync(join(folder, "a/plain"), "");
    writeFileSync(join(folder, "b/tool"), "#!/bin/sh\nexit 3\n", { mode: 0o755 });
    writeFileSync(join(folder, "b/plain"), "#!/bin/sh\nexit 4\n", { mode: 0o755 });
    writeFileSync(join(folder, "here"), "#!/bin/sh\nexit 5\n", { mode: 0o755 });
    const both = `${folder}/a:${folder}/b`;
    expect(found(both, "tool").status).toBe(3);
    expect(found(both, "plain").status).toBe(4);
    expect(found(`${folder}/a:`, "here").status).toBe(5);
    expect(found("b", "tool").status).toBe(3);
    expect(found(undefined, "true").status).toBe(0);
    expect(found(`${folder}/a`, "plain")).toEqual({
      status: 126,
      stderr: expect.stringContaining("plain: permission denied"),
    });
    expect(found(both, "directory").status).toBe(126);
    expect(found(both, "nothing")).toEqual({
      status: 127,
      stderr: expect.stringContaining("nothing: command not found"),
    });
    expect(found(both, "")).toEqual({ status: 127, stderr: expect.stringContaining("the command's name is empty") });
    expect(found(both, `${folder}/b`).stderr).toContain("is a directory");
    expect(found(both, "./b/tool/x").stderr).toContain("no such file (ENOTDIR)");
  });
});

describe("variables with a pid", () => {
  const script = 'exec "$portcullis" run -q -p exec-once -- "$@"';
  const print = ["sh", "-c", 'test "$LISTEN_PID" = $$ && test "$WATCHDOG_PID" = $$ && echo own; echo "$LISTEN_PID"'];

  // The shell executes portcullis in place, so its pid is the front's, as for a service.
  test("name the command if they named the front", () => {
    const { stdout } = shell(`export LISTEN_PID=$$ WATCHDOG_PID=$$; ${script}`, ...print);
    expect(stdout).toMatch(/^own\n\d+\n$/);
  });

  test("systemd's variables name the command in each form", () => {
    const words = [...supervised, "run", "-q", "-p", "exec-only", "--", victim("identity")];
    const ran = spawnSync(victim("identity"), words, { encoding: "utf8" });
    const names = ["LISTEN_PID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID", "LISTEN_PIDFDID"];
    expect(ran).toMatchObject({ status: 0, stdout: names.map((name) => `${name} own\n`).join(""), stderr: "" });
  });

  test("are unchanged if they named another process", () => {
    expect(shell(`export LISTEN_PID=1 WATCHDOG_PID=1; ${script}`, ...print).stdout).toBe("1\n");
  });

  test("are unchanged if the value only begins with the pid", () => {
    const { stdout } = shell(`export LISTEN_PID=$$0; ${script}`, "sh", "-c", 'test "$LISTEN_PID" = $$ || echo other');
    expect(stdout).toBe("other\n");
  });
});
