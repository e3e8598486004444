/** Enforces the ready policies that ask about memory behind pointers, on programs that try to get past them. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { asUser, copyFor, ordinaryUser, reachableFolder } from "../support/ordinary-user.ts";
import { compiled, portcullis } from "../support/run.ts";
import { serveElsewhere } from "./elsewhere.ts";
import { reachingAround, secretStatements } from "./secrets.ts";

const victims = join(process.cwd(), "test/policies/victims");
const policies = join(process.cwd(), "policies");

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-behind-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The command's lines under a policy. Only `notify` reads behind pointers. */
function lines(policy: string, options: readonly string[], command: readonly string[], cwd = process.cwd()): string[] {
  const words = ["run", "-q", "--engine", "notify", "-p", join(policies, `${policy}.ts`), ...options, "--", ...command];
  const ran = portcullis(words, { cwd });
  if (ran.status === 125) throw new Error(ran.stderr);
  return ran.stdout.trim().split("\n");
}

const python = (name: string, ...words: readonly string[]) => [
  "/usr/bin/python3",
  join(victims, `${name}.py`),
  ...words,
];

describe("connect-hosts", () => {
  it("lets a program reach the given host and port only", async () => {
    const { port, received } = await serveElsewhere();
    const options = ["--set", "hosts=127.0.0.1/32", "--set", `port=${port}`];
    const attempts = python("reach_hosts", `${port}`, `${port}`);
    const free = execFileSync(attempts[0]!, [...attempts.slice(1), "datagrams"], { encoding: "utf8" });
    expect(free).toContain("connect there ok\n");
    if (process.getuid?.() === 0) expect(free).toContain("source route ok\n");
    expect(free).toContain("passed: AF_UNSPEC there ok\n");
    expect((await received()).filter((one) => one === "there").length).toBeGreaterThan(4);

    const confined = lines("connect-hosts", options, attempts);
    expect(confined.filter((line) => line.endsWith(" ok"))).toEqual(["connect here ok", "connect mapped here ok"]);
    expect(confined).toContain("udp Address family not supported by protocol");
    const withDatagrams = lines("connect-hosts", [...options, "--set", "datagrams=true"], [...attempts, "datagrams"]);
    expect(withDatagrams.filter((line) => line.endsWith(" ok"))).toEqual([
      "connect here ok",
      "connect mapped here ok",
      "udp ok",
      "passed: send here ok",
      "passed: connect here ok",
      "passed: send, connected ok",
      "passed: disconnect ok",
      "passed: AF_UNSPEC here ok",
    ]);
    expect(withDatagrams).toContain("passed: sendmmsg there Function not implemented");
    expect(await received()).toEqual(["here", "here", "here"]);
  });
});

describe("exec-only", () => {
  it("starts the given programs with the given words, and nothing that they start", () => {
    const folder = scratch();
    const git = (...words: readonly string[]) => execFileSync("git", words, { cwd: folder });
    git("init", "-q", ".");
    // `git status` starts it.
    git("config", "core.fsmonitor", `touch ${folder}/ran; false`);
    const text = lines("exec-only", [], python("start_others", "/usr/bin/git", folder));
    expect(text.filter((line) => line.endsWith(" started"))).toEqual(["allowed started", "started by git started"]);
    expect(text.filter((line) => line.endsWith(" denied"))).toHaveLength(17);
    expect(text).toContain("mount Operation not permitted");
    expect(text.at(-1)).toBe("did not run");
    git("status");
    expect(existsSync(join(folder, "ran"))).toBe(true);
  });

  it("reports at the start that its user can lead an allowed path elsewhere, and does not start with --strict-paths", () => {
    const program = join(scratch(), "program");
    const paths = ["--set", `programs=${program}`, "--set", `pagers=${program}`];
    const run = (...options: readonly string[]) =>
      portcullis(["run", "-p", "exec-only", ...paths, ...options, "--", "/bin/echo", "started"]);
    const sentence = `P0609: the command's user can write \\S+, a directory on the way to paths that the policy permits: is "${program}"`;
    // The second start finds the compiled policy in the cache.
    for (const _ of [1, 2]) {
      const warned = run();
      expect(warned.stderr).toMatch(new RegExp(`^warning ${sentence}$`, "m"));
      expect(warned.stdout).toBe("started\n");
      const refused = run("--strict-paths", "-q");
      expect(refused.stderr).toMatch(new RegExp(`^error ${sentence}$`, "m"));
      expect(refused).toMatchObject({ status: 125, stdout: "" });
    }
    expect(run("-q")).toMatchObject({ status: 0, stderr: "", stdout: "started\n" });
    const checked = portcullis(["check", "--strict-paths", ...paths, "exec-only"]);
    expect(checked.stderr).toMatch(new RegExp(`^error ${sentence}$`, "m"));
    expect(checked.status).toBe(125);
  });

  it("shows of the environment the names, and the value of a refused variable that is not secret", () => {
    const values = { PATH: "/usr/bin", HOME: "/not/shown", GITHUB_TOKEN: "ghp_not_shown", GIT_TOKEN: "not shown" };
    const start = (more: Record<string, string>) => {
      const environment = JSON.stringify({ ...values, ...more });
      const statement = `import os\ntry: os.execve("/usr/bin/git", ["git", "log"], ${environment})\nexcept OSError: pass`;
      return ["/usr/bin/python3", "-c", statement];
    };
    const eventsOf = (options: readonly string[], more: Record<string, string>) => {
      const { stderr } = portcullis(["run", "-p", "exec-only", ...options, "--", ...start(more)]);
      expect(stderr).not.toMatch(/not.shown/);
      return stderr;
    };
    const rule = "a variable that makes the program run another one";
    const lines = eventsOf([], { GIT_EDITOR: "/bin/evil" });
    expect(lines).toContain(`(${rule}: GIT_TOKEN=..., GIT_EDITOR=/bin/evil)`);
    expect(lines).toContain(
      'execve("/usr/bin/git", ["git", "log"], ["PATH="..., "HOME="..., "GITHUB_TOKEN="..., "GIT_TOKEN="..., "GIT_EDITOR=/bin/evil"])',
    );
    const json = eventsOf(["--events", "fd:2"], { LD_PRELOAD: "/tmp/x.so" });
    expect(json).toContain('"reason":"a variable that loads other code into the program: LD_PRELOAD=/tmp/x.so"');
    expect(json).toContain('"envp":[{"starts":"PATH="},');
    expect(json).toContain('"LD_PRELOAD=/tmp/x.so"]');
  });

  it("is reported in `check` only where the policy itself protects the path", () => {
    const folder = scratch();
    const guarded = join(folder, "guarded.ts");
    // A name that does not exist yet is always reported.
    writeFileSync(join(folder, "file"), "");
    writeFileSync(
      guarded,
      `import { allow, calls, deny, policy } from "portcullis";
const names = calls("@mount", "chroot", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir");
export default policy((call) => {
  if (names.has(call)) return deny("EPERM");
  if (call.name === "execveat") return deny("EACCES");
  if (call.name === "execve") return call.args.path.text.is("${folder}/file", "/usr/bin/echo") ? allow : deny("EACCES");
  return allow;
});
`,
    );
    const ran = portcullis(["run", "-p", guarded, "--", "/usr/bin/echo", "started"]);
    expect(ran).toMatchObject({ status: 0, stdout: "started\n", stderr: "" });
    const checked = portcullis(["check", "--strict", guarded]);
    expect(checked.stderr).toMatch(/^warning P0609: /m);
    expect(checked.status).toBe(0);
    expect(portcullis(["check", "--strict-paths", guarded]).status).toBe(125);
  });

  it("lets git show its log on a terminal, from another folder, and without a pager", () => {
    const folder = scratch();
    const git = (...words: readonly string[]) => execFileSync("git", words, { cwd: folder });
    git("init", "-q", ".");
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "the only commit");
    const onTerminal = (words: readonly string[], variables: Readonly<Record<string, string>>) => {
      const environment = { PATH: "/usr/bin", HOME: folder, TERM: "xterm", ...variables };
      const start = `import os, pty\nos.environ.clear()\nos.environ.update(${JSON.stringify(environment)})\npty.spawn(${JSON.stringify(words)})`;
      const { stdout, stderr } = portcullis(["run", "-p", "exec-only", "--", "/usr/bin/python3", "-c", start]);
      return { shows: stdout.includes("the only commit"), refused: /denied with .*/.exec(stderr)?.[0] };
    };
    const works = { shows: true, refused: undefined };
    expect(onTerminal(["git", "-C", folder, "log"], {})).toEqual(works);
    expect(onTerminal(["git", "-C", folder, "--no-pager", "log"], { GIT_SSL_CAINFO: "/x", EDITOR: "vi" })).toEqual(
      works,
    );
    expect(onTerminal(["git", "-C", folder, "log"], { PAGER: "less" })).toEqual(works);
    const other = onTerminal(["git", "-C", folder, "log"], { PAGER: "sh" });
    expect(other).toMatchObject({
      shows: false,
      refused: expect.stringContaining("another pager than less: PAGER=sh"),
    });
    // The repository names a pager.
    git("config", "core.pager", "cat; id");
    const configured = onTerminal(["git", "-C", folder, "log"], {});
    expect(configured).toMatchObject({ shows: false, refused: expect.stringContaining("not among the programs") });
  });

  it("judges a script by its own path: the kernel starts its interpreter", () => {
    const script = join(scratch(), "script");
    writeFileSync(script, '#!/bin/sh\necho "I am $1"; /bin/true || echo refused\n', { mode: 0o755 });
    const options = ["--set", `programs=${script}`, "--set", "names=script", "--set", "commands=log"];
    const start = `import os; os.execve(${JSON.stringify(script)}, ["script", "log"], {})`;
    expect(lines("exec-only", options, ["/usr/bin/python3", "-c", start])).toEqual(["I am log", "refused"]);
  });
});

describe("no-secrets", () => {
  /** The results of a connection before and after a statement of Python. */
  async function around(statement: string, folder: string): Promise<string[]> {
    const { port } = await serveElsewhere();
    const text = reachingAround(statement, port);
    return lines("no-secrets", [], ["/usr/bin/python3", "-c", text], folder);
  }

  it.each(secretStatements)("forbids connections after %s", async (_, statement) => {
    const folder = scratch();
    writeFileSync(join(folder, "id_rsa"), "");
    mkdirSync(join(folder, ".aws"));
    writeFileSync(join(folder, ".aws/s"), "");
    expect(await around(statement, folder)).toEqual(["reached", "Permission denied"]);
  });

  it("forbids to accept on a socket from before", () => {
    const text = [
      "import os, socket",
      'listener = socket.create_server(("127.0.0.1", 0))',
      "client = socket.create_connection(listener.getsockname())",
      'open("id_rsa").close()',
      "try:",
      "  listener.accept()",
      "except OSError as error:",
      "  print(os.strerror(error.errno))",
    ].join("\n");
    const folder = scratch();
    writeFileSync(join(folder, "id_rsa"), "");
    expect(lines("no-secrets", [], ["/usr/bin/python3", "-c", text], folder)).toEqual(["Permission denied"]);
  });

  it("does not forbid them after other files, and does not notice a link from before, as it says", async () => {
    const folder = scratch();
    writeFileSync(join(folder, "id_rsa"), "");
    writeFileSync(join(folder, "id_rsa.pub"), "");
    symlinkSync("id_rsa", join(folder, "old"));
    const reached = ["reached", "reached"];
    expect(await around('open("id_rsa.pub").close()', folder)).toEqual(reached);
    expect(await around('open("old").close()', folder)).toEqual(reached);
  });
});

describe("deny-proc-mem", () => {
  const open = ["--set", "read-only-proc=false"];
  const closed = [...open, "--set", "deny-proc-mem=true"];
  /** Lines of the victim, which makes its master bind if it can write the master's memory. */
  function attacks(policy: string, options: readonly string[]): string[] {
    const folder = scratch();
    chmodSync(folder, 0o777);
    return lines(policy, options, [compiled("test/policies/victims/proc_mem.c"), folder]);
  }
  const successes = (text: readonly string[]) => text.filter((line) => line.endsWith(" ok"));

  it("is needed: without it a worker makes its master bind", (context) => {
    const text = attacks("server", open);
    if (successes(text).length === 0) context.skip("this machine denies a process the memory of its user's others");
    expect(successes(text).length).toBeGreaterThan(15);
    expect(text.at(-1)).toBe("master bound");
    expect(successes(attacks("exec-once", open))).toEqual(expect.arrayContaining(["open_tree ok", "mounted ok"]));
  });

  it.each(["nginx", "exec-once", "build-step", "server"])("denies each way under %s", (policy) => {
    const text = attacks(policy, closed);
    expect(successes(text)).toEqual([]);
    expect(text.filter((line) => line.endsWith(" 1")).length).toBeGreaterThan(15);
    expect(text.at(-1)).toBe("master untouched");
  });

  it("denies each way to processes of an ordinary user", (context) => {
    if (process.getuid?.() !== 0) context.skip("the tests run as one");
    const place = reachableFolder("proc-mem");
    const victim = copyFor(place, compiled("test/policies/victims/proc_mem.c"));
    chmodSync(place, 0o777);
    const text = lines("build-step", closed, asUser(ordinaryUser, victim, place));
    expect(successes(text)).toEqual([]);
    expect(text.at(-1)).toBe("master untouched");
  });

  it("lets a program open directories of this name, and other files", () => {
    const folder = scratch();
    mkdirSync(join(folder, "mem"));
    writeFileSync(join(folder, "mem/memory"), "text");
    symlinkSync("mem/memory", join(folder, "link"));
    const text = "ls mem; cat mem/memory link";
    expect(lines("build-step", closed, ["sh", "-c", text], folder)).toEqual(["memory", "texttext"]);
  });
});
