/** Compares ways to run whole programs, such as builds, which take turns; and the project of an `npm ci`. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { chosen, isSmoke } from "./amount.ts";
import { processorTime } from "./confined.ts";
import { median, print } from "./pairs.ts";
import { step } from "./projects.ts";

/** Whether --only chooses one of these parts, or is missing. */
export const isChosen = (...names: readonly string[]): boolean =>
  chosen === undefined || names.some((name) => chosen!.includes(name));

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
export interface Ways {
  readonly [way: string]: (command: readonly string[]) => readonly string[];
}

export interface Program {
  readonly bench: string;
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
 * processor times and of elapsed ones. The limit is that of `ours`, the first of the ways.
 */
export function measure(program: Program, ours: string, ways: Ways): void {
  const { bench, what, limit, rounds, cwd, command, prepare } = program;
  const all = Object.entries({ [ours]: ways[ours]!, ...ways, plain: (words: readonly string[]) => words });
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
  for (const way of Object.keys(ways)) {
    const title = `${what}, ${way}, against no policy`;
    for (const time of ["elapsed", "processor"] as const) {
      const values = (one: string) => spent[one]!.map((one) => one[time]);
      const [left, right] = [values(way), values("plain")];
      print({
        bench,
        case: time === "processor" ? `${title}: processor time` : title,
        unit: "ms",
        ours: median(left),
        reference: median(right),
        ratio: median(left.map((value, index) => value / right[index]!)),
        ...(way === ours ? { limit } : { informative: true }),
      });
    }
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
export function npmProject(folder: string): Pick<Program, "what" | "cwd" | "command" | "prepare"> {
  const cwd = join(folder, "npm");
  mkdirSync(cwd);
  for (const [file, text] of Object.entries(addon)) writeFileSync(join(cwd, file), text);
  const { name, version, dependencies, devDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  const needs = isSmoke ? {} : { dependencies, devDependencies };
  const scripts = { install: "node-gyp rebuild" };
  writeFileSync(join(cwd, "package.json"), JSON.stringify({ name, version, scripts, ...needs }));
  const empty = { name, version, lockfileVersion: 3, packages: { "": { name, version } } };
  if (isSmoke) writeFileSync(join(cwd, "package-lock.json"), JSON.stringify(empty));
  else cpSync("package-lock.json", join(cwd, "package-lock.json"));
  const command = ["npm", "ci", "--no-audit", "--no-fund", "--no-update-notifier", `--nodedir=${nodeFolder()}`];
  if (!isSmoke) step([...command, "--prefer-offline"], cwd);
  return {
    what: "npm ci from the cache, with a native addon",
    cwd,
    command: [...command, "--prefer-offline", "--offline"],
    prepare: () => {
      for (const made of ["node_modules", "build"]) rmSync(join(cwd, made), { recursive: true, force: true });
    },
  };
}
