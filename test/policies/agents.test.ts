/** The rules of policies/agents: cases, diagnostics, documents, and the rules on real programs. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { loadPolicy } from "../../src/frontend/load.ts";
import { patience } from "../support/patience.ts";
import { portcullis } from "../support/run.ts";

const names = readdirSync("policies/agents")
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -".ts".length));
const document = readFileSync("docs/agents.md", "utf8");

it("are ten, and all are in the document", () => {
  expect(names).toHaveLength(10);
  expect(names.filter((name) => !document.includes(`policies/agents/${name}.ts`))).toEqual([]);
});

it("the document's example compiles", () => {
  const text = /```ts\n([\s\S]*?)```/.exec(document)![1]!;
  const file = resolve("policies/agents/example.ts");
  const readFile = (path: string) => (path === file ? text : readFileSync(path, "utf8"));
  const { program, diagnostics } = loadPolicy(file, { architecture: "x86_64", readFile });
  expect(diagnostics).toEqual([]);
  expect(program?.name).toBe("example");
});

describe.each(names)("%s", (name) => {
  it("passes its cases", () => {
    expect(portcullis(["test", `policies/agents/${name}.ts`])).toMatchObject({ status: 0, stderr: "" });
  });

  it("has no warning that it does not accept", () => {
    expect(portcullis(["check", "--strict", "-q", "-p", `agents/${name}`])).toMatchObject({ status: 0, stderr: "" });
  });
});

describe("on real programs", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "portcullis-agents-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function run(policy: string, script: string, ...options: readonly string[]) {
    const words = ["run", "-q", ...options, "-p", `agents/${policy}`, "--", "sh", "-c", script];
    const { stdout, stderr, status } = spawnSync(resolve("bin/portcullis"), words, {
      cwd: folder,
      encoding: "utf8",
      timeout: patience.command,
    });
    return { stdout, stderr, status };
  }

  it("git commits after the tests only, and not after a later change", () => {
    execFileSync("git", ["init", "-q", folder]);
    for (const [key, value] of [
      ["user.name", "x"],
      ["user.email", "x@example.org"],
      ["gc.auto", "0"],
    ] as const)
      execFileSync("git", ["-C", folder, "config", key, value]);
    mkdirSync(join(folder, "src"));
    writeFileSync(join(folder, "Makefile"), "test:\n\t@echo tested\n");
    const commit = "git add -A; git commit -qm x; echo $?";
    const script = `echo 1 > src/a; ${commit}; make --no-print-directory test; ${commit}; sh -c 'echo 2 > src/a'; ${commit}`;
    const { stdout } = run("tests-before-commit", script);
    expect(stdout).toBe("126\ntested\n0\n126\n");
  });

  it("only the migration tool opens the database", () => {
    const tool = join(folder, "migrate");
    writeFileSync(tool, "#!/bin/sh\ncat prod.db\n");
    chmodSync(tool, 0o755);
    writeFileSync(join(folder, "prod.db"), "data\n");
    const { stdout } = run("migrations-only", `cat prod.db; echo $?; ${tool}`, "--set", `tool=${tool}`);
    expect(stdout).toBe("1\ndata\n");
  });

  it("the kernel holds the workspace and the review", () => {
    // Not in /tmp, which the policy of the workspace permits.
    const outside = mkdtempSync(resolve("build/agents-"));
    onTestFinished(() => rmSync(outside, { recursive: true, force: true }));
    const attempt = (file: string) => `(echo 1 > ${file}) 2>/dev/null; echo $?`;
    const held = run("workspace", `${attempt("inside")}; ${attempt(`${outside}/a`)}`, "--set", `workspace=${folder}`);
    expect(held.stdout).toBe("0\n2\n");
    const review = run("read-only-review", `cat inside; ${attempt("inside")}; ${attempt("/dev/null")}`);
    expect(review.stdout).toBe("1\n2\n0\n");
  });

  it("git is not executed by any way of starting it", () => {
    const ways = [
      "git --version",
      "/usr/bin/git --version",
      "python3 -c 'import subprocess; subprocess.run([\"git\"])'",
    ];
    for (const way of ways) expect(run("no-git", `${way} 2>/dev/null; echo $?`).stdout).not.toMatch(/version|^0$/m);
    expect(run("no-git", "ls -d .").stdout).toBe(".\n");
  });
});
