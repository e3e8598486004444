/**
 * Records processes that run already, by tracefs and as root: by process, cgroup and container; also processes that leave,
 * that end at once, and others that get their ids.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { hostArchitecture } from "../../src/abi/architecture.ts";
import { callByNumber } from "../../src/abi/calls.ts";
import { startsCommand } from "../../src/cli/front.ts";
import { record } from "../../src/cli/verbs/record.ts";
import { InterpreterEvaluator } from "../../src/engines/simulate/interpreter-evaluator.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { recorderOf } from "../../src/observe/record/session/registry.ts";
import { sourceOf } from "../../src/traces/blocks.ts";
import { readTrace } from "../../src/traces/formats/read.ts";
import { replay } from "../../src/traces/replay.ts";
import type { Trace } from "../../src/traces/trace.ts";
import { ordinaryUser } from "../support/ordinary-user.ts";
import { patience, until } from "../support/patience.ts";
import { prepare } from "./run.ts";

const works = recorderOf("tracefs").probe().works;
const architecture = hostArchitecture()!;
const folder = mkdtempSync(join(tmpdir(), "portcullis-attach-"));
let count = 0;

/** It has a thread and a child from the start, obeys the lines of its input, and says when it is done. */
const server = `
import os, sys, threading, time
def beat(mark, parent):
    while os.getppid() == parent:
        os.umask(mark); time.sleep(0.02)
threading.Thread(target=beat, args=(0o11, os.getppid()), daemon=True).start()
server = os.getpid()
child = os.fork()
if child == 0:
    beat(0o22, server)
    os._exit(0)
print(child, flush=True)
for line in sys.stdin:
    word = line.strip()
    if word == "fork":
        one = os.fork()
        if one == 0:
            os.chdir("/etc"); os._exit(0)
        os.waitpid(one, 0)
        print(one, flush=True)
    elif word == "thread":
        one = threading.Thread(target=lambda: os.sync()); one.start(); one.join()
        print("done", flush=True)
    elif word == "leave":
        one = os.fork()
        if one == 0:
            middle = os.getpid()
            if os.fork() == 0:
                while os.path.exists("/proc/%d" % middle): time.sleep(0.01)
                os.chdir("/usr"); open(sys.argv[1], "w").close(); os._exit(0)
            os._exit(0)
        os.waitpid(one, 0)
        print("done", flush=True)
os.kill(child, 9)
`;

interface Server {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly child: number;
  readonly mark: string;
  /** Returns the answer. */
  ask(word: string): Promise<string>;
}

const started: ChildProcess[] = [];

async function startServer(): Promise<Server> {
  const mark = join(folder, `mark-${count++}`);
  const child = spawn("python3", ["-c", server, mark], { stdio: ["pipe", "pipe", "ignore"] });
  started.push(child);
  let text = "";
  child.stdout.on("data", (part) => {
    text += part;
  });
  const answer = async (lines: number): Promise<string> => {
    await until(`the server has answered ${lines} times`, () => text.split("\n").length > lines);
    return text.split("\n")[lines - 1]!;
  };
  let asked = 1;
  const first = Number(await answer(1));
  return {
    process: child,
    pid: child.pid!,
    child: first,
    mark,
    ask: (word) => {
      child.stdin.write(`${word}\n`);
      asked++;
      return answer(asked);
    },
  };
}

interface Recorded {
  readonly process: ChildProcess;
  readonly file: string;
  readonly ended: Promise<{ readonly status: number | null; readonly error: string }>;
}

function start(options: readonly string[]): Recorded {
  const file = join(folder, `${count++}.trace`);
  const child = spawn("bin/portcullis", ["record", "-o", file, ...options], { stdio: ["ignore", "ignore", "pipe"] });
  started.push(child);
  let error = "";
  child.stderr.on("data", (part) => {
    error += part;
  });
  const ended = new Promise<Awaited<Recorded["ended"]>>((done) =>
    child.on("close", (status) => done({ status, error })),
  );
  return { process: child, file, ended };
}

/** Resolves when the recording has begun: the file then has its first lines. */
async function hasBegun({ file, process }: Recorded): Promise<void> {
  await until("the recording has begun", () => process.exitCode !== null || lines(file).includes('"kind":"start"'));
  await until("calls are recorded", () => process.exitCode !== null || lines(file).includes('"kind":"call"'));
}

function lines(file: string): string {
  return existsSync(file) ? spawnSync("zcat", ["-q", file], { encoding: "utf8" }).stdout : "";
}

function traceOf(file: string): Trace {
  const { runs, diagnostics } = readTrace(sourceOf(readFileSync(file)), "t", architecture);
  expect(diagnostics.map(({ code }) => code)).toEqual(["P0826"]);
  expect(runs).toHaveLength(1);
  const policy = loadPolicy("policies/exec-once.ts", { architecture }).program!;
  const replayed = replay(new InterpreterEvaluator(policy), runs[0]!, { file: "t" });
  expect([...replayed.calls()].length).toBeGreaterThan(0);
  expect(replayed.diagnostics()).toEqual([]);
  return runs[0]!;
}

function callsOf(trace: Trace, name: string): { tid: number; first: bigint }[] {
  return trace.events.flatMap((event) => {
    if (event.kind !== "call" || callByNumber(architecture, event.number)?.name !== name) return [];
    return [{ tid: event.tid, first: event.arguments[0]!.value }];
  });
}

beforeAll(prepare);
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});
afterAll(() => execFileSync("rm", ["-rf", folder]));

const interrupted = async (recorded: Recorded) => {
  recorded.process.kill("SIGINT");
  return await recorded.ended;
};

test.runIf(works)("a process, its threads and descendants are recorded, and no other process", async () => {
  const [one, other] = [await startServer(), await startServer()];
  const recorded = start(["--pid", String(one.pid)]);
  await hasBegun(recorded);
  const made = Number(await one.ask("fork"));
  await other.ask("fork");
  await one.ask("thread");
  const { status, error } = await interrupted(recorded);
  expect(error).toMatch(/calls of \d+ kinds are in .* \(tracefs, /);
  expect(status).toBe(0);
  const trace = traceOf(recorded.file);
  expect(trace).toMatchObject({ command: one.pid, uid: 0, gid: 0 });
  expect(callsOf(trace, "chdir").map(({ tid }) => tid)).toEqual([made]);
  expect(callsOf(trace, "sync")).toHaveLength(1);
  const beats = callsOf(trace, "umask");
  expect(new Set(beats.map(({ first }) => first))).toEqual(new Set([0o11n, 0o22n]));
  const ofChild = beats.filter(({ tid }) => tid === one.child);
  expect(ofChild.every(({ first }) => first === 0o22n) && ofChild.length > 0).toBe(true);
  // Their tasks were there: lines without a call create them.
  expect(
    trace.events
      .slice(0, 2)
      .map(({ kind }) => kind)
      .sort(),
  ).toEqual(["fork", "thread"]);
  // The recorded processes go on.
  expect(await one.ask("thread")).toBe("done");
});

test.runIf(works)("a process that leaves by fork and the end of its parents is recorded", async () => {
  const one = await startServer();
  const recorded = start([`--pid=${one.pid}`]);
  await hasBegun(recorded);
  await one.ask("leave");
  await until("the process that left is done", () => existsSync(one.mark));
  // The server ends; what has left it may end later.
  one.process.stdin!.end();
  expect((await recorded.ended).status).toBe(0);
  const trace = traceOf(recorded.file);
  const [left, ...more] = callsOf(trace, "chdir");
  expect(more).toEqual([]);
  const births = trace.events.flatMap((event) => (event.kind === "fork" ? [event] : []));
  const middle = births.find(({ child }) => child === left!.tid)!.tid;
  expect(births.find(({ child }) => child === middle)?.tid).toBe(one.pid);
  expect(trace.events.filter(({ kind }) => kind === "exit").length).toBeGreaterThan(3);
});

test.runIf(works)("a server that forks all the time is recorded without a gap", async () => {
  const forking = `
import os
while True:
    one = os.fork()
    if one == 0:
        os.sync(); os._exit(0)
    os.waitpid(one, 0)
`;
  const child = spawn("python3", ["-c", forking], { stdio: "ignore" });
  started.push(child);
  const recorded = start(["--pid", String(child.pid)]);
  await hasBegun(recorded);
  await until("many processes are recorded", () => lines(recorded.file).split('"kind":"fork"').length > 40);
  expect((await interrupted(recorded)).status).toBe(0);
  const trace = traceOf(recorded.file);
  const forks = trace.events.flatMap((event) => (event.kind === "fork" ? [event.child] : []));
  const made = callsOf(trace, "sync").map(({ tid }) => tid);
  // The first one may have made its call before, and the last one may make it later.
  expect(made.filter((tid) => !forks.includes(tid))).toEqual([]);
  expect(made.length).toBeGreaterThanOrEqual(forks.length - 2);
});

test.runIf(works)("a process that gets the id of a recorded one is not recorded", async () => {
  const one = await startServer();
  const recorded = start(["--pid", String(one.pid)]);
  await hasBegun(recorded);
  const reuse = (id: string) => `
import os
for turn in range(200):
    open("/proc/sys/kernel/ns_last_pid", "w").write(str(${id} - 1))
    pid = os.fork()
    if pid == 0:
        os.chdir("/usr") if os.getpid() == ${id} else None
        os._exit(0)
    os.waitpid(pid, 0)
    if pid == ${id}: break
else: raise SystemExit(1)
`;
  const made = await one.ask("fork");
  execFileSync("python3", ["-c", reuse(made)], { timeout: patience.command });
  expect((await interrupted(recorded)).status).toBe(0);
  expect(callsOf(traceOf(recorded.file), "chdir")).toHaveLength(1);
});

test.runIf(works)("a process that ends at once leaves a recording or an error, and no file then", async () => {
  for (let turn = 0; turn < 8; turn++) {
    const short = spawn("sleep", [String(0.1 + turn / 40)], { stdio: "ignore" });
    const recorded = start(["--pid", String(short.pid)]);
    const { status, error } = await recorded.ended;
    expect([0, 125], error).toContain(status);
    if (status === 0) expect(lines(recorded.file)).toContain(`"tid":${short.pid}`);
    else {
      expect(error).toMatch(/there is no process|has ended|no process is left/);
      expect(existsSync(recorded.file)).toBe(false);
    }
  }
});

test.runIf(works)("it ends after a time, and proposals say that the start is missing", async () => {
  const one = await startServer();
  const recorded = start(["--for", "1s", "--pid", String(one.pid)]);
  await hasBegun(recorded);
  await one.ask("fork");
  expect((await recorded.ended).status).toBe(0);
  const policy = join(folder, "attached.ts");
  const propose = (...options: string[]) =>
    spawnSync("bin/portcullis", ["propose", "-q", "-o", policy, ...options, recorded.file], { encoding: "utf8" });
  const made = propose();
  expect(made).toMatchObject({ status: 0 });
  expect(made.stderr).toContain("begins in the middle, so the policy has no roles and phases");
  expect(readFileSync(policy, "utf8")).toMatch(/The calls before \d+\.trace began/);
  expect(readFileSync(policy, "utf8")).not.toContain("perProcess.phases");
  for (const options of [["--files"], ["--phases", "usual"]]) {
    const refused = propose(...options);
    expect(refused.status).toBe(125);
    expect(refused.stderr).toContain(`${options.join(" ")} needs recordings from the start`);
  }
});

/** A folder of cgroup v2 in which this process can make others. */
function cgroups(): string | undefined {
  const mounts = readFileSync("/proc/self/mountinfo", "latin1").matchAll(/^\d+ \d+ \S+ \/ (\S+) .*- cgroup2 /gm);
  for (const [, mount] of mounts) {
    const trial = join(mount!, `portcullis-trial-${process.pid}`);
    try {
      mkdirSync(trial);
      rmdirSync(trial);
      return mount;
    } catch {
      // It is read-only.
    }
  }
  return undefined;
}
const mount = works ? cgroups() : undefined;

test.runIf(mount !== undefined)("the processes of a cgroup, and of a container by its id, are recorded", async () => {
  const id = `abcd${process.pid}${"0123456789abcdef".repeat(3)}`;
  const above = join(mount!, `portcullis-${process.pid}`);
  const group = join(above, `docker-${id}.scope`);
  const monitor = join(above, `libpod-conmon-${id}.scope`);
  for (const one of [above, group, monitor]) mkdirSync(one);
  const servers: Server[] = [];
  try {
    for (const place of [group, group, monitor]) {
      const one = await startServer();
      servers.push(one);
      for (const pid of [one.pid, one.child]) writeFileSync(join(place, "cgroup.procs"), String(pid));
    }
    const [one, other, outside] = servers as [Server, Server, Server];
    for (const options of [
      ["--container", id.slice(0, 12)],
      ["--cgroup", group],
      ["--cgroup", above.slice(mount!.length)],
    ]) {
      const recorded = start(options);
      await hasBegun(recorded);
      const made = [await one.ask("fork"), await other.ask("fork")];
      const beyond = await outside.ask("fork");
      expect((await interrupted(recorded)).status).toBe(0);
      const chdirs = callsOf(traceOf(recorded.file), "chdir").map(({ tid }) => String(tid));
      expect(chdirs).toEqual(options[1] === above.slice(mount!.length) ? [...made, beyond] : made);
    }
    const several = spawnSync("bin/portcullis", ["record", "--container", "none-of-them", "-o", join(folder, "x")]);
    expect(String(several.stderr)).toContain("the id or the name none-of-them, and no cgroup below");
  } finally {
    for (const { process: one } of servers) one.stdin!.end();
    for (const one of servers) await until("the server has ended", () => one.process.exitCode !== null);
    for (const one of [group, monitor, above]) {
      await until("the cgroup is empty", () => readFileSync(join(one, "cgroup.procs"), "latin1") === "");
      rmdirSync(one);
    }
  }
});

test("targets that cannot be recorded are errors that say why", () => {
  const errorOf = (...options: string[]) => {
    const ran = spawnSync("bin/portcullis", ["record", "-o", join(folder, "none.trace"), ...options], {
      encoding: "utf8",
      timeout: patience.command,
    });
    expect(ran.status).toBe(125);
    expect(existsSync(join(folder, "none.trace"))).toBe(false);
    return ran.stderr;
  };
  expect(errorOf("--pid", "x")).toContain("--pid x is not a number");
  expect(errorOf("--pid", "1", "true")).toContain("there is a command, too");
  expect(errorOf("--pid", "1", "--cgroup", "/")).toContain("are both given");
  expect(errorOf("--for", "1s", "true")).toContain("--for ends a recording of");
  expect(errorOf("--cgroup", folder)).toMatch(/is no cgroup of version 2|is not mounted/);
  expect(errorOf("--pid", String(process.pid), "--recorder", "notifier")).toContain("records only what it starts");
  if (!works) return;
  expect(errorOf("--pid", String(process.pid))).toContain("would record itself");
  expect(errorOf("--pid", "4194304")).toContain("there is no process 4194304");
  const kernel = /^(\d+) \(kthreadd\)/m.exec(readFileSync("/proc/2/stat", "latin1"))?.[1];
  if (kernel !== undefined) expect(errorOf("--pid", kernel)).toContain("is a thread of the kernel");
  const ran = spawnSync(
    "setpriv",
    ["--reuid", String(ordinaryUser), "--clear-groups", "bin/portcullis", "record", "-o", "/dev/null", "--pid", "1"],
    { encoding: "utf8" },
  );
  expect(ran.stderr).toContain("only root may use it");
});

test("bin/portcullis and src/cli/front.ts know the options of record that have a value", () => {
  const attaching = ["pid", "cgroup", "container"];
  const expected = Object.entries(record.options).flatMap(([name, { value, short }]) => {
    if (value === undefined || attaching.includes(name)) return [];
    return [...(short === undefined ? [] : [`-${short}`]), `--${name}`];
  });
  const [, found] = /^ *(-o .*)\) is_value=1 ;;$/m.exec(readFileSync("bin/portcullis", "utf8")) ?? [];
  expect(found?.split(" | ").sort()).toEqual(expected.sort());
  for (const option of expected) {
    expect(startsCommand(["record", option, "value", "--pid", "1"])).toBe(false);
    expect(startsCommand(["record", option, "--pid", "true"])).toBe(true);
  }
  expect(startsCommand(["record", "-q", "docker", "run", "--pid=host"])).toBe(true);
  expect(startsCommand(["record", "--", "--pid=1"])).toBe(true);
});
