/** Tests `portcullis propose`: what it writes, what it says, and traces that are damaged, cut short, foreign or empty. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { hostArchitecture } from "../../src/abi/architecture.ts";
import { isShortEnough } from "../../src/cli/policy/proposal-check.ts";
import { type Situation, situations } from "../../src/propose/situations.ts";
import { packBlock } from "../../src/traces/blocks.ts";
import { folderOf, portcullis } from "./harness.ts";

const call = (tid: number, name: string, registers: readonly (number | string)[] = [], more: object = {}) =>
  `${JSON.stringify({ v: 1, kind: "call", tid, call: name, arguments: registers.map(String), ...more })}\n`;
const fork = (tid: number, child: number) => `${JSON.stringify({ v: 1, kind: "fork", tid, child })}\n`;

/** A master that binds and forks a worker, which drops its identity and serves. */
const server = [
  '{"v":1,"kind":"start","tid":1}\n',
  call(1, "openat", [-100, 0x7000, 0x80000, 0], { memory: { path: "/etc/server.conf" } }),
  ...["socket", "bind", "listen"].map((name) => call(1, name, name === "socket" ? [2, 1, 0] : [3, 0, 0])),
  call(1, "clone", ["0x1200011"]),
  fork(1, 2),
  ...["setgroups", "setgid", "setuid", "epoll_create1"].map((name) =>
    call(2, name, [name === "epoll_create1" ? 0 : 33]),
  ),
  ...Array.from({ length: 200 }, () => call(2, "epoll_wait", [5, 0, 1, -1]) + call(2, "recvfrom", [6, 0, 1, 0, 0, 0])),
  call(1, "wait4", [-1, 0, 0, 0]),
].join("");
const attacked = server.replace(
  /\n(?=[^\n]*"wait4")/,
  `\n${call(2, "execve", [0x7000, 0, 0], { memory: { path: "/bin/sh" } })}`,
);
const block = (text: string) => packBlock(Buffer.from(text));

const folder = () =>
  folderOf({
    "server.trace": block(server),
    "attacked.jsonl": attacked,
    "cut.trace": Buffer.concat([block(server), block(server)]).subarray(0, -9),
    "damaged.trace": Buffer.concat([block(server), Buffer.from("nonsense"), block(server)]),
    "damaged.gz": gzipSync(server.repeat(9)).fill(0x55, 40, 60),
    "foreign.gz": gzipSync(server),
    "empty.trace": "",
    "other.bin": Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 0xff]),
    "orphan.jsonl": server + call(99, "getpid"),
    "arm.jsonl":
      '{"v":1,"kind":"start","tid":7,"architecture":"aarch64"}\n{"v":1,"kind":"call","tid":7,"call":"getpid"}\n',
    "strace.txt": '7 execve("/bin/true", ["true"], 0x0 /* 0 vars */) = 0\n7 sync() = 0\n7 +++ exited with 0 +++\n',
  });

describe("portcullis propose", () => {
  it("says how to have roles and phases if one of several recordings begins in the middle", async () => {
    const at = folder();
    const [attached, whole] = ["it's.jsonl", "server.trace"].map((name) => join(at, name)) as [string, string];
    const lines = [
      '{"v":1,"kind":"recording","attached":"process 9"}',
      '{"v":1,"kind":"start","tid":9}',
      call(9, "sync"),
    ];
    writeFileSync(attached, lines.map((line) => `${line.trimEnd()}\n`).join(""));
    const both = await portcullis("propose", "-q", attached, whole);
    expect(both.status).toBe(0);
    const options = /help: portcullis propose (--validate .*) makes roles and phases/.exec(both.err)?.[1];
    expect(options).toBe(`--validate '${at}/it'\\''s.jsonl' ${whole}`);
    const apart = await portcullis("propose", "-q", "--validate", attached, whole);
    expect(apart.status).toBe(1);
    expect(apart.err).toContain("sync");
    expect(apart.out).toContain("perProcess.phases");
    const alone = await portcullis("propose", "-q", attached);
    expect(alone.err).toContain("help: portcullis propose BOTH FILES, with one of portcullis record -- COMMAND");
  });

  it("writes a policy with roles and phases, its cases, and a statement", async () => {
    const at = folder();
    const policy = join(at, "server.ts");
    const { status, out, err } = await portcullis("propose", "-o", policy, join(at, "server.trace"));
    expect({ status, out }).toEqual({ status: 0, out: "" });
    expect(err).toContain("1 recording, 410 calls, 2 processes, 2 roles");
    expect(err).toContain("\n  child: child of main; running from its first epoll_create1 on\n");
    expect(err).toContain("replayed over its own traces: all of 410 calls pass");
    expect(err).toMatch(/\n {2}main, once running: start processes\n {2}child, once running: nothing of this list\n/);
    expect(err).toMatch(/\nno recording shows: .*reload/);
    expect(err.split("\n").length).toBeLessThan(14);
    const whole = await portcullis("propose", "--verbose", "-o", policy, join(at, "server.trace"));
    expect(whole.err).toMatch(
      /child: 1 process, 404 calls, 6 names; child of main\n {2}trigger: The first epoll_create1: /,
    );
    expect(whole.err).toContain("\n  reload: a configuration that is read again; the policy lacks ");
    const text = readFileSync(policy, "utf8");
    expect(text).toMatch(/^\/\*\*\n \* Proposed from 1 recording[\s\S]*\n \* {3}- main, once running: start processes/);
    expect(text).toContain('perProcess.phases(["main", "child"], { onFork: { main: "child" } })');
    expect(text).toContain('if (call.name === "epoll_create1" && role.is("child")) childPhase.enter("running");');
    expect(text).toContain("{ tightening: true }");
    expect(await portcullis("check", policy)).toMatchObject({ status: 0, err: "" });
    expect(await portcullis("check", "--strict", policy)).toMatchObject({ status: 0 });
    expect((await portcullis("test", policy)).out).toMatch(/server\.cases: \d+ cases pass/);
    expect((await portcullis("simulate", "-q", policy, join(at, "server.trace"))).out).toBe("");
  });

  it("leaves the environment out of the cases, which others may read", async () => {
    const envp = ["TOKEN=a secret", `LONG=${"x".repeat(5000)}`];
    const memory = { path: "/usr/bin/true", argv: ["true"], envp };
    const at = folderOf({
      "app.trace": block(`${server}${call(1, "execve", [0x7000, 0x7100, 0x7200], { memory })}`),
    });
    const policy = join(at, "app.ts");
    expect(await portcullis("propose", "-q", "-o", policy, join(at, "app.trace"))).toMatchObject({ status: 0 });
    const cases = readFileSync(join(at, "app.cases"), "utf8");
    expect(cases).toContain('main execve("/usr/bin/true", ["true"], 0x7200)  allow\n');
    expect(cases).not.toContain("a secret");
    expect((await portcullis("test", policy)).status).toBe(0);
  });

  it("quotes the names of sockets in the cases", async () => {
    const names = ["/run/a#b", "/run/a, b)", '/run/" resolved "/x', "/run/7</b>", "/run/<unfinished ...>", "/run/é\n"];
    const addresses = [
      ...names.flatMap((name) => [
        { kind: "unix", path: name },
        { kind: "abstract", name },
      ]),
      { kind: "abstract", name: { hex: "0023ff0a" } },
    ];
    const connects = addresses.map((addr) => call(1, "connect", [3, 0x7000, 110], { memory: { addr } }));
    const at = folderOf({ "app.trace": block(`${server}${connects.join("")}`) });
    const policy = join(at, "app.ts");
    expect(await portcullis("propose", "-q", "--detail", "paths", "-o", policy, join(at, "app.trace"))).toMatchObject({
      status: 0,
    });
    expect(readFileSync(join(at, "app.cases"), "utf8")).toContain("connect(3, unix:");
    expect(await portcullis("test", policy)).toMatchObject({ status: 0, err: "" });
  });

  it("makes no rule of the ports that the kernel has assigned", async () => {
    const connects = (...ports: readonly number[]) =>
      block(
        ports
          .map((port) =>
            call(1, "connect", [3, 0x7000, 16], { memory: { addr: { kind: "ip", address: "::1", port } } }),
          )
          .join(""),
      );
    const at = folderOf({
      "two.trace": connects(443, 40_001, 50_002),
      "one.trace": connects(443, 50_051),
      "later.trace": connects(443, 43_941, 444),
    });
    const validate = ["--detail", "paths", "--validate", join(at, "later.trace")];
    const two = await portcullis("propose", ...validate, join(at, "two.trace"));
    expect(two.out).toContain("if (![443n].includes(to.port) && to.port < 32768n) return false;");
    expect(two.err).toContain("1 of 3 calls would not pass:\n  1 × connect(3, [::1]:444, 16)");
    const one = await portcullis("propose", ...validate, join(at, "one.trace"));
    expect(one.out).toContain("if (![443n, 50051n].includes(to.port)) return false;");
  });

  it("declares files and ports", async () => {
    const at = folderOf({});
    const [app, data] = [join(at, "app"), join(at, "data")];
    for (const one of [app, data]) mkdirSync(one);
    for (const name of ["a", "b", "c", "d"]) writeFileSync(join(app, name), "");
    const open = (path: string, result: number, flags = 0) =>
      call(1, "openat", [-100, 0x7000, flags, 0], { memory: { path }, result });
    const trace = [
      `{"v":1,"kind":"recording","command":["/usr/bin/env"]}\n{"v":1,"kind":"start","tid":1,"directory":"${app}"}\n`,
      ...["a", "b", "c", "d"].map((name) => open(name, 3)),
      open("../data/log", 4, 0o101),
      open("missing", -2),
      call(1, "socket", [2, 1, 0], { result: 5 }),
      call(1, "bind", [5, 0x7000, 16], { memory: { addr: { kind: "ip", address: "0.0.0.0", port: 80 } }, result: 0 }),
    ].join("");
    const file = join(at, "app.trace");
    writeFileSync(file, block(trace));
    const policy = join(at, "app.ts");
    const { status, err } = await portcullis("propose", "--files", "-o", policy, file);
    expect(status, err).toBe(0);
    expect(err).toContain(
      "files: 1 of read, 1 of write, 1 of execute, and those of files.runtime\nports: bind 80; connect none\n",
    );
    const text = readFileSync(policy, "utf8");
    expect(text).toContain(`  read: [\n    "${app}", // 4 paths, such as ${app}/a\n  ],\n`);
    expect(text).toContain(`  write: [\n    "${data}", // 1 path, such as ${data}/log\n  ],\n`);
    expect(text).toContain('    "/usr/bin/env", // 1 path\n');
    expect(await portcullis("check", "--strict", policy)).toMatchObject({ status: 0 });
    const { out } = await portcullis("propose", "-q", "--files", "--json", file);
    expect(JSON.parse(out)).toMatchObject({
      own: [],
      objects: {
        files: { read: [{ path: app, paths: 4 }], write: [{ path: data }], execute: [{ path: "/usr/bin/env" }] },
        tcp: { bind: [80], connect: [] },
        unknown: [],
      },
    });
    expect((await portcullis("propose", file)).out).not.toContain("const files");
  });

  it("says which paths of old recordings it cannot place", async () => {
    const line = call(1, "openat", [-100, 0x7000, 0, 0], { memory: { path: "a/b" }, result: 3 });
    const at = folderOf({ "old.trace": block(line) });
    const ran = await portcullis("propose", "--files", join(at, "old.trace"));
    expect(ran.err).toContain(
      "the recordings have calls\n  whose program is unknown, which files.execute then lacks: 1, such as ?\n",
    );
    expect(ran.err).toContain("  with a path relative to an unknown directory: 1, such as a/b\n");
  });

  it("validates with a trace that was held back", async () => {
    const at = folder();
    const ran = await portcullis("propose", "--validate", join(at, "attacked.jsonl"), join(at, "server.trace"));
    expect(ran.status).toBe(1);
    expect(ran.out).toContain("export default policy(");
    expect(await portcullis("propose", "-q", "-o", "-", join(at, "server.trace"))).toMatchObject({ out: ran.out });
    expect(ran.err).toMatch(
      /attacked\.jsonl: 1 of 411 calls would not pass:\n {2}1 × execve\("\/bin\/sh", NULL, NULL\): deny EPERM \(role child, .*\), first at .*attacked\.jsonl:\d+\n/,
    );
    const good = await portcullis("propose", "-q", "--validate", join(at, "foreign.gz"), join(at, "server.trace"));
    expect(good).toMatchObject({ status: 0, err: expect.stringContaining("all of 410 calls pass") });
  });

  it("proposes from all recordings but one, and prints what a further run would show", async () => {
    const twice = call(1, "fsync", [4]).repeat(2);
    const at = folderOf({ "1.trace": block(server), "2.trace": block(server + twice), "3.trace": block(server) });
    const traces = [1, 2, 3].map((number) => join(at, `${number}.trace`));
    const about = "each recording, under the policy from the others";
    const ran = await portcullis("propose", ...traces);
    expect(ran.status).toBe(0);
    expect(ran.err).toContain(`${about}: 2 of 1,232 calls would not pass, 1.6 in 1,000\n  2 × fsync(4): deny EPERM`);
    const alike = await portcullis("propose", traces[0]!, traces[2]!);
    expect(alike.err).toContain(`${about}: all of 820 calls pass\n`);
    const alone = await portcullis("propose", "-q", "--validate", "leave-one-out", traces[0]!);
    expect(alone).toMatchObject({ status: 0, err: "one recording: no other one to propose from\n" });
    for (const words of [[traces[1]!], ["--no-validate", ...traces]])
      expect((await portcullis("propose", ...words)).err).not.toContain(about);
    const { out, err } = await portcullis("propose", "-q", "--json", "--validate", "leave-one-out", ...traces);
    expect(JSON.parse(out)).toMatchObject({ leftOut: { judged: 1232, refused: [{ call: "fsync", count: 2 }] } });
    expect(err).toContain(about);
  });

  it("says that long recordings were not left out", () => {
    expect(isShortEnough({ calls: 1_000_000, recordings: Array(3).fill({}) as [] })).toBe(true);
    expect(isShortEnough({ calls: 1_000_001, recordings: Array(3).fill({}) as [] })).toBe(false);
    expect(isShortEnough({ calls: 300_000, recordings: Array(30).fill({}) as [] })).toBe(true);
  });

  it("prints the same as JSON", async () => {
    const at = folder();
    const { status, out, err } = await portcullis("propose", "-q", "--json", join(at, "server.trace"));
    expect({ status, err }).toEqual({ status: 0, err: "" });
    const figures = JSON.parse(out) as { roles: { name: string; triggers: { call: string; dropped: string[] }[] }[] };
    expect(figures).toMatchObject({ v: 1, calls: 410, own: [], refused: [], judged: { byCall: expect.any(Array) } });
    expect(figures.roles[1]!.triggers[0]).toMatchObject({
      call: "epoll_create1",
      dropped: expect.arrayContaining(["setuid"]),
    });
  });

  it("reads strace, several traces, and standard input", async () => {
    const at = folder();
    const ran = await portcullis(
      "propose",
      "--strace",
      join(at, "strace.txt"),
      join(at, "foreign.gz"),
      join(at, "attacked.jsonl"),
    );
    expect(ran.err).toContain("3 recordings, 822 calls");
    expect(ran.out).toContain('"sync"');
  });

  it("compares with a static bound", async (context) => {
    if (hostArchitecture() !== "x86_64") context.skip("the bound is for x86-64");
    const at = folder();
    const trace = join(at, "server.trace");
    const { status, err } = await portcullis("propose", "--elf", "/usr/bin/true", trace);
    expect(status).toBe(0);
    expect(err).toMatch(/static bound of \/usr\/bin\/true and \d+ further files: \d+ names, 12 seen\n/);
    expect(err).toMatch(/possible, but never seen: .*\bmmap\b/);
    expect(err).toMatch(/seen, but not in the bound: .*\bsetgroups\b/);
    for (const [file, code] of [
      [trace, "P0907"],
      [join(at, "missing"), "P0901"],
    ] as const) {
      const output = join(at, "none.ts");
      expect(await portcullis("propose", "-o", output, "--elf", file, trace)).toMatchObject({
        status: 125,
        err: expect.stringContaining(code),
      });
      expect(existsSync(output)).toBe(false);
    }
  });

  it("adds the calls of situations", async () => {
    const at = folder();
    const words = ["propose", "--phases", "none", join(at, "server.trace")];
    const ran = await portcullis(...words, "--with", "reload,rotation", "--with", "shutdown");
    expect(ran.status).toBe(0);
    expect(ran.out).toMatch(
      /\n {2}\/\/ Not recorded \(situations [\s\S]*reload[\s\S]*\)\.\n[\s\S]*"getcwd"[\s\S]*"unlink"/,
    );
    expect(ran.out).not.toContain('"rename');
    expect(ran.err).toContain(
      "\n--with rotation: no role, because none has made open or openat or creat\n--with reload: main\n",
    );
    expect(ran.err).not.toContain("\n  rotation:");
    const near = await portcullis(...words, "--with", "rotations");
    expect(near).toMatchObject({ status: 125, err: expect.stringContaining("write --with rotation") });
  });

  it("reads a trace that is cut short, with a warning", async () => {
    const at = folder();
    const [cut, whole] = [join(at, "cut.trace"), join(at, "server.trace")];
    for (const words of [[cut], ["-q", cut], ["-q", whole, "--validate", cut]]) {
      const ran = await portcullis("propose", ...words);
      expect(ran.status).toBe(0);
      expect(ran.err).toContain("warning P0825");
    }
  });

  it.each([
    ["damaged.trace", "P0824"],
    ["damaged.gz", "P0824"],
    ["empty.trace", "P0810"],
    ["other.bin", "P0903"],
    ["orphan.jsonl", "P0803"],
    ["arm.jsonl", "P0809"],
    ["missing.trace", "P0901"],
    [".", "P0902"],
  ])("refuses %s, and writes nothing", async (name, code) => {
    const at = folder();
    const output = join(at, "none.ts");
    const ran = await portcullis("propose", "-o", output, join(at, "server.trace"), join(at, name));
    expect(ran.status).toBe(125);
    expect(ran.err).toContain(`error ${code}`);
    expect(ran.err).toContain(join(at, name));
    expect(existsSync(output)).toBe(false);
  });

  it("leaves the policy that was there if the disk is full", async (context) => {
    const at = folder();
    const small = join(at, "small");
    mkdirSync(small);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4k", "tmpfs", small], { stdio: "ignore" });
    } catch {
      context.skip("needs root, and a file system without room");
    }
    try {
      const policy = join(small, "server.ts");
      const before = "/**\n * Proposed from 1 recording, and then edited by hand.\n */\n";
      writeFileSync(policy, before, { mode: 0o640 });
      const ran = await portcullis("propose", "-q", "-o", policy, join(at, "server.trace"));
      expect(ran).toMatchObject({ status: 125, err: expect.stringContaining("cannot be written (ENOSPC)") });
      expect(readFileSync(policy, "utf8")).toBe(before);
      expect(readdirSync(small)).toEqual(["server.ts"]);
    } finally {
      execFileSync("umount", [small]);
    }
    const present = join(at, "present.ts");
    writeFileSync(present, "", { mode: 0o640 });
    expect((await portcullis("propose", "-q", "-o", present, join(at, "server.trace"))).status).toBe(0);
    expect(statSync(present).mode & 0o777).toBe(0o640);
  });

  it("refuses unknown values of options, and no trace", async () => {
    const at = folder();
    const trace = join(at, "server.trace");
    expect((await portcullis("propose")).err).toContain("error P0908");
    expect((await portcullis("propose", "--detail", "argument", trace)).err).toContain("write --detail arguments");
    expect((await portcullis("propose", "--phases", "some", trace)).err).toContain(
      "write one of none, usual, strict, exact",
    );
  });

  it("documents the situations", () => {
    const text = readFileSync("docs/propose.md", "utf8");
    for (const { name, about, first, calls } of situations as readonly Situation[]) {
      const row = text.split("\n").find((line) => line.startsWith(`| \`${name}\` | ${about} | `))!;
      expect(row).toContain(` | ${calls.join(", ")} |`);
      for (const call of first?.calls ?? []) expect(row.split(" | ")[2]).toContain(call);
    }
  });
});
