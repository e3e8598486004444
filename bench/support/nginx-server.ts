/** nginx with one worker, pinned to one core, as a server to measure, and wrk on the other core as its load. */
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeWithUs, startWithUs } from "./end-with-us.ts";
import { freePort } from "./port.ts";
import { coreOfLoad, mostAttempts, type Server } from "./server.ts";
import { wrk } from "./wrk.ts";

/** `prefix`: the words before the server's own. */
export async function startNginx(prefix: readonly string[]): Promise<Server> {
  const port = await freePort();
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
  let cause: unknown;
  for (let attempt = 0; ; attempt += 1) {
    // A server whose port is taken exits, and another server may respond there.
    if (child.exitCode !== null || attempt > mostAttempts) {
      child.kill();
      throw new Error(`nginx does not serve ${page}: ${words.join(" ")}`, { cause });
    }
    if (existsSync(join(folder, "nginx.pid"))) {
      const answer = await fetch(page).catch((error: unknown) => {
        cause = error;
      });
      if (answer?.ok === true) break;
    }
    await sleep(50);
  }
  const load = () => wrk(["taskset", ...coreOfLoad], page);
  return {
    process: child,
    requestsPerSecond: () => load().requestsPerSecond,
    requests: () => load().requests,
    async stop() {
      const ended = once(child, "exit");
      process.kill(Number(readFileSync(join(folder, "nginx.pid"), "utf8")), "SIGTERM");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
