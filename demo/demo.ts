/**
 * `make demo`: nginx serves requests under a stateful policy; the policy stops an attack, and the event names the
 * policy's line; `explain` shows the policy's verdicts before it runs. Exits 0 only if every check passes.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../bench/support/port.ts";
import type { PolicyEvent } from "../src/events/event.ts";

const portcullis = "bin/portcullis";
const policyFile = "policies/nginx.ts";
const folder = mkdtempSync(join(tmpdir(), "portcullis-demo-"));
chmodSync(folder, 0o755);
const failures: string[] = [];

function heading(text: string): void {
  console.log(`\n── ${text} ${"─".repeat(Math.max(0, 100 - text.length))}`);
}

function check(what: string, holds: boolean, detail = ""): void {
  console.log(`  ${holds ? "ok  " : "FAIL"}  ${what}${detail ? `  (${detail})` : ""}`);
  if (!holds) failures.push(what);
}

function eventsOf(file: string): PolicyEvent[] {
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch {
    // Without events there is no file.
  }
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as PolicyEvent);
}

const decisionsOf = (file: string) => eventsOf(file).flatMap((event) => (event.kind === "decision" ? [event] : []));

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2000) })).status === 200;
  } catch {
    return false;
  }
}

async function until(condition: () => Promise<boolean>, milliseconds: number): Promise<boolean> {
  for (const end = Date.now() + milliseconds; Date.now() < end; await sleep(50)) if (await condition()) return true;
  return false;
}

function nginxConfiguration(port: number, upstream: number): string {
  const user = process.getuid?.() === 0 ? "user www-data;" : "";
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
${user}
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 256; }
http {
  access_log off;
  ${paths.map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}
  sendfile on;
  server {
    listen 127.0.0.1:${port};
    root ${folder}/www;
    location /upstream { proxy_pass http://127.0.0.1:${upstream}; }
  }
  server { listen 127.0.0.1:${upstream}; return 200 "from upstream\\n"; }
}
`;
}

function stop(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) return resolve(child.exitCode);
    child.once("exit", (status) => resolve(status));
    process.kill(Number(readFileSync(join(folder, "nginx.pid"), "utf8")), "SIGQUIT");
  });
}

async function serve(): Promise<void> {
  heading("1. nginx under policies/nginx.ts");
  const [port, upstream] = [await freePort(), await freePort()];
  const events = join(folder, "nginx.events");
  mkdirSync(join(folder, "www"));
  writeFileSync(join(folder, "www", "index.html"), "hello\n");
  writeFileSync(join(folder, "nginx.conf"), nginxConfiguration(port, upstream));
  const words = [
    "run",
    "-p",
    policyFile,
    "--events",
    events,
    "--",
    "nginx",
    "-c",
    join(folder, "nginx.conf"),
    "-g",
    "daemon off;",
  ];
  console.log(`  $ portcullis ${words.join(" ").replace("daemon off;", "'daemon off;'")}`);
  const server = spawn(portcullis, words, { stdio: ["ignore", "inherit", "inherit"] });
  try {
    const page = `http://127.0.0.1:${port}/index.html`;
    check("nginx serves a page", await until(() => answers(page), 10_000), page);
    check("nginx serves a page from its upstream", await answers(`http://127.0.0.1:${port}/upstream`));
    const load = spawnSync("wrk", ["-t1", "-c32", "-d5s", page], { encoding: "utf8" });
    const rate = /Requests\/sec:\s+([\d.]+)/.exec(load.stdout)?.[1];
    const errors = /Non-2xx|Socket errors/.test(load.stdout);
    check(
      "nginx serves under load without failed requests",
      load.status === 0 && rate !== undefined && !errors,
      `${rate} requests/s`,
    );
    process.kill(Number(readFileSync(join(folder, "nginx.pid"), "utf8")), "SIGHUP");
    await sleep(500);
    check("nginx reloads its configuration", await until(() => answers(page), 5_000));
    const refused = decisionsOf(events);
    check("the policy denies no call of nginx", refused.length === 0, refused.map((event) => event.call).join(", "));
  } finally {
    check("nginx exits on SIGQUIT", (await stop(server)) === 0);
  }
}

function attack(how: "shell" | "listen", title: string, call: string): void {
  console.log(`\n  ${title}`);
  const free = spawnSync("build/demo/hijacked", [how], { stdio: ["ignore", "inherit", "inherit"] });
  check("without a policy, the attack succeeds", free.status === 0);
  const events = join(folder, `${how}.events`);
  const words = ["run", "-p", policyFile, "--events", events, "--", "build/demo/hijacked", how];
  console.log(`  $ portcullis ${words.join(" ")}`);
  const guarded = spawnSync(portcullis, words, { stdio: ["ignore", "inherit", "inherit"] });
  check("under the policy, the worker is killed before the call", guarded.status === 1, `status ${guarded.status}`);
  const decision = decisionsOf(events).find((event) => event.call === call && event.verdict === "kill-process");
  check("the event names call, phase and line", decision?.rule?.startsWith(policyFile) === true);
  if (decision !== undefined) {
    console.log(`        ${decision.call}: ${decision.verdict}: ${decision.reason}`);
    console.log(`        phase ${Object.values(decision.phases ?? {}).join(", ")}, rule ${decision.rule}`);
  }
}

function explain(): void {
  heading("3. The policy's verdicts, without running a command");
  console.log(`  $ portcullis explain -p ${policyFile}`);
  const explained = spawnSync(portcullis, ["explain", "-p", policyFile], { encoding: "utf8" });
  console.log(explained.stdout);
  check(
    "explain prints the phases",
    explained.status === 0 && explained.stdout.includes("serving"),
    explained.stderr.trim(),
  );
}

try {
  await serve();
  heading("2. A hijacked worker");
  attack("shell", "It starts a shell:", "execve");
  attack("listen", "It opens a listening socket (a back door):", "bind");
  explain();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
heading(failures.length === 0 ? "All checks passed" : `${failures.length} failed: ${failures.join("; ")}`);
process.exitCode = failures.length === 0 ? 0 : 1;
