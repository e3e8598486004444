/** `report` on the command line: what the page says, and what bad and hostile input does. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { folderOf, portcullis } from "./harness.ts";

const policy = `import { allow, deny, perProcess, policy } from "portcullis";
const phase = perProcess.phases(["starting", "serving"]);
export default policy((call) => {
  if (call.name === "accept4") phase.enter("serving");
  if (call.name === "socket") return phase.is("serving") ? deny("EACCES", "no <b>network</b>") : allow;
  return allow;
});
`;
const line = (members: object) => `${JSON.stringify({ v: 1, ...members })}\n`;
const call = (name: string, time: number, more: object = {}) =>
  line({ kind: "call", tid: 7, call: name, time, ...more });
const trace =
  line({ kind: "recording", command: ["/usr/sbin/a<b>server"] }) +
  line({ kind: "start", tid: 7, architecture: "x86_64" }) +
  call("socket", 0, { arguments: ["2", "1", "0"] }) +
  call("accept4", 1e9) +
  call("socket", 2e9, { arguments: ["10", "1", "0"] });
const event = {
  ...{ kind: "decision", time: 1_790_000_000, pid: 9, tid: 9, command: "<i>x", call: "listen", number: 50 },
  ...{ arguments: [{ name: "fd", text: '"</td><script>alert(1)</script>"' }], verdict: "kill-process", policy: "p" },
};

test("a policy, a trace and events: rules with hits, phases, refused calls and their remedies", async () => {
  const folder = folderOf({
    "p.ts": policy,
    "p.cases": "m socket(AF_INET, SOCK_STREAM) allow\n",
    "t.jsonl": trace,
    "e.jsonl": line({ ...event, rule: "p.ts:5:53" }) + line({ kind: "notice", time: 1, text: "lost <u>", dropped: 3 }),
  });
  const file = join(folder, "r.html");
  const inputs = ["p.ts", "t.jsonl", "e.jsonl"].map((name) => join(folder, name));
  expect(await portcullis("report", "-o", file, ...inputs)).toMatchObject({ status: 0, out: "", err: "" });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  // Without the library, so that a failure can be read.
  const page = readFileSync(file, "utf8").replace(/<script>.*<\/script>/s, "<script></script>");
  expect(page).toContain("<title>p.ts, t.jsonl, e.jsonl</title>");
  expect(page).toContain("a&lt;b&gt;server");
  expect(page).toContain("no &lt;b&gt;network&lt;/b&gt;");
  expect(page).toContain("would be: deny EACCES");
  expect(page).toContain("to permit it, change that line");
  expect(page).toContain("starting → serving");
  expect(page).toContain("reach 1 of 3 rules");
  expect(page).toContain("reach 3 of 3 rules");
  expect(page).toContain("lost &lt;u&gt;");
  expect(page).toContain("&lt;/td&gt;&lt;script&gt;alert(1)");
  // The library and the data; what a text says is no element.
  expect(page.match(/<script/g)).toHaveLength(2);
  expect(page).not.toMatch(/<(?:b|i|u|img)[> ]/);
});

const withRoles = `import { allow, deny, perProcess, policy } from "portcullis";
const role = perProcess.phases(["main", "child"], { onFork: { main: "child" } });
const mainPhase = perProcess.phases(["starting", "running"]);
const childPhase = perProcess.phases(["starting", "running"]);
export default policy((call) => {
  if (call.name === "epoll_wait" && role.is("child")) childPhase.enter("running");
  if (call.name === "rt_sigsuspend" && role.is("main")) mainPhase.enter("running");
  if (call.name === "execve" || call.name === "execveat") return role.is("main") && mainPhase.is("starting") ? allow : deny("EPERM");
  if (call.name === "connect") return role.is("child") && childPhase.is("running") ? deny("EACCES", "<u>no") : allow;
  return allow;
});
`;
const recorded = (tid: number, name: string, time: number) =>
  line({ kind: "call", tid, call: name, time: time * 1e6, arguments: ["3", "0x1000"] });

/** The texts of the elements, one per line, without the parts that the page's script uses. */
const textOf = (markup: string) =>
  markup
    .replace(/<(script|style)[^>]*>.*?<\/\1>/gs, "")
    .replace(/<[^>]+>/g, "\n")
    .replace(/\n+/g, "\n");

test("first says what was refused and why, then what each role can still do, and the inputs at the end", async () => {
  const steps = [
    line({ kind: "recording", command: ["/usr/sbin/server"] }) +
      line({ kind: "start", tid: 1, architecture: "x86_64" }),
    recorded(1, "clone", 0) + line({ kind: "fork", tid: 1, child: 2, time: 0 }),
    recorded(1, "rt_sigsuspend", 2) + recorded(2, "connect", 3) + recorded(2, "epoll_wait", 4),
    ...Array.from({ length: 1234 }, (_, index) => recorded(2, "read", 5 + index)),
    recorded(2, "connect", 2000),
  ];
  const refused = { kind: "decision", pid: 40, tid: 40, command: "server", verdict: "deny", errno: "EACCES" };
  const phases = { role: "child", mainPhase: "starting", childPhase: "running" };
  const connect = (port: number, count: number) =>
    line({
      ...{ ...refused, time: 1, call: "connect", number: 42, rule: "p.ts:9:86", reason: "<u>no", phases, count },
      arguments: [
        { name: "fd", text: "3" },
        { name: "addr", text: `10.0.0.1:${port}` },
      ],
    });
  const execve = line({ ...refused, time: 2, call: "execve", number: 59, rule: "p.ts:8:87", phases: { role: "main" } });
  const asked = line({ ...refused, time: 3, call: "openat", verdict: "ask", errno: undefined, answered: "allowed" });
  const folder = folderOf({
    "p.ts": withRoles,
    "t.jsonl": steps.join(""),
    "e.jsonl": connect(1, 1000) + connect(2, 500) + connect(3, 1) + connect(4, 1) + execve + asked,
  });
  const inputs = ["p.ts", "t.jsonl", "e.jsonl"].map((name) => join(folder, name));
  const { status, out, err } = await portcullis("report", "-o", "-", ...inputs);
  expect({ status, err }).toEqual({ status: 0, err: "" });
  expect([...out.matchAll(/<h2[^>]*>(.*?)<\/h2>/g)].map(([, title]) => title!.split("/").at(-1))).toEqual([
    "Refused calls",
    "Roles, and what their processes can still do",
    "t.jsonl",
    "Roles and triggers",
    "Policy p",
    "e.jsonl",
    "Inputs",
  ]);
  const [refusals, states] = out.split("<section ").slice(1).map(textOf);
  // The calls of a group together, with the first of the different arguments; those that were refused before others.
  expect(refusals).toMatch(
    /\n1,502\nconnect\(3, 10.0.0.1:1\)\nconnect\(3, 10.0.0.1:2\)\nconnect\(3, 10.0.0.1:3\)\nand with other arguments\nserver 40\nchild, running\ndeny EACCES\n&lt;u&gt;no\np.ts:9:86\nif \(call.name === &quot;connect&quot;\)/,
  );
  expect(refusals).toMatch(
    /\n1\nexecve\(\)\nserver 40\nmain\ndeny EACCES\n(?:.*\n)+1\nconnect\(3, 0x1000.*\n.*server 2\nchild, running\nwould be: deny EACCES\n/,
  );
  expect(refusals).not.toContain("openat");
  const rows = states!.split(/\n(?=(?:main|child), )/).slice(1);
  expect(rows.map((row) => row.split("\n").slice(0, 2).join(": "))).toEqual([
    "main, starting: yes",
    "main, running: no",
    "child, starting: no",
    "child, running: no",
  ]);
  expect(rows[3]).toMatch(/of 379\n1\n1,235\n1,503\n/);
  // Phases of another role are nowhere, and the curves of the calls that may pass have values.
  expect(textOf(out)).not.toMatch(/mainPhase (?:starting|running)|child, starting, /);
  const [run] = JSON.parse(/id="report-data">(.*?)<\/script>/.exec(out)![1]!) as {
    surface: { name: string; steps: [] }[];
  }[];
  for (const name of ["may pass, most", "may pass, fewest"])
    expect(run!.surface.find((one) => one.name === name)?.steps).not.toEqual([]);
});

test("nothing is marked as bad where nothing was refused and no case failed", async () => {
  const folder = folderOf({ "p.ts": policy, "p.cases": "m socket(AF_INET, SOCK_STREAM) allow\n", "e.jsonl": "" });
  const { out } = await portcullis("report", "-o", "-", join(folder, "p.ts"), join(folder, "e.jsonl"));
  expect(out.replace(/<style>.*?<\/style>/s, "")).not.toMatch(/class="(?:bad|missed)"/);
});

test("the table of rules has the calls of each rule", async () => {
  const { out } = await portcullis("report", "-o", "-", join(folderOf({ "p.ts": policy }), "p.ts"));
  const text = textOf(out.slice(out.indexOf(">Rules<")));
  expect(text).toMatch(/\np.ts:5:60\ndeny EACCES\nno &lt;b&gt;network&lt;\/b&gt;\nsocket\n/);
});

test("each kind of input alone, from standard output too", async () => {
  const folder = folderOf({ "p.ts": policy, "t.jsonl": trace, "e.jsonl": line(event) });
  for (const [input, says] of [
    [join(folder, "p.ts"), ">serving</div></td>"],
    ["order", "Policy order"],
    [join(folder, "t.jsonl"), "Roles and triggers"],
    [join(folder, "e.jsonl"), "killed"],
  ] as const) {
    const { status, out, err } = await portcullis("report", "-o", "-", input);
    expect({ status, err }, input).toEqual({ status: 0, err: "" });
    expect(out).toContain(says === "killed" ? "kill process" : says);
    expect(out.endsWith("</html>\n")).toBe(true);
  }
});

test("an empty file of events beside other inputs: a run without a refusal", async () => {
  const folder = folderOf({ "p.ts": policy, "e.jsonl": "" });
  const { status, out } = await portcullis("report", "-o", "-", join(folder, "p.ts"), join(folder, "e.jsonl"));
  expect(status).toBe(0);
  expect(out).toContain("0 decisions");
});

test("its size does not depend on the length of a recording", async () => {
  const lines = (count: number) => Array.from({ length: count }, (_, index) => call("getpid", 2e9 + index)).join("");
  const folder = folderOf({ "short.jsonl": trace + lines(10), "long.jsonl": trace + lines(30_000) });
  const size = async (name: string) => (await portcullis("report", "-o", "-", join(folder, name))).out.length;
  expect((await size("long.jsonl")) - (await size("short.jsonl"))).toBeLessThan(2_000);
});

test("strace's output, and a compressed trace that ends early", async () => {
  const block = join(folderOf({ "t.jsonl": trace }), "t.trace");
  await portcullis("trace", "merge", "-o", block, block.replace(".trace", ".jsonl"));
  const bytes = readFileSync(block);
  const folder = folderOf({
    "t.strace": "7 1700000000.000000 getpid() = 7\n7 1700000001.000000 +++ exited with 0 +++\n",
    "cut.trace": "",
  });
  writeFileSync(join(folder, "cut.trace"), bytes.subarray(0, bytes.length - 3));
  const strace = await portcullis("report", "-o", "-", join(folder, "t.strace"));
  expect(strace).toMatchObject({ status: 0 });
  expect(strace.out).toContain("getpid");
  const cut = await portcullis("report", "-o", join(folder, "r.html"), join(folder, "cut.trace"));
  expect(cut.err).toContain("P0825");
  expect(cut.status).toBe(0);
});

const bad: readonly (readonly [name: string, content: string | Buffer, says: RegExp])[] = [
  ["empty.jsonl", "", /P0810.*is empty/],
  ["blank.jsonl", "\n\n  \n", /P0810.*is empty/],
  ["foreign.txt", "root:x:0:0:root:/root:/bin/bash\n", /error P08/],
  ["other.jsonl", '{"level":"info","msg":"hello"}\n', /error P080[26]/],
  ["damaged.jsonl", `${trace}{"v":1,"kind":"ca\n${trace}`, /error P0801/],
  ["random.bin", Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7919) % 251)), /error P0/],
  ["random.gz", Buffer.concat([gzipSync(trace).subarray(0, 30), Buffer.alloc(200, 7)]), /error P0824/],
  ["bad.ts", "export default 1n;\n", /error P0312/],
];

test.each(bad)("bad input: %s", async (name, content, says) => {
  const folder = folderOf({});
  writeFileSync(join(folder, name), content);
  const file = join(folder, "r.html");
  const { status, out, err } = await portcullis("report", "-o", file, join(folder, name));
  expect({ status, out }).toEqual({ status: 125, out: "" });
  expect(err).toMatch(says);
  expect(err).not.toContain("internal error");
  expect(existsSync(file)).toBe(false);
});

test("bad command lines", async () => {
  const folder = folderOf({ "p.ts": policy, "t.jsonl": trace });
  const file = join(folder, "t.jsonl");
  for (const [words, says] of [
    [[file], /-o FILE is missing/],
    [["-o", "r.html"], /an input is missing/],
    [["-o", join(folder, "r"), "nginx", "order"], /one policy, and there are 2/],
    [["-o", join(folder, "r"), "-", "-"], /standard input is given twice/],
    [["-o", join(folder, "r"), join(folder, "absent.trace")], /there is no such file/],
    [["-o", join(folder, "r"), folder], /is a directory/],
  ] as const) {
    const { status, err } = await portcullis("report", ...words);
    expect(status, words.join(" ")).toBe(125);
    expect(err).toMatch(says);
  }
});

test("a page that cannot be written leaves the one that was there", async () => {
  const folder = folderOf({ "t.jsonl": trace });
  for (const file of ["/dev/full", join(folder, "absent/r.html"), folder]) {
    const { status, err } = await portcullis("report", "-o", file, join(folder, "t.jsonl"));
    expect(status, file).toBe(125);
    expect(err).toMatch(/error P0901: .* cannot be written \(E/);
  }
  if (process.getuid?.() !== 0) return;
  // A file system without room.
  const small = join(folder, "small");
  mkdirSync(small);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", small]);
  } catch {
    return; // not in this container
  }
  try {
    writeFileSync(join(small, "r.html"), "before");
    const { status, err } = await portcullis("report", "-o", join(small, "r.html"), join(folder, "t.jsonl"));
    expect({ status }).toEqual({ status: 125 });
    expect(err).toContain("cannot be written (ENOSPC)");
    expect(readFileSync(join(small, "r.html"), "utf8")).toBe("before");
    expect(readdirSync(small)).toEqual(["r.html"]);
  } finally {
    execFileSync("umount", [small]);
  }
});

test("strace's output of more than 64 MiB, the last line of which its recorder did not end", async () => {
  const long = `7 write(1, "${"x".repeat(4_000_000)}", 4000000) = 4000000\n`;
  const folder = folderOf({});
  const file = join(folder, "big.strace");
  for (let count = 0; count < 17; count++) writeFileSync(file, long, { flag: "a" });
  writeFileSync(file, '7 openat(AT_FDCWD, "/etc/hosts", O_RDONLY) = 3\n7 read(3, "127', { flag: "a" });
  expect(statSync(file).size).toBeGreaterThan(64 << 20);
  const { status, err } = await portcullis("report", "-o", join(folder, "r.html"), file);
  expect({ status, err }).toEqual({ status: 0, err: expect.stringContaining("ends with a line that strace did not") });
  expect(readFileSync(join(folder, "r.html"), "utf8")).toMatch(/\b18\b/);
});
