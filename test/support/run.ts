/** Shared functions of tests that run the built command, which `make test` or `make build` builds. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { DecisionEvent, PolicyEvent, ReportEvent } from "../../src/events/event.ts";
import { patience } from "./patience.ts";
import { statusInShell } from "./processes.ts";

export interface Ran {
  /** The status that a shell reports. */
  readonly status: number;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs bin/portcullis to its end. A hung process is killed, which is an error. */
export function portcullis(
  words: readonly string[],
  options: { input?: string; cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Ran {
  const { input = "", cwd = process.cwd(), env = process.env } = options;
  const timeout = patience.command;
  if (!existsSync("dist/cli.cjs")) throw new Error("dist/ is missing: run make build first");
  const program = join(process.cwd(), "bin/portcullis");
  const ran = spawnSync(program, words, { encoding: "utf8", input, timeout, cwd, env, killSignal: "SIGKILL" });
  if (ran.error !== undefined)
    throw new Error(`${words.join(" ")}: ${ran.error.message}\n${ran.stdout}\n${ran.stderr}`, { cause: ran.error });
  return { status: statusInShell(ran), signal: ran.signal, stdout: ran.stdout, stderr: ran.stderr };
}

export interface Guarded extends Ran {
  readonly events: readonly PolicyEvent[];
  readonly decisions: readonly DecisionEvent[];
  readonly reports: readonly ReportEvent[];
}

/** The engine of the tests with real programs, which can be set on a machine that has the other one. */
export const engine = process.env["PORTCULLIS_TEST_ENGINE"] ?? "notify";

/** Node 22 and later try io_uring at each start, and do without it. */
const isAttemptOfNode = (event: PolicyEvent) => event.kind === "decision" && event.call === "io_uring_setup";

export function eventsOf(all: readonly PolicyEvent[]): Pick<Guarded, "events" | "decisions" | "reports"> {
  const events = all.filter((event) => !isAttemptOfNode(event));
  return {
    events,
    decisions: events.flatMap((event) => (event.kind === "decision" ? [event] : [])),
    reports: events.flatMap((event) => (event.kind === "report" ? [event] : [])),
  };
}

/** `portcullis run -p POLICY OPTIONS -- COMMAND`, with its events but for those attempts. A command that is not started is an error. */
export function guarded(
  policy: string,
  command: readonly string[],
  options: readonly string[] = [],
  settings: Parameters<typeof portcullis>[1] = {},
): Guarded {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-test-"));
  const file = join(folder, "events");
  try {
    const ran = portcullis(
      ["run", "--engine", engine, "-p", policy, "--events", file, ...options, "--", ...command],
      settings,
    );
    if (ran.status === 125) throw new Error(`the command was not started: ${ran.stderr}`);
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    return {
      ...ran,
      ...eventsOf(
        text
          .split("\n")
          .filter(Boolean)
          .map((line) => JSON.parse(line) as PolicyEvent),
      ),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Compiles one C file for a test, unless the program is newer than its source, and returns the program's path. `included`:
 * files of other folders that the source includes.
 */
export function compiled(source: string, flags: readonly string[] = [], included: readonly string[] = []): string {
  const folder = "build/test";
  const program = join(process.cwd(), folder, basename(source, ".c") + flags.join("").replaceAll("-", "_"));
  mkdirSync(folder, { recursive: true });
  const headers = readdirSync(dirname(source)).filter((name) => name.endsWith(".h"));
  const inputs = [source, ...headers.map((name) => join(dirname(source), name)), ...included];
  if (!existsSync(program) || inputs.some((input) => statSync(program).mtimeMs < statSync(input).mtimeMs)) {
    // Other test files may start it concurrently.
    const fresh = `${program}.${process.pid}`;
    execFileSync("cc", ["-O1", "-Wall", "-Wextra", "-Werror", "-pthread", ...flags, "-o", fresh, source], {
      stdio: "inherit",
    });
    renameSync(fresh, program);
  }
  return program;
}
