/**
 * redis at a Unix socket, and redis-benchmark as its load: a server that makes two calls for a request of 40 bytes and computes
 * little between them, so the cost of a recorder for each call dominates.
 */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeWithUs, startWithUs } from "./end-with-us.ts";
import { coreOfLoad, coreOfServer, mostAttempts, type Server } from "./server.ts";

/** `prefix`: the words before the server's own. */
export async function startRedis(prefix: readonly string[]): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-bench-"));
  chmodSync(folder, 0o755);
  removeWithUs(folder);
  const socket = join(folder, "redis.sock");
  const options = ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", folder];
  const words = [...prefix, "taskset", ...coreOfServer, "redis-server", ...options, "--loglevel", "warning"];
  const child = startWithUs(words, { stdio: ["ignore", "ignore", "inherit"] });
  for (let attempt = 0; !(await answers(socket)); attempt += 1) {
    if (child.exitCode !== null || attempt > mostAttempts) {
      child.kill();
      throw new Error(`redis does not serve: ${words.join(" ")}`);
    }
    await sleep(50);
  }
  let count = 200;
  const load = () => {
    const found = { count, rate: rateOf(socket, count) };
    // redis-benchmark takes a number of requests, not a time.
    count = Math.max(200, Math.round(found.rate));
    return found;
  };
  return {
    process: child,
    requestsPerSecond: () => load().rate,
    requests: () => load().count,
    async stop() {
      const ended = once(child, "exit");
      execFileSync("redis-cli", ["-s", socket, "shutdown", "nosave"], { stdio: "ignore" });
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function answers(socket: string): Promise<boolean> {
  return new Promise((done) => {
    const client = connect(socket, () => client.write("PING\r\n"));
    client.once("data", (bytes) => {
      client.destroy();
      done(bytes.toString("latin1").startsWith("+PONG"));
    });
    client.once("error", () => done(false));
    client.once("end", () => done(false));
  });
}

/** Requests per second of `count` requests by 16 clients. */
function rateOf(socket: string, count: number): number {
  const words = ["redis-benchmark", "-s", socket, "-c", "16", "-n", String(count), "-t", "get", "--csv"];
  const text = execFileSync("taskset", [...coreOfLoad, ...words], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [, rate] = /^"GET","([\d.]+)"/m.exec(text) ?? [];
  if (rate === undefined) throw new Error(`redis-benchmark printed no rate: ${text}`);
  return Number(rate);
}
