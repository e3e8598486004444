/**
 * Records real commands by every recorder that works here, as root and as an ordinary user: the calls are strace's; also
 * commands that attack the recording, and files that cannot be written.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { hostArchitecture } from "../../src/abi/architecture.ts";
import { callByNumber } from "../../src/abi/calls.ts";
import { InterpreterEvaluator } from "../../src/engines/simulate/interpreter-evaluator.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { neverNotified } from "../../src/observe/record/notify/filter.ts";
import type { RecorderName } from "../../src/observe/record/recorder.ts";
import { recorders } from "../../src/observe/record/session/registry.ts";
import { sourceOf } from "../../src/traces/blocks.ts";
import { readJsonTrace } from "../../src/traces/formats/json.ts";
import { readStrace } from "../../src/traces/formats/strace.ts";
import { traceLines } from "../../src/traces/lines.ts";
import { replay } from "../../src/traces/replay.ts";
import type { Trace } from "../../src/traces/trace.ts";
import { asUser, copyFor, ordinaryUser, reachableFolder } from "../support/ordinary-user.ts";
import { patience, until } from "../support/patience.ts";
import { statusInShell } from "../support/processes.ts";
import { prepare, victim } from "./run.ts";

const root = process.getuid?.() === 0;
const worksForAnybody: Readonly<Record<RecorderName, boolean>> = { tracefs: false, notifier: true };
const architecture = hostArchitecture()!;
const folder = reachableFolder("record");
const program = join(folder, "bin/portcullis");
let count = 0;
const fresh = (): string => join(mkdtempSync(join(folder, "work-")), `${count++}.trace`);

/** The recorders, each with its users. */
const ways = recorders
  .filter(({ probe }) => probe().works)
  .flatMap(({ name }) => [
    { recorder: name, uid: undefined },
    ...(root && worksForAnybody[name] ? [{ recorder: name, uid: ordinaryUser }] : []),
  ]);

beforeAll(async () => {
  await prepare();
  for (const part of ["bin", "package.json"]) copyFor(folder, part);
  for (const file of readdirSync("dist")) {
    if (/\.cjs$|^native$|^code-cache-node$/.test(file)) copyFor(folder, join("dist", file), join("dist", file));
  }
  chmodSync(folder, 0o777);
});

interface Way {
  readonly recorder: string;
  readonly uid: number | undefined;
}

function words({ recorder, uid }: Way, file: string, options: readonly string[], command: readonly string[]): string[] {
  const own = [program, "record", "--recorder", recorder, "-o", file, ...options, "--", ...command];
  // A device's directory belongs to the system.
  if (uid !== undefined && !file.startsWith("/dev/")) execFileSync("chown", [String(uid), join(file, "..")]);
  return uid === undefined ? own : asUser(uid, ...own);
}

function record(way: Way, file: string, command: readonly string[], options: readonly string[] = []) {
  const [first, ...rest] = words(way, file, options, command);
  // In a session of its own, so that a command that signals its group reaches no test.
  const ran = spawnSync("setsid", ["-w", first!, ...rest], {
    encoding: "utf8",
    timeout: patience.command,
    killSignal: "SIGKILL",
    cwd: folder,
  });
  return { status: statusInShell(ran), out: ran.stdout, error: ran.stderr };
}

const linesOf = (file: string): string[] =>
  [...traceLines(sourceOf(readFileSync(file)))].map((one) => (one.kind === "line" ? one.text : one.kind));

function traceOf(file: string): Trace {
  const { runs, diagnostics } = readJsonTrace(linesOf(file).join("\n"), "t", architecture);
  expect(diagnostics).toEqual([]);
  expect(runs).toHaveLength(1);
  return runs[0]!;
}

/** The calls of each task in order, without those that depend on who comes first, and those that one recorder leaves out. */
function sequencesOf(trace: Trace): string[] {
  const leftOut = new Set<string>(["futex", ...neverNotified]);
  const names = new Map<number, string[]>();
  for (const event of trace.events) {
    if (event.kind !== "call") continue;
    const name = callByNumber(architecture, event.number)?.name ?? String(event.number);
    if (leftOut.has(name)) continue;
    names.set(event.tid, [...(names.get(event.tid) ?? []), name]);
  }
  return [...names.values()].map((list) => list.join(" ")).sort();
}

/** Nothing in the trace contradicts itself. */
function expectReplayable(trace: Trace): void {
  const policy = loadPolicy("policies/exec-once.ts", { architecture }).program!;
  const replayed = replay(new InterpreterEvaluator(policy), trace, { file: "t", uid: 0, gid: 0 });
  const calls = trace.events.filter(({ kind }) => kind === "call").length;
  expect([...replayed.calls()]).toHaveLength(calls);
  expect(replayed.diagnostics()).toEqual([]);
}

const hasTracefs = root && ways.some(({ recorder }) => recorder === "tracefs");

/** A command of root for which tracefs is mounted where it usually is: portcullis does not need a mount. */
const withTracefs = (script: string): [string, ...string[]] => [
  "unshare",
  "-m",
  "sh",
  "-c",
  `mount -t tracefs tracefs /sys/kernel/tracing && ${script}`,
];

/** Instances of tracefs that recordings have left. */
function instances(): string[] {
  if (!hasTracefs) return [];
  const [first, ...rest] = withTracefs("ls /sys/kernel/tracing/instances");
  const names = execFileSync(first, rest, { encoding: "utf8" }).split("\n");
  return names.filter((name) => name.startsWith("portcullis-"));
}

describe.each(ways)("by $recorder as user $uid", (way) => {
  test("a tree of processes and threads is recorded as strace sees it", (context) => {
    if (spawnSync("strace", ["-V"]).status !== 0) context.skip("strace is not installed");
    const file = fresh();
    expect(record(way, file, [victim("recorded")])).toMatchObject({ status: 7, out: "" });
    const strace = join(folder, `${count++}.strace`);
    execFileSync("sh", ["-c", '"$@" || test $? = 7', "sh", "strace", "-f", "-n", "-o", strace, victim("recorded")]);
    const { runs, diagnostics } = readStrace(readFileSync(strace, "utf8"), "s", architecture);
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    const expected = runs[0]!;
    const found = traceOf(file);
    expect(sequencesOf(found)).toEqual(sequencesOf(expected));
    const births = (trace: Trace) =>
      trace.events.flatMap(({ kind }) => (kind === "fork" || kind === "thread" ? [kind] : [])).sort();
    expect(births(found)).toEqual(["fork", "fork", "thread", "thread", "thread", "thread"]);
    expectReplayable(found);
  });

  if (way.recorder === "notifier") {
    test("threads whose calls are in flight when their process ends are not taken for new ones", () => {
      const script =
        "import os, threading, time\nfor _ in range(8): threading.Thread(target=lambda: [os.getppid() for _ in range(10**9)], daemon=True).start()\ntime.sleep(0.03); os._exit(0)";
      for (let turn = 0; turn < 3; turn++) {
        const file = fresh();
        expect(record(way, file, ["/usr/bin/python3", "-c", script])).toMatchObject({ status: 0 });
        expectReplayable(traceOf(file));
      }
    });
  }

  test("programs do without io_uring, as under every policy", () => {
    const script = "import ctypes; print(ctypes.CDLL(None, use_errno=True).syscall(425, 8, 0), ctypes.get_errno())";
    const file = fresh();
    expect(record(way, file, ["/usr/bin/python3", "-c", script])).toMatchObject({ status: 0, out: "-1 38\n" });
    const lines = linesOf(file);
    expect(lines[0]).toContain("io_uring_setup fails with ENOSYS");
    expect(lines.join("\n")).not.toContain('"call":"io_uring_setup"');
  });

  test("texts, addresses, lists and results are recorded", () => {
    const file = fresh();
    record(way, file, [victim("recorded")]);
    const text = linesOf(file).join("\n");
    expect(text).toMatch(/"call":"open(?:at)?","arguments":.*"memory":\{"path":"\/etc\/passwd"\}/);
    expect(text).toContain('"memory":{"addr":{"kind":"unix","path":"/does/not/exist/either"}}');
    expect(text).toContain(
      '"memory":{"path":"/proc/self/exe","argv":["recorded","leaf"],"envp":[{"starts":"A="},{"starts":"B="}]}',
    );
    if (way.recorder === "tracefs") expect(text).toMatch(/"memory":\{"path":"\/does\/not\/exist"\},"result":-2\}/);
    const plain = fresh();
    record(way, plain, [victim("recorded")], ["--no-memory"]);
    expect(linesOf(plain).join("\n")).not.toContain('"memory":');
    expect(linesOf(plain)[0]).toContain('"memory behind pointers"');
    expect(sequencesOf(traceOf(plain))).toEqual(sequencesOf(traceOf(file)));
  });

  test("the file names its recorder, and only its owner can read it", () => {
    const file = fresh();
    expect(record(way, file, ["true"]).error).toMatch(/^portcullis: \d+ calls of \d+ kinds are in /);
    const header = JSON.parse(linesOf(file)[0]!);
    expect(header).toMatchObject({ kind: "recording", recorder: way.recorder, command: ["true"] });
    expect(header.unknown.length).toBeGreaterThan(0);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(gunzipSync(readFileSync(file)).toString().split("\n").slice(0, -1)).toEqual(linesOf(file));
    expect(record(way, fresh(), ["true"], ["-q"])).toEqual({ status: 0, out: "", error: "" });
  });

  test("the file has the command's working directory", () => {
    const file = fresh();
    const { out } = record(way, file, ["pwd"]);
    expect(JSON.parse(linesOf(file)[1]!)).toMatchObject({ kind: "start", directory: out.trim() });
  });

  test("the command inherits the same as without portcullis", () => {
    const show =
      'trap "" USR1; ulimit -n; umask; grep -E "^(SigBlk|SigIgn|Threads)" /proc/self/status; ls /proc/self/fd';
    const plain = spawnSync("setsid", ["-w", ...(way.uid === undefined ? [] : asUser(way.uid)), "sh", "-c", show], {
      encoding: "utf8",
      cwd: folder,
    });
    expect(record(way, fresh(), ["sh", "-c", show]).out).toBe(plain.stdout);
  });

  // The filters of the others require no_new_privs.
  if (way.recorder === "tracefs") {
    test("a recorder of root removes no privileges", () => {
      const { out } = record(way, fresh(), ["grep", "-E", "^(NoNewPrivs|CapEff)", "/proc/self/status"]);
      expect(out).toBe(execFileSync("grep", ["-E", "^(NoNewPrivs|CapEff)", "/proc/self/status"], { encoding: "utf8" }));
      const none = record(way, fresh(), ["grep", "^Seccomp:", "/proc/self/status"], ["--no-memory"]);
      expect(none.out).toBe("Seccomp:\t0\n");
    });
  }

  test.each([
    ["dies of a signal at once", ["sh", "-c", "kill -9 $$"], 137],
    ["cannot be found", ["/does/not/exist"], 127],
    ["closes every descriptor", ["sh", "-c", "exec 0<&- 1>&- 2>&- 3>&- 4>&- 5>&-; sh -c 'exit 4'"], 4],
    ["leaves a daemon", ["sh", "-c", "(sleep 0.2; uname >/dev/null) & exit 5"], 5],
    [
      "forks as fast as it can for a while",
      ["sh", "-c", "n=0; while [ $n -lt 150 ]; do (:) & n=$((n+1)); done; wait; exit 6"],
      6,
    ],
  ] as const)("a command that %s", (_, command, status) => {
    const file = fresh();
    expect(record(way, file, command).status).toBe(status);
    if (status === 127) {
      expect(existsSync(file)).toBe(false);
      return;
    }
    const trace = traceOf(file);
    expectReplayable(trace);
    const living = new Set([trace.command]);
    for (const event of trace.events) {
      if (event.kind === "fork" || event.kind === "thread") living.add(event.child);
      if (event.kind === "exit") living.delete(event.tid);
    }
    expect(living).toEqual(new Set());
    if (status === 5) expect(linesOf(file).join("\n")).toContain('"call":"uname"');
    if (status === 6) expect(trace.events.filter(({ kind }) => kind === "fork").length).toBe(150);
  });

  if (way.recorder === "notifier") {
    test("a recording within a recording is refused in words of record", () => {
      const file = fresh();
      const inner = [program, "record", "--recorder", "notifier", "-o", `${file}.inner`, "--", "true"];
      const { status, error } = record(way, file, inner);
      expect(status).toBe(125);
      expect(error).toContain("the recorder notifier needs a listener of its own\n  help: record from outside");
    });
  }

  // root's kill(-1) would reach the tests.
  if (way.uid !== undefined) {
    test("a command that signals everything that it may does not end the recording", () => {
      const file = fresh();
      const script = "trap '' TERM INT HUP; for s in TERM INT HUP USR1 TSTP; do kill -$s -1; done; sleep 0.1; exit 8";
      // In a pid namespace, so that no other process of the user is reached.
      const [first, ...rest] = words(way, file, [], ["sh", "-c", script]);
      const ran = spawnSync("unshare", ["-p", "-f", "--mount-proc", first!, ...rest], {
        encoding: "utf8",
        timeout: patience.command,
      });
      expect(ran.status, ran.stderr).toBe(8);
      expect(
        linesOf(file)
          .join("\n")
          .match(/"call":"kill"/g)!.length,
      ).toBeGreaterThanOrEqual(5);
    });
  }

  test("the rest can be read if a command writes into the file, truncates or removes it", () => {
    const written = fresh();
    record(way, written, ["sh", "-c", `echo nonsense >>${written}; sleep 0.1; uname >/dev/null`]);
    expect(linesOf(written)).toContain("damage");
    expect(linesOf(written).join("\n")).toContain('"call":"uname"');
    const removed = fresh();
    const { error } = record(way, removed, ["rm", removed]);
    const copy = /the recording is in (\S+)/.exec(error)![1]!;
    expect(linesOf(copy).join("\n")).toMatch(/"call":"unlink(?:at)?"/);
    const shortened = fresh();
    expect(record(way, shortened, ["sh", "-c", `: >${shortened}; sleep 1`]).error).toMatch(/has shortened|calls of/);
  });

  test("a full disk ends the recording, not the command", () => {
    const none = record(way, "/dev/full", ["true"]);
    expect(none).toMatchObject({ status: 125, out: "" });
    expect(none.error).toContain("the disk is full");
    const file = fresh();
    const limited = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh"];
    const script = "n=0; while [ $n -lt 300 ]; do cat /dev/null; n=$((n+1)); done; sleep 1.5; echo done";
    const [first, ...rest] = [...limited, ...words(way, file, [], ["sh", "-c", script])];
    const ran = spawnSync(first!, rest, { encoding: "utf8", cwd: folder, timeout: patience.command });
    expect(ran.stdout).toBe("done\n");
    const isCut = ran.stderr.includes("larger than a file may be");
    expect(ran.status).toBe(isCut ? 125 : 0);
    if (!isCut) return; // it was small enough
    const lines = [...linesOf(file)];
    expect(lines).not.toContain("damage");
    const [, written, made] = /the first (\d+) of (\d+) calls/.exec(ran.stderr) ?? [];
    expect(Number(written)).toBe(lines.filter((line) => line.includes('"kind":"call"')).length);
    expect(Number(written)).toBeLessThan(Number(made));
  });

  test("an existing file is not replaced, and takes another recording on request", async () => {
    const file = fresh();
    record(way, file, ["true"]);
    const before = readFileSync(file);
    const again = record(way, file, ["uname"]);
    expect(again).toMatchObject({ status: 125, out: "" });
    expect(again.error).toContain("a recording replaces nothing");
    expect(readFileSync(file)).toEqual(before);
    expect(record(way, file, ["uname"], ["--append"]).status).toBe(0);
    expect(readFileSync(file).subarray(0, before.length)).toEqual(before);
    expect(readJsonTrace(linesOf(file).join("\n"), "t", architecture).runs).toHaveLength(2);
    // A block that was cut short is completed first.
    const whole = readFileSync(file);
    writeFileSync(file, whole.subarray(0, whole.length - 5));
    expect(record(way, file, ["uname"], ["--append"]).status).toBe(0);
    expect(readJsonTrace(linesOf(file).join("\n"), "t", architecture)).toMatchObject({ diagnostics: [] });
    const foreign = fresh();
    writeFileSync(foreign, "important\n");
    if (way.uid !== undefined) execFileSync("chown", [String(way.uid), foreign]);
    expect(record(way, foreign, ["true"], ["--append"]).error).toContain("is not a recording of portcullis");
    expect(readFileSync(foreign, "utf8")).toBe("important\n");
  });

  test("two recordings into one file", async () => {
    const file = fresh();
    const first = start(way, file, ["sh", "-c", "read line; uname"]);
    await until("the first recording has begun", () => existsSync(file) && statSync(file).size > 0);
    expect(record(way, file, ["true"], ["--append"]).error).toContain("another process is recording into");
    first.child.stdin!.end("go\n");
    expect(await first.ended).toBe(0);
    expect(linesOf(file).join("\n")).toContain('"call":"uname"');
  });

  test("after a SIGKILL of the recorder the file can be read up to the last second", async () => {
    const file = fresh();
    const one = start(way, file, ["sh", "-c", "while :; do cat /dev/null; done"]);
    await until("some calls are in the file", () => existsSync(file) && linesOf(file).length > 300);
    const front = one.child.pid!;
    const [node] = readFileSync(`/proc/${front}/task/${front}/children`, "latin1").split(" ");
    process.kill(Number(node), "SIGKILL");
    const isEnding = linesOf(file).length;
    one.child.kill("SIGKILL");
    process.kill(-front, "SIGKILL");
    await one.ended;
    expect(linesOf(file).length).toBeGreaterThanOrEqual(isEnding);
    expect(linesOf(file)).not.toContain("damage");
    expectReplayable(traceOf(file));
    // The next recording removes what the killed one has left.
    expect(record(way, fresh(), ["true"]).status).toBe(0);
    expect(instances().filter((name) => name.startsWith(`portcullis-${node}-`))).toEqual([]);
  });
});

function start(
  way: Way,
  file: string,
  command: readonly string[],
): { child: ChildProcess; ended: Promise<number | null> } {
  const [first, ...rest] = words(way, file, [], command);
  const child = spawn(first!, rest, { stdio: ["pipe", "ignore", "ignore"], cwd: folder, detached: true });
  return { child, ended: new Promise((done) => child.on("exit", (status) => done(status))) };
}

test.runIf(hasTracefs)("lost events are counted, and the exit status says so, also with -q", async () => {
  const file = fresh();
  // On one processor, so that its buffer overflows while the recorder stands still.
  const script = `read go; taskset -c 0 dd if=/dev/zero of=/dev/null bs=1 count=400000 2>/dev/null; : >${file}.made; read go`;
  const options = ["-q", "--no-memory"];
  const [first, ...rest] = words({ recorder: "tracefs", uid: undefined }, file, options, ["sh", "-c", script]);
  const child = spawn(first!, rest, { stdio: ["pipe", "ignore", "pipe"], cwd: folder, detached: true });
  let error = "";
  child.stderr.on("data", (part) => {
    error += part;
  });
  const ended = new Promise((done) => child.on("close", done));
  await until("the command is recorded", () => existsSync(file) && linesOf(file).some((one) => one.includes('"read"')));
  const [node] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "latin1").split(" ");
  process.kill(Number(node), "SIGSTOP");
  child.stdin.write("go\n");
  await until("the calls are made", () => existsSync(`${file}.made`));
  process.kill(Number(node), "SIGCONT");
  child.stdin.end("go\n");
  expect(await ended).toBe(125);
  const [, lost] = /^portcullis: ([\d,]+) events were lost/m.exec(error) ?? [];
  const counts = linesOf(file).map((line) => Number(/"kind":"lost","count":(\d+)/.exec(line)?.[1] ?? 0));
  expect(Number(lost?.replaceAll(",", ""))).toBeGreaterThan(100_000);
  expect(counts.reduce((sum, one) => sum + one, 0)).toBe(Number(lost?.replaceAll(",", "")));
});

test.runIf(hasTracefs)("a root command that switches the tracing off is noticed", () => {
  const file = fresh();
  const off = withTracefs("for i in /sys/kernel/tracing/instances/portcullis-*; do echo 0 >$i/tracing_on; done; ls /");
  const { status, error } = record({ recorder: "tracefs", uid: undefined }, file, off);
  expect(status).toBe(125);
  expect(error).toContain("has switched the recorder off: calls are missing");
  expect(linesOf(file).join("\n")).toContain('"kind":"lost"');
});

test("auto takes a recorder that works, and an unknown one is an error", () => {
  const file = fresh();
  const way = { recorder: "auto", uid: undefined };
  expect(record(way, file, ["true"]).status).toBe(0);
  expect(JSON.parse(linesOf(file)[0]!).recorder).toBe(ways[0]!.recorder);
  expect(record({ ...way, recorder: "nothing" }, fresh(), ["true"])).toMatchObject({ status: 125 });
  if (root) {
    const other = record({ recorder: "tracefs", uid: ordinaryUser }, fresh(), ["true"]);
    expect(other.error).toContain("only root may use it");
  }
});
