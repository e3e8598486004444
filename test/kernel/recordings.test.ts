/**
 * `portcullis record --recorder ring` in the machine, as root and as an ordinary user: the calls that strace sees there,
 * commands that do their worst to the recording, files that cannot be written, and a recorder that is too slow.
 */
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { InterpreterEvaluator } from "../../src/engines/simulate/interpreter-evaluator.ts";
import { loadPolicy } from "../../src/language/load.ts";
import { callByNumber } from "../../src/linux/calls.ts";
import { readJsonTrace } from "../../src/traces/json.ts";
import { replay } from "../../src/traces/replay.ts";
import { readStrace } from "../../src/traces/strace.ts";
import type { Trace } from "../../src/traces/trace.ts";
import { patience } from "../support/patience.ts";
import { type Command, eachInMachine, type Outcome, unable } from "./vm.ts";

const victim = resolve("build/native/victims/recorded");
const portcullis = resolve("bin/portcullis");
const users = [0, 65_534] as const;

/** Records the words, and prints the status and portcullis's own lines, each on a line, and then the recording. */
const recording = `cd $(mktemp -d); ${portcullis} record --recorder ring -o t "$@" >out 2>err; echo $?; tr '\\n' ' ' <err; echo; zcat t`;

/** Node, as a command of the tree finds it: the launcher's parent. */
const findNode = "read _ _ _ node _ </proc/$PPID/stat";

/** In the tree: waits until the file has its call. The recorder writes each second, and needs longer on a slow machine. */
const untilRecorded = `until zcat t 2>/dev/null | grep -q "path.:.[/]dev/null"; do sleep 0.2; done`;

/** By name: a script, and the words that it gets. */
const scripts = {
  tree: [recording, "--", victim],
  strace: [`cd $(mktemp -d); strace -f -n -o t "$@"; cat t`, victim],
  "without memory": [recording, "--no-memory", "--", victim],
  auto: [recording.replace("--recorder ring ", ""), "--", "sh", "-c", "exec 2>&-; /does/not/exist; exit 3"],
  dies: [recording, "--", "sh", "-c", "kill -9 $$"],
  closes: [recording, "--", "sh", "-c", "exec 0<&- 1>&- 2>&- 3>&- 4>&- 5>&-; sh -c 'exit 4'"],
  forks: [recording, "--", "timeout", "-s", "KILL", "3", "sh", "-c", "while :; do (:) & done"],
  // openat at address 8 fails with EFAULT before the filter; getpid and getrandom are recorded.
  faults: [recording, "--", "perl", "-e", `syscall(257, -100, 8, 0, 0); syscall(39); syscall(318, 0, 0, 0)`],
  full: [
    `cd $(mktemp -d); ulimit -f 4; ${portcullis} record --recorder ring -o t "$@" >out 2>&1; echo $?; tr '\\n' ' ' <out; echo; zcat t`,
    ...["--", "sh", "-c", "n=0; while [ $n -lt 60 ]; do cat /dev/null; n=$((n+1)); done; sleep 1.5; echo done"],
  ],
  twice: [
    `cd $(mktemp -d); mkfifo go; ${portcullis} record --recorder ring -o t -- sh -c 'read line; uname' <go >out 2>err & exec 3>go
     while ! [ -s t ]; do sleep 0.2; done
     ${portcullis} record --recorder ring --append -o t -- true 2>&1; echo >&3; wait $!; echo $?; zcat t`,
  ],
  killed: [
    `cd $(mktemp -d); ${portcullis} record --recorder ring -o t -- sh -c '${findNode}; cat /dev/null; ${untilRecorded}; kill -9 $node; cat /dev/zero | head -c 9 >/dev/null; echo alive >done' 2>/dev/null
     while ! [ -s done ]; do sleep 0.2; done; echo 0; cat done; zcat t`,
  ],
  slow: [
    recording,
    ...[
      "--",
      "sh",
      "-c",
      `${findNode}; kill -STOP $node; dd bs=1 count=150000 </dev/zero >/dev/null 2>&1; kill -CONT $node; exit 6`,
    ],
  ],
} as const satisfies Readonly<Record<string, readonly string[]>>;
type Script = keyof typeof scripts;

const reason = unable("patched");

const architecture = "x86_64";

interface Recorded {
  readonly status: number;
  readonly said: string;
  readonly text: string;
}

function split({ stdout }: Outcome): Recorded {
  const [status = "", said = "", ...lines] = stdout.split("\n");
  return { status: Number(status), said, text: lines.join("\n") };
}

function traceOf(text: string): Trace {
  const { runs, diagnostics } = readJsonTrace(text, "t", architecture);
  expect(diagnostics.filter(({ code }) => code !== "P0823")).toEqual([]);
  expect(runs).toHaveLength(1);
  return runs[0]!;
}

const callsOf = (trace: Trace) => trace.events.filter((event) => event.kind === "call");

/** Each call is judged, and each task that has begun ends. */
function expectReplayable(trace: Trace): void {
  const policy = loadPolicy("policies/exec-once.ts", { architecture }).program!;
  const replayed = replay(new InterpreterEvaluator(policy), trace, { file: "t", uid: 0, gid: 0 });
  expect([...replayed.calls()]).toHaveLength(callsOf(trace).length);
  expect(replayed.diagnostics()).toEqual([]);
  const living = new Set([trace.command]);
  for (const event of trace.events) {
    if (event.kind === "fork" || event.kind === "thread") living.add(event.child);
    if (event.kind === "exit") living.delete(event.tid);
    if (event.kind === "exec" && event.former !== undefined) living.delete(event.former);
  }
  expect(living).toEqual(new Set());
}

function sequencesOf(trace: Trace): string[] {
  const names = new Map<number, string[]>();
  for (const { tid, number } of callsOf(trace)) {
    const name = callByNumber(architecture, number)?.name ?? String(number);
    if (name !== "futex") names.set(tid, [...(names.get(tid) ?? []), name]);
  }
  return [...names.values()].map((list) => list.join(" ")).sort();
}

describe.each(users)("as user %i", (uid) => {
  const found = new Map<Script, Outcome>();
  beforeAll(async () => {
    if (reason !== undefined) return;
    execFileSync("make", ["-s", "-C", "native"], { stdio: "inherit" });
    const names = Object.keys(scripts) as Script[];
    const commands = names.map((name): Command => {
      const [script, ...words] = scripts[name];
      return { words: ["sh", "-c", script, "sh", ...words], uid, env: { HOME: "/nonexistent" } };
    });
    const outcomes = await eachInMachine({ kernel: "patched" }, commands);
    for (const [index, outcome] of outcomes.entries()) found.set(names[index]!, outcome);
  }, patience.machineTest);

  const test = (what: string, name: Script, body: (recorded: Recorded, outcome: Outcome) => void) =>
    it(what, (context) => {
      if (reason !== undefined) context.skip(reason);
      const outcome = found.get(name)!;
      body(split(outcome), outcome);
    });

  test("a tree of processes and threads is recorded as strace sees it", "tree", ({ status, text }) => {
    expect(status).toBe(7);
    const trace = traceOf(text);
    expectReplayable(trace);
    const { runs, diagnostics } = readStrace(found.get("strace")!.stdout, "s", architecture);
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(sequencesOf(trace)).toEqual(sequencesOf(runs[0]!));
    const kinds = trace.events.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === "fork" || kind === "thread").sort()).toEqual([
      ...["fork", "fork", "thread", "thread", "thread", "thread"],
    ]);
    expect(kinds.filter((kind) => kind === "exec")).toHaveLength(2);
    expect(text).toMatch(/"kind":"exec","tid":\d+,"former":\d+/);
  });

  test("texts, addresses and lists are those of the calls", "tree", ({ text }) => {
    expect(text).toMatch(/"call":"open(?:at)?","arguments":.*"memory":\{"path":"\/etc\/passwd"\}/);
    expect(text).toContain('"memory":{"addr":{"kind":"unix","path":"/does/not/exist/either"}}');
    expect(text).toContain('"memory":{"path":"/proc/self/exe","argv":["recorded","leaf"],"envp":["A=1","B=two"]}');
  });

  test("without memory all calls are there", "without memory", ({ text }) => {
    expect(text).not.toContain('"memory":');
    expect(text.split("\n")[0]).toContain('"memory behind pointers"');
    expect(sequencesOf(traceOf(text))).toEqual(sequencesOf(traceOf(split(found.get("tree")!).text)));
  });

  test("auto takes it where it is the best, and records no execution that fails", "auto", ({ status, text }) => {
    expect(status).toBe(3);
    const header = JSON.parse(text.split("\n")[0]!);
    // Tracepoints know results.
    expect(uid === 0 ? ["tracefs", "ring"] : ["ring"]).toContain(header.recorder);
    expect(text).toContain("/does/not/exist");
    expect(traceOf(text).events.filter(({ kind }) => kind === "exec")).toEqual([]);
  });

  test("a command that dies at once", "dies", ({ status, text }) => {
    expect(status).toBe(137);
    expectReplayable(traceOf(text));
  });

  test("a command that closes every descriptor", "closes", ({ status, text }) => {
    expect(status).toBe(4);
    expectReplayable(traceOf(text));
  });

  test("a command that forks without end, until it is killed", "forks", ({ status, said, text }) => {
    expect(status).toBe(137);
    const trace = traceOf(text);
    expectReplayable(trace);
    const forks = trace.events.filter(({ kind }) => kind === "fork");
    expect(forks.length).toBeGreaterThan(5);
    expect(said.includes("; more were lost")).toBe(text.includes('"kind":"lost"'));
  });

  test("a call whose memory cannot be read fails as without a recording, and is left out", "faults", ({ text }) => {
    const numbers = callsOf(traceOf(text)).map(({ number }) => number);
    expect(numbers).toContain(39);
    expect(numbers).toContain(318);
    expect(text).not.toMatch(/"call":"openat","arguments":\[\d+,8,/);
  });

  test("a full disk ends the recording, not the command", "full", ({ status, said, text }) => {
    expect(status).toBe(0);
    expect(said).toContain("done");
    if (!said.includes("calls of")) expect(said).toMatch(/cannot be written.*the command goes on/);
    expect(
      text
        .split("\n")
        .slice(0, -1)
        .every((line) => line.startsWith('{"v":1')),
    ).toBe(true);
  });

  test("two recordings into one file", "twice", (_, { stdout }) => {
    expect(stdout).toContain("another process is recording into");
    expect(stdout).toContain('"call":"uname"');
  });

  test("after a SIGKILL of the recorder its calls can be read, and the command goes on", "killed", (_, { stdout }) => {
    const { said, text } = split({ ...found.get("killed")!, stdout });
    expect(said).toBe("alive");
    expectReplayableUpTo(text);
    expect(text).toContain('"path":"/dev/null"');
  });

  test("a recorder that is too slow counts the missing events", "slow", ({ status, said, text }) => {
    expect(status).toBe(6);
    expect(said).toContain("; more were lost");
    const lost = [...text.matchAll(/"kind":"lost","count":(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
    const calls = text.split('"kind":"call"').length - 1;
    expect(lost).toBeGreaterThan(1000);
    expect(calls + lost).toBeGreaterThan(300_000);
    expect(calls + lost).toBeLessThan(303_000);
  });
});

/** The lines contradict nothing, though some are missing. */
function expectReplayableUpTo(text: string): void {
  const policy = loadPolicy("policies/exec-once.ts", { architecture }).program!;
  const trace = traceOf(text);
  const replayed = replay(new InterpreterEvaluator(policy), trace, { file: "t", uid: 0, gid: 0 });
  expect([...replayed.calls()]).toHaveLength(callsOf(trace).length);
}
