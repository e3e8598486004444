/** Typical mistakes of users of C, libseccomp, systemd or firejail: the place, the message, and the correction. */
import { describe, expect, it } from "vitest";
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import { lintPolicy } from "../../src/analysis/lint/lint.ts";
import { renderDiagnostics } from "../../src/diagnostics/render.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { policyModule } from "./corpus.ts";

function load(text: string, architecture: ArchitectureName = "x86_64") {
  const { program, diagnostics, sources, ...facts } = loadPolicy("/policies/main.ts", {
    architecture,
    readFile: () => text,
  });
  const all = program === undefined ? diagnostics : [...diagnostics, ...lintPolicy(program, facts)];
  return { diagnostics: all, printed: renderDiagnostics(all, sources) };
}

const open = 'call.name === "openat" && ';
const exec = 'call.name === "execve" && ';
const socket = 'call.name === "socket" && ';
const state =
  'const flag = perProcess.flag();\nconst count = perProcess.counter();\nconst phase = perProcess.phases(["starting", "serving"]);\nconst rate = perTree.rate({ limit: 1n, per: "1s" });\n';
const when = (condition: string): string => `return ${condition} ? deny("EPERM") : allow;`;

type Case = readonly [body: string, code: string, under: string, message: string, help: string];

const cases: readonly Case[] = [
  // Names of calls
  [when('call.name === "fopen"'), "P0101", '"fopen"', "a C library function", 'write "openat"'],
  [when('call.name === "fstatat"'), "P0101", '"fstatat"', "a C library function", 'write "newfstatat"'],
  [when('calls("pread", "read").has(call)'), "P0101", '"pread"', "a C library function", 'write "pread64"'],
  [when('call.name === "@mount"'), "P0101", '"@mount"', "a group of calls", 'calls("@mount").has(call)'],
  [when('call === "openat"'), "P0208", 'call === "openat"', "the call is compared", '`call.name === "openat"`'],
  [when('"openat" === call'), "P0208", '"openat" === call', "the call", '`"openat" === call.name`'],
  [when("call.number === SYS_openat"), "P0105", "SYS_openat", "SYS_openat", 'call.name === "openat"'],
  [when("calls.open(call)"), "P0207", "calls.open", "a set of calls cannot be called", "`calls.open.has(call)`"],
  [when("calls.open"), "P0207", "calls.open", "is not a condition", "`calls.open.has(call)`"],
  [when('calls("open").includes(call)'), "P0106", "includes", "includes", "`.has(call)`"],
  [when('calls(["open"]).has(call)'), "P0207", '["open"]', "not a list", "leave out the brackets"],
  // Arguments
  [
    when(`${open}call.args.path === "/etc/shadow"`),
    "P0208",
    'call.args.path === "/etc/shadow"',
    "a path has no comparison",
    'call.args.path.text.is("/etc/shadow")',
  ],
  [when(`${open}call.args.path.startsWith("/etc")`), "P0106", "startsWith", "startsWith", ".text.startsWith"],
  [
    when(`${open}call.args.flags & O_CREAT`),
    "P0207",
    "call.args.flags & O_CREAT",
    "not with `&`",
    '`call.args.flags.has("O_CREAT")`',
  ],
  [
    when(`${open}(call.args.flags & O_CREAT) !== 0n`),
    "P0207",
    "call.args.flags & O_CREAT",
    "not with `&`",
    '.has("O_CREAT")',
  ],
  [
    when(`${open}(call.args.flags & (O_CREAT | O_EXCL)) !== 0n`),
    "P0207",
    "call.args.flags & (O_CREAT | O_EXCL)",
    "by name",
    '.hasAny("O_CREAT", "O_EXCL")',
  ],
  [when(`${open}(call.args.flags & 0o100) !== 0n`), "P0207", "call.args.flags & 0o100", "by name", '.has("O_CREAT")'],
  [
    when(`${open}call.args.flags === O_RDONLY`),
    "P0208",
    "call.args.flags === O_RDONLY",
    "not with `===`",
    '.hasOnly("O_RDONLY")',
  ],
  [
    when(`${open}call.args.flags !== "O_RDONLY"`),
    "P0208",
    'call.args.flags !== "O_RDONLY"',
    "`!==`",
    '`!call.args.flags.hasOnly("O_RDONLY")`',
  ],
  [when(`${open}call.args.flags.is("O_CREAT")`), "P0106", "is", "Flags", '`.has("…")`'],
  [
    when(`${socket}call.args.family === AF_INET`),
    "P0208",
    "call.args.family === AF_INET",
    "`.is`",
    '`call.args.family.is("AF_INET")`',
  ],
  [
    when(`${socket}call.args.family === 2n`),
    "P0208",
    "call.args.family === 2n",
    "`.is`",
    '`call.args.family.is("AF_INET")`',
  ],
  [when(`${socket}call.args.family.has("AF_INET")`), "P0106", "has", "Choice", '`.is("…")`'],
  [when(`${socket}O_CREAT === call.args.type`), "P0105", "O_CREAT", "O_CREAT", '`.has("O_CREAT")`'],
  [when(`${open}call.args[1] === 0n`), "P0309", "call.args[1]", "names, not numbers", "`call.args.path`"],
  [when("call.args[1] === 0n"), "P0309", "call.args[1]", "names, not numbers", "`call.raw.arg1`"],
  [when(`${socket}call.args.arg0 === 2n`), "P0102", "arg0", "arg0", "`call.args.family`"],
  [when("call.arg0 === 2n"), "P0106", "arg0", "arg0", "`call.raw.arg0`"],
  [when("call.args.fd === 2n"), "P0211", "fd", "which call's arguments?", "test the call's name first"],
  [
    when(`${open}call.args.path.isNull()`),
    "P0207",
    "call.args.path.isNull",
    "a boolean cannot be called",
    "leave out `()`",
  ],
  // Who calls
  [when("call.uid === 0n"), "P0106", "uid", "uid", "`call.caller.uid`"],
  [when("call.pid === 1n"), "P0106", "pid", "pid", "`call.caller.pid`"],
  [when("call.caller.euid === 1n"), "P0106", "euid", "euid", "`uid`"],
  [when('call.caller.comm === "sh"'), "P0106", "comm", "comm", "does not know the program"],
  [when("tree.alive > 5n"), "P0208", "tree.alive > 5n", "a function is compared", "`tree.alive() > 5n`"],
  [when("tree.alive + 1n > 5n"), "P0207", "tree.alive", "a function", "`tree.alive()`"],
  [
    when(`${exec}call.args.argv[0] === "git"`),
    "P0309",
    "call.args.argv[0]",
    "cannot be indexed",
    'write `call.args.argv.at(0n).is("…")`',
  ],
  [
    when(`${exec}call.args.argv[0n] === "git"`),
    "P0309",
    "call.args.argv[0n]",
    "cannot be indexed",
    'write `call.args.argv.at(0n).is("…")`',
  ],
  [
    when(`${exec}call.args.argv[call.args.argv.length - 1n] === "git"`),
    "P0309",
    "call.args.argv[call.args.argv.length - 1n]",
    "cannot be indexed",
    '`.at(0n).is("…")`',
  ],
  [
    when(`${exec}call.args.argv.at(0n) === "git"`),
    "P0208",
    'call.args.argv.at(0n) === "git"',
    "no comparison of its own",
    '`call.args.argv.at(0n).is("git")`',
  ],
  [
    when(`${open}call.args.path.text.matches(/etc/)`),
    "P0309",
    "/etc/",
    "no regular expressions",
    '`.matches("/etc/**")`',
  ],
  // Strings that are never equal
  [when('call.architecture === "arm64"'), "P0204", '"arm64"', "never true", 'did you mean "aarch64"?'],
  [when('"x86-64" !== call.architecture'), "P0204", '"x86-64"', "never true", 'did you mean "x86_64"?'],
  [
    'switch (call.architecture) { case "arm64": return log; default: return allow; }',
    "P0204",
    '"arm64"',
    'this is "x86_64" or "aarch64"',
    'did you mean "aarch64"?',
  ],
  ['const a = "a"; return a === "b" ? log : allow;', "P0204", '"b"', 'this is "a", and never "b"', ""],
  // Verdicts
  ["return deny(1);", "P0207", "1", "1 is EPERM", 'deny("EPERM")'],
  ["return deny(-13n);", "P0207", "-13n", "13 is EACCES", 'deny("EACCES")'],
  ["return deny(EACCES);", "P0105", "EACCES", "EACCES", 'deny("EACCES")'],
  ['return deny("no such thing");', "P0103", '"no such thing"', "no errno", 'deny("EPERM", "no such thing")'],
  ["return deny;", "P0207", "deny", "a function", '`deny("EPERM")`'],
  ["return kill;", "P0207", "kill", "a function", '`kill("process")`'],
  ["return kill();", "P0212", "kill()", '`kill` takes "process" or "thread"', 'kill("process") or kill("thread")'],
  ["return allow();", "P0207", "allow", "a verdict cannot be called", "leave out `()`"],
  ['return log("seen");', "P0207", "log", "a verdict cannot be called", 'report("…")'],
  ['return "allow";', "P0207", '"allow"', "not a string", "`allow` without quotes"],
  ["return 0;", "P0207", "0", "not a number", "return allow"],
  ["return call.number > 9n ? 13 : allow;", "P0207", "13", "not a number", 'deny("EACCES")'],
  ["return SCMP_ACT_KILL_PROCESS;", "P0105", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT", 'kill("process")'],
  // State
  ['phase.set("serving"); return allow;', "P0106", "set", "set", "`.enter("],
  ['phase.enter("starting"); return allow;', "P0401", '"starting"', "is the first phase", '`.enter("serving")`'],
  [when('phase === "serving"'), "P0208", 'phase === "serving"', "compared", '`phase.is("serving")`'],
  ['phase = "serving"; return allow;', "P0316", "phase", "is state", 'phase.enter("serving")'],
  ["flag = true; return allow;", "P0316", "flag", "is state", "flag.set(true)"],
  [when("flag"), "P0207", "flag", "is not a condition", "`flag.get()`"],
  ["count++; return allow;", "P0316", "count", "is state", "count.add()"],
  ["count += 2n; return allow;", "P0316", "count", "is state", "count.add(2n)"],
  [when("count > 3n"), "P0208", "count > 3n", "compared", "`count.get() > 3n`"],
  ["count.increment(); return allow;", "P0106", "increment", "increment", "`.add()`"],
  [when("rate.check()"), "P0106", "check", "check", "`.take()`"],
  ["flag.set(); return allow;", "P0212", "flag.set()", "takes 1 argument,", ""],
  // Modules and declarations
  [when('new Set(["openat"]).has(call.name)'), "P0309", 'new Set(["openat"])', "`new`", 'calls("openat", "openat2")'],
  [when("require"), "P0304", "require", "not in the language", 'import { allow, policy } from "portcullis"'],
  [when("call.args[0n] === 1n"), "P0309", "call.args[0n]", "names", "`call.raw.arg0`"],
];

describe("a beginner's mistake", () => {
  it.each(cases)("%s", (body, code, under, message, help) => {
    const text = policyModule(/\b(flag|count|phase|rate)\b/.test(body) ? state : "", body);
    const { diagnostics, printed } = load(text);
    const errors = diagnostics.filter(({ severity }) => severity === "error");
    expect(
      errors.map((one) => one.code),
      printed,
    ).toEqual([code]);
    const { span, ...said } = errors[0]!;
    const line = text.split("\n")[span!.line - 1]!;
    expect(line.slice(span!.column - 1, span!.column - 1 + span!.length), printed).toBe(under);
    expect(said.message).toContain(message);
    expect(said.help ?? "").toContain(help);
  });

  it("is not reported for similar but correct code", () => {
    const body = `const O_CREAT = 0o100n; const mode = call.name === "chmod" ? call.args.mode & O_CREAT : 0n; ${when("mode > 0n")}`;
    expect(load(policyModule("", body)).printed).not.toContain("error");
  });
});

it.each([
  ['import nginx from "portcullis/policies/nginx";', "allow", "P0107", '"portcullis/policies/nginx.ts"'],
  ["const p = policy((name, args) => allow);", "allow", "P0212", "policy((call) => …)"],
  ['const p = policy({ extends: ["nginx"] }, (call) => allow);', "allow", "P0207", '"portcullis/policies/nginx.ts"'],
  ["const flag = perProcess.flag;", "flag.get() ? allow : log", "P0106", "perProcess.flag(…)"],
  ['const most = parameter("most", 5n);', "allow", "P0207", 'parameter.integer("name", { default: 1n })'],
  ['const most = parameter.number("most");', "allow", "P0106", "`parameter.integer("],
  ['const most = parameter.integer("most", 5n);', "allow", "P0207", "write { default: …, from: …, to: … }"],
])("%s", (head, verdict, code, help) => {
  const { diagnostics, printed } = load(policyModule(head, `return ${verdict};`));
  expect(
    diagnostics.map((one) => one.code),
    printed,
  ).toEqual([code]);
  expect(diagnostics[0]!.help).toContain(help);
});

describe("P0501", () => {
  const warned = (body: string): string => load(policyModule("", body)).printed;

  it("distinguishes joining a namespace from creating one", () => {
    expect(warned(when('call.name === "setns"'))).not.toContain("P0501");
  });

  it("suggests to deny clone by its flags, not every child", () => {
    const printed = warned(when('call.name === "unshare"'));
    expect(printed).toContain("unshare is refused here, and clone and clone3 do the same");
    expect(printed).toContain('call.args.flags.hasAny("CLONE_NEWUSER", ');
    expect(printed).toContain('for clone3 return deny("ENOSYS")');
    expect(printed).not.toContain("setns");
  });
});

it("P0505 names the calls that this architecture has instead", () => {
  const { printed } = load(policyModule("", when('call.name === "open"')), "aarch64");
  expect(printed).toContain("aarch64 has no open");
  expect(printed).toContain("calls.open.has(call)");
  expect(printed).toContain("openat, openat2");
});
