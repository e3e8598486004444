/** Strings, lists, addresses and structures behind pointers, in every verb that speaks of calls. */
import { describe, expect, test } from "vitest";
import { folderOf, portcullis } from "./harness.ts";

const policy = `import { allow, calls, cidr, deny, kill, log, perTree, policy } from "portcullis";
const web = cidr("10.0.0.0/8", "fd00::/8");
const opened = perTree.counter();
export default policy((call) => {
  switch (call.name) {
    case "openat":
      if (call.args.path.text.under("/etc")) return deny("EACCES", "no configuration");
      if (call.args.path.text.is("/count")) opened.add(1n);
      return opened.get() > 2n ? deny("EMFILE") : allow;
    case "openat2":
      if (call.args.path.resolved.under("/srv")) return allow;
      return call.args.how.resolve.has("RESOLVE_BENEATH") && !call.args.how.flags.has("O_WRONLY") ? allow : deny("EPERM");
    case "connect":
      switch (call.args.addr.kind) {
        case "ip": return web.has(call.args.addr.address) && call.args.addr.port === 443n ? allow : deny("ENETUNREACH");
        case "unix": return call.args.addr.path.text.is("/run/agent") ? allow : deny("EACCES");
        case "abstract": return call.args.addr.name.startsWith("dbus-") ? allow : deny("EPERM");
      }
      return deny("EAFNOSUPPORT");
    case "execve":
      if (call.args.envp.has("LD_PRELOAD")) return kill("process");
      return call.args.argv.startsWith(["git", "log"]) ? log : deny("EPERM");
    case "unlink":
      return deny("EROFS");
  }
  return allow;
});
`;

const withCases = (cases: string) => folderOf({ "p.ts": policy, "p.cases": cases });
const runCases = async (cases: string) => {
  const folder = withCases(cases);
  const { status, out, err } = await portcullis("test", "--architecture", "x86_64", `${folder}/p.ts`);
  return { status, text: `${out}${err}`.replaceAll(folder, "") };
};

describe("cases", () => {
  test("give memory in all of its forms", async () => {
    const cases = String.raw`
main openat(AT_FDCWD, "/usr/bin/env", O_RDONLY)                        allow
main openat(AT_FDCWD, "/etc/shadow", O_RDONLY)                         deny EACCES @ "configuration"
main openat(AT_FDCWD, "/etc\057shadow")                                deny EACCES
main openat(AT_FDCWD, NULL)                                            fails EFAULT
main openat(AT_FDCWD, EFAULT)                                          fails EFAULT
main openat(AT_FDCWD, "/count") × 2                                    allow
main openat(AT_FDCWD, "/count")                                        deny EMFILE
main openat2(3, "a" resolved "/srv/www/a", {flags=O_WRONLY}, 24)       allow
main openat2(3, "a" resolved "/etc/a", {flags=O_WRONLY}, 24)           deny EPERM
main openat2(3, "a" resolved "/a", {flags=O_RDONLY, resolve=RESOLVE_BENEATH}, 24)  allow
main openat2(3, "a" resolved "/a", NULL, 24)                           fails EFAULT
main connect(3, 10.1.2.3:443, 16)                                      allow
main connect(3, "10.1.2.3:443", 16)                                    allow
main connect(3, 10.1.2.3:80, 16)                                       deny ENETUNREACH
main connect(3, [fd00::1]:443, 28)                                     allow
main connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("11.0.0.1")}, 16)  deny ENETUNREACH
main connect(3, unix:/run/agent, 13)                                   allow
main connect(3, unix:/run/agents, 14)                                  deny EACCES
main connect(3, abstract:@dbus-1, 9)                                   allow
main connect(3, {sa_family=AF_UNIX, sun_path=@"x"}, 4)                 deny EPERM
main connect(3, netlink, 12)                                           deny EAFNOSUPPORT
main connect(3, NULL, 0)                                               deny EAFNOSUPPORT
main connect(3, NULL, 16)                                              fails EFAULT
main execve("/usr/bin/git", ["git", "log", "-p"], ["PATH=/bin"])       log
main execve("/usr/bin/git", ["git"], [])                               deny EPERM
main execve("/usr/bin/git", NULL, ["LD_PRELOAD=/x.so"])                kill process
main unlink(…)                                                         deny EROFS
`;
    expect(await runCases(cases)).toEqual({ status: 0, text: "/p.cases: 27 cases pass\n" });
  });

  test.each([
    ["openat(AT_FDCWD, …)", "`path`"],
    ["openat(AT_FDCWD)", "`path`"],
    ['openat(AT_FDCWD, "/et"...)', "`path`"],
    ['openat2(3, "a", {resolve=RESOLVE_BENEATH, ...}, 24)', "`how` and the object that `path` leads to (`resolved`)"],
    ["connect(3, {sa_family=AF_INET, …})", "`addr`"],
    ['execve("/bin/git", ["git", "log"], …)', "`envp`"],
  ])("never pass if the line lacks the memory that decides: %s", async (call, names) => {
    const { status, text } = await runCases(`main ${call} allow`);
    expect(status).toBe(1);
    expect(text).toContain(`unknown: the policy asks about the memory behind ${names}, and the line does not give it`);
  });

  test("may omit memory that does not decide", async () => {
    const cases = `main execve("/bin/git", …, ["LD_PRELOAD=x"]) kill process\nmain openat(AT_FDCWD, "/etc/"...) deny EACCES`;
    expect(await runCases(cases)).toMatchObject({ status: 0 });
  });

  test("a wrong expectation of a failure is reported", async () => {
    const { status, text } = await runCases("main openat(AT_FDCWD, EFAULT) allow");
    expect(status).toBe(1);
    expect(text).toContain("+ fails EFAULT");
  });

  test("an invalid text is placed", async () => {
    const { status, text } = await runCases("main openat(AT_FDCWD, /etc/hosts) allow");
    expect(status).toBe(125);
    expect(text).toContain('p.cases:1:23: error P0814: "/etc/hosts" is not a text');
  });
});

describe("why", () => {
  const folder = () => folderOf({ "p.ts": policy });
  const why = async (call: string, ...options: string[]) => {
    const { status, out, err } = await portcullis(
      "why",
      "--architecture",
      "x86_64",
      ...options,
      `${folder()}/p.ts`,
      call,
    );
    return { status, text: `${out}${err}` };
  };

  test("lists the policy's conditions that hold", async () => {
    const { status, text } = await why('openat(AT_FDCWD, "/etc/shadow", O_RDONLY)');
    expect(status).toBe(1);
    expect(text).toBe(`openat(AT_FDCWD, "/etc/shadow", O_RDONLY): deny EACCES  p.ts:7:53  "no configuration"
  decided by the engine, which reads the memory
  reads args.path
  matches args.path.text.under("/etc")
  but not args.path.text.is("/count")
`);
  });

  test.each([
    ['execve("/usr/bin/git", ["git", "log"], [])', 0, "log", 'args.argv.at(0n).is("git"), args.argv.at(1n).is("log")'],
    ['execve("/usr/bin/git", ["git"], ["LD_PRELOAD=x"])', 1, "kill process", 'args.envp.has("LD_PRELOAD")'],
    ["connect(3, 10.0.0.1:443)", 0, "allow", "args.addr.kind = ip"],
    ['connect(3, "10.0.0.1:443")', 0, "allow", "args.addr.port = 443"],
    ["connect(3, 10.0.0.1:80)", 1, "deny ENETUNREACH", "args.addr.port = 80"],
    ["connect(3, unix:/run/agent)", 0, "allow", 'args.addr.path.text.is("/run/agent")'],
    ["connect(3, abstract:@dbus-x)", 0, "allow", 'args.addr.name.startsWith("dbus-")'],
    ['openat2(3, "a" resolved "/srv/a", {flags=O_WRONLY})', 0, "allow", 'args.path.resolved.under("/srv")'],
    ['openat2(3, "a" resolved "/a", {resolve=RESOLVE_BENEATH})', 0, "allow", "reads args.path, args.how"],
  ])("%s", async (call, wanted, verdict, said) => {
    const { status, text } = await why(call);
    expect(text).toContain(`${call}: ${verdict}`);
    expect(text).toContain(said);
    expect(status).toBe(wanted);
  });

  test.each([
    ['openat2(3, "a", {flags=O_WRONLY})', "the object that args.path leads to (resolved)"],
    ["openat2(3, 0x1000, {flags=O_WRONLY})", "the memory behind args.path"],
  ])("says what is not given: %s", async (call, lacking) => {
    expect((await why(call)).text).toContain(`\n  not given: ${lacking}\n`);
  });

  test("reports that the copy fails", async () => {
    expect(await why("openat(AT_FDCWD, EFAULT)")).toEqual({
      status: 1,
      text: "openat(AT_FDCWD, EFAULT): fails EFAULT\n  the memory behind path cannot be copied, so no rule is asked\n",
    });
  });

  test("gives all answers where the memory is not given", async () => {
    const { status, text } = await why("connect(3, …)");
    expect(status).toBe(1);
    expect(text).toContain("connect(3, …): by memory\n");
    expect(text).toContain("  not given: the memory behind args.addr\n");
    expect(text).not.toContain("at first");
  });

  test("has the same as JSON", async () => {
    const { text } = await why('openat(AT_FDCWD, "/etc/shadow")', "--json");
    expect(JSON.parse(text)).toMatchObject({
      v: 1,
      verdict: "deny EACCES",
      passes: false,
      memory: [
        { argument: "args.path", holds: ['args.path.text.under("/etc")'], fails: ['args.path.text.is("/count")'] },
      ],
      lacking: [],
    });
  });
});

describe("explain", () => {
  const explain = async (source: string, ...options: string[]) => {
    const folder = folderOf({ "p.ts": source });
    const { status, out } = await portcullis("explain", "--architecture", "x86_64", ...options, `${folder}/p.ts`);
    expect(status).toBe(0);
    return out;
  };

  test("lists the memory that is read, the conditions on it, and the cost", async () => {
    const out = await explain(policy);
    expect(out).toMatch(/^connect +allow or deny .*reads addr/m);
    const section = out.slice(out.indexOf("\nmemory\n")).replaceAll(/\n {4}/g, " ");
    for (const line of [
      '  args.path of openat: args.path.text.under("/etc"), args.path.text.is("/count")',
      '  args.path of openat2: args.path.resolved.under("/srv")',
      "  args.how of openat2: args.how.resolve has RESOLVE_BENEATH, args.how.flags has O_WRONLY",
      '  args.argv of execve: args.argv.at(0n).is("git"), args.argv.at(1n).is("log")',
      '  args.envp of execve: args.envp.has("LD_PRELOAD")',
    ]) {
      expect(section).toContain(line);
    }
    expect(section).toMatch(
      /args\.addr of connect: .*args\.addr\.port = 443.*cidr\("10\.0\.0\.0\/8", "fd00::\/8"\)\.has\(args\.addr\.address\)/,
    );
    const notes = out.replaceAll(/\n {2}/g, " ");
    expect(notes).toMatch(/^note: connect, execve, openat, openat2: .*two round trips/m);
    expect(notes).toMatch(/^note: connect, openat: .*the caller's own bytes/m);
    expect(notes).toMatch(/^note: execve: .*E2BIG/m);
    expect(notes).toMatch(/^note: openat2: .*notify/m);
  });

  test("has the same as JSON", async () => {
    const found = JSON.parse(await explain(policy, "--json"));
    expect(found.memory).toContainEqual({
      argument: "args.path",
      calls: ["openat2"],
      asks: ['args.path.resolved.under("/srv")'],
    });
    expect(found.warnings.map(({ kind }: { kind: string }) => kind)).toEqual(
      expect.arrayContaining(["reads-memory", "path-text", "list-bound", "resolved"]),
    );
  });

  test("puts calls together of which the same is asked", async () => {
    const found = JSON.parse(
      await explain(
        `import { allow, calls, deny, policy } from "portcullis";
const files = calls("open", "openat");
export default policy((call) => files.has(call) && !call.args.path.text.matches("/srv/**") ? deny("EPERM") : allow);`,
        "--json",
      ),
    );
    expect(found.memory).toEqual([
      { argument: "args.path", calls: ["open", "openat"], asks: ['args.path.text.matches("/srv/**")'] },
    ]);
  });

  test("omits memory if none is read", async () => {
    const source = 'import { allow, policy } from "portcullis";\nexport default policy(() => allow);';
    expect(await explain(source)).not.toContain("memory");
    expect(JSON.parse(await explain(source, "--json")).memory).toEqual([]);
  });

  test("--ir has observations and words", async () => {
    const out = await explain(policy, "--ir");
    expect(out).toContain('word 0 %path.0 whole under "/etc", is "/count"');
  });
});

describe("simulate", () => {
  const simulate = async (trace: string, ...options: string[]) => {
    const folder = folderOf({ "p.ts": policy, trace });
    const argv = ["simulate", "--architecture", "x86_64", ...options, `${folder}/p.ts`, `${folder}/trace`];
    const { status, out, err } = await portcullis(...argv);
    return { status, out: out.replaceAll(`${folder}/`, ""), err: err.replaceAll(`${folder}/`, "") };
  };

  test("judges strace's texts, lists, addresses and structures", async () => {
    const trace = String.raw`7 execve("/bin/x", ["x"], 0x7ffe /* 33 vars */) = 0
7 openat(AT_FDCWD, "/usr/bin/env", O_RDONLY) = 3
7 openat(AT_FDCWD, "/etc\057shadow", O_RDONLY) = 3
7 openat(AT_FDCWD, 0x1, O_RDONLY) = -1 EFAULT (Bad address)
7 openat(AT_FDCWD, NULL, O_RDONLY) = -1 EFAULT (Bad address)
7 connect(3, {sa_family=AF_UNIX, sun_path="/run/agent"}, 13) = 0
7 connect(3, {sa_family=AF_UNIX, sun_path=@"x"}, 4) = 0
7 connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("10.0.0.1")}, 16) = 0
7 connect(3, {sa_family=AF_INET6, sin6_port=htons(443), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28) = 0
7 openat2(AT_FDCWD, "a", {flags=O_RDONLY, resolve=RESOLVE_BENEATH}, 24) = 3
7 openat2(AT_FDCWD, "a", {flags=O_WRONLY}, 24) = 3
7 execve("/usr/bin/git", ["git", "log"], ["A=1"]) = -1 ENOENT (No such file or directory)
7 execve("/usr/bin/git", ["git", "log"...], ["A=1"]) = -1 ENOENT (No such file or directory)
7 execve("/usr/bin/git", ["git", "status"], 0x7ffe /* 33 vars */) = -1 ENOENT (No such file or directory)
7 openat(AT_FDCWD, "/etc/abc"..., O_RDONLY) = 3
7 openat(AT_FDCWD, "/e"..., O_RDONLY) = 3
7 +++ exited with 0 +++
`;
    const { status, out, err } = await simulate(trace, "--all");
    expect(status).toBe(1);
    expect(
      out
        .trimEnd()
        .split("\n")
        .map((line) => line.replace(/^trace:(\d+) {2}7 {2}/, "$1 ").replace(/ {2}\S*p\.ts.*?(?= {2}|$)/, "")),
    ).toEqual([
      '2 openat(?, "/usr/bin/env", ?, ?)  allow',
      '3 openat(?, "/etc/shadow", ?, ?)  deny EACCES  "no configuration"',
      '4 openat(?, EFAULT, ?, ?)  fails EFAULT  "the memory behind its argument path cannot be copied"',
      '5 openat(?, NULL, ?, ?)  fails EFAULT  "the memory behind its argument path cannot be copied"',
      "6 connect(3, unix:/run/agent, 13)  allow",
      "7 connect(3, abstract:@x, 4)  deny EPERM",
      "8 connect(3, 10.0.0.1:443, 16)  allow",
      "9 connect(3, [::1]:443, 28)  deny ENETUNREACH",
      '10 openat2(?, "a", {flags=O_RDONLY, mode=0, resolve=RESOLVE_BENEATH}, 24)  allow',
      '11 openat2(?, "a", {flags=O_WRONLY, mode=0, ...}, 24)  unknown  one of: allow, deny EPERM  the trace lacks the memory behind how and the object that path leads to (resolved)',
      '12 execve("/usr/bin/git", ["git", "log"], ["A="...])  log',
      '13 execve("/usr/bin/git", ["git", "log"...], ["A="...])  unknown  one of: log, deny EPERM  the trace lacks the memory behind argv',
      '14 execve("/usr/bin/git", ["git", "status"], ?)  unknown  one of: kill process, deny EPERM  the trace lacks the memory behind envp',
      '15 openat(?, "/etc/abc"..., ?, ?)  deny EACCES  "no configuration"',
      '16 openat(?, "/e"..., ?, ?)  unknown  one of: deny EACCES, allow  the trace lacks the memory behind path',
    ]);
    expect(err).toContain("4 of them depend on memory that the trace lacks; strace -f -n -ttt -v -s 65536");
  });

  test("names the object of a path, which recordings never have", async () => {
    const trace = `7 execve("/bin/true", ["true"], [""]) = 0
7 openat2(AT_FDCWD, "/srv/a", {flags=O_WRONLY, mode=0, resolve=0}, 24) = 3
7 openat2(AT_FDCWD, "/srv/"..., {flags=O_WRONLY, mode=0, resolve=0}, 24) = 3
`;
    const { out, err } = await simulate(trace);
    const [known, cut] = out.split("\n");
    expect(known).toMatch(/ {2}the trace lacks the object that path leads to \(resolved\)$/);
    expect(cut).toMatch(/ {2}the trace lacks the memory behind path$/);
    expect(err).toContain("1 of them depend on memory that the trace lacks; strace");
    expect(err).toContain(
      "1 of them depend on the object that a path leads to (resolved); no recorder records it; case",
    );
    const lines = (await simulate(trace, "--json")).out.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).lacking)).toEqual([["path.resolved"], ["path"]]);
  });

  test("judges JSON lines, and lists the missing data", async () => {
    const line = (members: object) => JSON.stringify({ v: 1, kind: "call", tid: 7, ...members });
    const call = (name: string, memory: object, more: object = {}) =>
      line({ call: name, arguments: ["3", "0x1000", "16"], memory, ...more });
    const trace = [
      call("openat", { path: "/etc/shadow" }),
      call("openat", {}),
      call("openat2", { path: "a", how: { flags: "O_WRONLY", resolve: "0" } }, { resolved: { path: "/srv/a" } }),
      call("connect", { addr: { kind: "ip", address: "10.0.0.1", port: 443 } }),
    ];
    const { out } = await simulate(trace.join("\n"), "--all", "--json");
    const found = out
      .trimEnd()
      .split("\n")
      .map((one) => JSON.parse(one));
    expect(found.map(({ verdict, lacking, memory, resolved }) => ({ verdict, lacking, memory, resolved }))).toEqual([
      { verdict: "deny EACCES", lacking: undefined, memory: { path: "/etc/shadow" }, resolved: undefined },
      { verdict: "unknown", lacking: ["path"], memory: undefined, resolved: undefined },
      {
        verdict: "allow",
        lacking: undefined,
        memory: { path: "a", how: { flags: "0x1", resolve: "0x0" } },
        resolved: { path: "/srv/a" },
      },
      {
        verdict: "allow",
        lacking: undefined,
        memory: { addr: { kind: "ip", address: "10.0.0.1", port: 443 } },
        resolved: undefined,
      },
    ]);
  });
});
