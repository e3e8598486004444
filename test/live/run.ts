/** Starts the harness (a process of its own, as the command line is) and tells what came of it. */
import { execFileSync, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { asUser, copyFor, isReachable, ordinaryUser, reachableFolder } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";
import type { HarnessOptions } from "./harness.ts";

/** Looks like a package of ours: package.json, dist/native, and what the tests start. */
const place = reachableFolder("live");

export const victim = (name: string): string => join(place, "victims", name);
const harness = join(place, "harness.mjs");
/** The bundle of the supervisor's thread. */
export const supervisor = join(place, "supervisor.cjs");
export let node = process.execPath;
export const launcher = join(place, "dist/native", process.arch, "launcher");
/** What starts the harness: the front, as bin/portcullis has it. */
export const front = (): readonly string[] => [launcher, "supervise", node, harness];

/** Builds the native parts and bundles what Node cannot run from source. Quick where nothing has changed. */
export async function prepare(): Promise<void> {
  execFileSync("make", ["-s", "-C", "native"], { stdio: "inherit" });
  copyFor(place, "package.json");
  copyFor(place, "dist/native", "dist/native");
  copyFor(place, "build/native/victims");
  if (!isReachable(node)) node = copyFor(place, node);
  const common = {
    bundle: true,
    platform: "node",
    target: "node20",
    packages: "external",
    logLevel: "warning",
  } as const;
  await build({ ...common, entryPoints: ["test/live/harness.ts"], outfile: harness, format: "esm" });
  await build({
    ...common,
    entryPoints: ["src/engines/notify/worker.ts"],
    outfile: supervisor,
    format: "cjs",
    define: { "import.meta.url": '"file:///"' },
  });
}

/** Root, and an ordinary user where the tests run as root. */
export const users: readonly { readonly name: string; readonly uid: number | undefined }[] =
  process.getuid?.() === 0
    ? [
        { name: "root", uid: undefined },
        { name: "an ordinary user", uid: ordinaryUser },
      ]
    : [{ name: "an ordinary user", uid: undefined }];

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly error: string;
  readonly events: readonly Record<string, unknown>[];
}

export interface RunSettings extends Omit<HarnessOptions, "events" | "supervisor"> {
  readonly uid?: number | undefined;
  readonly input?: string;
  /** Words in front of the command line: what starts portcullis. */
  readonly within?: readonly string[];
}

function prepareCall(settings: RunSettings, command: readonly string[], folder: string) {
  const { uid, input, within = [], ...rest } = settings;
  const events = join(folder, "events");
  const options: HarnessOptions = { ...rest, events, supervisor };
  const own = [...front(), JSON.stringify(options), ...command];
  // Each in a session of its own. Where a parent that leads another process group is killed while a process of ours is
  // stopped, the kernel sends SIGHUP to all of an orphaned group (kernel/exit.c, kill_orphaned_pgrp): to the test runner.
  const words = ["setsid", ...within, ...(uid === undefined ? own : asUser(uid, ...own))];
  return { file: words[0]!, words: words.slice(1), events, input };
}

function temporaryFolder(uid: number | undefined): string {
  const folder = mkdtempSync(join(place, "run-"));
  if (uid !== undefined) execFileSync("chown", [`${uid}:${uid}`, folder]);
  return folder;
}

export function run(settings: RunSettings, ...command: readonly string[]): Outcome {
  const folder = temporaryFolder(settings.uid);
  try {
    const { file, words, events, input } = prepareCall(settings, command, folder);
    const done = spawnSync(file, words, {
      encoding: "utf8",
      input: input ?? "",
      timeout: patience.command,
      killSignal: "SIGKILL",
    });
    return {
      status: done.status,
      signal: done.signal,
      out: done.stdout,
      error: done.stderr,
      events: readEvents(events),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function readEvents(file: string): Record<string, unknown>[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** A run that goes on: with lines to write to it and to read from it. */
export class Conversation {
  readonly #child: ReturnType<typeof spawn>;
  readonly #folder: string;
  readonly #events: string;
  #text = "";
  #isOver = false;
  #waiting: (() => void) | undefined;
  readonly ended: Promise<{ readonly status: number | null; readonly signal: NodeJS.Signals | null }>;

  constructor(settings: RunSettings, ...command: readonly string[]) {
    this.#folder = temporaryFolder(settings.uid);
    const { file, words, events } = prepareCall(settings, command, this.#folder);
    this.#events = events;
    const options: SpawnOptions = { stdio: ["pipe", "pipe", "inherit"] };
    this.#child = spawn(file, words, options);
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.#text += text;
      this.#waiting?.();
    });
    this.#child.stdout!.on("close", () => {
      this.#isOver = true;
      this.#waiting?.();
    });
    this.ended = new Promise((done) => {
      this.#child.on("exit", (status, signal) => done({ status, signal }));
    });
  }

  /** setpriv executes the front in its own place. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** The supervisor's process: Node, the front's only child. */
  get supervisor(): number {
    return Number(readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, "latin1"));
  }

  get events(): readonly Record<string, unknown>[] {
    return readEvents(this.#events);
  }

  write(line: string): void {
    this.#child.stdin!.write(`${line}\n`);
  }

  /** No more lines. */
  end(): void {
    this.#child.stdin!.end();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Whether a line has come that nobody has read. */
  get hasLine(): boolean {
    return this.#text.includes("\n");
  }

  /** The next line; undefined where all who could write one have ended. */
  async line(): Promise<string | undefined> {
    while (!this.hasLine) {
      if (this.#isOver) return undefined;
      await new Promise<void>((wake, fail) => {
        const timer = setTimeout(() => fail(new Error("no line comes")), patience.command);
        this.#waiting = () => {
          clearTimeout(timer);
          wake();
        };
      });
    }
    const end = this.#text.indexOf("\n");
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    return line;
  }

  close(): void {
    this.#child.stdin!.end();
    this.#child.kill("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
