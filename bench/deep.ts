/**
 * Measures policies that read behind pointers. First one call, against a supervisor in C with the same mechanism
 * (bench/reference/pinning.c): an openat whose path is pinned, and one that is served. Then whole programs with every path
 * pinned, against the same without a policy. Then the kernel's engine, in instructions.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pinEverything } from "../test/live/pinned-policy.ts";
import { amount, isSmoke } from "./support/amount.ts";
import { confined, duration, measured } from "./support/confined.ts";
import { manyPatterns } from "./support/many-patterns.ts";
import { compare, pairs, print } from "./support/pairs.ts";

const bench = "deep";
const folder = mkdtempSync(join(tmpdir(), "portcullis-bench-"));
process.env["XDG_CACHE_HOME"] = join(folder, "cache");

// ── One call ────────────────────────────────────────────────────────────────────────────────────────────────────────

const calls = amount(3_000, 50);
const file = join(folder, "opened");
writeFileSync(file, "");
const opens = ["build/bench/opens", `${calls}`, file];
const each = (words: readonly string[]) => () => measured(words) / calls;
const underC = (...options: readonly string[]) => ["build/bench/pinning", ...options, ...opens];
const policy = (name: string) => `bench/policies/deep/${name}.ts`;

async function oneCall(): Promise<void> {
  const unit = "ns/call";
  await compare({
    bench,
    case: "openat and close, the path pinned, against the C supervisor that pins",
    unit,
    limit: "≤ 1.3",
    ours: each(confined(policy("pinned"), opens)),
    reference: each(underC()),
  });
  await compare({
    bench,
    case: "openat and close, served, against the C supervisor that opens",
    unit,
    limit: "≤ 1.3",
    ours: each(confined(policy("resolved"), opens)),
    reference: each(underC("--on-behalf")),
  });
  const row = { bench, unit, informative: true } as const;
  const plain = await pairs(5, each(opens), each(underC()));
  print({ ...row, case: "openat and close without a filter, against the C supervisor that pins", ...plain });
}

// ── Programs ────────────────────────────────────────────────────────────────────────────────────────────────────────

const everyPath = join(folder, "every-path.ts");
writeFileSync(everyPath, pinEverything("", new Set(["path"])));

/** The command with every path pinned, against the same without a policy; each after `prepare`. */
async function program(what: string, limit: string, command: readonly string[], prepare: () => void): Promise<void> {
  const timed = (words: readonly string[]) => () => {
    prepare();
    return duration(words);
  };
  const result = await pairs(5, timed(confined(everyPath, command)), timed(command));
  print({ bench, case: `${what}, every path pinned, against no policy`, unit: "ms", limit, ...result });
}

/** Two libraries of this project; with --smoke one small program. */
async function makes(): Promise<void> {
  const out = join(folder, "make");
  const targets = isSmoke ? [`${out}/reference/callers`] : ["package", `${out}/reference/supervisor`];
  for (const jobs of [1, 2]) {
    const command = ["make", "-s", "-C", "native", `-j${jobs}`, `OUT=${out}`, `DIST=${out}/dist`, ...targets];
    await program(`make -j${jobs} of native/`, "≤ 1.1", command, () => rmSync(out, { recursive: true, force: true }));
  }
}

/** This project's dependencies from npm's own cache, which a first run fills; with --smoke none. */
async function npm(): Promise<void> {
  const project = join(folder, "npm");
  mkdirSync(project);
  const { name, version, dependencies, devDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  const needs = isSmoke ? {} : { dependencies, devDependencies };
  writeFileSync(join(project, "package.json"), JSON.stringify({ name, version, ...needs }));
  const empty = { name, version, lockfileVersion: 3, packages: { "": { name, version } } };
  if (isSmoke) writeFileSync(join(project, "package-lock.json"), JSON.stringify(empty));
  else cpSync("package-lock.json", join(project, "package-lock.json"));
  const command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", project];
  if (!isSmoke) duration([...command, "--prefer-offline"]);
  await program("npm ci from the cache", "≤ 1.15", [...command, "--offline"], () =>
    rmSync(join(project, "node_modules"), { recursive: true, force: true }),
  );
}

// ── The start ───────────────────────────────────────────────────────────────────────────────────────────────────────

async function starts(): Promise<void> {
  const many = join(folder, "many.ts");
  writeFileSync(many, manyPatterns(200));
  const start = (path: string) => () => duration(confined(path, ["/bin/true"]));
  start(many)();
  start(policy("pinned"))();
  await compare({
    bench,
    case: "/bin/true under 200 patterns, from the cache, against one pattern",
    unit: "ms",
    ours: start(many),
    reference: start(policy("pinned")),
  });
}

try {
  await oneCall();
  await starts();
  await makes();
  await npm();
} finally {
  rmSync(folder, { recursive: true });
}
