/** Reads the output of the installed strace: every line is parsed, with the information that docs/traces.md lists. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { callByName } from "../../src/abi/calls.ts";
import { readStrace } from "../../src/traces/formats/strace.ts";
import { type CallEvent, isKnown, type TraceEvent } from "../../src/traces/trace.ts";
import { patience } from "../support/patience.ts";
import { folderOf, portcullis } from "./harness.ts";

// `make test` installs strace; without it these tests are skipped.
const hasStrace = spawnSync("strace", ["--version"]).error === undefined;
const options = ["-f", "-n", "-ttt", "-e", "raw=all"];
const onX86 = process.arch === "x64";

function record(command: readonly string[], more: readonly string[] = []): string {
  const file = join(folderOf({}), "trace");
  spawnSync("strace", [...options, ...more, "-o", file, ...command], { timeout: patience.command });
  return readFileSync(file, "utf8");
}

function read(text: string): readonly TraceEvent[] {
  const {
    runs: [trace],
    diagnostics,
  } = readStrace(text, "trace", onX86 ? "x86_64" : "aarch64");
  expect(diagnostics.filter((one) => one.severity === "error")).toEqual([]);
  return trace!.events;
}

const script = "ls / >/dev/null & (exit 3); sleep 0.01; kill -TERM $! 2>/dev/null; wait; true";

test.runIf(hasStrace)("a shell with children, signals and calls that overlap", () => {
  const events = read(record(["sh", "-c", script]));
  const kinds = events.map((event) => event.kind);
  expect(kinds.filter((kind) => kind === "fork").length).toBeGreaterThanOrEqual(3);
  expect(kinds.filter((kind) => kind === "exit").length).toBe(kinds.filter((kind) => kind === "fork").length + 1);
});

test.runIf(hasStrace)("the same on standard error, where lines are labelled only at times and cut by remarks", () => {
  const { stderr } = spawnSync("strace", [...options, "sh", "-c", script], {
    encoding: "utf8",
    timeout: patience.command,
  });
  expect(stderr).toContain("strace: Process ");
  const kinds = read(stderr).map((event) => event.kind);
  expect(kinds.filter((kind) => kind === "fork").length).toBeGreaterThanOrEqual(3);
});

test.runIf(hasStrace)("texts and lists behind pointers, in full and cut", () => {
  const long = "x".repeat(100);
  const command = ["sh", "-c", 'exec cat /nowhere "$1"', "sh", long];
  const recorded = (more: readonly string[]): readonly CallEvent[] => {
    const file = join(folderOf({}), "trace");
    spawnSync("strace", ["-f", "-n", "-ttt", ...more, "-o", file, ...command], {
      timeout: patience.command,
      env: { PATH: process.env["PATH"], LEFT: "right" },
    });
    return read(readFileSync(file, "utf8")).filter((event) => event.kind === "call");
  };
  const number = (name: string) => callByName(name)!.number[onX86 ? "x86_64" : "aarch64"];
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
  const entriesOf = (calls: readonly CallEvent[], name: string) => {
    const found = calls
      .filter((call) => call.number === number("execve"))
      .at(-1)
      ?.memory.get(name);
    return found?.is === "strings" ? found.entries.map(({ bytes, isCut }) => [text(bytes), isCut]) : found?.is;
  };
  const whole = recorded(["-v", "-s", "65536"]);
  expect(entriesOf(whole, "argv")).toEqual([
    ["cat", false],
    ["/nowhere", false],
    [long, false],
  ]);
  expect(entriesOf(whole, "envp")).toContainEqual(["LEFT=right", false]);
  const paths = whole.flatMap(({ memory }) => {
    const path = memory.get("path");
    return path?.is === "text" ? [text(path.bytes)] : [];
  });
  expect(paths).toContain("/nowhere");
  const cut = recorded([]);
  expect(entriesOf(cut, "argv")).toContainEqual(["x".repeat(32), true]);
  expect(entriesOf(cut, "envp")).toBe("unknown");
});

const victim = `#define _GNU_SOURCE
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
static void *thread(void *unused) { syscall(SYS_getppid); return unused; }
int main(void) {
  syscall(SYS_socket, 0x100000002L, 0xffffffff00000001L, 0x123400000000L);
  syscall(SYS_getpgid, 0xabcd00000000L);
  pthread_t one;
  pthread_create(&one, 0, thread, 0);
  pthread_join(one, 0);
#ifdef __x86_64__
  int result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
#endif
  syscall(1000, 1, 2, 3, 4, 5, 6);
  return 0;
}
`;

test.runIf(hasStrace)(
  "whole registers, threads, foreign calls, numbers without a name; not what a call has no parameter for",
  () => {
    const folder = folderOf({ "victim.c": victim });
    execFileSync("gcc", ["-O1", "-pthread", "-o", join(folder, "victim"), join(folder, "victim.c")]);
    const events = read(record([join(folder, "victim")]));
    const architecture = onX86 ? "x86_64" : "aarch64";
    const calls = events.filter((event) => event.kind === "call");
    const number = (name: string) => callByName(name)!.number[architecture]!;
    const socket = calls.find((one) => one.number === number("socket"))!;
    expect(socket.arguments.slice(0, 3).map((word) => word.value)).toEqual([
      0x1_0000_0002n,
      0xffff_ffff_0000_0001n,
      0x1234_0000_0000n,
    ]);
    expect(socket.arguments.map(isKnown)).toEqual([true, true, true, false, false, false]);
    expect(calls.find((one) => one.number === number("getpgid"))!.arguments[0]!.value).toBe(0xabcd_0000_0000n);
    expect(events.some((event) => event.kind === "thread")).toBe(true);
    expect(calls.some((one) => one.number === 1000)).toBe(true);
    if (onX86) {
      const foreign = calls.filter((one) => one.architecture !== 0xc000_003e);
      expect(foreign.map((one) => one.number)).toEqual([20]);
    }
  },
);

test.runIf(hasStrace)("-i gives the instruction pointer; without raw=all, named arguments are unknown", () => {
  const withPointer = read(record(["true"], ["-i"])).filter((event) => event.kind === "call");
  expect(withPointer.every((one) => isKnown(one.instructionPointer))).toBe(true);
  const file = join(folderOf({}), "trace");
  spawnSync("strace", ["-f", "-n", "-ttt", "-o", file, "true"]);
  const text = readFileSync(file, "utf8");
  const {
    runs: [trace],
    diagnostics,
  } = readStrace(text, "trace", onX86 ? "x86_64" : "aarch64");
  expect(diagnostics.map((one) => one.code)).toEqual(["P0821"]);
  const closed = trace!.events.find(
    (event) => event.kind === "call" && event.number === callByName("close")!.number[onX86 ? "x86_64" : "aarch64"],
  );
  if (closed?.kind !== "call") throw new Error("true closes what it has read");
  expect(closed.arguments[0]!.known).toBe(0xffff_ffffn);
});

const family = `#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static void handle(int unused) {}
static void *work(void *unused) {
  for (int i = 0; i < 20; i++) syscall(SYS_getppid), usleep(200);
  return unused;
}
int main(void) {
  signal(SIGUSR1, handle);
  pthread_t one;
  pthread_create(&one, 0, work, 0);
  pid_t killed = fork();
  if (killed == 0) work(0), kill(getpid(), SIGKILL);
  socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0});
  raise(SIGUSR1);
  pthread_join(one, 0);
  waitpid(killed, 0, 0);
  pid_t executing = fork();
  if (executing == 0) execl("/bin/true", "true (1) >,", NULL);
  waitpid(executing, 0, 0);
  syscall(1000, 1, 2);
  return 7;
}
`;

/** Options of strace, and whether the recording then has times. */
const forms: readonly (readonly [options: string, timed: boolean])[] = [
  ["-f", false],
  ["-ff", false],
  ["-f -t", false],
  ["-f -tt", false],
  ["-f -ttt", true],
  ["-f -r", true],
  ["-f -tt -r", true],
  ["-f --absolute-timestamps=format:unix,precision:s", true],
  ["-f --absolute-timestamps=precision:ns", false],
  ["-f -T", false],
  ["-f -y", false],
  ["-f -yy", false],
  ["-f -Y", false],
  ["-f -k", false],
  ["-f -n", false],
  ["-f -i", false],
  ["-f -x", false],
  ["-f -xx", false],
  ["-f -v", false],
  ["-f -q", false],
  ["-f -C", false],
  ["-f -X raw", false],
  ["-f -X verbose", false],
  ["-f --always-show-pid", false],
  ["-f --decode-pids=pidns", false],
  ["-f -e raw=all", false],
  ["-f -n -ttt -T -i -y", true],
];

/** Some builds of strace lack an option (-k), or are too old. With -ff it writes files beside the one that is named. */
function isSupported(strace: readonly string[], file: string): boolean {
  return spawnSync("strace", [...strace, "-o", file, "true"], { timeout: patience.command }).status === 0;
}

describe.runIf(hasStrace)("every form that strace writes", () => {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-strace-"));
  const command = join(folder, "family");
  beforeAll(() => {
    writeFileSync(`${command}.c`, family);
    execFileSync("gcc", ["-O1", "-pthread", "-o", command, `${command}.c`]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const outline = (text: string) => {
    const {
      runs: [trace],
      diagnostics,
    } = readStrace(text, "trace", onX86 ? "x86_64" : "aarch64");
    expect(diagnostics.filter((one) => one.severity === "error")).toEqual([]);
    const count = (kind: TraceEvent["kind"]) => trace!.events.filter((event) => event.kind === kind).length;
    return { timed: trace!.timed, threads: count("thread"), forks: count("fork"), exits: count("exit") };
  };

  test.for(forms)("%s", ([written, timed], context) => {
    const strace = written.split(" ");
    if (!isSupported(strace, join(folder, "attempt"))) context.skip(`this strace does not know ${written}`);
    const expected = { timed, threads: 1, forks: 2, exits: 4 };
    const file = join(folder, "trace");
    if (strace[0] !== "-ff") {
      spawnSync("strace", [...strace, "-o", file, command], { timeout: patience.command });
      expect(outline(readFileSync(file, "utf8"))).toEqual(expected);
    } else {
      // A file for each task: each is a separate recording.
      const { pid } = spawnSync("strace", [...strace, "-o", file, "sh", "-c", `exec ${command}`]);
      const files = readdirSync(folder).filter((name) => /^trace\.\d+$/.test(name));
      expect(files.length, `${pid}`).toBe(4);
      const outlines = files.map((name) => outline(readFileSync(join(folder, name), "utf8")));
      expect(outlines.map(({ exits }) => exits)).toEqual([1, 1, 1, 1]);
      expect(outlines.reduce((sum, { forks }) => sum + forks, 0)).toBe(2);
    }
    const { stderr } = spawnSync("strace", [...strace, command], { encoding: "utf8", timeout: patience.command });
    expect(outline(stderr)).toEqual(expected);
  });

  test("simulate takes `strace -f -o FILE`", async () => {
    const file = join(folder, "plain");
    spawnSync("strace", ["-f", "-o", file, command], { timeout: patience.command });
    expect(readFileSync(file, "utf8")).toContain("resumed>");
    const policy = folderOf({
      "p.ts": `import { allow, policy } from "portcullis";\nexport default policy(() => allow);\n`,
    });
    const { status, err } = await portcullis("simulate", join(policy, "p.ts"), file);
    // The policy allows all; only the call that is in no table is refused, before the policy.
    expect({ status, err }).toEqual({ status: 1, err: expect.stringMatching(/calls: \d+ allow, 1 deny ENOSYS/) });
  });
});

test.runIf(hasStrace)("what was recorded runs under the graph that is drawn from it", async () => {
  const folder = folderOf({ "t.strace": record(["sh", "-c", "true; (exit 1); ls / > /dev/null"]) });
  const drawn = await portcullis("flow", "-o", join(folder, "the.flow.ts"), join(folder, "t.strace"));
  expect(drawn.status).toBe(0);
  const policy = folderOf({
    "p.ts": `import { allow, kill, perThread, policy } from "portcullis";
import { theFlow } from "${folder}/the.flow.ts";
const flow = perThread.flow(theFlow);
export default policy((call) => (flow.follow(call) ? allow : kill("process")));
`.replace(`${folder}/`, "./"),
    "the.flow.ts": readFileSync(join(folder, "the.flow.ts"), "utf8"),
  });
  const { status, err } = await portcullis("simulate", join(policy, "p.ts"), join(folder, "t.strace"));
  expect({ status, err: err.replace(/\d+/g, "N") }).toEqual({ status: 0, err: "N calls: N allow\n" });
});
