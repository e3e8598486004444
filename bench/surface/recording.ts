/** One start of a server behind a prefix of words: its whole load in a shuffled order, and its end. */
import type { ChildProcess } from "node:child_process";
import { closeSync, existsSync, fstatSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { ArchitectureName } from "../../src/abi/architecture.ts";
import { sourceOfFile } from "../../src/traces/blocks.ts";
import { readTrace } from "../../src/traces/formats/read.ts";
import type { Trace } from "../../src/traces/trace.ts";
import { startWithUs } from "../support/end-with-us.ts";
import type { Instance, Server } from "./server.ts";
import { eventually, Site } from "./site.ts";

/** Milliseconds for a server to end after SIGTERM. */
const endPatience = 60_000;

/**
 * portcullis refuses io_uring unless a policy names it, and programs then work without it: the recordings must have
 * those calls.
 */
const withoutIoUring = ["bin/portcullis", "run", "-q", "--no-denial-events", "-p", "bench/policies/allow.ts", "--"];

export interface Running {
  readonly site: Site;
  readonly instance: Instance;
  /** The started process: the server, or the first program of its prefix. */
  readonly pid: number;
  /** Ends the server and its helpers; resolves with the output of the server and its prefix. */
  stop(): Promise<string>;
}

export interface StartOptions {
  readonly seed: number;
  /** The words before the server's own. */
  readonly prefix: readonly string[];
  /** The number of this server among those that run at the same time; the first, 1, has the folder of the recordings. */
  readonly nth?: number;
}

/** @throws Error if the server does not serve */
export async function start(server: Server, { seed, prefix, nth = 1 }: StartOptions): Promise<Running> {
  const site = new Site(nth === 1 ? server.name : `${server.name}-${nth}`, seed);
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
  child = startWithUs(words, { stdio: ["ignore", "pipe", "pipe"] });
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
  return { site, instance, pid: started.pid!, stop };
}

/** Ends the server by its pid file; the programs of the prefix then end by themselves. */
async function end(child: ChildProcess, { pidFile }: Instance): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<true>((resolve) => child.once("close", () => resolve(true)));
  if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, "utf8")), "SIGTERM");
  else child.kill("SIGTERM");
  if ((await Promise.race([ended, sleep(endPatience, false as const, { ref: false })])) === true) return;
  child.kill("SIGKILL");
  await ended;
}

/**
 * Makes the parts of the load, or the first of them, once each, in an order that follows from the site's seed. Failures
 * go to `onFailure`; the load continues.
 */
export async function load(
  { site, instance }: Running,
  most: number | undefined,
  onFailure: (part: string, why: string) => void,
): Promise<void> {
  for (const { name, load } of site.random.shuffled(instance.features).slice(0, most)) {
    try {
      await load();
    } catch (error) {
      onFailure(name, error instanceof Error ? error.message : `${error}`);
    }
  }
}

/**
 * Records one start with its load, or the first `most` parts of it, and `also`; resolves with the names of its parts.
 *
 * @throws Error unless everything was served and recorded
 */
export async function record(
  server: Server,
  seed: number,
  file: string,
  most?: number,
  also?: (instance: Instance) => void,
): Promise<readonly string[]> {
  const running = await start(server, {
    seed,
    prefix: [...withoutIoUring, "bin/portcullis", "record", "-q", "-o", file, "--"],
  });
  const failed: string[] = [];
  await load(running, most, (part, why) => failed.push(`${part}: ${why}`));
  also?.(running.instance);
  const output = await running.stop();
  if (failed.length > 0) throw new Error(`the load of ${server.name}: ${failed.join("; ")}\n${output}`);
  return running.instance.features.map(({ name }) => name);
}

/** @throws Error if the trace cannot be read */
export function runsIn(file: string, architecture: ArchitectureName): readonly Trace[] {
  const descriptor = openSync(file, "r");
  try {
    // A long recording in one string would be longer than Node permits.
    const { runs, diagnostics } = readTrace(sourceOfFile(descriptor, fstatSync(descriptor).size), file, architecture);
    if (runs.length === 0) throw new Error(diagnostics.map(({ message }) => message).join("; "));
    return runs;
  } finally {
    closeSync(descriptor);
  }
}
