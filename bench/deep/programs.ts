/**
 * Whole programs with everything pinned, against the same programs without a policy and under supervisors in C that pin
 * the same calls, or let them pass without a look. All of these ways take turns.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { allCalls } from "../../src/abi/calls.ts";
import { pointeeOf } from "../../src/abi/pointees.ts";
import { pinEverything } from "../../test/live/pinned-policy.ts";
import { isSmoke } from "../support/amount.ts";
import { confined } from "../support/confined.ts";
import { projects, step, unpacked } from "../support/projects.ts";
import { isChosen, measure, npmProject, type Ways } from "../support/whole-programs.ts";

const bench = "deep";

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

/** Builds the launcher, the addon and a reference; with --smoke one small program. */
function buildOwn(folder: string, ways: Ways): void {
  const out = join(folder, "make");
  const targets = isSmoke ? [`${out}/reference/callers`] : ["package", `${out}/reference/supervisor`];
  for (const jobs of [1, 2]) {
    const command = ["make", "-s", "-C", "native", `-j${jobs}`, `OUT=${out}`, `DIST=${out}/dist`, ...targets];
    const program = {
      bench,
      what: `make -j${jobs} of native/`,
      limit: "≤ 1.1",
      rounds: 3,
      cwd: process.cwd(),
      command,
    };
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
    const program = { bench, what: `make -j2 of ${name}`, limit: "≤ 1.1", rounds, cwd, command: make };
    measure({ ...program, prepare: () => step(clean, cwd) }, everyPath, ways);
    rmSync(into, { recursive: true });
  }
}

// ── npm ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export function measureNpm(folder: string): void {
  const policy = join(folder, "everything.ts");
  writeFileSync(policy, pinEverything("", new Set(["path", "address", "message", "strings"])));
  const pinned = "every path, address and argument list pinned";
  const program = { bench, limit: "≤ 1.15", rounds: 5, ...npmProject(folder) };
  measure(program, pinned, { [pinned]: (words) => ours(policy, words), [everyCallPassed]: inC(() => 0) });
}
