import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { folderOf, portcullis } from "../../test/cli/harness.ts";

const policy = `import { allow, deny, kill, perProcess, policy } from "portcullis";
const phase = perProcess.phases(["starting", "serving"]);
export default policy((call) => {
  if (call.name === "eventfd2") phase.enter("serving");
  if (call.name === "listen") return phase.is("serving") ? kill("process", "too late") : allow;
  if (call.name === "socket") return call.args.family.is("AF_UNIX") ? allow : deny("EACCES", "no network");
  if (call.name === "setuid") return call.raw.arg0 === 0n ? deny("EPERM") : allow;
  return allow;
});
`;

const line = (members: object) => `${JSON.stringify({ v: 1, kind: "call", tid: 10, ...members })}\n`;

test("check: one line for a correct policy, all diagnostics for another", async () => {
  const folder = folderOf({
    "good.ts": policy,
    "bad.ts": policy.replace('"listen"', '"lissten"').replace('"EACCES"', '"EACESS"'),
  });
  const good = await portcullis("check", join(folder, "good.ts"));
  expect(good.status).toBe(0);
  expect(good.out).toContain("good.ts: compiles");
  expect(good.out).toContain("any other call: allow, ");
  const bad = await portcullis("check", join(folder, "bad.ts"));
  expect(bad.status).toBe(125);
  expect(bad.out).toBe("");
  expect(bad.err).toContain("P0101");
  expect(bad.err).toContain("P0103");
  const json = await portcullis("check", "--json", join(folder, "bad.ts"), join(folder, "good.ts"));
  expect(json.status).toBe(125);
  const lines = json.out
    .trim()
    .split("\n")
    .map((one) => JSON.parse(one) as { code: string });
  expect(lines.map((one) => one.code)).toEqual(expect.arrayContaining(["P0101", "P0103"]));
});

test("check proves declared properties", async () => {
  const folder = folderOf({
    "promise.ts": policy
      .replace('["starting", "serving"]', '["starting", "serving"], { tightening: true }')
      .replace(
        'phase.is("serving") ? kill("process", "too late") : allow',
        'phase.is("starting") ? kill("process", "too early") : allow',
      ),
  });
  for (const verb of ["check", "explain"]) {
    const { status, err } = await portcullis(verb, join(folder, "promise.ts"));
    expect(status).toBe(125);
    expect(err).toContain("P0402");
  }
});

test("explain: a table, an object, the IR", async () => {
  const folder = folderOf({ "p.ts": policy });
  const { status, out } = await portcullis("explain", join(folder, "p.ts"));
  expect(status).toBe(0);
  expect(out).toMatch(/^any other call: allow/);
  expect(out).toContain("listen");
  const json = JSON.parse((await portcullis("explain", "--json", "-p", join(folder, "p.ts"))).out) as {
    v: number;
    rows: unknown[];
  };
  expect(json.v).toBe(1);
  expect(json.rows.length).toBeGreaterThan(2);
  expect((await portcullis("explain", "--ir", join(folder, "p.ts"))).out).toContain("phase");
});

test("why: by a line, by state, before the policy", async () => {
  const file = join(folderOf({ "p.ts": policy }), "p.ts");
  const denied = await portcullis("why", file, "socket(AF_INET, SOCK_STREAM)");
  expect(denied.status).toBe(1);
  expect(denied.out).toMatch(/^socket\(AF_INET, SOCK_STREAM\): deny EACCES {2}\S*p\.ts:6:79 {2}"no network"\n/);
  expect((await portcullis("why", file, "socket(AF_UNIX, SOCK_STREAM)")).status).toBe(0);
  const byState = await portcullis("why", "-p", file, "listen(4, 511)");
  expect(byState.status).toBe(1);
  expect(byState.out).toContain("listen(4, 511): by state");
  expect(byState.out).toContain("at first: allow");
  expect(byState.out).toContain("reads phase");
  const json = JSON.parse((await portcullis("why", "--json", file, "listen(4, 511)")).out) as object;
  expect(json).toMatchObject({ v: 1, verdict: "by state", admission: "judged" });
  expect((await portcullis("why", file, "exit_group(1)")).out).toContain("always allowed");
});

test("why and test: whole registers, also those that a call has no parameter for, and calls by number", async () => {
  const folder = folderOf({
    "p.ts": `import { allow, deny, policy } from "portcullis";
export default policy((call) => (call.name === "getppid" && call.raw.arg5 === 0x1_0000_0001n ? deny("EACCES") : allow));
`,
    "p.cases":
      "m getppid() allow\nm getppid(raw.arg5=0x1_0000_0001) deny EACCES\nm call_999(1, raw.arg5=2) deny ENOSYS\n",
  });
  const file = join(folder, "p.ts");
  expect((await portcullis("why", file, "getppid(raw.arg5=0x100000001)")).out).toContain("deny EACCES");
  expect((await portcullis("why", file, "getppid(raw.arg5=1)")).status).toBe(0);
  expect((await portcullis("why", file, "call_999(1)")).out).toContain("call_999(1): deny ENOSYS");
  expect(await portcullis("test", file)).toMatchObject({ status: 0, err: "" });
});

test("simulate: denials with their lines, unknown verdicts, phases that were never entered", async () => {
  const trace =
    line({ call: "socket", arguments: ["0x100000002", "1", "0"] }) + // AF_INET to the kernel
    line({ call: "listen", arguments: ["4", "511"] }) +
    line({ call: "setuid", arguments: ["0x????????00000000"] }) +
    line({ call: "setuid", arguments: ["0x????????00000021"] }) +
    line({ call: "getppid" });
  const folder = folderOf({ "p.ts": policy, "t.jsonl": trace });
  const { status, out, err } = await portcullis("simulate", join(folder, "p.ts"), join(folder, "t.jsonl"));
  expect(status).toBe(1);
  const lines = out.trimEnd().split("\n");
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/t\.jsonl:1 {2}10 {2}socket\(AF_INET .* deny EACCES {2}\S*p\.ts:6:79 {2}"no network"$/);
  expect(lines[1]).toMatch(
    /t\.jsonl:3 .*setuid\(0\) {2}unknown {2}one of: allow, deny EPERM$|t\.jsonl:3 .*unknown {2}one of: /,
  );
  expect(err).toContain("5 calls: 3 allow, 1 deny EACCES, 1 unknown");
  expect(err).toContain("no process ever entered phase serving of phase (");
  for (const form of ["interpreter", "wasm"]) {
    const json = await portcullis(
      "simulate",
      "--all",
      "--json",
      "--compiled",
      form,
      join(folder, "p.ts"),
      join(folder, "t.jsonl"),
    );
    const decisions = json.out
      .trimEnd()
      .split("\n")
      .map((one) => JSON.parse(one) as { verdict: string });
    expect(decisions.map((one) => one.verdict)).toEqual(["deny EACCES", "allow", "unknown", "allow", "allow"]);
  }
});

test("simulate: children inherit their parents' state, and a serving child cannot listen", async () => {
  const trace =
    line({ call: "clone", arguments: [17, 0, 0, 0, 0] }) +
    `${JSON.stringify({ v: 1, kind: "fork", tid: 10, child: 11 })}\n` +
    line({ tid: 11, call: "eventfd2", arguments: [0, 0] }) +
    line({ tid: 11, call: "listen", arguments: [4, 1] }) +
    line({ tid: 10, call: "listen", arguments: [4, 1] });
  const folder = folderOf({ "p.ts": policy, "t.jsonl": trace });
  const { status, out } = await portcullis("simulate", "-p", join(folder, "p.ts"), join(folder, "t.jsonl"));
  expect(status).toBe(1);
  expect(out.trimEnd().split("\n")).toHaveLength(1);
  expect(out).toContain("11  listen(4, 1)  kill process");
});

test("simulate: a policy that reads the time or the caller's ids requires them in the trace", async () => {
  const timed = `import { allow, deny, perTree, policy } from "portcullis";
const rate = perTree.rate({ limit: 1n, per: "1s" });
export default policy((call) => (call.name === "getppid" && !rate.take() ? deny("EAGAIN") : call.name === "getuid" && call.caller.uid === 0n ? deny("EPERM") : allow));
`;
  const folder = folderOf({
    "p.ts": timed,
    "no-time.jsonl": line({ call: "getppid" }),
    "timed.jsonl":
      [0, 1, 1_000_000_001].map((time) => line({ call: "getppid", time })).join("") +
      line({ call: "getuid", time: 2_000_000_000 }),
  });
  const without = await portcullis("simulate", join(folder, "p.ts"), join(folder, "no-time.jsonl"));
  expect(without.status).toBe(125);
  expect(without.err).toContain("P0804");
  expect(without.err).toContain("P0822");
  const withTime = await portcullis("simulate", "--uid", "0", join(folder, "p.ts"), join(folder, "timed.jsonl"));
  expect(withTime.out.match(/deny \w+/g)).toEqual(["deny EAGAIN", "deny EPERM"]);
});

test("test: cases that hold, cases that fail as a difference with places", async () => {
  const cases = `master  socket(AF_INET, SOCK_STREAM, 0)  deny EACCES  @ "network"
master  listen(4, 1)                     kill process
w     = master.fork()
w       eventfd2(0, 0)                   allow
w       listen(4, 1) × 3                 kill process  @ "late"
master  listen(4, 1)                     allow
`;
  const folder = folderOf({
    "p.ts": policy,
    "p.cases": cases,
    "p.good.cases": cases
      .replace(/.*\nw {5}=/, "master getppid() allow\nw     =")
      .replace("(4, 1)                     kill process\n", "(4, 1) allow\n"),
  });
  const { status, out, err } = await portcullis("test", join(folder, "p.ts"));
  expect(status).toBe(1);
  expect(err).toContain("p.cases:2:42: error P0820: master listen(4, 1) on interpreter and wasm");
  expect(err).toContain("  - kill process\n  + allow   by ");
  expect(err).toContain("p.ts:5:90");
  expect(out).toContain("p.cases: 1 of 5 cases failed");
  const json = await portcullis("test", "--json", "-p", join(folder, "p.ts"), join(folder, "p.cases"));
  const [failure, file] = json.out
    .trimEnd()
    .split("\n")
    .map((one) => JSON.parse(one) as object);
  expect(failure).toMatchObject({
    kind: "failure",
    line: 2,
    expected: "kill process",
    given: "allow",
    forms: ["interpreter", "wasm"],
  });
  expect(file).toMatchObject({ kind: "file", cases: 5, failed: 1 });
});

test("test: a static verdict is also tested on the classic filter", async () => {
  const folder = folderOf({ "p.ts": policy, "p.cases": "m socket(AF_INET) allow\n" });
  const { err } = await portcullis("test", join(folder, "p.ts"));
  expect(err).toContain("on interpreter and wasm");
  expect(err).toContain("on classic");
});

test("test: a denied fork fails, and so do its child's cases", async () => {
  const folder = folderOf({
    "p.ts": `import { allow, deny, policy } from "portcullis";\nexport default policy((call) => (call.name === "clone" ? deny("EAGAIN") : allow));\n`,
    "p.cases": "m getppid() allow\nw = m.fork()\nw getppid() allow\n",
  });
  const { status, err } = await portcullis("test", join(folder, "p.ts"));
  expect(status).toBe(1);
  expect(err).toContain("w = m.fork()");
  expect(err).toContain("+ deny EAGAIN");
  expect(err).toContain("its creation was refused");
});

test("test: parameters of the case file", async () => {
  const { status, out } = await portcullis("test", "policies/children.ts");
  expect(out).toContain("policies/children.cases: ");
  expect(status).toBe(0);
});

test("disasm: the filter with the policy's lines, and as bytes", async () => {
  const folder = folderOf({ "p.ts": policy });
  const asks = await portcullis("disasm", join(folder, "p.ts"));
  expect(asks.status).toBe(0);
  expect(asks.out).toContain("USER_NOTIF");
  const pure = await portcullis("disasm", "--pure", "--raw", join(folder, "filter"), join(folder, "p.ts"));
  expect(pure.out).toContain("p.ts:6:79 socket: deny EACCES");
  expect(pure.out).toMatch(/ret ERRNO\(13\)/);
  expect(readFileSync(join(folder, "filter")).length % 8).toBe(0);
});

test("flow: a policy accepts the graph, and the trace conforms to it", async () => {
  const folder = folderOf({
    "t.jsonl":
      line({ call: "brk" }) +
      line({ call: "mmap" }) +
      line({ call: "mmap" }) +
      line({ call: "close" }) +
      line({ call: "exit_group" }),
    "p.ts": `import { allow, kill, perThread, policy } from "portcullis";
import { theFlow } from "./the.flow.ts";
const flow = perThread.flow(theFlow);
export default policy((call) => (flow.follow(call) ? allow : kill("process")));
`,
    "other.jsonl": line({ call: "brk" }) + line({ call: "close" }),
  });
  const { status, err } = await portcullis("flow", "-o", join(folder, "the.flow.ts"), join(folder, "t.jsonl"));
  expect({ status, err }).toEqual({ status: 0, err: "" });
  const text = readFileSync(join(folder, "the.flow.ts"), "utf8");
  expect(text).toContain('start: ["brk"],\n  brk: ["mmap"],\n  mmap: ["mmap", "close"],\n  close: [],\n}');
  expect((await portcullis("simulate", join(folder, "p.ts"), join(folder, "t.jsonl"))).status).toBe(0);
  expect((await portcullis("simulate", join(folder, "p.ts"), join(folder, "other.jsonl"))).status).toBe(1);
});

test("check uses the right article for C types", async () => {
  const comparison = (call: string, argument: string) =>
    `  if (call.name === "${call}" && call.args.${argument} === 5_000_000_000n) return deny("EPERM");\n`;
  const folder = folderOf({
    "p.ts": `import { allow, deny, policy } from "portcullis";
export default policy((call) => {
${comparison("read", "fd")}${comparison("openat", "mode")}${comparison("listen", "fd")}  return allow;
});
`,
  });
  const { err } = await portcullis("check", join(folder, "p.ts"));
  expect(err.match(/is an? (?:unsigned int|\w+)/g)).toEqual(["is an unsigned int", "is a umode_t", "is an int"]);
});
