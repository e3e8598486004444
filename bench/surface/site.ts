/**
 * A folder, loopback ports, random values and helper processes for one start of a server. Its end removes and ends all
 * of them.
 */
import { type ChildProcess, execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeWithUs, startWithUs } from "../support/end-with-us.ts";
import { onProcessor } from "./processors.ts";
import { Random } from "./random.ts";

/** The folder of this process, so that several benchmarks can run at once. */
let base: string | undefined;

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-surface-"));
  chmodSync(folder, 0o755);
  removeWithUs(folder);
  return folder;
}

export class Site {
  readonly folder: string;
  readonly random: Random;
  readonly isRoot = process.getuid?.() === 0;
  readonly #helpers: ChildProcess[] = [];
  readonly #upstreams: HttpServer[] = [];

  /** @param name of the folder: a policy that was proposed from recordings contains its paths */
  constructor(name: string, seed: number) {
    base ??= newFolder();
    this.folder = join(base, name);
    mkdirSync(this.folder);
    chmodSync(this.folder, 0o755);
    this.random = new Random(seed);
  }

  path(...words: readonly string[]): string {
    return join(this.folder, ...words);
  }

  write(name: string, content: string | Buffer, mode = 0o644): string {
    const file = this.path(name);
    writeFileSync(file, content);
    chmodSync(file, mode);
    return file;
  }

  /** A folder that the server may write to after the change of its user. */
  folderOf(name: string, user?: string): string {
    const folder = this.path(name);
    mkdirSync(folder, { recursive: true });
    if (user !== undefined && this.isRoot) chownSync(folder, userId(user), -1);
    return folder;
  }

  /** A self-signed certificate and its key. */
  certificate(): { readonly certificate: string; readonly key: string } {
    const [certificate, key] = [this.path("certificate.pem"), this.path("key.pem")];
    const subject = ["-subj", "/CN=localhost", "-days", "2"];
    const words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    execFileSync("openssl", [...words, ...subject, "-keyout", key, "-out", certificate], { stdio: "ignore" });
    chmodSync(key, 0o644);
    return { certificate, key };
  }

  /** Starts a process of the load outside the recording, for example a FastCGI program. */
  helper(words: readonly string[], environment: Readonly<Record<string, string>> = {}): ChildProcess {
    const child = startWithUs(words, { stdio: "ignore", env: { ...process.env, ...environment } });
    child.on("error", () => {});
    this.#helpers.push(child);
    return child;
  }

  /** Starts an HTTP server to which the measured server forwards requests. */
  async upstream(at?: string): Promise<number> {
    const server = createServer((request, response) => {
      let size = 0;
      request.on("data", (chunk: Buffer) => {
        size += chunk.length;
      });
      request.on("end", () => {
        const fill = Number(/size=(\d+)/.exec(request.url ?? "")?.[1] ?? 100);
        response.setHeader("cache-control", "max-age=60");
        response.end(`${size}\n${"u".repeat(fill)}`);
      });
    });
    server.on("upgrade", (_request, socket) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
      socket.on("error", () => {});
      socket.on("data", (data) => socket.write(data));
      socket.on("end", () => socket.end());
    });
    this.#upstreams.push(server);
    if (at === undefined) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    else await new Promise<void>((resolve) => server.listen(at, resolve));
    if (at !== undefined) chmodSync(at, 0o777);
    return at === undefined ? (server.address() as AddressInfo).port : 0;
  }

  async close(): Promise<void> {
    for (const server of this.#upstreams) {
      server.closeAllConnections();
      server.close();
    }
    for (const child of this.#helpers) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await Promise.race([ended, sleep(5000, undefined, { ref: false }).then(() => child.kill("SIGKILL"))]);
    }
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function userId(name: string): number {
  return Number(execFileSync("id", ["-u", name], { encoding: "utf8" }));
}

/** The number that a load generator prints. It has a processor that measured servers do not use. */
export function figure(pattern: RegExp, program: string, words: readonly string[]): number {
  const [file, ...all] = [...onProcessor("load"), program, ...words];
  const text = execFileSync(file!, all, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const found = pattern.exec(text);
  if (found === null) throw new Error(`${program} ${words.join(" ")} prints no figure:\n${text}`);
  return Number(found[1]);
}

/** Repeats `attempt` until it does not reject, for half a minute of attempts. */
export async function eventually<T>(attempt: () => Promise<T>, attempts = 600): Promise<T> {
  for (let turn = 0; ; turn += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (turn >= attempts) throw error;
      await sleep(50);
    }
  }
}
