/** Traces that strace writes, with each of its options. */
import { expect, test } from "vitest";
import type { LineReading } from "../lines.ts";
import { isKnown, signedValue, type Trace, type TraceEvent } from "../trace.ts";
import { readJsonTrace, writeJsonTrace } from "./json.ts";
import { readStrace, streamStrace } from "./strace.ts";

/** "fork 1 2", "getppid 1", …: a trace in one line each. */
function outline(text: string): string[] {
  const {
    runs: [trace],
    diagnostics,
  } = readStrace(text, "t.strace", "x86_64");
  if (trace === undefined)
    return diagnostics.map((one) => `${one.code} ${one.span?.line ?? "-"}:${one.span?.column ?? "-"}`);
  // The ends of calls that were unfinished: replay.test.ts.
  return trace.events.filter(({ kind }) => kind !== "return").map(outlineEvent);
}

function outlineEvent(event: TraceEvent): string {
  switch (event.kind) {
    case "call":
      return `${event.architecture === 0xc000_003e ? "" : "foreign "}${event.number} ${event.tid}`;
    case "fork":
    case "thread":
      return `${event.kind} ${event.tid} ${event.child}`;
    case "exec":
      return `exec ${event.tid} ${event.former}`;
    default:
      return event.kind === "clock" ? "clock" : `exit ${event.tid}`;
  }
}

const line = (tid: number, time: string, number: number, what: string) =>
  `${tid}  17955.${time} [${String(number).padStart(4)}] ${what}\n`;

test("the launcher's execve is not an event", () => {
  expect(outline(line(10, "100", 59, "execve(0x1, 0x2, 0x3) = 0") + line(10, "200", 110, "getppid() = 0x1"))).toEqual([
    "110 10",
  ]);
});

test("a child's lines may precede the return of its parent's call", () => {
  const text =
    line(10, "1", 58, "vfork( <unfinished ...>") +
    line(11, "2", 59, "execve(0x1, 0x2, 0x3 <unfinished ...>") +
    line(10, "3", 58, "<... vfork resumed>) = 0xb") +
    line(11, "4", 59, "<... execve resumed>) = 0") +
    line(11, "5", 231, "+++ exited with 0 +++") +
    line(10, "6", 110, "getppid() = 0x1");
  expect(outline(text)).toEqual(["58 10", "fork 10 11", "59 11", "exit 11", "110 10"]);
});

test("clone shows whether it creates a thread; for clone3 SIGCHLD decides", () => {
  const text =
    line(10, "1", 56, "clone(0x3d0f00, 0, 0, 0, 0) = 0xb") +
    line(10, "2", 56, "clone(0x1200011, 0, 0, 0, 0) = 0xc") +
    line(10, "3", 435, "clone3(0x7fff0, 0x58) = 0xd") +
    line(13, "4", 231, "+++ exited with 0 +++") +
    line(10, "5", 435, "--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=13, si_uid=0, si_status=0} ---") +
    line(10, "6", 435, "clone3(0x7fff0, 0x58) = 0xe");
  expect(outline(text)).toEqual([
    "56 10",
    "thread 10 11",
    "56 10",
    "fork 10 12",
    "435 10",
    "fork 10 13",
    "exit 13",
    "435 10",
    "thread 10 14",
  ]);
  const { diagnostics } = readStrace(text, "t", "x86_64");
  expect(diagnostics.map(({ code, span }) => `${code} ${span?.line}`)).toEqual(["P0805 6"]);
});

test("a failed fork creates no task", () => {
  expect(outline(line(10, "1", 57, "fork() = -1 EAGAIN (Resource temporarily unavailable)"))).toEqual(["57 10"]);
  expect(outline(line(10, "1", 57, "fork() = ? ERESTARTNOINTR (To be restarted)"))).toEqual(["57 10"]);
});

test.each(["unfinished", "pid changed to 10"])("a thread that executes becomes the leader (%s)", (interruption) => {
  const text =
    line(10, "1", 56, "clone(0x3d0f00, 0, 0, 0, 0) = 0xb") +
    line(11, "2", 59, `execve(0x1, 0x2, 0x3 <${interruption} ...>`) +
    line(10, "3", 59, "+++ superseded by execve in pid 11 +++") +
    line(10, "4", 59, "<... execve resumed>) = 0") +
    line(10, "5", 110, "getppid() = 0x1");
  expect(outline(text)).toEqual(["56 10", "thread 10 11", "59 11", "exec 10 11", "110 10"]);
});

test("a thread that executes before the call that created it returns", () => {
  const cloneFlags = "{flags=CLONE_VM|CLONE_THREAD, exit_signal=0}";
  const text =
    line(10, "1", 435, `clone3(${cloneFlags}, 88 <unfinished ...>`) +
    line(11, "2", 59, "execve(0x1, 0x2, 0x3 <unfinished ...>") +
    line(10, "3", 435, "<... clone3 resumed> <unfinished ...>) = ?") +
    line(10, "4", 59, "+++ superseded by execve in pid 11 +++") +
    line(10, "5", 59, "<... execve resumed>) = 0") +
    line(10, "6", 110, "getppid() = 0x1");
  expect(outline(text)).toEqual(["435 10", "thread 10 11", "59 11", "exec 10 11", "110 10"]);
  // Two calls could have created the task.
  const second =
    line(10, "0", 56, "clone(0x3d0f00, 0, 0, 0, 0) = 0xc") +
    line(12, "0", 56, "clone(0x3d0f00, 0, 0, 0, 0 <unfinished ...>") +
    text +
    line(12, "7", 56, "<... clone resumed> <unfinished ...>) = ?");
  expect(outline(second)).toEqual(["P0803 4:20", "P0821 -:-"]);
});

test("a name that differs from the table's for its number is a call by another ABI", () => {
  // int 0x80 with 20: getpid of i386, writev of x86-64.
  expect(outline(line(10, "1", 20, "getpid() = 0xa"))).toEqual(["foreign 20 10"]);
  expect(outline(line(10, "1", 39, "getpid() = 0xa"))).toEqual(["39 10"]);
  expect(outline(line(10, "1", 1073741863, "getpid() = -1 ENOSYS (Function not implemented)"))).toEqual([
    "1073741863 10",
  ]);
  expect(outline("10  1.5 [???] syscall_0xffffffffffffffff(0x1) = -1 ENOSYS (Function not implemented)\n")).toEqual([
    "-1 10",
  ]);
});

test("without -o, strace names the task only while there are several", () => {
  const text = `1.1 [  59] execve(0x1, 0x2, 0x3) = 0
1.2 [  57] fork(strace: Process 11 attached
) = 0xb
[pid    10] 1.3 [ 110] getppid( <unfinished ...>
[pid    11] 1.4 [  39] getpid() = 0xb
[pid    10] 1.5 [ 110] <... getppid resumed>) = 0x1
[pid    10] 1.6 [ 231] +++ exited with 0 +++
1.7 [ 102] getuid() = 0
1.8 [ 231] +++ exited with 0 +++
`;
  expect(outline(text)).toEqual(["57 10", "fork 10 11", "110 10", "39 11", "exit 10", "102 11", "exit 11"]);
});

test("raw=all shows whole registers; decoded arguments show the bits that the kernel uses", () => {
  const read = (what: string): Trace => readStrace(line(10, "1", 257, what), "t", "x86_64").runs[0]!;
  const raw = read("openat(0xffffff9c, 0x7f00, 0x80000, 0) = 0x3").events[0]!;
  if (raw.kind !== "call") throw new Error("a call");
  expect(raw.arguments.map(isKnown)).toEqual([true, true, true, true, false, false]);
  expect(isKnown(raw.instructionPointer)).toBe(false);
  const decoded = read('openat(5, "/etc/passwd", O_RDONLY|O_CLOEXEC, 0) = 3').events[0]!;
  if (decoded.kind !== "call") throw new Error("a call");
  expect(decoded.arguments.map((word) => word.known)).toEqual([0xffff_ffffn, 0n, 0n, 0xffffn, 0n, 0n]);
});

test("lines without a time, with a stack, and with annotations of descriptors and tasks", () => {
  const text = `10 execve("/bin/x", ["x"], 0x7ffd /* 2 vars */) = 0
10 rt_sigprocmask(SIG_SETMASK, [],  <unfinished ...>
10 <... rt_sigprocmask resumed>NULL, 8) = 0
 > /lib/libc.so.6(__read+0xd) [0xfa1fd]
10<x> clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD <unfinished ...>
10<x> <... clone resumed>, child_tidptr=0x7f) = 11<x>
11<x> +++ exited with 0 +++
10<x> --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=11<x>, si_uid=0, si_status=0} ---
10<x> write(4<TCP:[127.0.0.1:80->127.0.0.1:(9)]>, "a", 1) = 1
10<x> close(3</tmp/a (b) "c\\76>) = 0
10<x> syscall_0x3e8(0x1) = -1 ENOSYS (Function not implemented)
`;
  expect(outline(text)).toEqual(["14 10", "56 10", "fork 10 11", "exit 11", "1 10", "3 10", "1000 10"]);
});

test("-r adds up, alone and beside the time of day", () => {
  const times = (text: string) => readStrace(text, "t", "x86_64").runs[0]!.events.map(({ time }) => time);
  const alone = "10      0.000000 getppid() = 1\n10      0.000005 getppid() = 1\n10      1.000000 getppid() = 1\n";
  expect(times(alone)).toEqual([0n, 5_000n, 1_000_005_000n]);
  const beside = "10 01:02:03 (+     0.000000) getppid() = 1\n10 01:02:03 (+     0.000007) getppid() = 1\n";
  expect(times(beside)).toEqual([0n, 7_000n]);
});

test("the flags of clone and clone3 are read where strace prints them", () => {
  const text =
    line(10, "1", 435, "clone3({flags=CLONE_VM|CLONE_THREAD, exit_signal=0}, 88) = 11") +
    line(10, "2", 435, "clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD}, 88) = 12") +
    line(10, "3", 56, "clone(child_stack=0x7f, flags=0x3d0f00, tls=0) = 13") +
    line(10, "4", 56, "clone(child_stack=0x7f, flags=0x1200011, tls=0) = 14");
  expect(outline(text).filter((one) => /thread|fork/.test(one))).toEqual([
    "thread 10 11",
    "fork 10 12",
    "thread 10 13",
    "fork 10 14",
  ]);
});

test("a line that messages interrupt continues, even twice", () => {
  const text = `execve("/bin/x", ["x"], 0x7ffd) = 0
clone3({flags=CLONE_THREAD}strace: Process 11 attached
 => {parent_tid=[11]}, 88) = 11
[pid    11] set_robust_list(0x7f, strace: Process 12 attached
strace: Process 13 attached
24) = 0
`;
  expect(outline(text).slice(0, 3)).toEqual(["435 1", "thread 1 11", "273 11"]);
});

test("times are monotonic from the first line on", () => {
  const {
    runs: [trace],
  } = readStrace(
    "10  5.5 [ 110] getppid() = 1\n10  5.75 [ 110] getppid() = 1\n10  5.6 [ 110] getppid() = 1\n",
    "t",
    "x86_64",
  );
  expect(trace!.timed).toBe(true);
  expect(trace!.events.map((event) => event.time)).toEqual([0n, 250_000_000n, 250_000_000n]);
});

test.each([
  ["nonsense\n", ["P0801 1:1"]],
  ["10  1.1 [ 110] getppid(\n", ["P0801 1:1"]],
  ["10  1.1 [ 110] getppid() = 1\n10  1.2 [   0] <... read resumed>) = 0\n", ["P0801 2:16"]],
  ["10  1.1 [ 110] getppid() = 1\n12  1.2 [ 110] getppid() = 1\n", ["P0803 2:16"]],
  ["10  1.1 [ 110] getppid( <unfinished ...>\n10  1.2 [ 110] getppid() = 1\n", ["P0801 2:16"]],
  ["", ["P0810 -:-"]],
  ["10  1.1 opemat(0x1) = 1\n", ["P0101 1:9"]],
  ["10  1.1 [  57] fork( <unfinished ...>\n10  1.2 [  57] <... fork resumed>) = 0xa\n", ["P0803 1:16"]],
])("a malformed trace has a place: %j", (text, expected) => {
  expect(outline(text)).toEqual(expected);
});

test("a million errors are reported as a few", () => {
  const {
    runs: [trace],
    diagnostics,
  } = readStrace(`7 getpid() = 7\n${"nonsense\n".repeat(100_000)}7 getpid() = 7\n`, "t", "x86_64");
  expect(trace).toBeUndefined();
  expect(diagnostics).toHaveLength(21);
  expect(diagnostics.at(-1)!.code).toBe("P0808");
});

test.each(["root:x:0:0\n".repeat(30), "\u007fELF\u0002\n\0\0t\n", "7 getpid"])(
  "a file of another kind is one error: %j",
  (text) => {
    const { diagnostics } = readStrace(text, "passwd", "x86_64");
    expect(diagnostics).toMatchObject([
      { code: "P0801", message: expect.stringContaining("passwd is not a trace"), span: { line: 1 } },
    ]);
  },
);

test("a trace is the same when it is written as JSON lines and read again", () => {
  const text =
    line(10, "1", 56, "clone(0x3d0f00, 0, 0, 0, 0) = 0xb") +
    line(11, "2", 41, "socket(0x100000002, 0x1, 0) = 3") +
    line(11, "3", 60, "exit(0) = ?") +
    line(11, "4", 60, "+++ exited with 0 +++") +
    line(10, "5", 20, "getpid() = 0xa");
  const {
    runs: [trace],
  } = readStrace(text, "t", "x86_64");
  const written = [...writeJsonTrace(trace!)].join("");
  const again = readJsonTrace(written, "t.jsonl", "x86_64");
  expect(again.diagnostics).toEqual([]);
  expect(again.runs[0]!.events.map((event) => ({ ...event, place: undefined, content: undefined }))).toEqual(
    trace!.events.map((event) => ({ ...event, place: undefined, content: undefined })),
  );
});

test("results", () => {
  const results = ["= 3</dev/null>", "= 0x7f0012345000", "= -1 ENOENT (No such file or directory)", "= ?"];
  const text = results.map((result, index) => line(10, String(index), 20, `getpid() ${result}`)).join("");
  const {
    runs: [trace],
  } = readStrace(text, "t", "x86_64");
  const events = trace!.events.flatMap((event) => (event.kind === "call" ? [signedValue(event.result)] : []));
  expect(events).toEqual([3n, 0x7f0012345000n, -2n, undefined]);
});

function streamed(parts: readonly LineReading[]) {
  const stream = streamStrace(() => parts, "t.strace", "x86_64");
  const events: string[] = [];
  let next = stream.next();
  for (; next.done !== true; next = stream.next()) events.push(outlineEvent(next.value.event));
  return { events, codes: next.value.map(({ code, span }) => `${code} ${span?.line ?? "-"}`) };
}

const readings = (text: string): LineReading[] => text.split("\n").map((one) => ({ kind: "line", text: one }));

test("a file whose recorder was killed is read up to there", () => {
  const whole = line(10, "1", 110, "getppid() = 0x1") + line(10, "2", 39, "getpid() = 0xa");
  for (const tail of ["10  17955.3 [   0] read(0x3, 0x7f", "10  179", "\0\0\0\0", "\0\0\n\x01\x02\n\0"]) {
    const { runs, diagnostics } = readStrace(`${whole}${tail}`, "t.strace", "x86_64");
    expect(runs[0]!.events.map(outlineEvent)).toEqual(["110 10", "39 10"]);
    expect(diagnostics.map(({ code, span }) => `${code} ${span!.line}`)).toEqual(["P0825 3"]);
  }
  const { events, codes } = streamed([...readings(whole), { kind: "damage", offset: 90, size: 5_000_000 }]);
  expect({ events, codes }).toEqual({ events: ["110 10", "39 10"], codes: ["P0825 4"] });
});

test("damage with calls behind it is an error, because calls are missing", () => {
  const [first, last] = [line(10, "1", 110, "getppid() = 0x1"), line(10, "2", 39, "getpid() = 0xa")];
  expect(outline(`${first}\0\0\0\n${last}`)).toEqual(["P0801 2:1"]);
  expect(streamed([...readings(first), { kind: "damage", offset: 90, size: 9 }, ...readings(last)]).codes).toEqual([
    "P0824 3",
  ]);
  const broken: LineReading = { kind: "line", text: line(10, "2", 80, 'chdir("/\ufffd") = 0'), isDamaged: true };
  expect(streamed([...readings(first), broken, ...readings(last)]).codes).toEqual(["P0903 3"]);
});

test("nothing but damage is an error", () => {
  expect(outline("\0\0\0")).toEqual(["P0801 1:1"]);
  expect(outline("")).toEqual(["P0810 -:-"]);
});

test("the number of the command is found although messages cut lines", () => {
  const text = [
    'execve("/bin/true", ["true"], 0x7ffd /* 3 vars */) = 0',
    "clone(strace: Process 11 attached",
    "child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD) = 11",
    "[pid    10] getpid() = 10",
    "[pid    11] getpid() = 11",
  ].join("\n");
  expect(outline(text)).toEqual(["56 10", "fork 10 11", "39 10", "39 11"]);
});
