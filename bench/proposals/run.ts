/** Runs a program of the benchmark under `portcullis record` or `portcullis run`, with a load, and counts what fails. */
import { type ChildProcess, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startWithUs } from "../support/end-with-us.ts";
import type { Place, Program, Request, ServerProgram } from "./program.ts";

export interface Load {
  readonly requests: number;
  /** What failed, and what it answered. */
  readonly failed: readonly string[];
}

const mostSeconds = 60;

/** Of a service: paths of the measuring user's PATH would become rules of the policies. */
const environment = (folder: string) => ({
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: folder,
});

function shell(command: string, folder: string): string {
  const ran = spawnSync("sh", ["-c", command], {
    cwd: folder,
    env: environment(folder),
    encoding: "utf8",
    timeout: mostSeconds * 1000,
    killSignal: "SIGKILL",
  });
  return `${ran.stdout ?? ""}${ran.stderr ?? ""}`;
}

/** An empty folder with the program's files. */
export function makePlace(program: Program, place: Place): void {
  const { folder } = place;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o777);
  for (const [name, text] of Object.entries(program.files?.(place) ?? {})) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const prepare = program.prepare?.(place);
  if (prepare !== undefined) shell(prepare, folder);
}

function attempt([command, answer]: Request, folder: string): string | undefined {
  const text = shell(command, folder);
  return answer.test(text) ? undefined : `${command}: ${text.trim().slice(-300)}`;
}

/** Runs the words before the program's own, and the load beside it. */
export async function runWith(
  before: readonly string[],
  program: Program,
  place: Place,
  load: "recorded" | "later",
  times: number,
): Promise<Load> {
  const { folder } = place;
  const own = program.kind === "server" ? program.command(place) : program[load](place);
  const said = openSync(join(folder, "said"), "w");
  const child = startWithUs([...before, ...own], {
    cwd: folder,
    env: { ...environment(folder), ...program.environment },
    stdio: ["ignore", said, said],
  });
  closeSync(said);
  const ended = once(child, "exit") as Promise<[number | null]>;
  const output = () => readFileSync(join(folder, "said"), "utf8").trim().slice(-300);
  if (program.kind === "batch") {
    const [status] = await ended;
    return { requests: 1, failed: status === 0 ? [] : [`status ${status}: ${output()}`] };
  }
  return await loaded(program, child, ended, place, load, times, output);
}

async function loaded(
  program: ServerProgram,
  child: ChildProcess,
  ended: Promise<unknown>,
  place: Place,
  load: "recorded" | "later",
  times: number,
  output: () => string,
): Promise<Load> {
  let problem: string | undefined = "not tried";
  for (let turn = 0; problem !== undefined && child.exitCode === null && turn < 60; turn++) {
    await sleep(turn < 10 ? 100 : 500);
    problem = attempt(program.ready(place), place.folder);
  }
  const requests = Array.from({ length: times }, () => program[load](place)).flat();
  const failed = problem === undefined ? [] : [`it does not serve: ${problem} ${output()}`];
  if (problem === undefined) {
    for (const request of requests) {
      const failure = attempt(request, place.folder);
      if (failure !== undefined) failed.push(failure);
    }
  }
  if (child.exitCode !== null && failed.length === 0) failed.push(`it ended with ${child.exitCode}: ${output()}`);
  child.kill(program.end ?? "SIGTERM");
  if ((await Promise.race([ended, sleep(20_000, "late", { ref: false })])) === "late") {
    failed.push("it did not end");
    // It leads a session: the front, the recorder and most of the command.
    process.kill(-child.pid!, "SIGKILL");
  }
  return { requests: problem === undefined ? requests.length : 1, failed };
}
