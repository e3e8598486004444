import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { digestIn } from "../../src/backend/bundle/format.ts";
import { readLayout } from "../../src/backend/bundle/oci-layout.ts";
import { decodeBundle } from "../../src/backend/bundle/read.ts";
import { compileTrial } from "../../src/backend/ebpf/testing/trial-artifact.ts";
import { verify } from "../../src/cli/verify.ts";
import { makeBundle } from "../../src/engines/bundle/make-bundle.ts";
import { policyDigest } from "../../src/export/digest.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { sha256 } from "../../src/machine/sha256.ts";
import { folderOf, portcullis } from "./harness.ts";

const policy = `import { allow, deny, parameter, perTree, policy } from "portcullis";
const most = parameter.integer("most", { default: 16n, from: 0n });
const opened = perTree.counter();
export default policy((call) => {
  if (call.name === "socket") return opened.add(1n) > most ? deny("EMFILE", "enough") : allow;
  return call.name === "ptrace" ? deny("EPERM") : allow;
});
`;

test("compile: a bundle, with parameters, the same each time", async () => {
  const folder = folderOf({ "p.ts": policy });
  const [source, output] = [join(folder, "p.ts"), join(folder, "p.pcl")];
  const { status, out, err } = await portcullis("compile", "-p", source, "-o", output, "--set", "most=3");
  expect({ status, err }).toEqual({ status: 0, err: "" });
  expect(out).toMatch(/p\.pcl: \d+ instructions for seccomp, \d maps, 1 state object; sha256 [0-9a-f]{64}\n$/);
  const bytes = readFileSync(output);
  const bundle = decodeBundle(bytes);
  expect(bundle).toMatchObject({
    name: "p",
    target: "seccomp",
    fixed: [["most", "3"]],
    parameters: [],
    classicIsAll: false,
  });
  expect(bundle.compiler).toMatch(/^portcullis \d+\.\d+\.\d+$/);
  expect(bundle.verdicts).toContainEqual(
    expect.objectContaining({ action: "deny", errno: 24, reason: "enough", at: expect.objectContaining({ line: 5 }) }),
  );
  expect((await portcullis("compile", source, "-o", output, "-s", "most=3")).status).toBe(0);
  expect(readFileSync(output)).toEqual(bytes);

  const other = await portcullis("compile", source, "-o", output, "--json", "--no-denial-events");
  const result: unknown = JSON.parse(other.out);
  expect(result).toMatchObject({ v: 1, kind: "compiled", format: "pcl", target: "seccomp", states: 1 });
  expect(result).not.toMatchObject({ digest: out.slice(-65, -1) });
});

test("compile: a policy without state is all in the classic program", async () => {
  const output = join(folderOf({}), "p.pcl");
  const stateless = folderOf({ "q.ts": policy.replace("opened.add(1n) > most", "call.raw.arg0 > most") });
  const { out, err } = await portcullis("compile", join(stateless, "q.ts"), "-o", output, "--set", "most=16");
  expect(err).not.toContain("classic");
  expect(out).toContain(", the classic program is the whole policy; sha256");
  expect(decodeBundle(readFileSync(output)).classicIsAll).toBe(true);
  const open = await portcullis("compile", join(stateless, "q.ts"), "-o", output);
  expect(open.err).toContain(
    "portcullis: with its parameters fixed (--set most=…), the classic program would be the whole policy, for any kernel\n",
  );
  expect(decodeBundle(readFileSync(output)).classicIsAll).toBe(false);
});

test("compile: an OCI artifact has the source and the given parameters, the same each time", async () => {
  const folder = folderOf({ "p.ts": policy });
  const layout = (name: string) => join(folder, name);
  const argv = ["compile", "-p", join(folder, "p.ts"), "--set", "most=3", "--oci-layout"];
  const { status, out, err } = await portcullis(...argv, layout("a"));
  expect({ status, err }).toEqual({ status: 0, err: "" });
  const parameters = new Map([["most", "3"]]);
  const digest = policyDigest({ files: [{ hash: sha256(policy).toString("hex") }], parameters });
  expect(out).toMatch(/\/a: the source of p, \d+ bytes; sha256:[0-9a-f]{64}\n$/);
  const read = readLayout(layout("a"));
  expect(read).toMatchObject({ name: "p", digest, parameters, ending: "ts", content: Buffer.from(policy) });
  expect(read.version).toMatch(/^\d+\.\d+\.\d+$/);
  const again = await portcullis(...argv, layout("b"), "--json");
  expect(JSON.parse(again.out)).toEqual({
    ...{ v: 1, kind: "compiled", file: layout("b"), format: "source" },
    ...{ bytes: policy.length, digest, profile: false },
  });
  expect(spawnSync("diff", ["-r", layout("a"), layout("b")]).status).toBe(0);
});

test("compile: beside the artifact of a policy without state is its profile for container runtimes", async () => {
  const stateless = `import { allow, deny, parameter, policy } from "portcullis";
const most = parameter.integer("most", { default: 16n, from: 0n });
export default policy((call) =>
  call.name === "ptrace" || (call.name === "listen" && call.args.backlog > most) ? deny("EPERM") : allow,
);
`;
  const folder = folderOf({ "p.ts": stateless });
  const [source, layout] = [join(folder, "p.ts"), join(folder, "oci")];
  const { status, out, err } = await portcullis("compile", "-p", source, "--oci-layout", layout);
  expect({ status, err }).toEqual({ status: 0, err: "" });
  expect(out).toContain(", and its seccomp profile; sha256:");
  expect(readLayout(layout)).toMatchObject({ name: "p", ending: "ts" });
  const profile = (await portcullis("export", "oci", "-p", source)).out;
  expect(profile).not.toMatch(/NOTIFY|listener/);
  const blob = join(layout, "blobs/sha256", sha256(profile).toString("hex"));
  expect(readFileSync(blob, "utf8")).toBe(profile);
});

test("compile: an OCI artifact has the bundle with --format pcl", async () => {
  const folder = folderOf({ "p.ts": policy });
  const argv = ["compile", "-p", join(folder, "p.ts"), "--set", "most=3"];
  await portcullis(...argv, "-o", join(folder, "p.pcl"));
  const { status } = await portcullis(...argv, "--format", "pcl", "--oci-layout", join(folder, "oci"));
  expect(status).toBe(0);
  const content = readFileSync(join(folder, "p.pcl"));
  const digest = `sha256:${digestIn(content)}`;
  expect(readLayout(join(folder, "oci"))).toMatchObject({ name: "p", digest, ending: "pcl", content });
});

test("compile: an OCI artifact of an OCI profile", async () => {
  const profile = '{"defaultAction":"SCMP_ACT_ALLOW"}';
  const folder = folderOf({ "p.json": profile });
  const { status } = await portcullis("compile", join(folder, "p.json"), "--oci-layout", join(folder, "oci"));
  expect(status).toBe(0);
  expect(readLayout(join(folder, "oci"))).toMatchObject({ name: "p", ending: "json", content: Buffer.from(profile) });
});

test("compile: an object file, for each target, and for the other architecture", async () => {
  const folder = folderOf({ "p.ts": policy });
  for (const target of ["seccomp", "unprivileged"]) {
    const output = join(folder, `${target}.bpf.o`);
    const { status, err } = await portcullis("compile", join(folder, "p.ts"), "-o", output, "--target", target);
    expect({ status, err }).toEqual({ status: 0, err: "" });
    expect(readFileSync(output).subarray(0, 4)).toEqual(Buffer.from("\x7fELF"));
  }
  const output = join(folder, "a.pcl");
  const arm = await portcullis("compile", join(folder, "p.ts"), "-o", output, "--architecture", "aarch64");
  expect(arm.status).toBe(0);
  expect(decodeBundle(readFileSync(output)).architecture).toBe("aarch64");
});

test("compile: this kernel's verifier checks the program, and its log is written", async (context) => {
  if (process.getuid?.() !== 0) context.skip("bpf(2) needs root here");
  const folder = folderOf({ "p.ts": policy });
  const [source, log] = [join(folder, "p.ts"), join(folder, "log")];
  const { program, sources } = loadPolicy(source, { architecture: "x86_64" });
  const accepted = makeBundle(compileTrial(program!), { compiler: "portcullis test", fixed: [], sources });
  verify(accepted, sources, log);
  expect(readFileSync(log, "utf8")).toContain('if (call.name === "socket") return opened.add(1n) > most');

  const seccomp = await portcullis("compile", source, "-o", join(folder, "q.pcl"), "--verify");
  if (seccomp.status === 0) return;
  // A kernel without the program type. A program that is not verified is not written.
  expect(seccomp.err).toContain("error P0607");
  expect(existsSync(join(folder, "q.pcl"))).toBe(false);
});

const parameterised = `import { allow, deny, parameter, perTree, policy } from "portcullis";
const most = parameter.integer("most", { default: 16n, from: 1n, to: 100n });
const strict = parameter.flag("strict");
const users = parameter.integer("users", { default: 8n, from: 1n, to: 64n });
const mode = parameter.text("mode", { default: "usual" });
const opened = perTree.counter();
const seen = perTree.set({ capacity: users, full: deny("EMFILE") });
export default policy((call) => {
  if (call.name === "socket") return opened.add(1n) > most ? deny("EMFILE", "enough") : allow;
  if (call.name === "setuid" && strict && seen.has(call.args.uid)) return deny("EPERM");
  return call.name === "ptrace" && mode === "usual" ? deny("EPERM") : allow;
});
`;

test("compile: parameters that only calls need stay open; others are fixed, and the output lists both", async () => {
  const folder = folderOf({ "p.ts": parameterised });
  const [source, output] = [join(folder, "p.ts"), join(folder, "p.pcl")];
  const { status, out, err } = await portcullis("compile", "-p", source, "-o", output);
  expect({ status, err }).toEqual({
    status: 0,
    err: expect.stringMatching(/^portcullis: the parameter users is fixed at 8: `capacity` of .+ \(.*p\.ts:7:\d+\)\n$/),
  });
  expect(out).toMatch(/, open: most, strict; sha256 /);
  const bundle = decodeBundle(readFileSync(output));
  expect(bundle.parameters).toMatchObject([
    { name: "most", kind: "integer", from: 1n, to: 100n, default: 16n, at: { line: 2 } },
    { name: "strict", kind: "flag", from: 0n, to: 1n, default: undefined, at: { line: 3 } },
  ]);
  expect(bundle.fixed).toEqual([
    ["users", "8"],
    ["mode", "usual"],
  ]);

  const listed = await portcullis("disasm", output);
  expect(listed.out).toMatch(/^; open: --set most=…, an integer from 1 to 100; 16 by default {2}.*p\.ts:2:14$/m);
  expect(listed.out).toMatch(/^; open: --set strict=…, true or false; must be given {2}/m);
  expect(listed.out).toContain("; fixed: --set mode=usual\n");

  const json = await portcullis("compile", "-p", source, "-o", output, "--json", "--set", "most=3");
  expect(json.err).toBe("");
  expect(JSON.parse(json.out)).toMatchObject({
    parameters: [{ name: "strict", kind: "flag", from: "0", to: "1" }],
    fixed: { most: "3", users: "8", mode: "usual" },
  });
});

test("compile: an object file has open parameters among its constants", async () => {
  const folder = folderOf({ "p.ts": parameterised });
  const output = join(folder, "p.bpf.o");
  const { status, out } = await portcullis("compile", "-p", join(folder, "p.ts"), "-o", output);
  expect(status).toBe(0);
  expect(out).toContain("open: most, strict");
  expect(readFileSync(output, "latin1")).toContain("parameter_most\0");
});

/** Nothing is loaded here: invalid settings are refused before the program is loaded. */
test("the launcher and run refuse invalid values of a bundle's parameters", async (context) => {
  const launcher = `dist/native/${process.arch}/launcher`;
  if (!existsSync(launcher)) context.skip("make build");
  const folder = folderOf({ "p.ts": parameterised });
  const [source, output] = [join(folder, "p.ts"), join(folder, "p.pcl")];
  await portcullis("compile", "-p", source, "-o", output);
  const refusals: readonly (readonly [readonly string[], string])[] = [
    [[], "the parameter strict has no default, and is not given\n  help: --set strict=..., true or false"],
    [["--set", "strict=yes"], "the parameter strict must be true or false, not yes"],
    [["--set", "strict=true", "--set", "most=101"], "the parameter most must be an integer from 1 to 100, not 101"],
    [["--set", "strict=true", "--set=most=0x"], "the parameter most must be an integer from 1 to 100, not 0x"],
    [["--set", "strict=true", "--set", "strict=true"], "the parameter strict is set twice"],
    [["--set", "stric=true"], "the bundle has no parameter stric\n  help: open parameters: most, strict"],
    [["--set", "most"], "--set most has no NAME=VALUE\n  help: --set NAME=VALUE"],
    [
      ["--set", "users=9"],
      "the parameter users is fixed in this bundle: it is 8\n  help: compile the policy again: portcullis compile -p p.ts --set users=... -o FILE.pcl",
    ],
  ];
  for (const [words, said] of refusals) {
    const ran = spawnSync(launcher, ["run", ...words, output, "--", "/bin/echo", "it ran"], { encoding: "utf8" });
    expect(ran).toMatchObject({ status: 125, stdout: "", stderr: `portcullis: ${output}: ${said}\n` });
    const { status, out } = await portcullis("run", ...words, "-p", output, "--", "/bin/echo", "it ran");
    expect({ status, out }).toEqual({ status: 125, out: "" });
  }
  expect(spawnSync(launcher, ["run", "--set"], { encoding: "utf8" })).toMatchObject({
    status: 125,
    stderr: "portcullis: --set has no value\n  help: --set NAME=VALUE\n",
  });
});

describe("the launcher", () => {
  const launcher = `dist/native/${process.arch}/launcher`;
  const started = (...words: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(launcher, words, { encoding: "utf8" });
    return { status, stdout, stderr };
  };

  test.each([
    [[], "the verb is missing", "launcher --help"],
    [["bogus"], "bogus: unknown verb", "launcher --help"],
    [["run"], "the bundle is missing", "launcher run --help"],
    [["run", "--bogus"], "--bogus: unknown option", "launcher run --help"],
    [["run", "policy.pcl"], "the command is missing", "launcher run --help"],
  ])("says what is wrong with the words %j, and where its help is", (words, said, help) => {
    expect(started(...words)).toEqual({
      status: 125,
      stdout: "",
      stderr: `portcullis: ${said}\n  help: ${help}\n`,
    });
    const shown = started(...help.split(" ").slice(1));
    expect(shown).toMatchObject({ status: 0, stderr: "" });
    expect(shown.stdout).toMatch(/^usage: launcher run /);
    expect(shown.stdout).not.toContain("portcullis-launcher");
  });
});

test("compile: an error about a policy that a target cannot express names the target", async () => {
  const rules = Array.from(
    { length: 650 },
    (_, index) =>
      `  if (call.name === "socket" && call.raw.arg0 === ${7 * index}n && opened.get() > ${index}n) return deny("EPERM");`,
  );
  const folder = folderOf({
    "p.ts": policy.replace('  if (call.name === "socket")', `${rules.join("\n")}\n  if (call.name === "socket")`),
  });
  const output = join(folder, "p.pcl");
  const { status, err } = await portcullis("compile", join(folder, "p.ts"), "-o", output, "--target", "unprivileged");
  expect(status).toBe(125);
  expect(err).toMatch(/error P0606: the target unprivileged cannot express the policy: it takes \d+ instructions/);
  expect(err).toContain(
    "help: with CAP_BPF the target seccomp has room for it; or run the policy under --engine notify",
  );
  expect(existsSync(output)).toBe(false);
});

test.each([
  [
    'call.name === "openat" && call.args.path.resolved.under("/srv")',
    "no program can see which object a path leads to\n",
    "run the policy under --engine notify\n",
  ],
  [
    'call.name === "clone3" && call.args.uargs.flags.has("CLONE_NEWUSER") && tree.alive() > 5n',
    "a thread that clone3 makes would count as a process\n",
    "deny clone3 with ENOSYS, and C libraries use clone; or run the policy under --engine notify\n",
  ],
])("compile: a construct that no program can express has its own way out: %s", async (condition, reason, help) => {
  const source = `import { allow, deny, policy, tree } from "portcullis";
export default policy((call) => (${condition} ? deny("EPERM") : allow));
`;
  const folder = folderOf({ "p.ts": source });
  const { status, err } = await portcullis("compile", join(folder, "p.ts"), "-o", join(folder, "p.pcl"));
  expect(status).toBe(125);
  expect(err).toContain(reason);
  expect(err).toContain(`\n  help: ${help}`);
  expect(err).not.toContain("smaller");
});

test("compile: a parameter is fixed if the target has no space for both of its values", async () => {
  const rules = Array.from(
    { length: 650 },
    (_, index) => `    if (call.raw.arg0 === ${7 * index}n && opened.get() > ${index}n) return deny("EPERM");`,
  );
  const folder = folderOf({
    "p.ts": policy
      .replace("const opened", `const deep = parameter.flag("deep", { default: false });\nconst opened`)
      .replace(
        '  if (call.name === "socket")',
        `  if (deep && call.name === "socket") {\n${rules.join("\n")}\n  }\n$&`,
      ),
  });
  const argv = ["compile", "-p", join(folder, "p.ts"), "-o", join(folder, "p.pcl"), "--target", "unprivileged"];
  const { status, out, err } = await portcullis(...argv);
  expect(status).toBe(0);
  expect(out).toContain(", open: most; sha256");
  const notices = err.split("\n").filter((line) => line.startsWith("portcullis: "));
  expect(notices).toEqual([
    expect.stringMatching(
      /the parameter deep is fixed at false: the target unprivileged cannot express the policy: it/,
    ),
  ]);
});

test("disasm: for a target, and a bundle", async () => {
  const folder = folderOf({ "p.ts": policy });
  const source = join(folder, "p.ts");
  const listed = await portcullis("disasm", "--target", "seccomp", source);
  expect(listed.status).toBe(0);
  expect(listed.out).toContain("; decisions without state\n");
  expect(listed.out).toContain("; socket\n");
  expect(listed.out).toMatch(/^ *\d+: .+ ; .*p\.ts:5:\d+$/m);
  expect(listed.out).toContain("call bpf_seccomp_state");

  const output = join(folder, "p.pcl");
  await portcullis("compile", source, "-o", output, "--set", "most=16");
  const bundle = await portcullis("disasm", output);
  expect({ status: bundle.status, err: bundle.err }).toEqual({ status: 0, err: "" });
  expect(bundle.out).toMatch(/^; p for seccomp on x86_64, by portcullis /);
  expect(bundle.out).toContain("; map[0] launch: array of 1 × ");
  expect(bundle.out).toMatch(/; state\[0\] tree: \d+ bytes for each process; a child's is the same/);
  const instructions = (text: string) => text.split("\n").filter((line) => !line.startsWith(";"));
  expect(instructions(bundle.out)).toEqual(instructions(listed.out));
});

test.each([
  [["compile", "exec-once"], "-o FILE.pcl, -o FILE.o or --oci-layout DIR"],
  [["compile", "exec-once", "-o", "x.pcl", "--oci-layout", "x"], "leave one out"],
  [["compile", "exec-once", "--oci-layout", "src"], "src has files"],
  [["compile", "exec-once", "--oci-layout", "package.json"], "package.json cannot be written (ENOTDIR)"],
  [["compile", "exec-once", "--oci-layout", "/dev/null/x"], "/dev/null/x cannot be written (ENOTDIR)"],
  [["compile", "exec-once", "--oci-layout", "x", "--format", "object"], "--format pcl, or none"],
  [["compile", "exec-once", "--oci-layout", "x", "--verify"], "add --format pcl"],
  [["compile", "call-flow", "--oci-layout", "x"], "--format pcl, or imports from portcullis/policies/"],
  [["compile", "-o", "x.pcl"], "-p POLICY"],
  [["compile", "exec-once", "-o", "x"], "--format pcl or --format object"],
  [["compile", "exec-once", "-o", "x", "--format", "elf"], "--format pcl or --format object"],
  [["compile", "exec-once", "-o", "x.pcl", "--target", "secomp"], "write --target seccomp"],
  [["compile", "exec-once", "-o", "x.pcl", "--target", "trial"], "--target seccomp, unprivileged"],
  [["compile", "exec-once", "-o", "x.pcl", "--target", "xdp"], "--target seccomp, unprivileged"],
  [["compile", "exec-once", "-o", "/nowhere/x.pcl"], "cannot be written"],
  [["compile", "exec-once", "-o", "x.pcl", "--verifier-log", "y"], "add --verify"],
  [["compile", "exec-once", "more", "-o", "x.pcl"], '"more"'],
  [["disasm", "--target", "seccomp", "--pure", "exec-once"], "--pure"],
  [["disasm", "--target", "secomp", "exec-once"], "write --target seccomp"],
  [["disasm", "package.json.pcl"], "P0901"],
])("%j ends with 125 and the way out", async (argv, expected) => {
  const { status, out, err } = await portcullis(...argv);
  expect({ status, out }).toEqual({ status: 125, out: "" });
  expect(err).toContain(expected);
  expect(existsSync("x.pcl") || existsSync("x")).toBe(false);
});

test("verbs that need a policy's source say that a bundle has none", async () => {
  const folder = folderOf({ "p.ts": policy, "t.jsonl": '{"v":1,"kind":"start","tid":7}\n', "p.cases": "" });
  const bundle = join(folder, "p.pcl");
  await portcullis("compile", join(folder, "p.ts"), "-o", bundle);
  for (const argv of [
    ["check", bundle],
    ["explain", bundle],
    ["why", bundle, "getpid()"],
    ["diff", bundle, join(folder, "p.ts")],
    ["simulate", bundle, join(folder, "t.jsonl")],
    ["compile", bundle, "-o", join(folder, "q.pcl")],
    ["report", "-p", bundle, "-o", join(folder, "q.html")],
  ]) {
    const { status, err } = await portcullis(...argv);
    expect({ argv, status, err }).toEqual({
      argv,
      status: 125,
      err: expect.stringMatching(/^error P0912: .*p\.pcl is a bundle, and .*\n {2}help: name the policy .*disasm.*run/),
    });
  }
});

// This kernel need not have the engine of bundles: it is asked last.
test.each<[string, Uint8Array | undefined, string]>([
  ["is missing", undefined, "error P0901: p.pcl cannot be read: there is no such file"],
  ["is empty", new Uint8Array(), "error P0912: p.pcl: not a bundle"],
  ["is cut short", Buffer.from("portcullis"), "error P0912: p.pcl: not a bundle"],
])("run of a bundle that %s says so, whatever the kernel has", (_what, bytes, expected) => {
  const folder = folderOf(bytes === undefined ? {} : { "p.pcl": bytes });
  for (const more of [[], ["--engine", "seccomp-ebpf"], ["--best-effort"]]) {
    const argv = ["run", ...more, "-p", "p.pcl", "--", "true"];
    const ran = spawnSync(resolve("bin/portcullis"), argv, { cwd: folder, encoding: "utf8" });
    expect({ status: ran.status, err: ran.stderr }).toEqual({ status: 125, err: expect.stringContaining(expected) });
  }
});

test("disasm of an invalid bundle reports it", async () => {
  const folder = folderOf({ "a.pcl": "no bundle", "b.pcl": new Uint8Array(), "c.pcl": new Uint8Array(5000) });
  for (const name of ["a.pcl", "b.pcl", "c.pcl"]) {
    const { status, err } = await portcullis("disasm", join(folder, name));
    expect(status).toBe(125);
    expect(err).toContain("error P0912");
  }
});
