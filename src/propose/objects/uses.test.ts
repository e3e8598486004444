/** What calls do to objects: the directories and descriptors to which their paths are relative, and the rights. */
import { expect, test } from "vitest";
import { readJsonTrace } from "../../traces/formats/json.ts";
import { machineWith } from "./testing/machine.ts";
import { ObjectUses } from "./uses.ts";

const machine = machineWith(["/srv/app/a", "/srv/other/", "/usr/bin/app", "/bin/sh", "/srv/start.sh"], {
  "/srv/link": "/srv/app",
  "/bin": "/usr/bin",
});

const closeOnExec = 0o2000000;
const creates = 0o100 | 1;

type Line = Record<string, unknown>;
const call = (
  name: string,
  registers: readonly (number | string)[],
  result: number | null,
  memory: object = {},
): Line => ({
  ...{ kind: "call", tid: 1, call: name, arguments: registers.map(String), memory, result },
});
const open = (path: string, result: number | null, flags = 0, directory = -100): Line =>
  call("openat", [directory, 7, flags, 0], result, { path });
const by = (tid: number, line: Line): Line => ({ ...line, tid });

function usesOf(lines: readonly Line[], start: object = { directory: "/srv" }): ObjectUses {
  const text = [{ kind: "recording", command: ["app"] }, { kind: "start", tid: 1, ...start }, ...lines]
    .map((line) => JSON.stringify({ v: 1, ...line }))
    .join("\n");
  const { runs, diagnostics } = readJsonTrace(text, "t", "x86_64");
  expect(diagnostics).toEqual([]);
  const uses = new ObjectUses("x86_64", machine);
  for (const run of runs) {
    // The program of the command, which the reader keeps for streams only.
    for (const event of run.events) uses.event(event, { ...run, words: ["app"] });
    uses.end();
  }
  return uses;
}

/** Without the command's own program. */
function filesOf(lines: readonly Line[], start?: object): Record<string, string> {
  const { files } = usesOf(lines, start);
  const found = [...files].filter(([path]) => path !== "/usr/bin/app");
  return Object.fromEntries(found.map(([path, uses]) => [path, [...uses].join(" ")]));
}

const forks = (kind: "fork" | "thread", flags: number): Line[] => [
  call("clone", [flags, 0, 0, 0, 0], 2),
  { kind, tid: 1, child: 2 },
];

test("the command's program is executed and read", () => {
  expect(usesOf([call("getpid", [], 1)]).files).toEqual(new Map([["/usr/bin/app", new Set(["execute", "read"])]]));
});

test.each<[string, readonly Line[], Record<string, string>]>([
  ["the working directory", [open("a", 3)], { "/srv/a": "read" }],
  ["a new working directory", [call("chdir", [7], 0, { path: "app" }), open("a", 3)], { "/srv/app/a": "read" }],
  ["no directory after a failed chdir", [call("chdir", [7], -2, { path: "app" }), open("a", 3)], { "/srv/a": "read" }],
  [
    "the directory of fchdir",
    [open("/etc/x", 3, 0o200000), call("fchdir", [3], 0), open("a", 4)],
    { "/etc/x": "read", "/etc/x/a": "read" },
  ],
  ["a link of the machine", [open("link/../b", 3)], { "/srv/b": "read" }],
  ["O_PATH, which needs no right", [open("/etc/x", 3, 0o10000000), open("a", 4, 0, 3)], { "/etc/x/a": "read" }],
  ["a directory without a name at its end", [open(".", 3)], { "/srv": "read" }],
  ["the root directory of chroot", [call("chroot", [7], 0, { path: "app" }), open("/a", 3)], { "/srv/app/a": "read" }],
  [
    "a return that comes later",
    [open("/etc/x", null, 0o10000000), { kind: "return", tid: 1, result: 5 }, open("a", 4, 0, 5)],
    { "/etc/x/a": "read" },
  ],
])("a path is relative to %s", (_, lines, expected) => {
  expect(filesOf(lines)).toEqual(expected);
});

/** Descriptor 3 is of /etc/x; `then` decides which other descriptors are. */
test.each<[string, number, readonly Line[], readonly number[]]>([
  ["dup", 0, [call("dup", [3], 9)], [3, 9]],
  ["dup2", 0, [call("dup2", [3, 8], 8)], [3, 8]],
  ["dup2 of another one", 0, [call("dup2", [1, 3], 3)], []],
  ["dup2 to itself", 0, [call("dup2", [3, 3], 3)], [3]],
  ["F_DUPFD", 0, [call("fcntl", [3, 0, 10], 10)], [3, 10]],
  ["F_DUPFD_CLOEXEC and an execution", 0, [call("fcntl", [3, 1030, 10], 10), { kind: "exec", tid: 1 }], [3]],
  ["close", 0, [call("close", [3], 0)], []],
  ["close that is interrupted", 0, [call("close", [3], -4)], []],
  ["close_range", 0, [call("dup", [3], 9), call("close_range", [4, "0xffffffff", 0], 0)], [3]],
  ["close_range at an execution", 0, [call("close_range", [3, 3, 4], 0), { kind: "exec", tid: 1 }], []],
  ["O_CLOEXEC", closeOnExec, [], [3]],
  ["O_CLOEXEC and an execution", closeOnExec, [{ kind: "exec", tid: 1 }], []],
  ["dup of O_CLOEXEC and an execution", closeOnExec, [call("dup", [3], 9), { kind: "exec", tid: 1 }], [9]],
  ["dup3 with O_CLOEXEC and an execution", 0, [call("dup3", [3, 9, closeOnExec], 9), { kind: "exec", tid: 1 }], [3]],
  ["F_SETFD and an execution", 0, [call("fcntl", [3, 2, 1], 0), { kind: "exec", tid: 1 }], []],
  ["a fork that closes", 0, [...forks("fork", 17), by(2, call("close", [3], 0))], [3]],
  ["CLONE_FILES that closes", 0, [...forks("fork", 0x411), by(2, call("close", [3], 0))], []],
  ["a thread that closes", 0, [...forks("thread", 0x10f00), by(2, call("close", [3], 0))], []],
  [
    "unshare(CLONE_FILES)",
    0,
    [...forks("thread", 0x10f00), by(2, call("unshare", [0x400], 0)), by(2, call("close", [3], 0))],
    [3],
  ],
])("descriptors of a directory after %s", (_, flags, then, expected) => {
  const lines = [open("/etc/x", 3, 0o10000000 | flags), ...then];
  const relative = [3, 8, 9, 10].map((descriptor) => open(`f${descriptor}`, 20, 0, descriptor));
  expect(Object.keys(filesOf([...lines, ...relative]))).toEqual(expected.map((descriptor) => `/etc/x/f${descriptor}`));
});

test.each<[string, number, string]>([
  ["a fork", 0x11, "/srv/a"],
  ["CLONE_FS", 0x211, "/srv/app/a"],
])("the working directory after a chdir of %s", (_, flags, expected) => {
  const child = by(2, call("chdir", [7], 0, { path: "app" }));
  expect(filesOf([...forks("fork", flags), child, open("a", 3)])).toEqual({ [expected]: "read" });
});

const two = (name: string, registers: readonly (number | string)[], result = 0) =>
  call(name, registers, result, { oldpath: "a", newpath: "b" });

test.each<[string, Line, Record<string, string>]>([
  ["open for writing", open("a", 3, 1), { "/srv/a": "write" }],
  ["open for both", open("a", 3, 2), { "/srv/a": "read write" }],
  ["open with O_CREAT", open("a", 3, creates), { "/srv/a": "write create" }],
  ["open with O_EXCL", open("a", 3, creates | 0o200), { "/srv/a": "write make" }],
  ["creat", call("creat", [7, 0], 3, { path: "a" }), { "/srv/a": "write create" }],
  [
    "openat2",
    call("openat2", [-100, 7, 7, 24], 3, { path: "a", how: { flags: "O_RDWR" } }),
    { "/srv/a": "read write" },
  ],
  ["truncate", call("truncate", [7, 0], 0, { path: "a" }), { "/srv/a": "write" }],
  ["mkdir", call("mkdir", [7, 0], 0, { path: "a/" }), { "/srv/a": "make" }],
  ["mkdir of what exists", call("mkdir", [7, 0], -17, { path: "a" }), {}],
  ["rmdir of a full directory", call("rmdir", [7], -39, { path: "a" }), { "/srv/a": "remove" }],
  ["unlink", call("unlinkat", [-100, 7, 0], 0, { path: "link" }), { "/srv/link": "remove" }],
  ["rename", two("rename", [7, 7]), { "/srv/a": "remove", "/srv/b": "make remove" }],
  ["link", two("linkat", [-100, 7, -100, 7, 0]), { "/srv/b": "make" }],
  ["symlink", two("symlink", [7, 7]), { "/srv/b": "make" }],
  ["a file that is missing", open("a", -2), {}],
  ["a fifo without a reader", open("a", -6, 1), { "/srv/a": "write" }],
  ["a Unix socket", call("bind", [3, 7, 110], 0, { addr: { kind: "unix", path: "a" } }), { "/srv/a": "make" }],
  [
    "a script",
    call("execve", [7, 7, 7], 0, { path: "start.sh" }),
    { "/srv/start.sh": "execute read", "/usr/bin/sh": "execute read" },
  ],
  ["a program of the wrong form", call("execve", [7, 7, 7], -8, { path: "a" }), { "/srv/a": "execute read" }],
  ["the process itself", open("/proc/self/oom_score_adj", 3, 1), { "/proc": "write" }],
  ["a standard stream", open("/dev/stderr", 3, 1), {}],
])("the uses by %s", (_, line, expected) => {
  expect(filesOf([line])).toEqual(expected);
});

test("a descriptor's own path, through /proc", () => {
  const lines = [open("/etc/x", 3), open("/proc/self/fd/3", 4, 1), open("/proc/self/cwd/b", 5)];
  expect(filesOf(lines)).toEqual({ "/etc/x": "read write", "/srv/b": "read" });
});

test("ports of TCP sockets only, also of refused connections", () => {
  const ip = (port: number) => ({ addr: { kind: "ip", address: "::1", port } });
  const { bind, connect, hasDatagrams } = usesOf([
    call("socket", [10, 1, 0], 3),
    call("socket", [2, 2, 17], 4),
    call("bind", [3, 7, 28], 0, ip(80)),
    call("connect", [3, 7, 28], -111, ip(443)),
    call("connect", [3, 7, 28], -115, ip(444)),
    call("connect", [3, 7, 28], -13, ip(445)),
    call("connect", [4, 7, 16], 0, ip(53)),
  ]);
  expect([[...bind.keys()], [...connect.keys()], hasDatagrams]).toEqual([[80], [443, 444], false]);
});

test("sockets to which the program connected, and their objects", () => {
  const addr = { kind: "unix", path: "link/socket" };
  const lines = [
    call("connect", [3, 7, 110], 0, { addr }),
    call("connect", [3, 7, 110], -2, { addr: { kind: "unix", path: "/no" } }),
  ];
  const uses = usesOf(lines);
  expect([...uses.sockets]).toEqual([["/srv/app/socket", 1]]);
  const [trace] = readJsonTrace(lines.map((line) => JSON.stringify({ v: 1, ...line })).join("\n"), "t", "x86_64").runs;
  const [reached, failed] = trace!.events.map((event) => uses.withObjects(event));
  expect(reached).toMatchObject({ kind: "call" });
  expect(reached?.kind === "call" && reached.memory.get("addr")).toMatchObject({ resolved: "/srv/app/socket" });
  expect(failed?.kind === "call" && failed.memory.get("addr")).toMatchObject({ resolved: "/no" });
});

test("what the recordings leave unknown", () => {
  const unknown = (lines: readonly Line[], start?: object) =>
    [...usesOf(lines, start).gaps].map(([gap, { count, example }]) => `${gap} ${count} ${example}`);
  expect(unknown([open("a", 3), open("b", 3)], {})).toEqual(["directory 2 a"]);
  expect(unknown([open("a", 3, 0, 9)])).toEqual(["directory 1 a"]);
  expect(unknown([call("openat", [-100, 7, 0, 0], 3)])).toEqual(["memory 1 openat"]);
  expect(unknown([call("openat", [-100, 7, 0, 0], 3, { path: { starts: "/etc" } })])).toEqual(["memory 1 openat"]);
  expect(unknown([call("openat", ["-100", "7", "0x????????????????"], 3, { path: "a" })])).toEqual(["flags 1 openat"]);
  expect(unknown([call("mount", [7, 7, 7, 0, 0], 0)])).toEqual(["mount 1 mount"]);
  expect(unknown([open("app/a", null), call("getpid", [], 1)])).toEqual(["result 1 openat"]);
});

test("without results, a path counts if it is there", () => {
  const socket = call("connect", [3, 7, 110], null, { addr: { kind: "unix", path: "/no" } });
  expect([...usesOf([socket]).sockets]).toEqual([]);
  expect(filesOf([open("app/a", null), open("app/no", null)])).toEqual({ "/srv/app/a": "read" });
});
