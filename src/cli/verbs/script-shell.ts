/** `portcullis script-shell`: runs a script of a package under the policy package-script. bin/portcullis-script-shell starts it. */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, realpathSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import type { PolicyEvent } from "../../events/event.ts";
import { packageFile, packageRoot } from "../../linux/package.ts";
import type { Context } from "../context.ts";
import { readInput } from "../input.ts";
import { runPage } from "../pages/run-page.ts";
import { parseInvocation } from "../parse.ts";
import { missing } from "../policy/arguments.ts";
import { enforce, failureOf } from "../policy/enforce.ts";
import { holdToHosts } from "../policy/hosts.ts";
import { preparePolicy } from "../policy/prepare.ts";
import { type RunRequest, runRequest } from "../policy/run-request.ts";
import { credentialsIn, nodeHeaders } from "../scripts/environment.ts";
import { type Exceptions, exceptionOf, exceptionsName } from "../scripts/exceptions.ts";
import { isBelow, type Place, packageOf, placeOf, resolutionOf } from "../scripts/places.ts";
import { type Granted, refusalsIn } from "../scripts/refusals.ts";
import { Failure, failed, type Verb } from "../verb.ts";

const usualSeconds = 600;

export const scriptShell: Verb = {
  name: "script-shell",
  summary: "Run a script of a package under package-script",
  synopsis: ["script-shell -- SHELL -c SCRIPT"],
  about: [
    'The shell for scripts of packages. `portcullis-script-shell` starts it, which npm, pnpm and yarn call instead of sh: npm config set script-shell "$(command -v portcullis-script-shell)" (docs/package-scripts.md). That file runs scripts of the user\'s own project as under sh; this verb confines every script.',
    `The working directory is the package. The script writes in it, in a cache of its own and in a temporary directory, executes programs of the system, and has no network, no credentials in its environment, ${usualSeconds} seconds, and 256 processes, which end with it. ${exceptionsName} in the project's folder has exceptions for each package.`,
    "If the script fails, standard error has what it was refused, by which line, and the entry that permits it.",
  ],
  takesCommand: true,
  options: {},
  exit: [
    ["N", "The script's own status; 1 if the exceptions deny it, 0 if they skip it."],
    ["128+N", "Signal N ended the script. After the time limit: 143, or 137."],
    [String(failed), "No script ran: the exceptions are invalid, or the policy cannot be enforced on this machine."],
  ],
  examples: [],
  async execute(invocation, context) {
    const { words: command } = invocation;
    if (command.length !== 3 || command[1] !== "-c") throw missing("the script", "portcullis-script-shell -c SCRIPT");
    const place = placeOf(context.workingDirectory, context.environment);
    const exception = exceptionFor(place);
    if (exception === "skip" || exception === "deny") {
      context.err(`portcullis: the script of ${place.name} does not run: "${exception}" in ${place.exceptions}\n`);
      return exception === "skip" ? 0 : 1;
    }
    return await runConfined(command, place, exception, context);
  },
};

function exceptionFor({ name, exceptions: file }: Place): Exceptions | "skip" | "deny" {
  return file === undefined || !existsSync(file) ? {} : exceptionOf(name, readInput(file), file);
}

async function runConfined(
  command: readonly string[],
  place: Place,
  given: Exceptions,
  context: Context,
): Promise<number> {
  const rooms = makeRooms(place, context);
  const granted = grantedTo(command.at(-1) ?? "", place, given, rooms, context);
  const request = requestFor(command, given, granted, rooms, context);
  const begun = Date.now();
  let status = failed;
  try {
    const { policy, hosts } = await holdToHosts(request, await preparePolicy(request, context), context);
    status = await enforce(request, policy, hosts);
  } catch (error) {
    throw failureOf(error);
  } finally {
    rmSync(rooms.temporary, { recursive: true, force: true });
  }
  if (status === 0) return 0;
  const isLate = Date.now() - begun >= (request.timeout ?? Number.POSITIVE_INFINITY);
  context.err(explain(place, given, granted, rooms, { status, isLate }));
  return status;
}

// ── Directories of the run ──────────────────────────────────────────────────────────────────────────────────────────

interface Rooms {
  readonly cache: string;
  readonly temporary: string;
  readonly events: string;
  /** The user's caches, for Node's headers. */
  readonly user: string;
}

/** Each package has its own folders: what one writes, no other reads. Their names are stable, so the policy is cached. */
function makeRooms({ folder }: Place, { environment }: Context): Rooms {
  const { XDG_CACHE_HOME: given, HOME: home } = environment;
  const user = given?.startsWith("/") ? given : home?.startsWith("/") ? join(home, ".cache") : undefined;
  if (user === undefined) throw missing("a folder for caches", "set HOME or XDG_CACHE_HOME to an absolute path");
  const base = join(user, "portcullis/scripts", createHash("sha256").update(folder).digest("hex").slice(0, 16));
  const rooms = { cache: join(base, "cache"), temporary: join(base, "tmp"), events: join(base, "events.jsonl"), user };
  try {
    rmSync(rooms.temporary, { recursive: true, force: true });
    rmSync(rooms.events, { force: true });
    for (const one of [rooms.cache, rooms.temporary]) mkdirSync(one, { recursive: true, mode: 0o700 });
  } catch (error) {
    const help = "the user must be able to write there; XDG_CACHE_HOME names another folder";
    throw new Failure([diagnostic("P0911", `${base}: ${(error as Error).message}`, { help })]);
  }
  return rooms;
}

// ── What the policy grants ──────────────────────────────────────────────────────────────────────────────────────────

function grantedTo(script: string, place: Place, given: Exceptions, rooms: Rooms, { environment }: Context): Granted {
  const { folder } = place;
  const home = environment["HOME"] ?? "/";
  const listed = (key: "execute" | "read" | "write") =>
    (given[key] ?? []).map((path) => (path.startsWith("~/") ? join(home, path.slice(2)) : resolve(folder, path)));
  const write = [rooms.temporary, rooms.cache, ...present(listed("write"))];
  refuseOwnFiles([folder, ...write], place, rooms);
  const tools = [environment["npm_execpath"], packageFile("bin/portcullis-script-shell")].flatMap((file) =>
    file?.startsWith("/") ? [packageOf(realpath(file), home, folder)] : [],
  );
  const headers = nodeHeaders(environment, rooms.user);
  const read = [process.execPath, ...tools, ...resolutionOf(folder), ...listed("read"), ...listed("execute")];
  const execute = [
    "/usr",
    "/bin",
    "/sbin",
    process.execPath,
    ...tools,
    ...namedScripts(script, folder),
    ...listed("execute"),
  ];
  return {
    folder,
    write,
    read: present(headers === undefined ? read : [...read, join(headers, "include")]),
    execute: present(execute),
  };
}

/** The scripts of other packages that the command names: their interpreter is what is executed. */
function namedScripts(script: string, folder: string): string[] {
  const words = [...new Set(script.split(/[^\w@.-]+/))].filter((word) => word !== "" && !/^\.*$/.test(word));
  return resolutionOf(folder).flatMap((modules) =>
    words.flatMap((word) => {
      const file = realpath(join(modules, ".bin", word));
      return existsSync(file) && !isBelow(file, folder) && isScript(file) ? [file] : [];
    }),
  );
}

function isScript(file: string): boolean {
  try {
    return readInput(file).startsWith("#!");
  } catch {
    return false;
  }
}

/** A script that changes the exceptions, or what portcullis keeps about it, would permit itself more the next time. */
function refuseOwnFiles(write: readonly string[], { exceptions }: Place, { events }: Rooms): void {
  const files = [exceptions, events, packageRoot()].flatMap((file) => (file === undefined ? [] : [realpath(file)]));
  for (const folder of write) {
    const file = files.find((one) => isBelow(one, folder));
    if (file === undefined) continue;
    const help = `a narrower list write; or PORTCULLIS_SCRIPTS=FILE, for exceptions in another folder`;
    throw new Failure([diagnostic("P0919", `the script could write ${file}, below ${folder}`, { help })]);
  }
}

function present(paths: readonly string[]): string[] {
  return [...new Set(paths)].filter((path) => existsSync(path));
}

function realpath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

// ── The run ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function requestFor(
  command: readonly string[],
  given: Exceptions,
  granted: Granted,
  rooms: Rooms,
  context: Context,
): RunRequest {
  const { folder, read, write, execute } = granted;
  const parameters: Record<string, string> = {
    package: folder,
    ...{ read: list(read), write: list(write), execute: list(execute) },
    ...(given.hosts === undefined ? {} : { network: "true" }),
    ...(given.processes === undefined ? {} : { processes: `${given.processes}` }),
  };
  const words = [
    // Not by its name, which could be a file of the package.
    ...["--policy", packageFile("policies/package-script.ts"), "--events", rooms.events, "--quiet", "--kill-tree"],
    ...["--timeout", `${given.seconds ?? usualSeconds}s`],
    ...Object.entries(parameters).flatMap(([name, value]) => ["--set", `${name}=${value}`]),
    ...(given.hosts === undefined ? [] : ["--hosts", given.hosts.join(",")]),
    "--",
    ...command,
  ];
  const { environment } = context;
  const headers = nodeHeaders(environment, rooms.user);
  const changes = {
    TMPDIR: rooms.temporary,
    XDG_CACHE_HOME: rooms.cache,
    npm_config_cache: join(rooms.cache, "npm"),
    ...(headers === undefined ? {} : { npm_config_nodedir: headers }),
  };
  return {
    ...runRequest(parseInvocation(runPage as Verb, words)),
    variables: [
      ...credentialsIn(environment, given.environment ?? []),
      ...Object.entries(changes).map(([name, value]) => `${name}=${value}`),
    ],
  };
}

/** @throws Failure */
function list(paths: readonly string[]): string {
  const bad = paths.find((path) => path.includes(","));
  if (bad === undefined) return paths.join(",");
  const help = "install into a folder without one";
  throw new Failure([diagnostic("P0911", `${bad} contains a comma, which no list of a policy can hold`, { help })]);
}

// ── After a failure ─────────────────────────────────────────────────────────────────────────────────────────────────

function explain(
  place: Place,
  given: Exceptions,
  granted: Granted,
  { events: file }: Rooms,
  { status, isLate }: { readonly status: number; readonly isLate: boolean },
): string {
  const events = existsSync(file) ? readInput(file).split("\n").filter(Boolean) : [];
  const refusals = refusalsIn(
    events.map((line) => JSON.parse(line) as PolicyEvent),
    granted,
    given,
  );
  const seconds = given.seconds ?? usualSeconds;
  const entry = isLate ? { ...refusals.entry, seconds: 2 * seconds } : refusals.entry;
  const isChanged = JSON.stringify(entry) !== JSON.stringify(given);
  const lines = [
    `the script of ${place.name} failed under package-script (status ${status})`,
    ...(isLate ? [`  it was ended after ${seconds} seconds`] : []),
    ...refusals.lines.map((line) => `  refused: ${line}`),
    ...(refusals.lines.length === 0 && !isLate
      ? [
          "  no refusal was seen; a file outside of the package that it names by a relative path is refused without an event",
        ]
      : []),
    ...(isChanged ? [`  to permit it, add to ${place.exceptions ?? "the file that PORTCULLIS_SCRIPTS names"}:`] : []),
    ...(isChanged ? [`    ${JSON.stringify(place.name)}: ${JSON.stringify(entry)}`] : []),
    ...("hosts" in entry && entry.hosts?.length === 0 ? ["  the next run then names the hosts"] : []),
    `  all events: ${file}`,
  ];
  return `${lines.map((line) => `portcullis: ${line}`).join("\n")}\n`;
}
