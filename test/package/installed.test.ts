/** Runs every verb and every command of README.md and docs/deployment.md from the installed package, as an ordinary user, with each Node. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { VerbName } from "../../src/cli/entry/verbs.ts";
import { projectCommands, shownCommands } from "../docs/shown-commands.ts";
import {
  asOrdinary,
  folder,
  home,
  installed,
  installPackage,
  nodeOf,
  nodeVersions,
  project,
  unable,
} from "./installed.ts";

const reason = unable();
const own = join(folder, "own");

beforeAll(() => {
  if (reason !== undefined) return;
  installPackage();
  // A user's policy in a project of CommonJS modules, with an import.
  mkdirSync(own);
  writeFileSync(join(own, "package.json"), '{ "type": "commonjs" }');
  writeFileSync(
    join(own, "rules.ts"),
    'import { calls } from "portcullis";\nexport const made = calls("mkdir", "mkdirat");\n',
  );
  writeFileSync(
    join(own, "policy.ts"),
    `import { allow, deny, perTree, policy } from "portcullis";
import { made } from "./rules.ts";
const count = perTree.counter();
export default policy((call) => {
  if (!made.has(call)) return allow;
  if (count.get() >= 1n) return deny("EDQUOT");
  count.add(1n);
  return allow;
});
`,
  );
  writeFileSync(join(own, "trace.strace"), '7 1700000000.000000 execve("/bin/true", ["true"], 0x0 /* 0 vars */) = 0\n');
  writeFileSync(join(own, "calls.strace"), "7 getpid() = 7\n");
  symlinkSync(join(project, "node_modules/.bin/portcullis"), join(folder, "a link"));
});

const policy = join(own, "policy.ts");
const trace = join(own, "trace.strace");
const calls = join(own, "calls.strace");

/** A command line for each verb, with its status and output. */
const lines: Readonly<Record<VerbName, readonly [words: readonly string[], status: number, output: RegExp]>> = {
  run: [["run", "-q", "-p", policy, "--", "sh", "-c", "cd; mkdir a$$ && mkdir b$$; rmdir a$$; uname"], 0, /^Linux\n$/],
  // The working directory is the package: a script may not write to everything.
  "script-shell": [["script-shell", "--", "/bin/sh", "-c", "uname"], 125, /^$/],
  record: [["record", "-q", "--append", "-o", join(home, "uname.trace"), "--", "uname"], 0, /^Linux\n$/],
  trace: [["trace", "stat", trace], 0, /1 recording/],
  propose: [["propose", "-q", "--strace", calls], 0, /export default policy/],
  amend: [["amend", "--list", policy, trace], 0, /^$/],
  check: [["check", policy], 0, /^/],
  explain: [["explain", policy], 0, /mkdirat/],
  diff: [["diff", "exec-once", "exec-only"], 1, /execve/],
  why: [["why", "exec-once", 'execve("/bin/sh")'], 1, /deny EACCES/],
  simulate: [["simulate", "-p", policy, trace], 0, /^/],
  test: [["test", "nginx"], 0, /^/],
  // A folder without sockets.
  agent: [["agent", "status", "--socket", "/nonexistent/agent.sock"], 125, /^$/],
  top: [["top", "/nonexistent"], 125, /^$/],
  approvals: [["approvals", "--socket", "/nonexistent"], 125, /^$/],
  report: [["report", "-o", "-", "nginx", trace], 0, /<title>nginx, trace\.strace</],
  compile: [["compile", "-p", "children", "-o", join(home, "children.pcl")], 0, /children\.pcl/],
  export: [["export", "oci", "children"], 0, /"SCMP_ACT_NOTIFY"/],
  disasm: [["disasm", "exec-once"], 0, /EACCES|ERRNO/],
  flow: [["flow", trace], 0, /FlowGraph/],
  doctor: [["doctor"], 0, /engine notify: a command runs under a classic filter/],
  tsconfig: [["tsconfig"], 0, /policy\.json/],
  completion: [["completion", "bash"], 0, /complete -o/],
  help: [["help", "run"], 0, /SYNOPSIS/],
};

describe.each(nodeVersions)("with Node %s, an ordinary user runs", (version) => {
  let node = "";
  beforeAll(() => {
    if (reason === undefined) node = nodeOf(version);
  });

  it.for(Object.keys(lines) as VerbName[])("%s", (verb, context) => {
    if (reason !== undefined) context.skip(reason);
    const [words, status, output] = lines[verb];
    const ran = asOrdinary(node, [join(installed, "bin/portcullis"), ...words], { cwd: "/" });
    expect(ran, ran.stderr).toMatchObject({ status });
    expect(ran.stdout).toMatch(output);
    // Node and V8 also write there.
    expect(ran.stderr).not.toMatch(/internal error|unrecognized|warning:|\(node:/i);
  });

  it.for(shownCommands)("the shown $command", ({ command, output, statuses }, context) => {
    if (reason !== undefined) context.skip(reason);
    const ran = asOrdinary(node, ["sh", "-c", command], { cwd: installed });
    expect(statuses, ran.stderr).toContain(ran.status);
    if (output !== "") expect(ran.stdout).toBe(output);
  });

  // The first installs the package, as beforeAll has done.
  it.for(projectCommands.slice(1))("the shown %s", (command, context) => {
    if (reason !== undefined) context.skip(reason);
    const ran = asOrdinary(node, ["sh", "-c", command]);
    expect(ran, ran.stderr).toMatchObject({ status: 0 });
  });

  it("it through symbolic links, and from a deleted folder", (context) => {
    if (reason !== undefined) context.skip(reason);
    const run = ["run", "-q", "-p", "exec-once", "--", "/bin/echo", "hello"];
    for (const program of [join(project, "node_modules/.bin/portcullis"), join(folder, "a link")]) {
      const ran = asOrdinary(node, [program, ...run], { cwd: "/" });
      expect(ran).toEqual({ status: 0, stdout: "hello\n", stderr: "" });
    }
    const script = 'd=$(mktemp -d) && cd "$d" && rmdir "$d" && "$@"';
    const gone = asOrdinary(node, ["sh", "-c", script, "sh", join(folder, "a link"), "check", "-q", policy]);
    expect(gone).toMatchObject({ status: 125, stdout: "" });
    expect(gone.stderr).toContain("error P0901: the working directory was removed");
  });

  it("a script of a package by the script shell", (context) => {
    if (reason !== undefined) context.skip(reason);
    const shell = join(project, "node_modules/.bin/portcullis-script-shell");
    const ran = asOrdinary(node, [shell, "-c", "uname; echo x >../made"], { cwd: own });
    expect(ran, ran.stderr).toMatchObject({ status: 2, stdout: "Linux\n" });
    expect(ran.stderr).toContain("failed under package-script (status 2)");
  });

  it("bundles by the launcher's file alone", (context) => {
    if (reason !== undefined) context.skip(reason);
    const bundle = join(home, "exec-once.pcl");
    const program = join(installed, "bin/portcullis");
    const fixed = ["--set", "isolated=true", "--set", "deny-proc-mem=false"];
    const compiled = asOrdinary(node, [program, "compile", "-p", "exec-once", ...fixed, "-o", bundle]);
    expect(compiled, compiled.stderr).toMatchObject({ status: 0 });
    const launcher = join(installed, "dist/native", process.arch, "launcher");
    const ran = asOrdinary(node, [launcher, "run", bundle, "--", "/bin/echo", "hello"]);
    expect(ran).toMatchObject({ status: 0, stdout: "hello\n" });
  });

  it.for([
    ["import", "module.mjs", 'import { simulate } from "portcullis/testing"; import { allow } from "portcullis";'],
    [
      "require",
      "module.cjs",
      'const { simulate } = require("portcullis/testing"); const { allow } = require("portcullis");',
    ],
  ] as const)("code that has the package by %s", ([, name, text], context) => {
    if (reason !== undefined) context.skip(reason);
    const file = join(project, name);
    writeFileSync(file, `${text}\nconsole.log(typeof simulate, typeof allow);\n`);
    const ran = asOrdinary(node, [node, "--no-warnings", file]);
    expect(ran).toEqual({ status: 0, stdout: "function object\n", stderr: "" });
  });
});
