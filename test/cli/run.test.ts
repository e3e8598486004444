/** Tests `run` of the built command line. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { readyPolicies } from "../../src/cli/policy/arguments.ts";
import { aspects } from "../../src/engines/engine/description.ts";
import { openChannel } from "../../src/events/channel.ts";
import { socketPair } from "../../src/machine/descriptors.ts";
import { programFor, reachableFolder } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";
import { statusInShell } from "../support/processes.ts";
import { folderOf } from "./harness.ts";

const program = resolve("bin/portcullis");
const place = reachableFolder("run");

function built(): string {
  if (!existsSync("dist/cli.cjs")) throw new Error("dist/ is missing: run make build first");
  return program;
}

interface Options {
  readonly cache?: string;
  readonly cwd?: string;
  readonly stdio?: ("pipe" | "ignore" | number)[];
  readonly env?: NodeJS.ProcessEnv;
}

function run(argv: readonly string[], { cache = "/nonexistent/cache", cwd, stdio, env }: Options = {}) {
  const result = spawnSync(built(), argv, {
    encoding: "utf8",
    cwd,
    timeout: patience.command,
    stdio: stdio ?? ["ignore", "pipe", "pipe"],
    env: { ...process.env, XDG_CACHE_HOME: cache, ...env },
  });
  return { status: statusInShell(result), out: result.stdout, err: result.stderr, output: result.output };
}

const noExec = `import { allow, deny, policy } from "portcullis";
export default policy((call) => (call.name === "execve" ? deny("EACCES", "no program") : allow));
`;

test.each([
  [["sh", "-c", "exit 7"], 7],
  [["sh", "-c", "kill -9 $$"], 137],
  [["sh", "-c", "kill -SYS $$"], 159],
  [["no-such-command"], 127],
  [["/etc/passwd"], 126],
  [["/"], 126],
])("run %j exits with %i", (command, status) => {
  expect(run(["run", "-q", "-p", "exec-once", "--", ...command]).status).toBe(status);
});

test("standard streams are the command's own", () => {
  const result = spawnSync(program, ["run", "-p", "exec-once", "cat"], { input: "through", encoding: "utf8" });
  expect({ status: result.status, out: result.stdout, err: result.stderr }).toEqual({
    status: 0,
    out: "through",
    err: "",
  });
});

// Its own message comes in parts, between which an event may be.
const denied = ["sh", "-c", "exec 2>/dev/null; exec /bin/true"];

test("a denial is a readable line, with the policy's line and a remedy", () => {
  const { err, status } = run(["run", "-p", "policies/exec-once.ts", "--", ...denied]);
  expect(status).toBe(126);
  expect(err).toMatch(
    /^portcullis: \d\d:\d\d:\d\d\.\d{3} sh\[\d+\]: execve\(0x[0-9a-f]+, .*\): denied with EACCES \(this command may start no program\), by policies\/exec-once\.ts:\d+:\d+; to permit it, change that line$/m,
  );
});

test("events go to a file or to a descriptor, as JSON lines", () => {
  const folder = folderOf({});
  const file = join(folder, "events.jsonl");
  const toFile = run(["run", "-p", "exec-once", "--events", file, "--", ...denied]);
  expect(toFile.err).not.toContain("portcullis:");
  const [event] = readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as object);
  expect(event).toMatchObject({
    v: 1,
    kind: "decision",
    call: "execve",
    verdict: "deny",
    errno: "EACCES",
    policy: "exec-once",
    command: "sh",
  });
  const toFd = run(
    ["run", "-p", "exec-once", "--events", "fd:3", "--", "sh", "-c", "ls /proc/self/fd/3 2>/dev/null; true"],
    { stdio: ["ignore", "pipe", "pipe", "pipe"] },
  );
  expect(JSON.parse(toFd.output[3]!.trim().split("\n")[0]!)).toMatchObject({ kind: "decision", call: "execve" });
});

test("a destination that is open for reading only is refused before the command starts", () => {
  const folder = folderOf({ file: "content\n" });
  const readers = [join(folder, "file"), "/dev/null"].map((path) => openSync(path, constants.O_RDONLY));
  try {
    for (const [events, help] of [
      ["fd:0", "run --events fd:3 "],
      ["fd:3", "run --events fd:3 "],
      ["fd:4", "run --events fd:4 "],
      ["/dev/stdin", "name a file"],
      ["/dev/fd/3", "name a file"],
    ] as const) {
      const { status, out, err } = run(["run", "-p", "exec-once", "--events", events, "--", "echo", "started"], {
        stdio: [readers[0]!, "pipe", "pipe", ...readers],
      });
      expect({ status, out }).toEqual({ status: 125, out: "" });
      expect(err).toMatch(/^error P0910: .* is open for reading only\n {2}help: /);
      expect(err).toContain(help);
    }
    const pipe = spawnSync("sh", ["-c", `echo piped | ${built()} run -p exec-once --events fd:0 -- cat`]);
    expect({ status: pipe.status, out: pipe.stdout.toString() }).toEqual({ status: 125, out: "" });
    // Readable lines on such a standard error are lost, and the command runs.
    const silent = run(["run", "-p", "exec-once", "--", "echo", "started"], { stdio: ["ignore", "pipe", readers[0]!] });
    expect(silent).toMatchObject({ status: 0, out: "started\n" });
  } finally {
    for (const reader of readers) closeSync(reader);
  }
});

test("the command does not inherit the descriptor of --events", () => {
  const { output, status } = run(
    ["run", "-p", "fork-rate", "--events", "fd:3", "--", "sh", "-c", "ls -l /proc/self/fd >&2; echo forged >&3"],
    { stdio: ["ignore", "pipe", "pipe", "pipe"] },
  );
  expect(status).not.toBe(0);
  expect(output[3]).not.toContain("forged");
});

test("a reader of events that does not read does not block the command", () => {
  const fifo = join(folderOf({}), "fifo");
  execFileSync("mkfifo", [fifo]);
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(fifo, constants.O_WRONLY);
  // 64 KiB fill it, some 160 events.
  const script = "i=0; while [ $i -lt 500 ]; do (exec /bin/true) 2>/dev/null; i=$((i+1)); done; exit 9";
  const { status } = run(["run", "-p", "exec-once", "--events", "fd:3", "--", "sh", "-c", script], {
    stdio: ["ignore", "pipe", "pipe", writer],
  });
  expect(status).toBe(9);
  closeSync(reader);
  closeSync(writer);
});

/** Fewer than the supervisor's limit for one rule and call. */
const manyDenials = "i=0; while [ $i -lt 150 ]; do (exec /bin/true) 2>/dev/null; i=$((i+1)); done; exit 9";

test("an unread socket of events blocks neither the command nor the exit, and the lost events are counted", () => {
  const [ours, theirs] = socketPair();
  const channel = openChannel({ fd: ours });
  while (channel.write(Buffer.alloc(1024, "x")) !== "full");
  const { status, err } = run(["run", "-p", "exec-once", "--events", "fd:3", "--", "sh", "-c", manyDenials], {
    stdio: ["ignore", "pipe", "pipe", ours],
  });
  closeSync(ours);
  closeSync(theirs);
  expect(status).toBe(9);
  expect(err).toContain(
    "portcullis: 150 lines of events could not be written to fd:3 and are lost: its reader did not",
  );
});

test("events that do not fit on a full disk are counted and reported", () => {
  const { status, err } = run(["run", "-p", "exec-once", "--events", "/dev/full", "--", "sh", "-c", manyDenials]);
  expect(status).toBe(9);
  expect(err).toContain("portcullis: events cannot be written to /dev/full (ENOSPC: no space is left on the device)");
  expect(err).toContain("portcullis: 150 lines of events could not be written to /dev/full and are lost: ENOSPC");
});

test("events beyond the file size limit are reported, and the file ends with a whole line", () => {
  const file = join(folderOf({}), "events.jsonl");
  // A confined command of the same user can do this with prlimit(2) at any time.
  const script = 'ulimit -f 1; exec "$@"';
  const words = [built(), "run", "-p", "exec-once", "--events", file, "--", "sh", "-c", manyDenials];
  const { status, stderr } = spawnSync("sh", ["-c", script, "sh", ...words], {
    encoding: "utf8",
    timeout: patience.command,
    env: { ...process.env, XDG_CACHE_HOME: "/nonexistent/cache" },
  });
  expect(status).toBe(9);
  const lines = readFileSync(file, "utf8").split("\n");
  expect(lines.pop()).toBe("");
  for (const line of lines) expect(() => JSON.parse(line)).not.toThrow();
  expect(stderr).toContain(`${150 - lines.length} lines of events could not be written to ${file} and are lost: EFBIG`);
});

test.for(["the same user", "another user"])(
  "a full pipe of %s on standard error does not hold up the end",
  (owner, context) => {
    if (owner === "another user" && process.getuid?.() !== 0) context.skip("only root can become another user");
    const fifo = join(folderOf({}), "fifo");
    execFileSync("mkfifo", [fifo]);
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const filler = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    const writer = openSync(fifo, constants.O_WRONLY);
    expect(() => {
      for (;;) writeSync(filler, Buffer.alloc(4096, "x"));
    }).toThrow("EAGAIN");
    const start = owner === "the same user" ? [built()] : programFor(place);
    const words = [...start, "run", "-p", "exec-once", "--audit", "--", "sh", "-c", "/bin/true; exit 9"];
    const [file, ...rest] = words;
    const { status } = spawnSync(file!, rest, { stdio: ["ignore", "ignore", writer], timeout: patience.command });
    expect(status).toBe(9);
    for (const fd of [reader, filler, writer]) closeSync(fd);
  },
);

test("audit: every call passes, with events", () => {
  const { status, err } = run(["run", "-p", "exec-once", "--audit", "--", "sh", "-c", "/bin/true && exit 4"]);
  expect(status).toBe(4);
  expect(err).toMatch(/^portcullis: AUDIT: the policy is not enforced/);
  expect(err).toContain("would be denied with EACCES");
  expect(err).toMatch(/portcullis: AUDIT: the policy was not enforced\n$/);
});

test("no denial events: denied by the kernel alone", () => {
  const { status, err } = run(["run", "-p", "exec-once", "--no-denial-events", "--", ...denied]);
  expect(status).toBe(126);
  expect(err).not.toContain("portcullis:");
});

const killsSync = `import { allow, kill, policy } from "portcullis";
export default policy((call) => (call.name === "sync" ? kill("process", "no sync") : allow));
`;

test("a static kill is reported, with advice how to learn the call", () => {
  const cwd = folderOf({ "p.ts": killsSync });
  const killed = run(["run", "-p", "p.ts", "--", "sync"], { cwd });
  expect(killed.status).toBe(159);
  expect(killed.err).toMatch(
    /^portcullis: [\d:.]+ \[\d+\]: (sync: )?the command was killed by SIGSYS: .*; with --kill-events the supervisor kills/m,
  );
  const child = run(["run", "-p", "p.ts", "--", "sh", "-c", "sync; exit $?"], { cwd });
  expect(child.status).toBe(159);
  expect(child.err).toContain("exited with 159, as a shell does when SIGSYS has killed its child");
  expect(run(["run", "-q", "-p", "p.ts", "--", "sync"], { cwd }).err).toBe("");
  const sent = run(["run", "-p", "exec-once", "--", "sh", "-c", "kill -SYS $$"]);
  expect(sent.err).toContain("this policy never does that");
});

test("with --kill-events a static kill of any process of the tree is an event, with the call and the line", () => {
  const cwd = folderOf({ "p.ts": killsSync });
  const { status, err } = run(["run", "-p", "p.ts", "--kill-events", "--", "sh", "-c", "sync; exit 4"], { cwd });
  expect(status).toBe(4);
  expect(err).toMatch(/ sync\[\d+\]: sync\(\): killed the process \(no sync\), by p\.ts:2:57;/);
});

test("a limit of time", () => {
  const { status, err } = run(["run", "-p", "exec-once", "--timeout", "200ms", "--", "sleep", "3600"]);
  expect(status).toBe(143);
  expect(err).toContain("the time limit was reached");
});

test("parameters", () => {
  const fork = ["--", "sh", "-c", "(true) & wait; exit 3"];
  expect(run(["run", "-q", "-p", "children", "--set", "most=1", ...fork]).status).toBe(2);
  expect(run(["run", "-q", "-p", "children", "--set", "most=2", ...fork]).status).toBe(3);
  const wrong = run(["run", "-p", "children", "--set", "mots=2", ...fork]);
  expect(wrong.status).toBe(125);
  expect(wrong.err).toContain("P0112");
});

test("a policy that does not compile is not run", () => {
  const folder = folderOf({ "p.ts": noExec.replace('"execve"', '"exceve"') });
  const { status, err } = run(["run", "-p", "p.ts", "--", "touch", join(folder, "ran")], { cwd: folder });
  expect(status).toBe(125);
  expect(err).toContain('p.ts:2:48: error P0101: no system call is named "exceve"');
  expect(readdirSync(folder)).toEqual(["p.ts"]);
});

test("a stateful trap is refused, and with --best-effort it kills", () => {
  const folder = folderOf({
    "p.ts": `import { allow, perProcess, policy, trap } from "portcullis";
const seen = perProcess.flag();
export default policy((call) => {
  if (call.name === "getppid" && seen.get()) return trap("again");
  if (call.name === "chdir") seen.set(true);
  return allow;
});
`,
  });
  const command = ["--", "sh", "-c", "cd /; exit 5"];
  const refused = run(["run", "-p", "p.ts", ...command], { cwd: folder });
  expect(refused.status).toBe(125);
  expect(refused.err).toContain("P0604");
  const tried = run(["run", "-p", "p.ts", "--best-effort", ...command], { cwd: folder });
  expect(tried.err).toContain("BEST EFFORT");
  expect(tried.status).toBe(5);
});

// ── The cache ───────────────────────────────────────────────────────────────────────────────────────────────────────

test("a compiled policy is cached, for this user only, until a file changes", () => {
  const folder = folderOf({
    "p.ts": `import { refuse } from "./q.ts";\n${noExec.replace('deny("EACCES", "no program")', "refuse")}`,
    "q.ts": `import { deny } from "portcullis";\nexport const refuse = deny("EACCES", "no program");\n`,
  });
  const cache = join(folder, "cache");
  const compiled = join(cache, "portcullis/compiled");
  const reason = () =>
    /EACCES \((.*?)\), by/.exec(run(["run", "-p", "p.ts", "--", ...denied], { cwd: folder, cache }).err)?.[1];
  expect(reason()).toBe("no program");
  expect(statSync(compiled).mode & 0o777).toBe(0o700);
  const [entry, ...more] = readdirSync(compiled);
  expect(more).toEqual([]);
  const file = join(compiled, entry!);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const written = readFileSync(file);
  const before = statSync(file).mtimeMs;
  expect(reason()).toBe("no program");
  expect(statSync(file).mtimeMs).toBe(before);

  // A changed import: compiled again.
  writeFileSync(
    join(folder, "q.ts"),
    `import { deny } from "portcullis";\nexport const refuse = deny("EACCES", "another reason");\n`,
  );
  expect(reason()).toBe("another reason");

  // Any damage is detected, and the entry is replaced.
  const good = readFileSync(file);
  for (const damaged of [
    good.subarray(0, good.length - 1),
    Buffer.alloc(0),
    Buffer.from("nonsense"),
    Buffer.from(good).fill(0, good.length - 9),
    written.subarray(0, 40),
  ]) {
    writeFileSync(file, damaged);
    expect(reason()).toBe("another reason");
    expect(readFileSync(file).equals(good)).toBe(true);
  }
});

test("a cache that others can read, or that is a link, is not used", () => {
  const folder = folderOf({ "p.ts": noExec });
  const cache = join(folder, "cache");
  mkdirSync(join(cache, "portcullis/compiled"), { recursive: true });
  chmodSync(join(cache, "portcullis/compiled"), 0o755);
  expect(run(["run", "-q", "-p", "p.ts", "--", "true"], { cwd: folder, cache }).status).toBe(0);
  expect(readdirSync(join(cache, "portcullis/compiled"))).toEqual([]);
});

test.each(["/proc/nope", "relative", "/dev/null", ""])("a cache at %j is ignored without an error", (cache) => {
  expect(run(["run", "-q", "-p", "exec-once", "--", "true"], { cache, env: { HOME: "/nonexistent" } }).status).toBe(0);
});

// ── The launcher of the launcher ────────────────────────────────────────────────────────────────────────────────────

test("without dist/ it reports how to build", () => {
  const folder = folderOf({});
  cpSync("bin", join(folder, "bin"), { recursive: true });
  const result = spawnSync(join(folder, "bin/portcullis"), ["--version"], { encoding: "utf8" });
  expect(result.status).toBe(125);
  expect(result.stderr).toContain("make build");
});

test("a closed standard output is not an error", () => {
  const result = spawnSync("sh", ["-c", `"$1" explain nginx | head -1`, "sh", program], { encoding: "utf8" });
  expect(result.stderr).toBe("");
  expect(result.stdout.split("\n")).toHaveLength(2);
});

test.each(["check absent.ts", "test absent.cases", "diff exec-once nginx", "check --strict-paths --nonsense"])(
  "the status of `%s` does not depend on a reader of its output",
  (words) => {
    const statusOf = (redirection: string) =>
      spawnSync("bash", ["-c", `"$1" ${words} ${redirection}; echo "\${PIPESTATUS[0]}"`, "bash", program], {
        encoding: "utf8",
      }).stdout.trim();
    const status = spawnSync(program, words.split(" ")).status;
    expect(status).not.toBe(0);
    expect(statusOf("2>&1 | true")).toBe(String(status));
  },
);

test.each(["check exec-once", "explain exec-once", "run --help", "help", "--version"])(
  "`%s` reports that its output cannot be written",
  (words) => {
    const result = spawnSync("sh", ["-c", `"$1" ${words} >/dev/full`, "sh", program], { encoding: "utf8" });
    expect(result.stderr).toBe("error P0901: standard output cannot be written: the disk is full\n");
    expect(result.status).toBe(125);
  },
);

test("doctor tries the engine", () => {
  const { status, out } = run(["doctor", "--json"]);
  const findings = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { state: string; what: string });
  expect(findings.map((one) => one.what)).toContain("engine notify: a supervisor answers calls, and reports denials");
  expect(status).toBe(0);
});

test("doctor tries the package's policies, whatever files the working directory has", () => {
  const cwd = folderOf({});
  const { out: usual } = run(["doctor", "--json"]);
  for (const name of readyPolicies) {
    for (const file of [`${name}.ts`, `${name}.json`, name, `portcullis/policies/${name}.ts`]) {
      mkdirSync(dirname(join(cwd, file)), { recursive: true });
      writeFileSync(join(cwd, file), "export default policy(");
    }
  }
  const { status, out } = run(["doctor", "--json"], { cwd });
  expect(out).toBe(usual);
  expect(status).toBe(0);
});

test("doctor --differences prints each engine's description", () => {
  const { status, out } = run(["doctor", "--differences"]);
  expect(status).toBe(0);
  expect(out).toContain(
    "trap by state\n  seccomp-ebpf  SIGSYS, as in the static part\n  notify        refused at start (P0604)\n",
  );
  const lines = run(["doctor", "--differences", "--json"]).out.trim().split("\n");
  expect(lines.map((line) => JSON.parse(line).aspect)).toEqual(Object.keys(aspects));
});

test("--cgroup alone has no effect, and is refused", () => {
  const { status, err } = run(["run", "-p", "exec-once", "--cgroup", "--", "true"]);
  expect(status).toBe(125);
  expect(err).toContain("P0908: --timeout, --kill-tree or --die-with-parent beside --cgroup is missing");
});
