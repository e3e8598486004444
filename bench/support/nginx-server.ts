/** nginx with one worker, pinned to one core, as a server to measure, and wrk on the other core as its load. */
import { type ChildProcess, execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeWithUs, startWithUs } from "./end-with-us.ts";

if (availableParallelism() < 2) throw new Error("the server and its load need one core each");

/** Attempts, one every 50 ms. In the machine a recorder takes 15 seconds to start. */
const mostAttempts = 2400;

export interface Server {
  readonly page: string;
  readonly folder: string;
  readonly process: ChildProcess;
}

/** `prefix`: the words before the server's own. */
export async function start(port: number, prefix: readonly string[]): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-bench-"));
  chmodSync(folder, 0o755);
  removeWithUs(folder);
  mkdirSync(join(folder, "www"));
  writeFileSync(join(folder, "www", "index.html"), "x".repeat(1024));
  const user = process.getuid?.() === 0 ? "user www-data;" : "";
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((n) => `${n}_temp_path ${folder}/${n};`);
  writeFileSync(
    join(folder, "nginx.conf"),
    `${user} worker_processes 1; worker_cpu_affinity 01; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
     events { worker_connections 512; }
     http { access_log off; keepalive_requests 1000000; ${temporary.join(" ")}
       server { listen 127.0.0.1:${port}; root ${folder}/www; } }`,
  );
  const words = [...prefix, "nginx", "-c", join(folder, "nginx.conf"), "-g", "daemon off;"];
  const child = startWithUs(words, { stdio: ["ignore", "inherit", "inherit"] });
  const page = `http://127.0.0.1:${port}/index.html`;
  for (let attempt = 0; ; attempt += 1) {
    // A server whose port is taken exits, and another server may respond there.
    if (child.exitCode !== null || attempt > mostAttempts) {
      child.kill();
      throw new Error(`nginx does not serve ${page}: ${words.join(" ")}`);
    }
    const isUp = existsSync(join(folder, "nginx.pid")) && (await fetch(page).catch(() => undefined))?.ok === true;
    if (isUp) return { page, folder, process: child };
    await sleep(50);
  }
}

export const requestsPerSecond = (server: Server): number => loaded(server, /Requests\/sec:\s+([\d.]+)/);

/** How many there are in a second. */
export const requests = (server: Server): number => loaded(server, /(\d+) requests in/);

function loaded(server: Server, figure: RegExp): number {
  const words = ["-c", "1", "wrk", "-t1", "-c16", "-d1s", server.page];
  const text = execFileSync("taskset", words, { encoding: "utf8" });
  if (/Non-2xx|Socket errors/.test(text)) throw new Error(`requests failed:\n${text}`);
  return Number(figure.exec(text)![1]);
}

export async function stop(server: Server): Promise<void> {
  const ended = new Promise((resolve) => server.process.once("exit", resolve));
  process.kill(Number(readFileSync(join(server.folder, "nginx.pid"), "utf8")), "SIGTERM");
  await ended;
  rmSync(server.folder, { recursive: true, force: true });
}
