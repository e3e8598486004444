/**
 * From recordings of a server to its policy: Debian's servers are recorded twice with one load, and serve another load under
 * the proposed policy without a refusal. The calls of a hijacked server are refused.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { hostArchitecture } from "../../src/abi/architecture.ts";
import { nameCall } from "../../src/abi/decode.ts";
import { returnWord } from "../../src/abi/return-word.ts";
import { runClassic } from "../../src/backend/classic/interpreter.ts";
import { notifyFilter } from "../../src/engines/notify/filter.ts";
import type { PolicyEvent } from "../../src/events/event.ts";
import { loadPolicy } from "../../src/frontend/load.ts";
import { readJsonTrace } from "../../src/traces/formats/json.ts";
import { type Address, freeAddress } from "../support/address.ts";
import { until } from "../support/patience.ts";
import { responseOf } from "../support/response.ts";
import { engine, portcullis } from "../support/run.ts";

const architecture = hostArchitecture()!;

interface Server {
  readonly name: string;
  command(address: Address, folder: string): readonly string[];
  /** Requests and the ends of their responses. The first is the load that is recorded, the second the other one. */
  readonly loads: readonly [readonly Request[], readonly Request[]];
  readonly end: NodeJS.Signals;
  /** Calls that its proposed policy must refuse to the process that serves. */
  readonly refused: readonly string[];
  /** Uses a file in this folder, which no recording has: by a request, or by a start that fails. */
  stranger(place: Place, folder: string): Stranger;
}

type Stranger =
  | { readonly load: readonly Request[] }
  | { readonly load?: undefined; readonly command: readonly string[]; readonly says: RegExp };

type Request = readonly [text: string, answer: RegExp];

const page = (path: string, answer: RegExp): Request => [`GET ${path} HTTP/1.0\r\n\r\n`, answer];

const servers: readonly Server[] = [
  {
    name: "nginx",
    command: ({ host, port }, folder) => {
      mkdirSync(join(folder, "www"), { recursive: true });
      writeFileSync(join(folder, "www", "index.html"), "hello");
      writeFileSync(join(folder, "www", "large"), "x".repeat(300_000));
      const user = process.getuid?.() === 0 ? "user www-data;" : "";
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
        (n) => `${n}_temp_path ${folder}/${n};`,
      );
      writeFileSync(
        join(folder, "conf"),
        `${user} worker_processes 2; pid ${folder}/pid; error_log ${folder}/error.log; events {}
         http { access_log ${folder}/access.log; ${temporary.join(" ")} server { listen ${host}:${port}; root ${folder}/www; } }`,
      );
      return ["nginx", "-c", `${folder}/conf`, "-g", "daemon off;"];
    },
    loads: [
      [page("/", /hello$/), page("/large", /x{300000}$/), page("/missing", /404 Not Found/)],
      [page("/index.html", /hello$/), page("/", /hello$/), page("/none", /404/), page("/large", /x$/)],
    ],
    end: "SIGQUIT",
    refused: ['execve("/bin/sh", ["sh"], NULL)', "ptrace(PTRACE_ATTACH, 1)", "bind(3)", "clone(SIGCHLD)"],
    stranger: ({ folder }, other) => {
      writeFileSync(join(other, "secret"), "secret", { mode: 0o644 });
      symlinkSync(join(other, "secret"), join(folder, "www", "link"));
      return { load: [page("/link", /403 Forbidden/), page("/", /hello$/)] };
    },
  },
  {
    name: "redis-server",
    command: ({ host, port }, folder) => {
      const words = [
        "--bind",
        host,
        "--port",
        `${port}`,
        "--dir",
        folder,
        "--pidfile",
        join(folder, "pid"),
        "--save",
        "",
      ];
      return ["redis-server", ...words];
    },
    loads: [
      [
        ["SET a kept\r\nGET a\r\nQUIT\r\n", /^\+OK\r\n\$4\r\nkept\r\n/],
        ["INCR n\r\nDEL n\r\nQUIT\r\n", /^:1\r\n:1\r\n/],
      ],
      [
        ["RPUSH l 1 2 3\r\nDEL l\r\nQUIT\r\n", /^:3\r\n:1\r\n/],
        ["SET b x\r\nEXPIRE b 9\r\nQUIT\r\n", /^\+OK\r\n:1\r\n/],
      ],
    ],
    end: "SIGTERM",
    refused: ['execve("/bin/sh", ["sh"], NULL)', "ptrace(PTRACE_ATTACH, 1)", "setuid(0)"],
    stranger: (_, other) => {
      writeFileSync(join(other, "conf"), "port 0\n");
      return { command: ["redis-server", join(other, "conf")], says: /open config file.*Permission denied/ };
    },
  },
  {
    name: "memcached",
    command: ({ host, port }, folder) => {
      const words = ["-l", host, "-p", `${port}`, "-U", "0", "-u", "nobody", "-P", join(folder, "pid"), "-t", "2"];
      return ["memcached", ...words];
    },
    loads: [
      [["set a 0 0 4\r\nkept\r\nget a\r\nquit\r\n", /^STORED\r\nVALUE a 0 4\r\nkept\r\nEND\r\n/]],
      [["set b 0 0 1\r\n1\r\nincr b 4\r\ndelete b\r\nquit\r\n", /^STORED\r\n5\r\nDELETED\r\n/]],
    ],
    end: "SIGTERM",
    refused: ['execve("/bin/sh", ["sh"], NULL)', "ptrace(PTRACE_ATTACH, 1)"],
    stranger: ({ address: { host, port } }) => ({
      command: ["memcached", "-l", host, "-p", `${port + 1}`, "-U", "0", "-u", "nobody", "-t", "2"],
      says: /failed to listen|bind\(\): Permission denied/,
    }),
  },
];

/** The policy of these recordings with declarations about objects, and the figures of the proposal. */
function proposeWithFiles(policy: string, traces: readonly string[], options: readonly string[] = []): ObjectFigures {
  const proposed = portcullis(["propose", "--files", "--json", "-q", "-o", policy, ...options, ...traces]);
  expect(proposed, proposed.stderr).toMatchObject({ status: 0, stderr: "" });
  const { objects, own } = JSON.parse(proposed.stdout) as { objects: ObjectFigures; own: readonly unknown[] };
  expect(own).toEqual([]);
  expect(portcullis(["check", "--strict", policy])).toMatchObject({ status: 0 });
  const tested = portcullis(["test", policy]);
  expect(tested, tested.stdout + tested.stderr).toMatchObject({ status: 0 });
  return objects;
}

interface ObjectFigures {
  readonly files: { readonly [List in "read" | "write" | "execute" | "missing"]: readonly { readonly path: string }[] };
  readonly unix?: { readonly connect: readonly string[] };
  readonly tcp?: { readonly bind?: readonly number[]; readonly connect?: readonly number[] };
}

function isInstalled(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
}

interface Place {
  readonly folder: string;
  readonly address: Address;
}

async function freshPlace(): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-proposed-"));
  chmodSync(folder, 0o777);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, address: await freeAddress() };
}

/** Runs the server behind these words, gives it the load, and ends it. */
async function serve(
  server: Server,
  before: readonly string[],
  load: readonly Request[],
  times: number,
  place?: Place,
): Promise<void> {
  const { folder, address } = place ?? (await freshPlace());
  const said = openSync(join(folder, "said"), "w");
  const [program, ...words] = [...before, ...server.command(address, folder)];
  const child = spawn(program!, words, { stdio: ["ignore", said, said] });
  closeSync(said);
  let status: number | null | undefined;
  const ended = once(child, "exit").then(([code]: (number | null)[]) => {
    status = code ?? null;
  });
  const read = (name: string) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : "");
  const pid = () => Number(read("pid").trim()) || undefined;
  onTestFinished(async () => {
    const main = pid();
    if (status === undefined && main !== undefined) process.kill(main, "SIGKILL");
    await ended;
  });
  const answered = (text: string) =>
    until("an answer", async () => {
      if (status !== undefined) throw new Error(`${server.name} has ended with ${status}\n${read("said")}`);
      return responseOf(address, text);
    });
  for (let time = 0; time < times; time++) {
    for (const [text, answer] of load) expect(await answered(text)).toMatch(answer);
  }
  process.kill(await until("its pid", pid), server.end);
  await ended;
}

describe.each(servers)("$name", (server) => {
  it("serves under the policy that is proposed from its recordings", async (context) => {
    if (!isInstalled(server.name)) context.skip(`${server.name} is not installed`);
    const folder = mkdtempSync(join(tmpdir(), "portcullis-proposed-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const program = join(process.cwd(), "bin/portcullis");
    const traces = [0, 1, 2].map((number) => join(folder, `${number}.trace`));
    for (const trace of traces) await serve(server, [program, "record", "-q", "-o", trace, "--"], server.loads[0], 20);

    const policy = join(folder, "server.ts");
    const proposed = portcullis(["propose", "-o", policy, ...traces]);
    expect(proposed, proposed.stderr).toMatchObject({ status: 0 });
    expect(proposed.stderr).toContain("replayed over its own traces: all of ");
    expect(proposed.stderr).not.toContain("warning");
    expect(proposed.stderr).toContain("\neach recording, under the policy from the others: ");
    expect(proposed.stderr.split("\n").length).toBeLessThan(20);
    expect(portcullis(["check", "--strict", policy]).status).toBe(0);
    // Two pages: a person signs it.
    const text = readFileSync(policy, "utf8");
    expect(text.split("\n").length).toBeLessThan(120);
    expect(text.replaceAll(/\n \* +/g, " ")).toMatch(/[;-] not: execute programs/);
    const tested = portcullis(["test", policy]);
    expect(tested, tested.stdout + tested.stderr).toMatchObject({ status: 0 });

    const events = join(folder, "events");
    await serve(
      server,
      [program, "run", "--engine", engine, "-p", policy, "--events", events, "--"],
      server.loads[1],
      5,
    );
    const refused = readFileSync(events, "utf8")
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as PolicyEvent)
      .filter((event) => event.kind === "decision");
    expect(refused).toEqual([]);
    for (const call of server.refused) {
      const why = portcullis(["why", policy, call]);
      expect(why.status, `${call}: ${why.stdout}`).toBe(1);
    }
  });

  it("has no judged call for each request, from a recording of a moment", async (context) => {
    if (!isInstalled(server.name)) context.skip(`${server.name} is not installed`);
    const { folder } = await freshPlace();
    const program = join(process.cwd(), "bin/portcullis");
    const [short, long, policy] = [join(folder, "short.trace"), join(folder, "long.trace"), join(folder, "server.ts")];
    const times = 30;
    await serve(server, [program, "record", "-q", "-o", short, "--"], server.loads[0], 4);
    await serve(server, [program, "record", "-q", "-o", long, "--"], server.loads[0], times);
    const proposed = portcullis(["propose", "-o", policy, short]);
    expect(proposed, proposed.stderr).toMatchObject({ status: 0 });
    expect(proposed.stderr).toMatch(/in serving a supervisor \(notify\) would judge [\d.]+ of 1,000 calls/);

    const { program: compiled } = loadPolicy(policy, { architecture });
    const { classic } = notifyFilter(compiled!, { mode: "quiet", armed: false });
    const printed = execFileSync(program, ["trace", "print", long], { encoding: "utf8", maxBuffer: 1 << 28 });
    const counts = new Map<string, number>();
    for (const event of readJsonTrace(printed, long, architecture).runs.flatMap(({ events }) => events)) {
      if (event.kind !== "call") continue;
      const values = event.arguments.map(({ value }) => value);
      const input = { number: event.number, architecture: event.architecture, arguments: values };
      const { word } = runClassic(classic.instructions, { ...input, instructionPointer: 0n });
      const { name } = nameCall(architecture, event.architecture, event.number);
      if (word === returnWord("USER_NOTIF")) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    expect(counts.size).toBeGreaterThan(0);
    expect([...counts].filter(([, count]) => count >= times)).toEqual([]);
  });

  it("serves under the files and ports that are proposed, and reaches no others", async (context) => {
    if (!isInstalled(server.name)) context.skip(`${server.name} is not installed`);
    const place = await freshPlace();
    const own = await freshPlace();
    const program = join(process.cwd(), "bin/portcullis");
    const traces = [0, 1, 2].map((number) => join(own.folder, `${number}.trace`));
    for (const trace of traces)
      await serve(server, [program, "record", "-q", "-o", trace, "--"], server.loads[0], 20, place);

    const policy = join(own.folder, "server.ts");
    const { files, tcp } = proposeWithFiles(policy, traces);
    expect(tcp).toEqual({ bind: [place.address.port], connect: [] });
    expect(files.missing).toEqual([]);
    expect(files.read.length + files.write.length + files.execute.length, JSON.stringify(files)).toBeLessThan(20);
    for (const { path } of [...files.read, ...files.write]) expect(path.slice(1)).toContain("/");

    const events = join(own.folder, "events");
    const run = [program, "run", "--engine", engine, "-p", policy, "--events", events, "--"];
    await serve(server, run, server.loads[1], 3, place);
    const refused = readFileSync(events, "utf8").split("\n").filter(Boolean);
    expect(refused.map((line) => JSON.parse(line) as PolicyEvent).filter(({ kind }) => kind === "decision")).toEqual(
      [],
    );

    // The same calls, with a file or a port of others.
    const stranger = server.stranger(place, own.folder);
    if (stranger.load !== undefined) await serve(server, run, stranger.load, 1, place);
    else {
      const ran = portcullis(["run", "--engine", engine, "-p", policy, "--", ...stranger.command]);
      expect(ran.stdout + ran.stderr).toMatch(stranger.says);
      expect(ran.status).not.toBe(0);
    }
  });
});

describe("sshd", () => {
  it("gets no shell before the login", async (context) => {
    if (process.getuid?.() !== 0) context.skip("sshd gives up its rights, which needs root");
    const package_ = join(process.cwd(), "build/packages/openssh-server");
    if (!existsSync(package_)) context.skip("openssh-server is not unpacked to build/packages");
    const { folder, address } = await freshPlace();
    for (const key of ["host", "user"])
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, key)]);
    writeFileSync(
      join(folder, "conf"),
      `Port ${address.port}\nListenAddress ${address.host}\nHostKey ${folder}/host\nPidFile ${folder}/pid
       AuthorizedKeysFile ${folder}/user.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes
       SshdSessionPath ${package_}/usr/lib/openssh/sshd-session\nSshdAuthPath ${package_}/usr/lib/openssh/sshd-auth\n`,
    );
    // In a mount namespace it gets its user and folder.
    const prepared = `mount -t tmpfs none /run && mkdir -m 755 /run/sshd || exit
{ grep -v ^sshd: /etc/passwd; echo sshd:x:989:65534::/run/sshd:/usr/sbin/nologin; } > "$1"/passwd
mount --bind "$1"/passwd /etc/passwd || exit
shift; exec "$@"`;
    const [trace, policy] = [join(folder, "sshd.trace"), join(folder, "sshd.ts")];
    const program = join(process.cwd(), "bin/portcullis");
    const server = [`${package_}/usr/sbin/sshd`, "-D", "-e", "-f", join(folder, "conf")];
    const recorded = [program, "record", "-q", "-o", trace, "--", ...server];
    const child = spawn("unshare", ["-m", "sh", "-c", prepared, "sshd", folder, ...recorded], { stdio: "ignore" });
    const ended = once(child, "exit");
    const pid = await until("its pid", () =>
      existsSync(join(folder, "pid")) ? Number(readFileSync(join(folder, "pid"), "utf8")) || undefined : undefined,
    );
    onTestFinished(async () => {
      if (child.exitCode === null) process.kill(pid, "SIGKILL");
      await ended;
    });
    const options = ["StrictHostKeyChecking=no", "BatchMode=yes", `UserKnownHostsFile=${folder}/known`];
    const words = ["-F", "none", "-i", join(folder, "user"), ...options.flatMap((option) => ["-o", option])];
    for (let session = 0; session < 3; session++) {
      const login = [...words, "-p", `${address.port}`, `root@${address.host}`, "echo hello"];
      expect(execFileSync("ssh", login, { encoding: "utf8", stdio: "pipe" })).toBe("hello\n");
    }
    process.kill(pid, "SIGTERM");
    await ended;
    const proposed = portcullis(["propose", "-o", policy, trace]);
    expect(proposed, proposed.stderr).toMatchObject({ status: 0 });
    expect(proposed.stderr).toContain("replayed over its own traces: all of ");
    expect(portcullis(["test", policy])).toMatchObject({ status: 0 });

    // The first process that restricts itself by seccomp speaks with a stranger.
    const printed = execFileSync(program, ["trace", "print", trace], { encoding: "utf8", maxBuffer: 1 << 28 });
    const lines = printed.split("\n");
    const at = lines.findIndex((line) => line.includes('"call":"prctl","arguments":[22,'));
    if (at < 0) context.skip("this sshd has no seccomp sandbox");
    const { tid, time } = JSON.parse(lines[at]!) as { tid: number; time: number };
    const attack = (call: string, registers: readonly number[], memory = {}) =>
      JSON.stringify({ v: 1, kind: "call", tid, time, call, arguments: registers, memory });
    const attacks = [
      attack("execve", [7, 0, 0], { path: "/bin/sh" }),
      attack("execve", [7, 0, 0], { path: process.env["SHELL"] ?? "/bin/bash" }),
      attack("mmap", [0, 4096, 5, 2, 3, 0]),
      attack("socket", [2, 1, 0]),
      attack("setuid", [1000]),
    ];
    const attacked = join(folder, "attacked.jsonl");
    writeFileSync(attacked, [...lines.slice(0, at + 1), ...attacks].join("\n"));
    const { stdout } = portcullis(["simulate", policy, attacked]);
    expect(stdout.match(/deny EPERM {2}/g), stdout).toHaveLength(attacks.length);
  });
});

describe("a build", () => {
  it("works in the files that are proposed, and reaches no others", (context) => {
    if (!["make", "gcc"].every(isInstalled)) context.skip("make and gcc are not installed");
    const root = mkdtempSync(join("/var/tmp", "portcullis-proposed-"));
    onTestFinished(() => rmSync(root, { recursive: true, force: true }));
    const [project, temporary] = [join(root, "project"), join(root, "temporary")];
    for (const folder of [project, temporary, join(project, "src")]) mkdirSync(folder);
    for (const name of ["a", "b", "c", "d", "e"])
      writeFileSync(join(project, "src", `${name}.c`), `#include "all.h"\nint ${name}(void) { return 7; }\n`);
    writeFileSync(join(project, "src", "all.h"), "int a(void);\n");
    writeFileSync(join(project, "src", "main.c"), '#include "all.h"\nint main(void) { return a() - 7; }\n');
    writeFileSync(join(root, "secret.h"), "int secret;\n");
    writeFileSync(
      join(project, "Makefile"),
      `all: prog
\t./prog
prog: $(patsubst src/%.c,out/%.o,$(wildcard src/*.c))
\tgcc -o $@ $^
out/%.o: src/%.c src/all.h
\tmkdir -p out && gcc -c -o $@.new $< && mv $@.new $@
clean:
\trm -rf out prog
`,
    );
    const env = { ...process.env, TMPDIR: temporary };
    const [trace, policy] = [join(root, "build.trace"), join(root, "build.ts")];
    const options = { cwd: project, env };
    const recorded = portcullis(["record", "-q", "-o", trace, "--", "make", "all"], options);
    expect(recorded, recorded.stderr).toMatchObject({ status: 0 });
    const cleaned = portcullis(["record", "-q", "--append", "-o", trace, "--", "make", "clean"], options);
    expect(cleaned, cleaned.stderr).toMatchObject({ status: 0 });

    const { files } = proposeWithFiles(policy, [trace]);
    const paths = (list: "read" | "write") =>
      files[list].map(({ path }) => path).filter((path) => path.startsWith(root));
    expect({ read: paths("read"), write: paths("write") }).toEqual({
      read: [project, temporary],
      write: [project, temporary],
    });

    for (const words of [["all"], ["clean"], ["all"]]) {
      const built = portcullis(["run", "--engine", engine, "-p", policy, "--", "make", ...words], options);
      expect(built, built.stdout + built.stderr).toMatchObject({ status: 0 });
    }
    writeFileSync(join(project, "src", "a.c"), '#include "../../secret.h"\nint a(void) { return 7; }\n');
    const refused = portcullis(["run", "--engine", engine, "-p", policy, "--", "make", "all"], options);
    expect(refused.stderr).toContain("secret.h: Permission denied");
    expect(refused.status).not.toBe(0);
  });
});

describe("commands", () => {
  /** Records the command three times, and proposes. */
  const proposed = (folder: string, command: readonly string[]) => {
    const [trace, policy] = [join(folder, "app.trace"), join(folder, "app.ts")];
    for (let time = 0; time < 3; time++) {
      const recorded = portcullis(["record", "-q", "--append", "-o", trace, "--", ...command]);
      expect(recorded, recorded.stderr).toMatchObject({ status: 0 });
    }
    const objects = proposeWithFiles(policy, [trace], ["--phases", "none"]);
    const run = (words: readonly string[]) => portcullis(["run", "--engine", engine, "-p", policy, "--", ...words]);
    return { objects, run };
  };

  it("a program that was searched in vain is not found where its user can put it", async () => {
    const { folder } = await freshPlace();
    const [mine, trace, policy] = [join(folder, "bin"), join(folder, "app.trace"), join(folder, "app.ts")];
    mkdirSync(mine);
    // env(1) executes what it searches, directory by directory.
    const command = ["env", `PATH=${mine}:/usr/bin:/bin`, "cat", "/proc/self/comm"];
    const recorded = portcullis(["record", "-q", "-o", trace, "--", ...command]);
    expect(recorded, recorded.stderr).toMatchObject({ status: 0, stdout: "cat\n" });
    const made = portcullis(["propose", "-o", policy, trace]);
    expect(made, made.stderr).toMatchObject({ status: 0 });
    const where = `programs that no recording found do not exist (ENOENT) where not only root can write: ${mine}`;
    expect(made.stderr).toContain(where);
    const run = (words: readonly string[]) =>
      portcullis(["run", "-q", "--engine", engine, "-p", policy, "--", ...words]);
    expect(run(command)).toMatchObject({ status: 0, stdout: "cat\n" });
    for (const name of ["cat", "other"]) writeFileSync(join(mine, name), "#!/bin/sh\necho hijacked\n", { mode: 0o755 });
    expect(run(command)).toMatchObject({ status: 0, stdout: "cat\n" });
    expect(run([...command.slice(0, 2), "other"])).toMatchObject({ status: 126, stdout: "" });
    // Without the policy, env finds the planted program first.
    expect(execFileSync("env", command.slice(1), { encoding: "utf8" })).toBe("hijacked\n");
  });

  it("php-cgi reads and writes what is proposed, and nothing else", async (context) => {
    if (!isInstalled("php-cgi")) context.skip("php-cgi is not installed");
    const { folder } = await freshPlace();
    const script = join(folder, "app", "a.php");
    for (const name of ["app", "app/out"]) mkdirSync(join(folder, name));
    writeFileSync(join(folder, "app", "data"), "kept");
    writeFileSync(join(folder, "secret"), "secret");
    writeFileSync(script, `<?php echo file_get_contents(__DIR__ . "/data"); file_put_contents(__DIR__ . "/out/x", 1);`);
    const { objects, run } = proposed(folder, ["php-cgi", "-q", script]);
    expect(objects.files.write.map(({ path }) => path)).toEqual([join(folder, "app", "out")]);
    expect(run(["php-cgi", "-q", script]).stdout).toContain("kept");
    writeFileSync(script, `<?php echo file_get_contents("${folder}/secret"), file_put_contents("${folder}/app/y", 1);`);
    const refused = run(["php-cgi", "-q", script]);
    expect(refused.stdout + refused.stderr).not.toMatch(/^secret/m);
    expect(existsSync(join(folder, "app", "y"))).toBe(false);
  });

  it("a client reaches the Unix socket that is proposed, and no other", async () => {
    const { folder } = await freshPlace();
    const paths = ["a", "b"].map((name) => join(folder, name));
    for (const path of paths) {
      const server = createServer().listen(path);
      onTestFinished(() => void server.close());
      await once(server, "listening");
    }
    const text = `const socket = require("node:net").connect(process.argv[1], () => process.exit(0));
      socket.on("error", () => process.exit(3));`;
    const client = (path: string) => [process.execPath, "-e", text, path];
    const { objects, run } = proposed(folder, client(paths[0]!));
    expect(objects.unix).toEqual({ connect: [paths[0]] });
    const reached = run(client(paths[0]!));
    expect(reached, reached.stderr).toMatchObject({ status: 0 });
    const other = run(client(paths[1]!));
    expect(other.status, other.stderr).not.toBe(0);
  });
});
