/** Starts the harness, a separate process like the command line, and returns its result. */
import { execFileSync, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { bundleOptions } from "../support/bundle.ts";
import { asUser, copyFor, isReachable, reachableFolder } from "../support/ordinary-user.ts";
import { patience } from "../support/patience.ts";
import { statusInShell } from "../support/processes.ts";
import type { HarnessOptions } from "./harness.ts";

export { users } from "../support/ordinary-user.ts";

/** Has the layout of the package: package.json, dist/native, and the programs of the tests. */
const place = reachableFolder("live");

export const victim = (name: string): string => join(place, "victims", name);
const harness = join(place, "harness.mjs");
/** The bundle of the supervisor's thread. */
export const supervisor = join(place, "supervisor.cjs");
let node = process.execPath;
const launcher = join(place, "dist/native", process.arch, "launcher");
/** The front starts the harness, as in bin/portcullis. */
export const front = (): readonly string[] => [launcher, "supervise", node, harness];

/** Builds the native parts and bundles the TypeScript files for Node. Fast if nothing has changed. */
export async function prepare(): Promise<void> {
  execFileSync("make", ["-s", "-C", "native"], { stdio: "inherit" });
  copyFor(place, "package.json");
  copyFor(place, "dist/native", "dist/native");
  copyFor(place, "build/native/victims");
  if (!isReachable(node)) node = copyFor(place, node);
  const common = { ...bundleOptions, packages: "external" } as const;
  await build({ ...common, entryPoints: ["test/live/harness.ts"], outfile: harness, format: "esm" });
  await build({
    ...common,
    entryPoints: ["src/engines/notify/worker.ts"],
    outfile: supervisor,
    format: "cjs",
    define: { "import.meta.url": '"file:///"' },
  });
}

export interface Outcome {
  /** The status that a shell reports; null if the command hung. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly error: string;
  readonly events: readonly Record<string, unknown>[];
}

export interface RunSettings extends Omit<HarnessOptions, "events" | "supervisor"> {
  readonly uid?: number | undefined;
  readonly input?: string;
  /** Words before the command line, which start portcullis. */
  readonly within?: readonly string[];
}

function prepareCall(settings: RunSettings, command: readonly string[], folder: string) {
  const { uid, input, within = [], ...rest } = settings;
  const events = join(folder, "events");
  const options: HarnessOptions = { ...rest, events, supervisor };
  const own = [...front(), JSON.stringify(options), ...command];
  // Each runs in a separate session. If a parent in another process group is killed while one of our processes is
  // stopped, the kernel sends SIGHUP to the whole orphaned group (kernel/exit.c, kill_orphaned_pgrp), including the
  // test runner.
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
      status: done.error === undefined ? statusInShell(done) : null,
      signal: done.signal,
      out: done.stdout,
      error: done.stderr,
      events: readEvents(events),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** `run` while other tests of the file go on. */
export async function runBeside(settings: RunSettings, ...command: readonly string[]): Promise<Outcome> {
  const folder = temporaryFolder(settings.uid);
  try {
    const { file, words, events, input } = prepareCall(settings, command, folder);
    const child = spawn(file, words, { timeout: patience.command, killSignal: "SIGKILL" });
    const text = { out: "", error: "" };
    child.stdout.setEncoding("utf8").on("data", (part) => {
      text.out += part;
    });
    child.stderr.setEncoding("utf8").on("data", (part) => {
      text.error += part;
    });
    child.stdin.on("error", () => {}); // The command may not read its input.
    child.stdin.end(input ?? "");
    const [status, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    // Only the time limit kills it from here.
    const whole = child.killed ? null : statusInShell({ status, signal });
    return { status: whole, signal, ...text, events: readEvents(events) };
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

/** A running command, with lines to write to it and to read from it. */
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

  /** setpriv executes the front in place. */
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

  /** Closes standard input. */
  end(): void {
    this.#child.stdin!.end();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Whether an unread line is available. */
  get hasLine(): boolean {
    return this.#text.includes("\n");
  }

  /** The next line, or undefined at the end of the output. */
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
