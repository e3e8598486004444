/**
 * Whole programs with everything pinned, against the same programs without a policy and under supervisors in C that pin
 * the same calls, or let them pass without a look. All of these ways take turns.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { allCalls } from "../../src/linux/calls.ts";
import { pointeeOf } from "../../src/linux/pointees.ts";
import { pinEverything } from "../../test/live/pinned-policy.ts";
import { chosen, isSmoke } from "../support/amount.ts";
import { confined, processorTime } from "../support/confined.ts";
import { median, print } from "../support/pairs.ts";
import { projects, step, unpacked } from "./projects.ts";

const bench = "deep";

interface Spent {
  readonly elapsed: number;
  readonly processor: number;
}

/** In milliseconds. The output is shown only if the command fails. */
function spentOn([file, ...words]: readonly string[], cwd: string): Spent {
  let elapsed = 0;
  const processor = processorTime(() => {
    const start = performance.now();
    execFileSync(file!, words, { cwd, stdio: ["ignore", "ignore", "pipe"], maxBuffer: 1 << 28 });
    elapsed = performance.now() - start;
  });
  return { elapsed, processor: processor / 1e6 };
}

/** The ways in which a command is run. */
interface Ways {
  readonly [way: string]: (command: readonly string[]) => readonly string[];
}

interface Program {
  readonly what: string;
  readonly limit: string;
  readonly rounds: number;
  readonly cwd: string;
  readonly command: readonly string[];
  /** Before each run. */
  readonly prepare: () => void;
}

/**
 * Each way is measured once in a round, in turns, after a run that is not measured. Ratios are medians over the rounds, of
 * processor times and of elapsed ones.
 */
function measure({ what, limit, rounds, cwd, command, prepare }: Program, pinned: string, ways: Ways): void {
  const all = Object.entries({ [pinned]: ways[pinned]!, ...ways, plain: (words: readonly string[]) => words });
  const spent = Object.fromEntries(all.map(([way]) => [way, [] as Spent[]]));
  // Policies are compiled once.
  for (const [, words] of all) spentOn(words(["/bin/true"]), cwd);
  prepare();
  spentOn(command, cwd);
  for (let round = 0; round < (isSmoke ? 1 : rounds); round++) {
    for (let turn = 0; turn < all.length; turn++) {
      const [way, words] = all[(round + turn) % all.length]!;
      prepare();
      spent[way]!.push(spentOn(words(command), cwd));
    }
  }
  const row = (ours: string, reference: string, suffix: string, limit?: string) => {
    const title = `${what}, ${ours}, against ${reference === "plain" ? "no policy" : reference}`;
    for (const time of ["elapsed", "processor"] as const) {
      const values = (way: string) => spent[way]!.map((one) => one[time]);
      const [left, right] = [values(ours), values(reference)];
      print({
        bench,
        case: time === "processor" ? `${title}: processor time` : title,
        unit: "ms",
        ours: median(left),
        reference: median(right),
        ratio: median(left.map((value, index) => value / right[index]!)),
        ...(suffix === "" && limit !== undefined ? { limit } : { informative: true }),
      });
    }
  };
  row(pinned, "plain", "", limit);
  for (const way of Object.keys(ways)) if (way !== pinned) row(way, "plain", way);
}

// ── Builds ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const everyPath = "every path pinned";

/** The calls with paths, as bench/reference/pinning.c takes them: their numbers, and which arguments are paths. */
function callsWithPaths(): readonly (readonly [number: number, paths: number])[] {
  return allCalls.flatMap(({ name, number, parameters }) => {
    const paths = parameters.reduce(
      (bits, parameter, index) => bits | (pointeeOf(name, parameter.name)?.is === "path" ? 1 << index : 0),
      0,
    );
    return number.x86_64 === undefined || paths === 0 ? [] : [[number.x86_64, paths] as const];
  });
}

const everyCallPassed = "every call with a path passed in C without a look";

/** Under the supervisor in C that pins these of a call's paths; 0: it lets the call pass. */
const inC = (mask: (paths: number) => number) => (command: readonly string[]) => [
  resolve("build/bench/pinning"),
  ...callsWithPaths().map(([number, paths]) => `${number}:${mask(paths)}`),
  "--",
  ...command,
];

function waysToBuild(folder: string): Ways {
  const policy = join(folder, "every-path.ts");
  writeFileSync(policy, pinEverything("", new Set(["path"])));
  return {
    [everyPath]: (command) => ours(policy, command),
    "every path pinned in C": inC((paths) => paths),
    [everyCallPassed]: inC(() => 0),
  };
}

/** From another folder. */
const ours = (policy: string, command: readonly string[]): readonly string[] => {
  const [program, ...words] = confined(policy, command);
  return [resolve(program!), ...words];
};

export const isChosen = (...names: readonly string[]): boolean =>
  chosen === undefined || names.some((name) => chosen!.includes(name));

/** Builds the launcher, the addon and a reference; with --smoke one small program. */
function buildOwn(folder: string, ways: Ways): void {
  const out = join(folder, "make");
  const targets = isSmoke ? [`${out}/reference/callers`] : ["package", `${out}/reference/supervisor`];
  for (const jobs of [1, 2]) {
    const command = ["make", "-s", "-C", "native", `-j${jobs}`, `OUT=${out}`, `DIST=${out}/dist`, ...targets];
    const program = { what: `make -j${jobs} of native/`, limit: "≤ 1.1", rounds: 3, cwd: process.cwd(), command };
    measure({ ...program, prepare: () => rmSync(out, { recursive: true, force: true }) }, everyPath, ways);
  }
}

/** Our own, and well-known ones, which have to be fetched to the folder `archives`: none of these with --smoke. */
export function measureBuilds(folder: string, archives: string): void {
  const ways = waysToBuild(folder);
  if (isChosen("make", "native")) buildOwn(folder, ways);
  if (isSmoke) return;
  for (const project of projects) {
    if (!isChosen("make", project.name.split(" ")[0]!)) continue;
    const into = join(folder, "project");
    mkdirSync(into);
    const cwd = unpacked(project, into, archives);
    const { name, make, clean, rounds } = project;
    const program = { what: `make -j2 of ${name}`, limit: "≤ 1.1", rounds, cwd, command: make };
    measure({ ...program, prepare: () => step(clean, cwd) }, everyPath, ways);
    rmSync(into, { recursive: true });
  }
}

// ── npm ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A native addon, as small as one can be. */
const addon = {
  "binding.gyp": `{ "targets": [{ "target_name": "addon", "sources": ["addon.c"] }] }`,
  "addon.c": `#include <node_api.h>
NAPI_MODULE_INIT() {
  napi_value result;
  return napi_create_int32(env, 42, &result) == napi_ok ? result : exports;
}
`,
};

/** Node's own header files, which node-gyp would otherwise fetch. */
function nodeFolder(): string {
  const folder = dirname(dirname(process.execPath));
  if (!existsSync(join(folder, "include/node/node_api.h"))) throw new Error(`${folder}/include/node has no node_api.h`);
  return folder;
}

/**
 * Installs this project's dependencies, of which some have programs and scripts of their own, and compiles an addon with
 * node-gyp. All comes from npm's cache, which a first run fills. With --smoke there are no dependencies.
 */
export function measureNpm(folder: string): void {
  const policy = join(folder, "everything.ts");
  writeFileSync(policy, pinEverything("", new Set(["path", "address", "message", "strings"])));
  const project = join(folder, "npm");
  mkdirSync(project);
  for (const [file, text] of Object.entries(addon)) writeFileSync(join(project, file), text);
  const { name, version, dependencies, devDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  const needs = isSmoke ? {} : { dependencies, devDependencies };
  const scripts = { install: "node-gyp rebuild" };
  writeFileSync(join(project, "package.json"), JSON.stringify({ name, version, scripts, ...needs }));
  const empty = { name, version, lockfileVersion: 3, packages: { "": { name, version } } };
  if (isSmoke) writeFileSync(join(project, "package-lock.json"), JSON.stringify(empty));
  else cpSync("package-lock.json", join(project, "package-lock.json"));
  const command = ["npm", "ci", "--no-audit", "--no-fund", "--no-update-notifier", `--nodedir=${nodeFolder()}`];
  if (!isSmoke) step([...command, "--prefer-offline"], project);
  const pinned = "every path, address and argument list pinned";
  measure(
    {
      what: "npm ci from the cache, with a native addon",
      limit: "≤ 1.15",
      rounds: 5,
      cwd: project,
      command: [...command, "--prefer-offline", "--offline"],
      prepare: () => {
        for (const made of ["node_modules", "build"]) rmSync(join(project, made), { recursive: true, force: true });
      },
    },
    pinned,
    { [pinned]: (words) => ours(policy, words), [everyCallPassed]: inC(() => 0) },
  );
}
