/**
 * The way into production (docs/amend.md) on servers: a policy from one short recording, `run --audit` under more load and
 * `amend` until there is nothing to amend, and `run` under the same load, which then refuses nothing.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { DecisionEvent } from "../../src/events/event.ts";
import { type Address, freeAddress } from "../support/address.ts";
import { patience, until } from "../support/patience.ts";

interface Server {
  readonly program: string;
  prepare(folder: string, address: Address): readonly string[];
  /** Requests, and what their last answer has. */
  readonly few: readonly (readonly [request: string, answer: RegExp])[];
  readonly many: readonly (readonly [request: string, answer: RegExp])[];
  readonly end: NodeJS.Signals;
  readonly propose: readonly string[];
}

const servers: readonly Server[] = [
  {
    program: "redis-server",
    prepare: (folder, { host, port }) => [
      ...["redis-server", "--bind", host, "--port", `${port}`, "--dir", folder, "--save", ""],
    ],
    few: [["PING\r\n", /PONG/]],
    many: [
      ["SET a kept\r\nGET a\r\n", /kept/],
      ["CONFIG SET appendonly yes\r\n", /OK/],
      ["BGSAVE SCHEDULE\r\n", /scheduled|started|in progress/],
      // It does not end before that.
      [
        "INFO persistence\r\n",
        /rdb_bgsave_in_progress:0[\s\S]*aof_rewrite_in_progress:0[\s\S]*aof_rewrite_scheduled:0/,
      ],
    ],
    end: "SIGTERM",
    // Its threads start before or after the event that would begin a phase.
    propose: ["--phases", "none"],
  },
  {
    program: "nginx",
    prepare: (folder, { host, port }) => {
      mkdirSync(join(folder, "www/list"), { recursive: true });
      writeFileSync(join(folder, "www/index.html"), "hello\n");
      writeFileSync(join(folder, "www/large"), "x".repeat(300_000));
      writeFileSync(
        join(folder, "nginx.conf"),
        `user root; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log; events { }
http { access_log ${folder}/access.log; client_body_temp_path ${folder}/body; sendfile on;
  server { listen ${host}:${port}; root ${folder}/www; location /list/ { autoindex on; }
    location /put/ { client_body_in_file_only clean; root ${folder}; proxy_pass http://${host}:${port}/; } } }
`,
      );
      return ["nginx", "-c", join(folder, "nginx.conf"), "-g", "daemon off;"];
    },
    few: [["GET / HTTP/1.0\r\n\r\n", /hello/]],
    many: [
      ["GET /list/ HTTP/1.0\r\n\r\n", /Index of/],
      ["GET /large HTTP/1.0\r\n\r\n", /200 OK/],
      ["GET /absent HTTP/1.0\r\n\r\n", /404/],
      ["POST /put/ HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", /HTTP\/1/],
    ],
    end: "SIGQUIT",
    propose: [],
  },
  {
    program: "memcached",
    prepare: (folder, { host, port }) => [
      ...["memcached", "-l", host, "-p", `${port}`, "-U", "0", "-u", "nobody", "-P", join(folder, "pid")],
    ],
    few: [["version\r\nquit\r\n", /VERSION/]],
    many: [
      ["set a 0 0 4\r\nkept\r\nget a\r\nquit\r\n", /kept/],
      ["stats\r\nquit\r\n", /STAT pid/],
      ["lru_crawler crawl all\r\nquit\r\n", /OK|BUSY/],
      ["flush_all\r\nquit\r\n", /OK/],
    ],
    end: "SIGTERM",
    // Its threads start before or after the event that would begin a phase.
    propose: ["--phases", "none"],
  },
];

const portcullis = resolve("bin/portcullis");

function ask({ host, port }: Address, request: string, answer: RegExp): Promise<boolean> {
  return new Promise((done) => {
    let text = "";
    const socket = connect(port, host, () => socket.write(request));
    socket.on("data", (part) => {
      text += part;
      if (answer.test(text)) socket.destroy();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => done(answer.test(text)));
    socket.setTimeout(2000, () => socket.destroy());
  });
}

/** Starts the words, loads the server, and ends it; returns what standard error had. */
async function served(server: Server, words: readonly string[], address: Address, folder: string, isMuch: boolean) {
  const running: ChildProcess = spawn(portcullis, words, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  running.stderr!.on("data", (part) => {
    errors += part;
  });
  onTestFinished(() => {
    running.kill("SIGTERM");
  });
  const ended = once(running, "exit");
  const [[first, answer]] = server.few as readonly [readonly [string, RegExp]];
  await until(`${server.program} serves`, () => {
    if (running.exitCode !== null) throw new Error(`${words.join(" ")}: ${running.exitCode}: ${errors}`);
    return ask(address, first, answer);
  });
  for (const [request, expected] of isMuch ? server.many : [])
    await until(`${server.program} answers ${request}`, () => ask(address, request, expected));
  running.kill(server.end);
  await ended;
  return errors;
}

function decisionsIn(file: string): readonly DecisionEvent[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  return lines.map((line) => JSON.parse(line) as DecisionEvent).filter(({ kind }) => kind === "decision");
}

describe("from a short recording into production", () => {
  it.for(servers)("$program", async (server, context) => {
    if (spawnSync("which", [server.program]).status !== 0) context.skip(`${server.program} is not installed`);
    const folder = mkdtempSync(join(tmpdir(), "portcullis-amended-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    chmodSync(folder, 0o777);
    const address = await freeAddress();
    const command = server.prepare(folder, address);
    const make = (...words: readonly string[]) =>
      spawnSync(portcullis, words, { cwd: folder, encoding: "utf8", timeout: patience.command });

    await served(
      server,
      ["record", "-q", "--recorder", "notifier", "-o", "a.trace", "--", ...command],
      address,
      folder,
      false,
    );
    const proposed = make("propose", "-q", ...server.propose, "-o", "p.ts", "a.trace");
    expect(proposed, proposed.stderr).toMatchObject({ status: 0 });
    const run = ["-p", "p.ts", "--", ...command];
    let rounds = 0;
    for (let clean = 0; clean < 2; rounds++) {
      expect(rounds).toBeLessThan(8);
      const file = `audit${rounds}.jsonl`;
      await served(server, ["run", "-q", "--audit", "--events", file, ...run], address, folder, true);
      if (decisionsIn(join(folder, file)).length === 0) {
        clean++;
        continue;
      }
      clean = 0;
      const amended = make("amend", "--accept", "all", "p.ts", file);
      expect(amended, amended.stderr).toMatchObject({ status: 0 });
      expect(amended.stderr).toMatch(/[1-9]\d* changes? in p\.ts/);
    }
    expect(make("test", "-q", "p.ts")).toMatchObject({ status: 0 });
    expect(make("check", "-q", "p.ts")).toMatchObject({ status: 0 });
    await served(server, ["run", "-q", "--events", "run.jsonl", ...run], address, folder, true);
    expect(decisionsIn(join(folder, "run.jsonl"))).toEqual([]);
  });

  // glibc falls back from clone3 to clone on ENOSYS only, and the event of clone3 lacks the flags that a rule needs.
  it("a program that makes its first thread after the recording", () => {
    const folder = mkdtempSync(join(tmpdir(), "portcullis-amended-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const make = (...words: readonly string[]) =>
      spawnSync(portcullis, words, { cwd: folder, encoding: "utf8", timeout: patience.command });
    const python = (script: string) => ["--", "/usr/bin/python3", "-c", script];
    const threaded = python("import threading; t = threading.Thread(target=print, args=[7]); t.start(); t.join()");
    const recorded = make("record", "-q", "--recorder", "notifier", "-o", "a.trace", ...python("import threading"));
    expect(recorded, recorded.stderr).toMatchObject({ status: 0 });
    expect(make("propose", "-q", "-o", "p.ts", "a.trace")).toMatchObject({ status: 0 });
    expect(make("run", "-q", "--audit", "--events", "audit", "-p", "p.ts", ...threaded)).toMatchObject({ status: 0 });
    const calls = decisionsIn(join(folder, "audit")).map(({ call }) => call);
    expect(calls).toContain("clone");
    expect(calls).not.toContain("clone3");
    expect(make("amend", "--accept", "all", "p.ts", "audit")).toMatchObject({ status: 0 });
    expect(make("run", "-q", "-p", "p.ts", ...threaded)).toMatchObject({ status: 0, stdout: "7\n" });
  });
});
