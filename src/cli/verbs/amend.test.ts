/** Tests `portcullis amend`: lists, patches, decisions, and events that are damaged, foreign, old or of another policy. */
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { folderOf, portcullis } from "../../../test/cli/harness.ts";
import { addedLines } from "../../amend/diff.ts";

const policy = `import { allow, calls, deny, perProcess, policy } from "portcullis";

// A server.
const phase = perProcess.phases(["starting", "serving"], { onFork: { starting: "serving" } });

export default policy((call) => {
  if (calls("read", "write", "clone").has(call)) return allow;
  if (phase.is("starting") && call.name === "bind") return allow; // once
  return deny("EPERM", "not recorded");
});
`;

interface Event {
  readonly [member: string]: unknown;
}

const decision = (call: string, number: number, args: readonly (readonly [string, string])[], more: Event = {}) =>
  `${JSON.stringify({
    ...{ v: 1, kind: "decision", time: 1_700_000_000.5, pid: 7, tid: 7, command: "server", call, number },
    arguments: args.map(([name, text]) => ({ name, text })),
    ...{ verdict: "deny", errno: "EPERM", reason: "not recorded", phases: { phase: "serving" } },
    ...{ rule: "p.ts:9:10", policy: "p", ...more },
  })}\n`;

const fsync = decision("fsync", 74, [["fd", "4"]], { count: 3 });
const ioctl = (cmd: string) =>
  decision("ioctl", 16, [
    ["fd", "0"],
    ["cmd", cmd],
    ["arg", "0x7ffc00"],
  ]);
const starting = decision("getppid", 110, [], { phases: { phase: "starting" } });
const events = [
  fsync,
  ioctl("TIOCSTI"),
  starting,
  `${JSON.stringify({ v: 1, kind: "notice", time: 1, text: "dropped", dropped: 2 })}\n`,
  decision("read", 0, [["fd", "4"]], { verdict: "log", errno: undefined }),
].join("");

const serving = "main clone(SIGCHLD) allow\nworker = main clone(SIGCHLD)\nworker read(0) allow\n";

function files(more: Readonly<Record<string, string>> = {}): (name: string) => string {
  const folder = folderOf({ "p.ts": policy, "p.cases": serving, "e.jsonl": events, ...more });
  return (name) => join(folder, name);
}

const read = (file: string) => readFileSync(file, "utf8");

describe("portcullis amend", () => {
  it("lists what was refused, by which line, and the change, and changes nothing", async () => {
    const of = files();
    const { status, out, err } = await portcullis("amend", of("p.ts"), of("e.jsonl"));
    expect(status).toBe(1);
    expect(err).toContain("2 events that were dropped when they were written");
    expect(err).toContain("3 groups, 3 with a change; --patch prints the changes");
    const [first = ""] = out.split("\n\n");
    expect(first).toMatch(/^1 of 3 {2}[0-9a-f]{8} {2}fsync\n/);
    expect(first).toContain(`by ${of("p.ts")}:9:10\n            | return deny("EPERM", "not recorded");`);
    expect(first).toMatch(/calls {5}3 by server, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, in phase serving/);
    expect(first).toContain('            +   if (call.name === "fsync" && phase.is("serving")) return allow;');
    expect(read(of("p.ts"))).toBe(policy);
  });

  it("prints the changes as a patch, with cases", async () => {
    const of = files();
    rmSync(of("p.cases"));
    const { status, out } = await portcullis("amend", "--patch", of("p.ts"), of("e.jsonl"));
    expect(status).toBe(0);
    expect(read(of("p.ts"))).toBe(policy);
    const other = files();
    rmSync(other("p.cases"));
    const accepted = await portcullis("amend", "--accept", "all", other("p.ts"), other("e.jsonl"));
    expect(accepted.status).toBe(0);
    expect(accepted.err).toMatch(/no case for [0-9a-f]{8} fsync: no case file has a process in serving\n/);
    const added = out.split("\n").flatMap((line) => (/^\+(?!\+\+)/.test(line) ? [line.slice(1)] : []));
    const rule = /( {2}\/\/ amend[\s\S]*?)\n {2}return deny/.exec(read(other("p.ts")))![1]!;
    expect(added.join("\n")).toBe(`${rule}\n${read(other("p.cases")).trimEnd()}`);
    expect(read(other("p.cases"))).toBe("# amend: was deny EPERM\nmain getppid()  allow\n");
    expect(out).toContain(`--- /dev/null\n+++ ${of("p.cases")}\n@@ -0,0 +1,2 @@\n`);
  });

  it("makes all changes, keeps the rest of the text, its mode, and has nothing to do then", async () => {
    const of = files();
    chmodSync(of("p.ts"), 0o640);
    const { status, err } = await portcullis("amend", "--accept", "all", of("p.ts"), of("e.jsonl"));
    expect({ status, err }).toMatchObject({ status: 0, err: expect.stringContaining("3 changes in") });
    expect(statSync(of("p.ts")).mode & 0o777).toBe(0o640);
    const text = read(of("p.ts"));
    const kept = text.split("\n").filter((line) => policy.includes(`${line}\n`));
    expect(`${kept.join("\n")}`).toBe(policy);
    expect(read(of("p.cases"))).toContain("# amend: was deny EPERM\nworker fsync(4)  allow\n");
    expect(read(of("p.cases"))).toContain("# amend: was deny EPERM\nmain getppid()  allow\n");
    expect((await portcullis("test", of("p.ts"))).status).toBe(0);
    expect((await portcullis("check", of("p.ts"))).status).toBe(0);
    const again = await portcullis("amend", "--accept", "all", of("p.ts"), of("e.jsonl"));
    expect(again).toMatchObject({ status: 0, out: "", err: expect.stringContaining("the policy allows already") });
    expect(read(of("p.ts"))).toBe(text);
  });

  it("makes the changes of a list of decisions, and a case for what is refused for ever", async () => {
    const of = files({ "e.jsonl": events + ioctl("TCGETS") });
    const groups = await portcullis("amend", "--json", of("p.ts"), of("e.jsonl"));
    const ids = groups.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { id: string; calls: { call: string }[] });
    const id = (part: string) => ids.find(({ calls }) => calls[0]!.call.includes(part))!.id;
    const decisions = `# reviewed\n${id("TIOCSTI")} refuse # it types\n\n${id("TCGETS")} arguments\n${id("fsync")}\n`;
    writeFileSync(of("decisions"), decisions);
    const { status, err } = await portcullis("amend", "--accept", of("decisions"), of("p.ts"), of("e.jsonl"));
    expect({ status, err }).toMatchObject({ status: 1, err: expect.stringContaining("2 changes") });
    expect(read(of("p.cases"))).toContain(
      "# refused for ever: it types\nworker ioctl(0, TIOCSTI, 0x7ffc00)  deny EPERM\n",
    );
    expect(read(of("p.ts"))).toContain('call.args.cmd.is("TCGETS")');
    // The case settles the question, and getppid is left.
    const next = await portcullis("amend", of("p.ts"), of("e.jsonl"));
    expect(next.err).toMatch(/1 refused call of ioctl whose refusal .*p\.cases:\d+ demands/);
    expect(next.out).toMatch(/^1 of 1 {2}[0-9a-f]{8} {2}getppid\n/);
  });

  it("does not ask about what a case refuses, and accepts nothing that would allow it", async () => {
    const refusing = `${serving}worker ioctl(9, TIOCSTI, 0x1) deny EPERM # never\n`;
    const of = files({ "p.cases": refusing, "e.jsonl": ioctl("TIOCSTI") + ioctl("TCGETS") });
    const settled = await portcullis("amend", of("p.ts"), of("e.jsonl"));
    expect(settled.err).toMatch(/1 refused call of ioctl whose refusal .*p\.cases:4 demands\n/);
    expect(settled.out).toMatch(/^1 of 1 [\s\S]*TCGETS/);
    writeFileSync(of("decisions"), `${/[0-9a-f]{8}/.exec(settled.out)![0]} call\n`);
    const { status, err } = await portcullis("amend", "--accept", of("decisions"), of("p.ts"), of("e.jsonl"));
    expect(status).toBe(125);
    expect(err).toMatch(/error P0920: the case .*p\.cases:4 expects deny EPERM of worker ioctl\(9, .*, and gets allow/);
    expect(read(of("p.ts"))).toBe(policy);
  });

  it("reads a trace", async () => {
    const line = (call: string, args: readonly string[] = []) =>
      `${JSON.stringify({ v: 1, kind: "call", tid: 7, call, arguments: args })}\n`;
    const trace = `{"v":1,"kind":"start","tid":7}\n${line("bind", ["3", "0", "16"])}${line("fsync", ["3"])}`;
    const of = files({ "t.jsonl": trace });
    const { status } = await portcullis("amend", "--accept", "all", of("p.ts"), of("t.jsonl"));
    expect(status).toBe(0);
    expect(read(of("p.ts"))).toContain('if (call.name === "fsync" && phase.is("starting")) return allow;');
    expect((await portcullis("simulate", of("p.ts"), of("t.jsonl"))).status).toBe(0);
  });

  it("adds to a list of files what Landlock has denied", async () => {
    const text = `import { allow, policy } from "portcullis";
export default policy({
  files: {
    read: [
      "/usr", // programs
    ],
    write: ["/tmp"],
  },
}, () => allow);
`;
    const denied = (path: string, blockers: readonly string[], rule: string) =>
      decision(
        "openat",
        257,
        [
          ["dirfd", "AT_FDCWD"],
          ["path", "0x7000"],
          ["flags", "O_RDONLY"],
          ["mode", "0"],
        ],
        {
          ...{ errno: "EACCES", reason: "files.read does not have it: Landlock", object: { blockers, path }, rule },
          phases: undefined,
        },
      );
    const of = files({
      "p.ts": text,
      "p.cases": "main getpid() allow\n",
      "e.jsonl":
        denied("/etc/hosts", ["fs.read_file"], "p.ts:4:5") + denied("/var/log/x", ["fs.write_file"], "p.ts:7:5"),
    });
    const { status, err } = await portcullis("amend", "--accept", "all", of("p.ts"), of("e.jsonl"));
    expect({ status, err }).toMatchObject({ status: 0 });
    expect(read(of("p.ts"))).toContain(
      '      "/usr", // programs\n      "/etc/hosts", // amend: 1 refused call of server',
    );
    expect(read(of("p.ts"))).toContain('write: ["/tmp", "/var/log/x"],');
  });
});

describe("lists of objects", () => {
  const policyOf = (settings: string, list = 'parameter.paths("below", { default: ["/usr"] })') =>
    `import { allow, parameter, policy } from "portcullis";
const below = ${list};
export default policy({ files: { ${settings} } }, () => allow);
`;
  const denied = (path: string, right = "fs.write_file") =>
    decision("openat", 257, [], {
      ...{ errno: "EACCES", reason: "Landlock", object: { blockers: [right], path }, phases: undefined },
      rule: "p.ts:3:34",
    });
  const amended = async (text: string, events: string, ...words: readonly string[]) => {
    const of = files({ "p.ts": text, "p.cases": "main getpid() allow\n", "e.jsonl": events });
    const { status, err } = await portcullis("amend", "--accept", "all", ...words, of("p.ts"), of("e.jsonl"));
    return { status, err: err.replaceAll(/\n +/g, " "), lines: addedLines(text, read(of("p.ts"))) };
  };

  it("that are defaults of parameters get the entries, one after the other", async () => {
    const list = 'parameter.paths("below", {\n  default: [\n    "/usr", // programs\n  ],\n})';
    const { status, lines } = await amended(
      policyOf("write: below", list).replace("below }", "below }"),
      `${denied("/srv/a").replace("3:34", "7:34")}${denied("/var/b").replace("3:34", "7:34")}`,
    );
    expect({ status, lines }).toEqual({
      status: 0,
      lines: [
        '    "/srv/a", // amend: 1 refused call of server, until 2023-11-14',
        '    "/var/b", // amend: 1 refused call of server, until 2023-11-14',
      ],
    });
  });

  it("stay if another declaration has them, too, or --set has replaced them, or all files would be permitted", async () => {
    const shared = await amended(policyOf("write: below, read: below"), denied("/srv/a"));
    expect(shared).toMatchObject({ status: 1, lines: [] });
    expect(shared.err).toContain('the list decides about files.read, too; by hand: add "/srv/a" to files.write');
    const given = await amended(policyOf("write: below"), denied("/srv/a"), "--set", "below=/tmp");
    expect(given).toMatchObject({ status: 1, lines: [] });
    expect(given.err).toContain("the list has another value (--set); by hand: --set below=/tmp,/srv/a");
    const all = await amended(policyOf("write: below"), denied("/"));
    expect(all).toMatchObject({ status: 1, lines: [] });
    expect(all.err).toContain("an entry for / would permit all files");
  });
});

describe("lists in other modules", () => {
  const connect = decision(
    "connect",
    42,
    [
      ["fd", "3"],
      ["addr", "10.0.0.7:80"],
      ["addrlen", "16"],
    ],
    {
      memory: { addr: { kind: "ip", address: "10.0.0.7", port: 80 } },
      ...{ errno: "ENETUNREACH", reason: undefined, rule: "hosts.ts:4:75", phases: undefined },
    },
  );
  const hosts = `import { allow, cidr, deny, parameter, policy } from "portcullis";
const blocks = cidr(...parameter.texts("hosts", { default: ["127.0.0.0/8"] }));
export default policy((call) =>
  call.name === "connect" && call.args.addr.kind === "ip" && !blocks.has(call.args.addr.address) ? deny("ENETUNREACH") : allow,
);
`;
  const own = `import { allow, policy } from "portcullis";
import hosts from "./hosts.ts";
export default policy({ extends: [hosts] }, () => allow);
`;

  it("are named with the --set that permits the call", async () => {
    const of = files({ "p.ts": own, "hosts.ts": hosts, "p.cases": "main getpid() allow\n", "e.jsonl": connect });
    const plain = await portcullis("amend", of("p.ts"), of("e.jsonl"));
    expect(plain.out).toMatch(/cannot {4}\S*hosts\.ts:4:\d+ refuses it,\s+in\s+another\s+file\s/);
    expect(plain.out).toContain("by hand   --set hosts=127.0.0.0/8,10.0.0.7\n");
    const given = await portcullis("amend", "--set", "hosts=10.0.0.1", of("p.ts"), of("e.jsonl"));
    expect(given.out).toContain("by hand   --set hosts=10.0.0.1,10.0.0.7\n");
    const done = await portcullis("amend", "--set", "hosts=127.0.0.0/8,10.0.0.7", of("p.ts"), of("e.jsonl"));
    expect(done).toMatchObject({ status: 0, err: expect.stringContaining("the policy allows already") });
  });

  it("are extended where the policy itself gives the list", async () => {
    const given = hosts
      .replace("policy }", "type AddressSet, type Policy, policy }")
      .replace(/const blocks.*\n/, "")
      .replace("export default policy(", "export default (blocks: AddressSet): Policy => policy(");
    const of = files({
      "hosts.ts": given,
      "p.ts": own
        .replace("allow, policy", "allow, cidr, policy")
        .replace("export", 'const blocks = ["127.0.0.0/8"];\nexport')
        .replace("[hosts]", "[hosts(cidr(...blocks))]"),
      ...{ "p.cases": "main getpid() allow\n", "e.jsonl": connect.replace("4:75", "3:75") },
    });
    const { status, err } = await portcullis("amend", "--accept", "all", of("p.ts"), of("e.jsonl"));
    expect({ status, err }).toMatchObject({ status: 0 });
    expect(read(of("p.ts"))).toContain('const blocks = ["127.0.0.0/8", "10.0.0.7"];\n');
  });
});

describe("events of another version of the policy", () => {
  const [one, two] = ["11", "22"].map((digits) => `sha256:${digits.repeat(32)}`) as [string, string];
  const flagged = `import { allow, calls, deny, perTree, policy } from "portcullis";
const [moved, other] = [perTree.flag(), perTree.flag()];
export default policy((call) => {
  if (call.name === "chdir") moved.set(true);
  if (call.name === "mkdir") other.set(true);
  if (call.name === "rmdir" && moved.get()) return deny("EACCES", "no");
  return allow;
});
`;
  const rmdir = (more: Event) =>
    decision("rmdir", 84, [["path", "0x7000"]], {
      ...{ errno: "EACCES", reason: "no", phases: undefined, rule: "p.ts:6:52", ...more },
    });

  it("are judged by the present text, and a sentence names both digests", async () => {
    const lines = [decision("fsync", 74, [["fd", "4"]], { digest: one, count: 3 }), ioctl("TCGETS"), starting];
    const of = files({ "e.jsonl": lines.join("") });
    const { out, err } = await portcullis("amend", of("p.ts"), of("e.jsonl"));
    expect(err).toMatch(
      new RegExp(
        `^3 refused calls of another version of ${of("p.ts")} \\(${one}\\) than the present one \\(sha256:[0-9a-f]{64}\\): `,
      ),
    );
    expect(out).toMatch(/^1 of 3 [\s\S]*p\.ts:9:10\n[\s\S]*change {4}\+ {3}\/\/ amend: 3 refused calls/);
    const several = [fsync, ...[one, two].map((digest) => decision("fsync", 74, [["fd", "4"]], { digest }))];
    writeFileSync(of("e.jsonl"), several.join(""));
    const both = await portcullis("amend", of("p.ts"), of("e.jsonl"));
    expect(both.err).toContain(`2 refused calls of 2 other versions of ${of("p.ts")} (the last of them ${two})`);
  });

  it("are no events of another policy, in a file of several", async () => {
    const of = files({
      "e.jsonl": decision("fsync", 74, [["fd", "4"]], { digest: one, policy: "q", rule: "q.ts:9:10" }),
    });
    const { out, err } = await portcullis("amend", of("p.ts"), of("e.jsonl"));
    expect(out).toContain("cannot    q.ts:9:10 refused it, which is no line of this policy");
    expect(err).not.toContain("another version");
  });

  it("blame no line where flags decide", async () => {
    const of = files({ "p.ts": flagged, "p.cases": "main getpid() allow\n", "e.jsonl": rmdir({}) });
    const unknown = await portcullis("amend", of("p.ts"), of("e.jsonl"));
    expect(unknown.out).toContain('+     if (call.name === "rmdir") return allow;');
    // The same line now has another condition.
    writeFileSync(of("p.ts"), flagged.replace("moved.get()", "other.get()"));
    writeFileSync(of("e.jsonl"), rmdir({ digest: one }));
    const old = await portcullis("amend", "--accept", "all", of("p.ts"), of("e.jsonl"));
    expect(old.err).toContain("flags decide, and the event is of another version of the policy");
    expect(read(of("p.ts"))).not.toContain('call.name === "rmdir") return allow');
  });

  it("name the present place of a list of objects, or what it permits already", async () => {
    const lists = (files: string) => `import { allow, policy } from "portcullis";
export default policy({
  files: {
    ${files}
  },
}, () => allow);
`;
    const denied = decision(
      "openat",
      257,
      [
        ["dirfd", "AT_FDCWD"],
        ["path", "0x7000"],
        ["flags", "O_RDONLY"],
        ["mode", "0"],
      ],
      {
        ...{ errno: "EACCES", reason: "Landlock", object: { blockers: ["fs.read_file"], path: "/srv/a" } },
        ...{ rule: "p.ts:4:5", phases: undefined, digest: one },
      },
    );
    // The line is now that of another list.
    const of = files({
      "p.ts": lists('write: ["/tmp"],\n    read: ["/usr"],'),
      "p.cases": "main getpid() allow\n",
      "e.jsonl": denied,
    });
    const { status } = await portcullis("amend", "--accept", "all", of("p.ts"), of("e.jsonl"));
    expect(status).toBe(0);
    expect(read(of("p.ts"))).toBe(lists('write: ["/tmp"],\n    read: ["/usr", "/srv/a"],'));
    const again = await portcullis("amend", "--accept", "all", of("p.ts"), of("e.jsonl"));
    expect(again).toMatchObject({ status: 0, err: expect.stringContaining("the policy allows already") });
    expect(read(of("p.ts"))).toBe(lists('write: ["/tmp"],\n    read: ["/usr", "/srv/a"],'));
  });
});

describe("bad input", () => {
  it("leaves out malformed lines, with their places", async () => {
    const lines = ["nonsense", "[]", '{"v":2,"kind":"decision"}', '{"v":1,"kind":"decision"}', fsync.slice(0, 50)];
    const of = files({ "e.jsonl": `${fsync}${lines.join("\n")}\n${fsync.replace('"text":"4"', '"text":"no fd"')}` });
    const { status, out, err } = await portcullis("amend", of("p.ts"), of("e.jsonl"));
    expect(status).toBe(1);
    expect(out).toMatch(/^1 of 1 .* fsync\n/);
    expect(err).toContain(`${of("e.jsonl")}:2: it is not JSON; the line is left out`);
    expect(err).toContain(`${of("e.jsonl")}:4: its version`);
    expect(err).toContain("6 lines are left out");
  });

  it("does not believe events of another policy, another text, or portcullis itself", async () => {
    const of = files({
      "e.jsonl": [
        fsync.replace("p.ts:9:10", "q.ts:9:10"),
        decision("getppid", 110, [], { reason: "another reason", verdict: "kill-process" }),
        decision("call_999", 999, [["arg0", "0"]], { rule: undefined, reason: "a call that the policy's table lacks" }),
        decision("getpgrp", 111, [], { phases: { phase: "ending" } }),
        decision("getuid", 102, [], { phases: undefined }),
      ].join(""),
    });
    const { status, out } = await portcullis("amend", "--list", of("p.ts"), of("e.jsonl"));
    expect(status).toBe(1);
    const sentences = out.replace(/\n {12}/g, " ");
    expect(out).toContain("cannot    q.ts:9:10 refused it, which is no line of this policy");
    expect(sentences).toContain("the call was kill process (another reason), and is now deny EPERM (not recorded)");
    expect(out).toContain("cannot    portcullis refuses it before the policy");
    expect(out).toContain("cannot    the policy does not have the phase of the event");
    const accepted = await portcullis("amend", "--accept", "all", of("p.ts"), of("e.jsonl"));
    expect(accepted.status).toBe(1);
  });

  it.each([
    [["amend", "p.ts"], /error P0908: a file of events or a trace is missing/],
    [["amend", "p.ts", "absent.jsonl"], /error P0901: .*absent\.jsonl cannot be read/],
    [["amend", "exec-once", "e.jsonl"], /error P0920: .*exec-once\.ts is a ready policy/],
    [["amend", "profile.json", "e.jsonl"], /error P0920: .*profile\.json is an OCI profile/],
    [["amend", "--list", "--patch", "p.ts", "e.jsonl"], /error P0909: --list and --patch exclude each other/],
    [
      ["amend", "--accept", "decisions", "p.ts", "e.jsonl"],
      /decisions:1:1: error P0907: no group has the id "ffffffff"/,
    ],
    [["amend", "broken.ts", "e.jsonl"], /error P0300/],
    [["propose", "e.jsonl"], /help: portcullis amend POLICY/],
  ] as const)("%j ends with 125 and the way out", async (words, message) => {
    const names = ["p.ts", "e.jsonl", "absent.jsonl", "profile.json", "decisions", "broken.ts"];
    const of = files({ "profile.json": "{}", decisions: "ffffffff\n", "broken.ts": "export default policy(" });
    const { status, err } = await portcullis(...words.map((word) => (names.includes(word) ? of(word) : word)));
    expect({ status, err }).toMatchObject({ status: 125, err: expect.stringMatching(message) });
    expect(read(of("p.ts"))).toBe(policy);
    expect(existsSync(of("p.amend.cases"))).toBe(false);
  });
});
