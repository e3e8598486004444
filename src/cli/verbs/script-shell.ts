/** `portcullis script-shell`: runs a script of a package under the policy package-script. bin/portcullis-script-shell starts it. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { diagnostic } from "../../diagnostics/catalogue.ts";
import { shellWord } from "../../diagnostics/shell-word.ts";
import { safeText } from "../../diagnostics/width.ts";
import { removeOwnDirectory } from "../../engines/command/own-directory.ts";
import type { PolicyEvent } from "../../events/event.ts";
import { type HostPattern, parsePattern } from "../../hosts/names.ts";
import { packageFile } from "../../machine/package.ts";
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
import { storeFailure } from "../scripts/failures.ts";
import { type Granted, grantsFor } from "../scripts/grants.ts";
import { type Place, placeOf } from "../scripts/places.ts";
import { type Refusals, refusalsIn } from "../scripts/refusals.ts";
import { makeRooms, type Rooms } from "../scripts/rooms.ts";
import { Failure, failed, type Verb } from "../verb.ts";

const usualSeconds = 600;
/** The policy's default. */
const usualProcesses = 256;

export const scriptShell: Verb = {
  name: "script-shell",
  synopsis: ["script-shell -- SHELL -c SCRIPT"],
  about: [
    'The shell for scripts of packages. `portcullis-script-shell` starts it, which npm and pnpm call instead of sh: npm config set script-shell "$(command -v portcullis-script-shell)" (docs/package-scripts.md). That file runs scripts of the user\'s own project as under sh; this verb confines every script.',
    `The working directory is the package. The script writes in it, in a cache of its own and in a temporary directory, executes programs of the system, and has no network, no credentials in its environment, ${usualSeconds} seconds, and ${usualProcesses} processes, which end with it. ${exceptionsName} in the project's folder has exceptions for each package.`,
    "If the script fails, standard error has what it was refused, by which line, and the entry that permits it.",
  ],
  takesCommand: true,
  options: {},
  exit: [
    ["N", "The script's own status; 0 if the exceptions skip it."],
    ["128+N", "Signal N ended the script. After the time limit: 143, or 137."],
    [
      String(failed),
      "No script ran: the exceptions deny it or are invalid, or the policy cannot be enforced on this machine.",
    ],
  ],
  examples: [
    [
      'npm config set script-shell "$(command -v portcullis-script-shell)" --location=user',
      "For all projects of a user",
    ],
    ["portcullis-script-shell -c 'node install.js'", "In the folder of a package, as npm calls it"],
  ],
  async execute(invocation, context) {
    const { words: command } = invocation;
    if (command.length !== 3 || command[1] !== "-c") throw missing("the script", "portcullis-script-shell -c SCRIPT");
    const place = placeOf(context.workingDirectory, context.environment);
    const exception = exceptionFor(place);
    if (exception === "skip" || exception === "deny") {
      const text = `the script of ${place.name} does not run: "${exception}" in ${place.exceptions}`;
      context.err(`portcullis: ${safeText(text)}\n`);
      return exception === "skip" ? 0 : failed;
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
  const rooms = makeRooms(place.folder, context);
  const granted = grantsFor(command.at(-1) ?? "", place, given, rooms, context);
  const request = requestFor(command, given, granted, rooms, context);
  const begun = Date.now();
  let status = failed;
  try {
    const { policy, hosts } = await holdToHosts(request, await preparePolicy(request, context), context);
    status = await enforce(request, policy, hosts);
  } catch (error) {
    throw failureOf(error);
  } finally {
    // `makeRooms` reports what stays.
    removeOwnDirectory(rooms.temporary);
  }
  if (status === 0) return 0;
  const isLate = Date.now() - begun >= (request.timeout ?? Number.POSITIVE_INFINITY);
  const refusals = refusalsOf(rooms, granted, given, begun);
  const entry = { ...refusals.entry, ...limitsFor(refusals, given, isLate) };
  const lacks = JSON.stringify(entry) === JSON.stringify(given) ? undefined : entry;
  context.err(explain(place, given, refusals, lacks, { status, isLate, events: rooms.events }));
  const { name, exceptions } = place;
  if (lacks !== undefined && exceptions !== undefined) {
    storeFailure({ name, time: Date.now(), exceptions, refused: refusals.lines, entry: lacks }, rooms);
  }
  return status;
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
    hosts: given.hosts && { patterns: given.hosts.flatMap(patternOf), rule: exceptionsName },
    variables: [
      ...credentialsIn(environment, given.environment ?? []),
      ...Object.entries(changes).map(([name, value]) => `${name}=${value}`),
    ],
  };
}

/** The reader of the exceptions has refused others. */
function patternOf(host: string): readonly HostPattern[] {
  const result = parsePattern(host);
  return "pattern" in result ? [result.pattern] : [];
}

/** @throws Failure */
function list(paths: readonly string[]): string {
  const bad = paths.find((path) => path.includes(","));
  if (bad === undefined) return paths.join(",");
  const help = "install into a folder without one";
  throw new Failure([diagnostic("P0911", `${bad} contains a comma, which no list of a policy can hold`, { help })]);
}

// ── After a failure ─────────────────────────────────────────────────────────────────────────────────────────────────

function refusalsOf({ events: file }: Rooms, granted: Granted, given: Exceptions, begun: number): Refusals {
  // Where the disk was full, the last line can lack its end.
  const lines = existsSync(file) ? readInput(file).split("\n").slice(0, -1) : [];
  const events = lines.map((line) => JSON.parse(line) as PolicyEvent);
  return refusalsIn(events, granted, given, begun);
}

function limitsFor(refusals: Refusals, given: Exceptions, isLate: boolean): Exceptions {
  const isFull = refusals.lines.some((line) => line.includes("more processes"));
  return {
    ...(isLate ? { seconds: 2 * (given.seconds ?? usualSeconds) } : {}),
    ...(isFull ? { processes: 2 * (given.processes ?? usualProcesses) } : {}),
  };
}

/** @param lacks the exceptions that it needs, if they are not those that it had */
function explain(
  place: Place,
  given: Exceptions,
  refusals: Refusals,
  lacks: Exceptions | undefined,
  { status, isLate, events }: { readonly status: number; readonly isLate: boolean; readonly events: string },
): string {
  const lines = [
    `the script of ${place.name} failed under package-script (status ${status})`,
    ...(isLate ? [`  it was ended after ${given.seconds ?? usualSeconds} seconds`] : []),
    ...refusals.lines.map((line) => `  refused: ${line}`),
    ...(refusals.lines.length === 0 && !isLate
      ? [
          "  no refusal was seen; a file outside of the package that it names by a relative path is refused without an event",
        ]
      : []),
    ...(lacks === undefined ? [] : permitting(place, lacks)),
    `  all events: ${events}`,
  ];
  // Paths and the names of processes are the package's: a line end in one would begin a line of ours.
  return `${lines.map((line) => `portcullis: ${safeText(line)}`).join("\n")}\n`;
}

function permitting({ name, exceptions }: Place, lacks: Exceptions): readonly string[] {
  return [
    `  to permit it, add to ${exceptions ?? "the file that PORTCULLIS_SCRIPTS names"}:`,
    `    ${JSON.stringify(name)}: ${JSON.stringify(lacks)}`,
    ...(exceptions === undefined ? [] : [`  or by: portcullis propose --scripts -o ${shellWord(exceptions)}`]),
    ...(lacks.hosts?.length === 0 ? ["  the next run then names the hosts"] : []),
  ];
}
