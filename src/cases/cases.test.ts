/** Case files: forms of lines, errors and their places. */
import { expect, test } from "vitest";
import { readCall, readCases } from "./cases.ts";

const read = (text: string) => readCases(text, "p.cases", "x86_64");
const faults = (text: string) =>
  read(text).diagnostics.map(({ code, span }) => `${code} ${span?.line}:${span?.column}+${span?.length}`);
const registers = (call: string) => {
  const { call: found, diagnostics } = readCall(call, "x86_64");
  return found?.registers ?? diagnostics.map((one) => one.code);
};

test("every form of a line", () => {
  const { cases, diagnostics } = read(`# a comment
set most = 3
set idle-time = "two words"
master    bind(4, 127.0.0.1:80)    allow     # with a comment
worker  = master.fork()
worker    execve("/bin/sh # no", ["sh"], …)  kill process  @ "hijacked"
worker    getppid() × 20           deny EAGAIN
worker    getppid() x 2            log
helper  = worker.thread()
helper    kill(0, SIGTERM)         kill thread
worker.uid = 33
        + 49ms
master  + 1s
worker  .exit()
worker  = master.fork()
worker    socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0)   trap
`);
  expect(diagnostics).toEqual([]);
  expect(cases!.command).toBe("master");
  expect(Object.fromEntries(cases!.parameters)).toEqual({ most: "3", "idle-time": "two words" });
  expect(cases!.steps.map((step) => step.kind)).toEqual([
    "call",
    "fork",
    "call",
    "call",
    "call",
    "thread",
    "call",
    "identity",
    "advance",
    "advance",
    "exit",
    "fork",
    "call",
  ]);
  const execve = cases!.steps[2]!;
  if (execve.kind !== "call") throw new Error("a call");
  expect(execve.expected).toEqual({ action: "kill-process", errno: undefined, allowed: false, reason: "hijacked" });
  expect(execve.place).toEqual({ line: 6, column: 11, length: 33 });
  const repeated = cases!.steps[3]!;
  if (repeated.kind !== "call") throw new Error("a call");
  expect(repeated.times).toBe(20);
  expect(repeated.expected).toEqual({ action: "deny", errno: 11, allowed: false, reason: undefined });
});

test.each([
  ["listen(4, 511)", [4n, 511n, 0n, 0n, 0n, 0n]],
  ['openat(AT_FDCWD, "/x", O_WRONLY|O_CREAT|O_TRUNC, 0644)', [0xffff_ff9cn, 0x5555_5555_0000n, 0x241n, 0o644n, 0n, 0n]],
  ["openat(-100, NULL)", [0xffff_ff9cn, 0n, 0n, 0n, 0n, 0n]],
  ["socket(0x1_0000_0002, 1)", [0x1_0000_0002n, 1n, 0n, 0n, 0n, 0n]],
  ["clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD)", [0x20_0011n, 0n, 0n, 0n, 0n, 0n]],
  ["clone3({flags=CLONE_FS, exit_signal=0} => {parent_tid=[7]}, 88)", [0x5555_5555_0000n, 88n, 0n, 0n, 0n, 0n]],
  ["clone3({flags=CLONE_FS, child_tid=0x7} => {parent_tid=[7]}, 88) = 7", [0x5555_5555_0000n, 88n, 0n, 0n, 0n, 0n]],
  ["clone3({flags=CLONE_FS, child_tid=0x7}, 88)", ["P0814"]],
  ["rt_sigreturn({mask=[]})", [0n, 0n, 0n, 0n, 0n, 0n]],
  ["rt_sigreturn(1)", ["P0814"]],
  ["rt_sigprocmask(SIG_BLOCK, ~[], [INT TERM], 8)", [0n, 0x5555_5555_0000n, 0x5555_5555_0000n, 8n, 0n, 0n]],
  ["kill(7, SIGRT_2)", [7n, 34n, 0n, 0n, 0n, 0n]],
  ["kill(7, SIGRT_33)", ["P0814"]],
  ["futex(0x1, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 2)", [1n, 0x189n, 2n, 0n, 0n, 0n]],
  ["futex(0x1, FUTEX_NONE_PRIVATE, 2)", ["P0814"]],
  ["socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_UDP)", [2n, 0x8_0002n, 17n, 0n, 0n, 0n]],
  ["fcntl(3</tmp/a|b>, F_SETFD, FD_CLOEXEC)", [3n, 2n, 1n, 0n, 0n, 0n]],
  ["dup2(4<TCP:[127.0.0.1:1->127.0.0.1:2]>, 1</dev/null<char 1:3>>)", [4n, 1n, 0n, 0n, 0n, 0n]],
  ["close(5</tmp/x>(deleted))", [5n, 0n, 0n, 0n, 0n, 0n]],
  ["kill(-7<sh>, SIGTERM)", [0xffff_fff9n, 15n, 0n, 0n, 0n, 0n]],
  ['openat(AT_FDCWD</root>, "/x", O_RDONLY)', [0xffff_ff9cn, 0x5555_5555_0000n, 0n, 0n, 0n, 0n]],
  ["setsockopt(6, SOL_SOCKET, SO_REUSEADDR, [1], 4)", [6n, 1n, 2n, 0x5555_5555_0000n, 4n, 0n]],
  ["socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE)", [16n, 0x8_0003n, 0n, 0n, 0n, 0n]],
  ['mknod("x", S_IFCHR|0600, makedev(0x1, 0x3))', [0x5555_5555_0000n, 0o20600n, 0x103n, 0n, 0n, 0n]],
  ['mknod("x", S_IFBLK|0600, makedev(0x103, 0x12345))', [0x5555_5555_0000n, 0o60600n, 0x1231_0345n, 0n, 0n, 0n]],
  ['mknod("x", S_IFCHR|0600, makedev(0x1000, 0))', ["P0814"]],
  ["shmget(IPC_PRIVATE, 4096, IPC_CREAT|0600)", [0n, 4096n, 0o1600n, 0n, 0n, 0n]],
  ["getrusage(RUSAGE_CHILDREN, 0x1)", [0xffff_ffffn, 1n, 0n, 0n, 0n, 0n]],
  ["fcntl(3, F_ADD_SEALS, F_SEAL_GROW|F_SEAL_SHRINK)", [3n, 1033n, 6n, 0n, 0n, 0n]],
  ["fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK)", [3n, 4n, 0x802n, 0n, 0n, 0n]],
  ["fanotify_init(FAN_CLASS_NOTIF, O_RDONLY)", [0n, 0n, 0n, 0n, 0n, 0n]],
  ["prctl(PR_CAPBSET_READ, CAP_MAC_OVERRIDE)", [23n, 32n, 0n, 0n, 0n, 0n]],
  ["openat(AT_FDCWD, NULL, PROT_READ)", ["P0814"]],
  ["listen(4, O_CREAT)", ["P0814"]],
  ["listen(4, SOMAXCONN)", ["P0814"]],
  ["listen(4, SIGTERM)", ["P0814"]],
  ["listen(4, AT_FDCWD)", ["P0814"]],
  ["alarm(SIGALRM)", ["P0814"]],
  ["lseek(3, O_CREAT, SEEK_SET)", ["P0814"]],
  ["dup2(4, CAP_CHOWN)", ["P0814"]],
  ["prctl(PR_SET_PDEATHSIG, SIGTERM)", [1n, 15n, 0n, 0n, 0n, 0n]],
  ["fsconfig(3, FSCONFIG_SET_PATH, NULL, NULL, AT_FDCWD)", [3n, 3n, 0n, 0n, 0xffff_ff9cn, 0n]],
  ["listen(4</x, 5)", ["P0811"]],
  ["listen(4, 511, raw.arg5=0xdead, raw.arg2=-1)", [4n, 511n, 0xffff_ffff_ffff_ffffn, 0n, 0n, 0xdeadn]],
  ["listen(raw.arg0=0x100000004)", [0x1_0000_0004n, 0n, 0n, 0n, 0n, 0n]],
  ["getppid(raw.arg3=7)", [0n, 0n, 0n, 7n, 0n, 0n]],
  ["call_999(1, 0x2, -1, 4, 5, 6)", [1n, 2n, 0xffff_ffff_ffff_ffffn, 4n, 5n, 6n]],
  ["syscall_0x3e7(raw.arg4=3)", [0n, 0n, 0n, 0n, 3n, 0n]],
  ["listen(4, raw.arg0=4)", ["P0814"]],
  ["listen(raw.arg6=4)", ["P0814"]],
  ["listen(raw.arg5=0x1_0000_0000_0000_0000_0)", ["P0814"]],
  ["listen(raw.arg5=)", ["P0814"]],
  ["call_999(1, 2, 3, 4, 5, 6, 7)", ["P0814"]],
  ["call_999(fd=1)", ["P0814"]],
  ["call_99999999999(1)", ["P0101"]],
  ["clone(flags=CLONE_CHILD_CLEARTID|SIGCHLD, newsp=NULL)", [0x20_0011n, 0n, 0n, 0n, 0n, 0n]],
  ["connect(3, {sa_family=AF_INET, sin_port=htons(80)}, 16)", [3n, 0x5555_5555_0000n, 16n, 0n, 0n, 0n]],
  ["lseek(1, -1, SEEK_END)", [1n, (1n << 64n) - 1n, 2n, 0n, 0n, 0n]],
  ["getppid", [0n, 0n, 0n, 0n, 0n, 0n]],
  ["getppid(1)", ["P0814"]],
  ["listen(four)", ["P0814"]],
  ["listen(4", ["P0811"]],
  ["listen(4) and more", ["P0811"]],
  ["lissten(4)", ["P0101"]],
  ["socket(0x1_0000_0000_0000_0000_0)", ["P0814"]],
  ["", ["P0811"]],
])("%s", (text, expected) => {
  expect(registers(text)).toEqual(expected);
});

test.each([
  ["", ["P0817 undefined:undefined+undefined"]],
  ["master lissten(4, 511) allow", ["P0101 1:8+7"]],
  ["master listen(4, 511)", ["P0812 1:22+1"]],
  ["master listen(4, 511) alow", ["P0812 1:23+4"]],
  ["master listen(4, 511) deny", ["P0812 1:23+4"]],
  ["master listen(4, 511) deny EPREM", ["P0103 1:23+10"]],
  ["master listen(4, 511) allow @ hijacked", ["P0811 1:23+5"]],
  ["master listen(4, 511) × 0 allow", ["P0811 1:22+5"]],
  ["master listen(4, O_CRAET) allow", ["P0814 1:18+7"]],
  ["master listen(4, raw.arg7=1) allow", ["P0814 1:18+10"]],
  ["master listen(4, raw.arg5=x) allow", ["P0814 1:27+1"]],
  ["master listen(4, raw.arg0=4) allow", ["P0814 1:18+10"]],
  ["master listen(4, 511 allow", ["P0811 1:8+19"]],
  ["master listen(1) allow\nwroker listen(1) allow", ["P0813 2:1+6"]],
  ["master getppid() allow\nw = master.frok()", ["P0811 2:1+17"]],
  ["master getppid() allow\nmaster = master.fork()", ["P0815 2:1+6"]],
  ["master getppid() allow\nmaster.exit()\nmaster getppid() allow", ["P0818 3:1+6"]],
  ["master getppid() allow\n+ 5 weeks", ["P0816 2:1+9"]],
  ["master getppid() allow\nset most = 3", ["P0819 2:1+12"]],
  ["set most = 3\nset most = 4\nmaster getppid() allow", ["P0819 2:1+12"]],
  ["set most 3\nmaster getppid() allow", ["P0811 1:1+10"]],
  ["just words", ["P0811 1:1+10"]],
  [`m getppid() ${"x".repeat(5000)}`, ["P0811 1:1+80"]],
  ["m getppid() × 1000000 allow\n".repeat(5), ["P0811 3:3+9"]],
])("a malformed case has a place: %j", (text, expected) => {
  expect(faults(text)).toEqual(expected);
});

test("errors have a remedy", () => {
  const helps = read("master lissten(4) deny EPREM").diagnostics.map((one) => one.help);
  expect(helps).toEqual(["write EPERM", "write listen"]);
});

test("a call can be written by its number, which is an int", () => {
  expect(readCall("call_4294967295()", "x86_64").call?.number).toBe(-1);
  expect(readCall("call_0x3e7", "x86_64").call?.number).toBe(999);
  expect(read("m call_59(1) allow").cases!.steps[0]).toMatchObject({ number: 59, registers: [1n, 0n, 0n, 0n, 0n, 0n] });
});

test.each([
  ['open("x", O_RDONLY) = 3', 'open("x", O_RDONLY)'],
  ['[pid  77] open("x", O_RDONLY) = -1 ENOENT (No such file or directory)', 'open("x", O_RDONLY)'],
  ["77 12:00:01.5 getpid()          = 77 <0.000010>", "getpid()"],
  ['write(1, "a) = 3", 6) = ?', 'write(1, "a) = 3", 6)'],
])("a call stands alone in a line of strace: %s", (line, text) => {
  expect(readCall(line, "x86_64").call?.text).toBe(text);
});

test.each([
  ["read(3,  <unfinished ...>", '1:1 "read(3,  <unfinished ...>" is a part of a call'],
  ['<... read resumed>"", 8) = 0', String.raw`1:1 "<... read resumed>\"\", 8) = 0" is a part of a call`],
  ["+++ exited with 0 +++", '1:1 "+++ exited with 0 +++" is not a call'],
  ["getpid() + 1", '1:1 "getpid() + 1" is not a call'],
  ['[pid 7] opn("x") = 3', '1:9 no system call is named "opn"'],
])("other lines are no calls: %s", (line, fault) => {
  const { call, diagnostics } = readCall(line, "x86_64");
  expect(call).toBeUndefined();
  expect(diagnostics.map(({ message, span }) => `${span?.line}:${span?.column} ${message}`)).toEqual([fault]);
});

test("an errno without a name is its number, and one with a name is not", () => {
  const readVerdict = (verdict: string) => read(`a getppid() ${verdict}\n`);
  const errnoOf = (verdict: string) => {
    const [step] = readVerdict(verdict).cases!.steps;
    return step?.kind === "call" ? step.expected.errno : undefined;
  };
  expect(["deny 0", "deny 41", "deny 4095"].map(errnoOf)).toEqual([0, 41, 4095]);
  for (const verdict of ["deny 1", "deny 00", "deny 4096", "deny -1"]) {
    expect(readVerdict(verdict).diagnostics, verdict).toMatchObject([{ code: "P0103" }]);
  }
});

test("a call that has not ended until a line ends it", () => {
  const { cases, diagnostics } = read(`
main   begin mkdir("a", 0755)   allow
other = main.fork()
`);
  expect(cases).toBeUndefined();
  expect(diagnostics.map(({ message }) => message)).toEqual(['the call that "main" has begun has not ended']);
  const { cases: found, diagnostics: none } = read(`
main   getpid()                 allow
other = main.fork()
main   begin mkdir("a", 0755)   allow
other  begin rmdir("a")         waits
other  begun                    deny EDEADLK
main.end()
other  begin rmdir("a")         waits
other  begun                    waits
other.interrupt()
`);
  expect(none).toEqual([]);
  expect(found!.steps.map(({ kind }) => kind)).toEqual([
    ...["call", "fork", "call", "call", "begun", "end", "call", "begun", "interrupt"],
  ]);
  expect(found!.steps[2]).toMatchObject({ begins: true, text: 'begin mkdir("a", 0755)' });
});

test.each([
  ["main begin getpid() × 2 allow", "P0811 2:1+4"],
  ["main begin getpid() waits\nmain.end()", "P0811 3:1+10"],
  ["main begin getpid() waits\nmain getpid() allow", "P0811 3:1+4"],
  ["main begin getpid() allow\nmain.interrupt()", "P0811 3:1+16"],
  ["main begin getpid() deny EPERM\nmain begun allow", "P0811 3:1+10"],
  ["main getpid() allow\nmain.end()", "P0811 3:1+10"],
  ["main begun perhaps", "P0812 2:12+7"],
])("%s is a fault", (text, fault) => {
  expect(faults(`\n${text}\n`)).toContain(fault);
});

test("creates a task by a call with arguments", () => {
  const { cases, diagnostics } = readCases("child = main vfork()\nchild close(3)  allow\n", "a.cases", "x86_64");
  expect(diagnostics).toEqual([]);
  const [birth] = cases!.steps;
  expect(birth).toMatchObject({ kind: "birth", who: "main", child: "child", call: { number: 58 } });
  const faults = (text: string) =>
    readCases(text, "a.cases", "x86_64").diagnostics.map(
      ({ code, message, span }) => `${code} ${span?.column} ${message}`,
    );
  expect(faults("child = main close(3)\nchild close(3)  allow\n")).toEqual(['P0811 14 "close(3)" creates no task']);
  expect(faults("child = main clone(SIGCHLD, 0\nmain close(3)  allow\n")[0]).toMatch(/^P0811 14 .* is not a call/);
});
