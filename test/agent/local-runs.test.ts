/** `portcullis run` through an agent: the same as without one, whatever agent, client and tree do. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { messageKind, orders } from "../../src/engines/launcher/launcher.ts";
import { close, socketPair } from "../../src/machine/descriptors.ts";
import { openProcess } from "../../src/machine/pidfd.ts";
import { inherited, situations } from "../live/inherited.ts";
import { prepare } from "../live/run.ts";
import { asUser, ordinaryUser, programFor, reachableFolder } from "../support/ordinary-user.ts";
import { patience, until } from "../support/patience.ts";
import { ends, isAlive, pidNamespace } from "../support/processes.ts";
import {
  type Agent,
  answerTo,
  buildAgent,
  connectTo,
  fallBack,
  headerOf,
  sendDescriptors,
  startAgent,
} from "./agents.ts";

const program = resolve("bin/portcullis");
const launcher = resolve("dist/native", process.arch, "launcher");
const folder = mkdtempSync(join(tmpdir(), "portcullis-agent-"));
const stateful = join(folder, "stateful.ts");
const killing = join(folder, "killing.ts");
const paths = join(folder, "paths.ts");

let agent: Agent;
beforeAll(async () => {
  await Promise.all([prepare(), buildAgent()]);
  // The second mkdir of a tree is refused.
  writeFileSync(
    stateful,
    `import { allow, deny, perTree, policy } from "portcullis";
const made = perTree.counter();
export default policy((call) => {
  if (call.name !== "mkdir") return allow;
  made.add(1n);
  return made.get() > 1n ? deny("EPERM", "one directory") : allow;
});
`,
  );
  writeFileSync(
    killing,
    `import { allow, kill, perTree, policy } from "portcullis";
const made = perTree.counter();
export default policy((call) => {
  if (call.name !== "mkdir") return allow;
  made.add(1n);
  return made.get() > 0n ? kill("process") : allow;
});
`,
  );
  writeFileSync(
    paths,
    `import { allow, deny, policy } from "portcullis";
export default policy((call) =>
  call.name === "openat" && call.args.path.text.is("forbidden") ? deny("EACCES", "this name") : allow,
);
`,
  );
  agent = await startAgent(join(folder, "runtime"));
  // From now on the cache has them.
  for (const policy of ["exec-once", "children", stateful, killing, paths])
    for (const option of ["--audit", "--no-denial-events", "-q", "--separate"])
      expect(run([option, "-p", policy], ["true"]).status).toBe(0);
});
afterAll(async () => {
  await agent?.end();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  if (!isAlive(agent.pid)) agent = await startAgent(join(folder, "runtime"));
});

interface Ran {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(options: readonly string[], command: readonly string[], env = agent.environment): Ran {
  const words = ["run", ...options, "--", ...command];
  const { status, signal, stdout, stderr, error } = spawnSync(program, words, {
    ...{ encoding: "utf8", timeout: patience.command, killSignal: "SIGKILL", cwd: folder, env, input: "" },
  } as const);
  if (error !== undefined) throw error;
  return { status, signal, stdout, stderr };
}

/** Without times, process ids and the order of the events and the command's lines, between whose parts an event may come. */
function comparable({ stderr, ...ran }: Ran) {
  const text = stderr
    .replace(/\d\d:\d\d:\d\d\.\d{3}/g, "TIME")
    .replace(/\[\d+(?:\/\d+)?\]/g, "[ID]")
    .replace(/0x[0-9a-f]+/g, "ADDRESS");
  const ours = /portcullis: .*\n/g;
  return { ...ran, ours: (text.match(ours) ?? []).sort(), stderr: text.replace(ours, "").split("\n").sort() };
}

/** Runs it with and without the agent. The first must go through it. */
async function compare(options: readonly string[], command: readonly string[], served = true): Promise<Ran> {
  const before = agent.served();
  const through = run(options, command);
  await until("the agent's line", () => !served || agent.served() === before + 1);
  expect(comparable(through)).toEqual(comparable(run(["--no-agent", ...options], command)));
  expect(agent.served()).toBe(before + (served ? 1 : 0));
  return through;
}

/** Starts it, with the lines of its output. */
function started(options: readonly string[], script: string, environment = agent.environment) {
  const child: ChildProcess = spawn(program, ["run", ...options, "--", "sh", "-c", script], {
    ...{ stdio: ["pipe", "pipe", "pipe"], cwd: folder, env: environment, detached: true },
  });
  const text = { out: "", error: "" };
  child.stdout!.on("data", (bytes) => {
    text.out += bytes;
  });
  child.stderr!.on("data", (bytes) => {
    text.error += bytes;
  });
  const ended = new Promise<{ status: number | null; signal: NodeJS.Signals | null }>((done) => {
    child.on("close", (status, signal) => done({ status, signal }));
  });
  const says = (line: string) => until(line, () => text.out.split("\n").includes(line));
  return { child, pid: child.pid!, ended, says, text, go: () => child.stdin!.write("\n") };
}

const parentOf = (pid: number | string) =>
  Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]);

const manyOpens = `for (1..2000) { open(F, "<", "/") and $n++; open(F, "<", "forbidden") or $d++ } print "$n $d"; exit 5`;

describe("a command has the same end and the same events", () => {
  test.each<[string, readonly string[], readonly string[]]>([
    ["status 0", ["-p", "exec-once"], ["true"]],
    ["status 7", ["-p", "exec-once"], ["sh", "-c", "exit 7"]],
    ["a signal", ["-p", "exec-once"], ["sh", "-c", "kill -TERM $$"]],
    ["SIGKILL", ["-p", "children"], ["sh", "-c", "kill -KILL $$"]],
    ["a refused program", ["-p", "exec-once"], ["sh", "-c", "/bin/true; echo $?"]],
    ["no events", ["-q", "-p", "exec-once"], ["sh", "-c", "/bin/true; echo $?"]],
    ["no events of denials", ["--no-denial-events", "-p", "exec-once"], ["sh", "-c", "/bin/true; echo $?"]],
    ["an audit", ["--audit", "-p", "exec-once"], ["sh", "-c", "/bin/true; echo $?"]],
    ["counted children", ["-p", "children"], ["sh", "-c", "(/bin/true); (/bin/true); echo $?"]],
    ["state", ["-p", stateful], ["sh", "-c", "mkdir one two 2>/dev/null; rmdir one; echo $?"]],
    ["paths", ["-q", "-p", paths], ["perl", "-e", manyOpens]],
    ["a kill by the supervisor", ["-p", killing], ["sh", "-c", "mkdir one; echo $?"]],
    ["a time limit", ["--timeout", "300ms", "-p", "children"], ["sleep", "3600"]],
    ["a tree that ends with its command", ["--kill-tree", "-p", "children"], ["sh", "-c", "sleep 3600 & exit 3"]],
    ["a tree that dies with its parent", ["--die-with-parent", "-p", "children"], ["sh", "-c", "exit 4"]],
    ["a daemon", ["-p", "children"], ["sh", "-c", "(sleep 0.2; echo late) & echo early"]],
  ])("%s", async (_, options, command) => {
    await compare(options, command);
  });

  test.each<[string, readonly string[], readonly string[]]>([
    ["a command that does not exist", ["-p", "exec-once"], ["/no/such/command"]],
    ["a file that is no program", ["-p", "exec-once"], [stateful]],
    ["a command that is not found", ["-p", "children"], ["no-such-command"]],
  ])("%s, which Node reports", async (_, options, command) => {
    const { status } = await compare(options, command);
    expect([126, 127]).toContain(status);
  });

  test("standard input and output are the command's", async () => {
    const { stdout } = spawnSync(program, ["run", "-p", "children", "--", "wc", "-c"], {
      ...{ encoding: "utf8", cwd: folder, env: agent.environment, input: "x".repeat(200_000) },
    } as const);
    expect(stdout.trim()).toBe("200000");
  });

  test("no Node is between the front and the launcher", async () => {
    const one = started(["-p", "children"], "echo $PPID; echo ready; read line");
    await one.says("ready");
    expect(parentOf(one.text.out.split("\n")[0]!)).toBe(one.pid);
    one.go();
    expect(await one.ended).toEqual({ status: 0, signal: null });
  });
});

describe("falls back to Node", () => {
  test.each<[string, readonly string[]]>([
    ["with a destination of events", ["--events", "events", "-p", "exec-once"]],
    ["with a status", ["--status", "auto", "-p", "exec-once"]],
    ["with --best-effort", ["--best-effort", "-p", "exec-once"]],
    ["with an unknown policy", ["-p", "no-such-policy"]],
    ["with an unknown option", ["--no-such-option", "-p", "exec-once"]],
    ["with a policy that is given by a descriptor", ["-p", "/dev/stdin"]],
    ["for help", ["--help"]],
  ])("%s", async (_, options) => {
    await compare(options, ["sh", "-c", "/bin/true; echo $?"], false);
  });

  test("for a policy that the cache lacks, which the next start finds there", async () => {
    const policy = join(folder, `new-${Date.now()}.ts`);
    writeFileSync(policy, readFileSync(stateful));
    const before = agent.served();
    const script = ["sh", "-c", "mkdir one two; rmdir one; echo $?"];
    const first = run(["-p", policy], script);
    expect(agent.served()).toBe(before);
    const second = run(["-p", policy], script);
    expect(comparable(second)).toEqual(comparable(first));
    await until("the agent's line", () => agent.served() === before + 1);
  });

  test("for a policy that has changed", async () => {
    const policy = join(folder, "changing.ts");
    writeFileSync(policy, readFileSync(stateful));
    for (let count = 0; count < 2; count++) run(["-p", policy], ["true"]);
    const before = agent.served();
    writeFileSync(policy, readFileSync(stateful, "utf8").replace("> 1n", "> 0n"));
    expect(run(["-p", policy], ["mkdir", "refused"]).status).toBe(1);
    expect(agent.served()).toBe(before);
  });

  test("in other namespaces than the agent's", async (context) => {
    if (process.getuid?.() !== 0) context.skip("needs root, for namespaces");
    const before = agent.served();
    for (const words of [pidNamespace, ["unshare", "--mount"], ["unshare", "--user", "--map-root-user"]]) {
      const ran = spawnSync(words[0]!, [...words.slice(1), program, "run", "-p", "exec-once", "--", "true"], {
        env: agent.environment,
      });
      expect(ran.status).toBe(0);
    }
    expect(agent.served()).toBe(before);
  });

  test("in a confined tree, for which an agent would act with more rights", async () => {
    const before = agent.served();
    const nested = [program, "run", "-q", "--no-denial-events", "-p", "exec-once", "--", "true"];
    expect(run(["--no-agent", "-p", "children"], nested).status).toBe(0);
    expect(agent.served()).toBe(before);
  });
});

describe("signals", () => {
  test.each(["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1"] as const)(
    "%s reaches the command",
    async (signal) => {
      const one = started(["-p", "children"], "echo ready; exec sleep 3600");
      await one.says("ready");
      process.kill(one.pid, signal);
      expect((await one.ended).signal).toBe(signal);
    },
  );

  test("a command that catches one ends as it wants", async () => {
    const one = started(["-p", "children"], "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done");
    await one.says("ready");
    process.kill(one.pid, "SIGTERM");
    expect(await one.ended).toEqual({ status: 9, signal: null });
  });

  test("one that comes before the command has started ends portcullis", async () => {
    process.kill(agent.pid, "SIGSTOP");
    const one = started(["-p", "children"], "echo ran");
    await new Promise((wake) => setTimeout(wake, 100));
    process.kill(one.pid, "SIGTERM");
    const end = await one.ended;
    process.kill(agent.pid, "SIGCONT");
    expect(end.signal).toBe("SIGTERM");
    expect(one.text.out).toBe("");
  });
});

describe("a process that is killed or stopped", () => {
  const asking = 'echo "pid $$"; read line; mkdir without 2>/dev/null; echo "mkdir $?"';
  const pidOf = (one: ReturnType<typeof started>) =>
    until("the command's pid", () => /^pid (\d+)$/m.exec(one.text.out)?.[1]).then(Number);

  test("the agent: supervised calls fail, and the front says so", async () => {
    const one = started(["-p", stateful], asking);
    await pidOf(one);
    await agent.end();
    await until("the sentence", () => one.text.error.includes("\n"));
    expect(one.text.error).toMatch(/^portcullis: the agent has ended while the command ran: later events are lost/);
    one.go();
    expect(await one.ended).toEqual({ status: 0, signal: null });
    expect(one.text.out).toContain("mkdir 1\n");
  });

  test("the agent, with --die-with-parent: the tree ends", async () => {
    const one = started(["--die-with-parent", "-p", stateful], asking);
    const pid = await pidOf(one);
    await agent.end();
    await ends(pid);
    expect((await one.ended).signal).toBe("SIGKILL");
  });

  test("the agent, stopped before the start: Node starts within a second", async () => {
    process.kill(agent.pid, "SIGSTOP");
    const ran = run(["-p", stateful], ["sh", "-c", "mkdir one two 2>/dev/null; rmdir one; echo ran"]);
    process.kill(agent.pid, "SIGCONT");
    expect(ran).toMatchObject({ status: 0, stdout: "ran\n" });
    // The late request has no effect.
    await compare(["-p", stateful], ["true"]);
  });

  test("the agent, stopped while the command runs: supervised calls wait", async () => {
    const one = started(["-p", stateful], asking);
    await pidOf(one);
    process.kill(agent.pid, "SIGSTOP");
    one.go();
    await new Promise((wake) => setTimeout(wake, 200));
    expect(one.text.out).not.toContain("mkdir");
    process.kill(agent.pid, "SIGCONT");
    expect((await one.ended).status).toBe(0);
    expect(one.text.out).toContain("mkdir 0\n");
    rmSync(join(folder, "without"), { recursive: true });
  });

  test("the launcher: the command ends", async () => {
    const one = started(["-p", stateful], asking);
    const pid = await pidOf(one);
    process.kill(parentOf(pid), "SIGKILL");
    await ends(pid);
    expect((await one.ended).signal).toBe("SIGKILL");
    expect(one.text.error).toContain("the launcher was killed: its command is ended");
  });

  test("the front: the command goes on under supervision", async () => {
    const one = started(["-p", stateful], `exec > out; ${asking}; mkdir second 2>/dev/null; echo "mkdir $?"`);
    const pid = await until("the command's pid", () => {
      try {
        return readFileSync(join(folder, "out"), "utf8").match(/^pid (\d+)$/m)?.[1];
      } catch {
        return undefined;
      }
    }).then(Number);
    const held = one.child.stdin!;
    process.kill(one.pid, "SIGKILL");
    await until("the front's end", () => !isAlive(one.pid));
    held.write("\n");
    await ends(pid);
    expect(readFileSync(join(folder, "out"), "utf8")).toMatch(/mkdir 1\n$/);
    rmSync(join(folder, "without"), { recursive: true, force: true });
    await compare(["-p", stateful], ["true"]);
  });
});

describe("clients that are no fronts", () => {
  const strings = (...words: readonly string[]) => Buffer.from(words.map((word) => `${word}\0`).join(""));

  test("malformed requests are refused, and others are served meanwhile", async () => {
    const good = strings("script", "run", "/");
    const requests: readonly (readonly Uint8Array[])[] = [
      [new Uint8Array(96)],
      [Buffer.from("GET / HTTP/1.1\r\n\r\n")],
      [headerOf(2, 0, good.length), good], // without a socket to a launcher
      [headerOf(0, 0, 0)],
      [headerOf(2, 0, 0xffff_ffff)],
      [Buffer.alloc(1 << 20, 1)],
    ];
    for (const sent of requests) expect([fallBack, undefined]).toContain(await answerTo(agent.socket, ...sent));
    await compare(["-p", "exec-once"], ["true"]);
  });

  test("a client that says nothing is disconnected", async () => {
    expect(await answerTo(agent.socket)).toBe(fallBack);
  });

  test("a flood of connections delays nobody for long, and leaves no descriptor", async () => {
    const open = () => Number(spawnSync("sh", ["-c", `ls /proc/${agent.pid}/fd | wc -l`], { encoding: "utf8" }).stdout);
    const before = open();
    const sockets = Array.from({ length: 400 }, () => connectTo(agent.socket));
    expect(run(["-p", stateful], ["sh", "-c", "echo ran"])).toMatchObject({ status: 0, stdout: "ran\n" });
    for (const socket of sockets) close(socket);
    await until("its descriptors are closed", () => open() <= before + 8);
    await compare(["-p", "exec-once"], ["true"]);
  });

  const descriptorsOf = {
    "a process for the pidfd, and a file for the listener": () => [openProcess(process.pid), openProcess(1)],
    "two files": () => [connectTo(agent.socket), connectTo(agent.socket)],
    "no pidfd": () => [],
  };
  test.each(Object.entries(descriptorsOf))("%s are not supervised", async (_, descriptors) => {
    const [ours, theirs] = socketPair();
    const socket = connectTo(agent.socket);
    const words = strings(
      resolve("bin/portcullis.cjs"),
      "run",
      "-p",
      "exec-once",
      "--",
      "true",
      folder,
      `HOME=${process.env["HOME"]}`,
    );
    const header = identified(headerOf(6, 1, words.length));
    sendDescriptors(socket, Buffer.concat([header]), [theirs]);
    sendDescriptors(socket, words, []);
    close(theirs);
    const before = agent.lines().length;
    const message = new DataView(new ArrayBuffer(orders.messageSize));
    message.setUint32(0, messageKind.started, true);
    message.setInt32(4, process.pid, true);
    message.setInt32(8, process.pid, true);
    const given = descriptors();
    sendDescriptors(ours, new Uint8Array(message.buffer), given);
    for (const descriptor of [...given, ours]) close(descriptor);
    await until("the refusal", () => agent.lines().length >= before + 1);
    close(socket);
    await compare(["-p", "exec-once"], ["true"]);
    expect(isAlive(process.pid)).toBe(true);
  });

  test("of another user are refused", async (context) => {
    if (process.getuid?.() !== 0) context.skip("needs root, to be two users");
    const open = mkdtempSync("/tmp/portcullis-agent-");
    spawnSync("chmod", ["755", open]);
    const others = await startAgent(open);
    spawnSync("chmod", ["-R", "777", open]);
    const place = reachableFolder("agent");
    mkdirSync(join(place, "home"));
    spawnSync("chmod", ["777", join(place, "home")]);
    const [words, env] = [programFor(place), { ...others.environment, HOME: join(place, "home") }];
    for (let count = 0; count < 2; count++) {
      const ran = spawnSync(words[0]!, [...words.slice(1), "run", "-p", "exec-once", "--", "true"], { env, cwd: "/" });
      expect(ran.status).toBe(0);
    }
    expect(others.served()).toBe(0);
    await others.end();
    rmSync(open, { recursive: true });
  });
});

describe("agents that are not trusted", () => {
  /** A server in the agent's place that prints each byte's arrival. */
  const planted = `const { createServer } = require("node:net");
createServer((one) => one.on("data", () => console.log("asked")).on("error", () => {})).listen(process.argv[1], () => console.log("ready"));`;

  async function plant(words: readonly string[], place: string) {
    mkdirSync(join(place, "portcullis"), { recursive: true });
    spawnSync("chmod", ["-R", "777", place]);
    const [program, ...rest] = [...words, process.execPath, "-e", planted, join(place, "portcullis/run.sock")];
    const child = spawn(program!, rest, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout!.on("data", (bytes) => {
      text += bytes;
    });
    await until("the planted socket", () => text.includes("ready"));
    const env = { ...process.env, XDG_RUNTIME_DIR: place };
    const ran = run(["-p", stateful], ["sh", "-c", "echo ran"], env);
    child.kill("SIGKILL");
    expect(ran).toMatchObject({ status: 0, stdout: "ran\n" });
    return text;
  }

  test("one of another user", async (context) => {
    if (process.getuid?.() !== 0) context.skip("needs root, to be two users");
    const place = reachableFolder("planted");
    expect(await plant(asUser(ordinaryUser), place)).not.toContain("asked");
  });

  test("a confined process of this user", async () => {
    const place = mkdtempSync(join(folder, "confined-"));
    // The planted server ends with portcullis, which is killed.
    const confined = [program, "run", "--no-agent", "--die-with-parent", "-q", "-p", "children", "--"];
    expect(await plant(confined, place)).not.toContain("asked");
  });

  test("a file that is no socket, and a socket without a server", async () => {
    const place = mkdtempSync(join(folder, "none-"));
    mkdirSync(join(place, "portcullis"));
    writeFileSync(join(place, "portcullis/run.sock"), "");
    const env = { ...process.env, XDG_RUNTIME_DIR: place };
    expect(run(["-p", stateful], ["sh", "-c", "echo ran"], env)).toMatchObject({ status: 0, stdout: "ran\n" });
    rmSync(join(place, "portcullis/run.sock"));
    const server = createServer();
    await new Promise<void>((done) => server.listen(join(place, "portcullis/run.sock"), done));
    await new Promise((done) => server.close(done));
    expect(run(["-p", stateful], ["sh", "-c", "echo ran"], env)).toMatchObject({ status: 0, stdout: "ran\n" });
  });
});

describe("standard error", () => {
  test("that nothing reads delays neither the command nor the agent", async () => {
    const script = 'timeout 0.5 cat /dev/zero >&2; exec "$@"';
    const refused = "for i in $(seq 300); do mkdir again 2>/dev/null; done; echo done";
    const words = [
      script,
      "bash",
      program,
      "run",
      "-p",
      stateful,
      "--",
      "bash",
      "-c",
      `mkdir again; ${refused}; rmdir again`,
    ];
    const child = spawn("bash", ["-c", ...words], {
      cwd: folder,
      env: agent.environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    child.stdout.on("data", (bytes) => {
      text += bytes;
    });
    const status = await new Promise((done) => child.on("exit", done));
    child.stderr.destroy();
    expect({ status, text }).toEqual({ status: 0, text: "done\n" });
    await compare(["-p", "exec-once"], ["true"]);
  });

  test("on a full disk: the status shows that events are lost", async () => {
    const script = `"$0" run -p exec-once -- sh -c /bin/true 2>/dev/full; echo $?`;
    const ran = spawnSync("sh", ["-c", script, program], { encoding: "utf8", env: agent.environment });
    expect(ran.stdout).toBe("125\n");
  });

  test("that is closed", async () => {
    const script = `"$0" run -p exec-once -- sh -c 'exit 3' 2>&-; echo $?`;
    const ran = spawnSync("sh", ["-c", script, program], { encoding: "utf8", env: agent.environment });
    expect(ran.stdout).toBe("3\n");
  });

  test("in a file has whole lines", async () => {
    const file = join(folder, "errors");
    const script = `mkdir x 2>/dev/null; for i in 1 2 3; do echo mine >&2; mkdir x 2>/dev/null; done; rmdir x`;
    spawnSync("sh", ["-c", `"$0" run -p "${stateful}" -- sh -c '${script}' 2>"${file}"`, program], {
      env: agent.environment,
    });
    const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
    expect(lines.filter((line) => line === "mine").length).toBe(3);
    expect(lines.filter((line) => !/^(?:mine$|portcullis: )/.test(line))).toEqual([]);
  });
});

test("fifty commands at once have their own state and status", async () => {
  const script = "mkdir $0 && mkdir $0-second 2>/dev/null; rmdir $0; exit $1";
  const before = agent.served();
  const all = Array.from({ length: 50 }, (_, index) => {
    const words = ["run", "-q", "-p", stateful, "--", "sh", "-c", script, `at-once-${index}`, `${index}`];
    const child = spawn(program, words, { cwd: folder, env: agent.environment, stdio: "ignore" });
    return new Promise((done) => child.on("exit", done));
  });
  expect(await Promise.all(all)).toEqual(all.map((_, index) => index));
  expect(agent.served()).toBeGreaterThan(before);
});

describe("a command inherits the same through the agent", () => {
  const place = reachableFolder("agent-inherited");
  test.each(Object.entries(situations).filter(([, settings]) => !settings.includes("clear=0")))(
    "after %s",
    async (_, settings) => {
      const portcullis = join(place, "portcullis");
      spawnSync("ln", ["-sf", launcher, portcullis]);
      const environment = { HOME: process.env["HOME"], XDG_RUNTIME_DIR: agent.environment["XDG_RUNTIME_DIR"] };
      const words = [portcullis, "run", "-q", "-p", "children", "--"];
      const before = agent.served();
      const through = inherited(place, settings, words, { environment });
      // The agent decodes only words in UTF-8.
      if (!settings.some((one) => one.startsWith("word=")))
        await until("the agent's line", () => agent.served() === before + 1);
      expect(through).toBe(inherited(place, settings, [], { environment }));
    },
  );
});

/** With the identities of this process. */
function identified(header: Uint8Array): Uint8Array {
  const paths = ["/proc/self/ns/mnt", "/proc/self/ns/pid", "/proc/self/ns/user", "/", folder];
  const view = new DataView(header.buffer);
  paths.forEach((path, index) => {
    const facts = spawnSync("stat", ["-L", "-c", "%Hd %Ld %i", path], { encoding: "utf8" }).stdout.trim().split(" ");
    const at = 16 + 16 * index;
    view.setUint32(at, Number(facts[0]), true);
    view.setUint32(at + 4, Number(facts[1]), true);
    view.setBigUint64(at + 8, BigInt(facts[2]!), true);
  });
  return header;
}
