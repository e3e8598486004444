/** `test --coverage` and `--lcov` on the command line; lcov's own tools read the file. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { folderOf, portcullis } from "./harness.ts";

const files = {
  "base.ts": `import { allow, deny, policy } from "portcullis";
export default policy((call) => (call.name === "ptrace" ? deny("EPERM") : allow));
`,
  "p.ts": `import { allow, deny, perProcess, policy } from "portcullis";
import base from "./base.ts";
const phase = perProcess.phases(["starting", "serving"]);
export default policy({ extends: [base] }, (call) => {
  if (call.name === "listen") phase.enter("serving");
  if (call.name === "mount") return deny("EPERM", "no mounts");
  return allow;
});
`,
  "p.cases": "m getpid() allow\n",
  "p.other.cases": "m ptrace() deny EPERM\n",
};

test("a table of all case files, and the places that they do not reach", async () => {
  const folder = folderOf(files);
  const { status, out, err } = await portcullis("test", "--coverage", join(folder, "p.ts"));
  expect({ status, err }).toEqual({ status: 0, err: "" });
  expect(out).toMatch(/base\.ts +2 of 2 +1 of 1 +2 of 2\n/);
  expect(out).toMatch(/p\.ts +1 of 2 +4 of 4 +2 of 4\n/);
  expect(out).toMatch(/\ndeny EPERM +1 of 2 +1\n/);
  expect(out).toMatch(/\nstarting +yes +1 +1\nserving +no +0 +0\n/);
  const lines = out.split("not reached:\n")[1]!.split("\n");
  expect(lines.map((line) => line.replace(/^.*\/p\.ts/, "p.ts"))).toEqual([
    'p.ts:5:31: phase.enter("serving")',
    'p.ts:6:37: deny EPERM "no mounts"',
    "p.ts:3:7: no process enters the phase serving",
    "",
  ]);
});

test("a condition of several lines is on one line, and loses its middle if it is long", async () => {
  const long = Array.from({ length: 6 }, (_, index) => `call.raw.arg${index} < ${index + 10}n`);
  const source = `import { allow, perTree, policy } from "portcullis";
const seen = perTree.counter();
export default policy((call) => {
  if (
    call.raw.arg0 === 0n &&
    call.raw.arg1 === 0n
  ) seen.add(1n);
  if (${long.join("\n    && ")}) seen.add(1n);
  return allow;
});
`;
  const folder = folderOf({ "p.ts": source, "p.cases": "m getpid() allow\n" });
  const { out } = await portcullis("test", "--coverage", join(folder, "p.ts"));
  const lines = out.split("not reached:\n")[1]!.split("\n");
  expect(lines.map((line) => line.replace(/^.*\/p\.ts/, "p.ts"))).toEqual([
    "p.ts:5:5: call.raw.arg0 === 0n && call.raw.arg1 === 0n is never false",
    "p.ts:8:7: call.raw.arg0 < 10n && call.raw.arg1 < … < 14n && call.raw.arg5 < 15n is never false",
    "",
  ]);
});

test("nothing is listed where all is reached", async () => {
  const folder = folderOf({ ...files, "p.cases": "m getpid() allow\nm mount() deny EPERM\nm listen() allow\n" });
  const { out } = await portcullis("test", "--coverage", join(folder, "p.ts"));
  expect(out).toContain("2 of 2");
  expect(out).not.toContain("not reached");
});

test("JSON: the failures, the files, and the coverage", async () => {
  const folder = folderOf({ ...files, "p.cases": "m getpid() log\n" });
  const { status, out } = await portcullis("test", "--json", "--coverage", join(folder, "p.ts"));
  expect(status).toBe(1);
  const lines = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { kind: string; of?: string });
  expect(lines.map(({ kind, of }) => (of === undefined ? kind : of))).toEqual([
    ...["failure", "failure", "file", "file"],
    ...["file", "file", "phase", "phase", "verdict", "verdict"],
  ]);
  expect(lines.at(-2)).toMatchObject({ kind: "coverage", verdict: "allow", rules: 2, reached: 2, calls: 1 });
});

test("a policy that does not compile is an error, and the others are covered", async () => {
  const folder = folderOf({ ...files, "q.ts": "export default 1;\n", "q.cases": "m getpid() allow\n" });
  const { status, out, err } = await portcullis("test", "--coverage", folder);
  expect(status).toBe(125);
  expect(err).toContain("q.ts");
  expect(out).toContain("1 of 2");
  expect(out).not.toContain("q.ts");
});

test("a file that cannot be written is an error", async () => {
  const folder = folderOf(files);
  for (const file of [join(folder, "absent", "p.info"), folder, "/dev/full"]) {
    const { status, err } = await portcullis("test", "--lcov", file, join(folder, "p.ts"));
    expect(status, file).toBe(125);
    expect(err).toMatch(/error P0901: .* cannot be written \(E/);
  }
});

test("an OCI profile has rules, too", async () => {
  const profile = JSON.stringify({
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [{ names: ["getpid", "read"], action: "SCMP_ACT_ALLOW" }],
  });
  const folder = folderOf({ "o.json": profile, "o.cases": "m getpid() allow\n" });
  const { status, out } = await portcullis("test", "--coverage", join(folder, "o.json"));
  expect(status).toBe(0);
  expect(out).toMatch(/deny EPERM +0 of 1 +0/);
});

test("genhtml and lcov read the file", async (context) => {
  if (!existsSync("/usr/bin/genhtml")) context.skip("lcov is not installed");
  const folder = folderOf(files);
  const info = join(folder, "p.info");
  expect((await portcullis("test", "-q", "--lcov", info, join(folder, "p.ts"), "policies")).status).toBe(0);
  const run = (program: string, ...words: string[]) => {
    const { status, stdout, stderr } = spawnSync(program, words, { encoding: "utf8" });
    expect(status, `${stdout}${stderr}`).toBe(0);
    expect(`${stdout}${stderr}`).not.toMatch(/warning|error/i);
    return stdout;
  };
  const summary = run("lcov", "--branch-coverage", "--summary", info);
  expect(summary).toMatch(/lines\.+: \d+\.\d% \(\d+ of \d+ lines\)/);
  expect(summary).toMatch(/branches\.+: \d+\.\d% \(\d+ of \d+ branches\)/);
  const html = join(folder, "html");
  mkdirSync(html);
  run("genhtml", "--branch-coverage", "-o", html, info);
  expect(readFileSync(join(html, "index.html"), "utf8")).toContain("LCOV");
  // A tool that adds up files accepts it as one of them.
  writeFileSync(join(folder, "q.info"), readFileSync(info));
  run("lcov", "--branch-coverage", "-a", info, "-a", join(folder, "q.info"), "-o", join(folder, "sum.info"));
});
