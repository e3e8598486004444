/** One start of a server under a prefix of words: its whole load in a shuffled order, and its end. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Instance, Server } from "./server.ts";
import { eventually, Site } from "./site.ts";

/** Milliseconds for a server to end after SIGTERM. */
const endPatience = 60_000;

/** Portcullis refuses io_uring unless a policy names it, and programs do without: record what they do then. */
const withoutIoUring = ["bin/portcullis", "run", "-q", "--no-denial-events", "-p", "bench/policies/allow.ts", "--"];

interface Running {
  readonly site: Site;
  readonly instance: Instance;
  /** Ends the server and its helpers; resolves with what the server and its prefix wrote. */
  stop(): Promise<string>;
}

interface StartOptions {
  readonly seed: number;
  /** The words before its own. */
  readonly prefix: readonly string[];
}

/** @throws Error if the server does not serve */
async function start(server: Server, { seed, prefix }: StartOptions): Promise<Running> {
  const site = new Site(server.name, seed);
  let child: ChildProcess | undefined;
  const output: Buffer[] = [];
  const stop = async (): Promise<string> => {
    if (child !== undefined) await end(child, instance);
    await site.close();
    return Buffer.concat(output).toString();
  };
  const instance = await server.configure(site).catch(async (error: unknown) => {
    await site.close();
    throw error;
  });
  const words = [...prefix, ...instance.command];
  child = spawn(words[0]!, words.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (data: Buffer) => output.push(data));
  const started = child;
  try {
    await eventually(async () => {
      if (started.exitCode === null && started.signalCode === null) {
        if (!existsSync(instance.pidFile)) throw new Error("the server writes no pid file");
        await instance.ready();
      }
    });
    if (started.exitCode !== null) throw new Error(`the server ended with status ${started.exitCode}`);
  } catch (error) {
    throw new Error(`${words.join(" ")}: ${error instanceof Error ? error.message : error}\n${await stop()}`);
  }
  return { site, instance, stop };
}

/** Ends the server by its pid file, so that the words before its own end by themselves. */
async function end(child: ChildProcess, { pidFile }: Instance): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<true>((resolve) => child.once("close", () => resolve(true)));
  if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, "utf8")), "SIGTERM");
  else child.kill("SIGTERM");
  if ((await Promise.race([ended, sleep(endPatience, false as const, { ref: false })])) === true) return;
  child.kill("SIGKILL");
  await ended;
}

/** Puts each part of the load on the server once, or the first of them, in an order that follows from the site's seed. */
async function load({ site, instance }: Running, most = Number.POSITIVE_INFINITY): Promise<void> {
  for (const feature of site.random.shuffled(instance.features).slice(0, most)) {
    try {
      await feature.load();
    } catch (error) {
      throw new Error(`the load "${feature.name}": ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }
}

/** Records one start with its load; resolves with the names of its parts. @throws Error unless everything was served and recorded */
export async function record(server: Server, seed: number, file: string, most?: number): Promise<readonly string[]> {
  const running = await start(server, {
    seed,
    prefix: [...withoutIoUring, "bin/portcullis", "record", "-q", "-o", file, "--"],
  });
  let failure: unknown;
  try {
    await load(running, most);
  } catch (error) {
    failure = error;
  }
  const output = await running.stop();
  if (failure !== undefined)
    throw new Error(`${server.name}: ${failure instanceof Error ? failure.message : failure}\n${output}`);
  return running.instance.features.map(({ name }) => name);
}
