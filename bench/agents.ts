/**
 * Measures everyday work of coding agents under the policy `agent`, against the same without it, and, where bubblewrap is
 * installed, bubblewrap with the same view of the files against the same. Root becomes an ordinary user for it, as agents have one:
 * the kernel does not count the processes of root. `--only=npm,tsc,commands,pytest,start` measures some.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { amount, chosen } from "./support/amount.ts";
import { duration, measured } from "./support/confined.ts";
import { compare } from "./support/pairs.ts";

const checkout = resolve(".");

/** Debian's nobody and nogroup, if they reach the checkout and Node. */
function becomeOrdinary(): void {
  const nobody = 65_534;
  if (process.getuid?.() !== 0) return;
  process.seteuid!(nobody);
  try {
    for (const path of [join(checkout, "package.json"), process.execPath]) closeSync(openSync(path, "r"));
  } catch {
    console.error("agents: measured as root, because an ordinary user cannot read the checkout or Node");
    return;
  } finally {
    process.seteuid!(0);
  }
  process.setgroups!([]);
  process.setgid!(nobody);
  process.setuid!(nobody);
}

becomeOrdinary();
const home = mkdtempSync(join(tmpdir(), "portcullis-bench-"));
const project = join(home, "project");
process.env["HOME"] = home;
// The variables of `npm run bench` lead to the user's own cache.
for (const name of Object.keys(process.env)) if (/^npm_/i.test(name)) delete process.env[name];
process.env["XDG_CACHE_HOME"] = join(home, "cache");
// npm would print a notice about its newest version, once for each home directory.
process.env["npm_config_update_notifier"] = "false";

function makePackages(count: number, files: number): void {
  const dependencies: Record<string, string> = {};
  for (let index = 0; index < count; index++) {
    const folder = join(home, "packed/package");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name: `p${index}`, version: "1.0.0" }));
    for (let file = 0; file < files; file++)
      writeFileSync(join(folder, `${file}.js`), "module.exports = 1;\n".repeat(50));
    execFileSync("tar", ["czf", join(project, `p${index}.tgz`), "-C", join(home, "packed"), "package"]);
    dependencies[`p${index}`] = `file:p${index}.tgz`;
  }
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "p", version: "1.0.0", dependencies }));
  const install = ["install", "--package-lock-only", "--offline", "--no-audit", "--no-fund"];
  execFileSync("npm", install, { cwd: project });
}

function makeSources(count: number): void {
  mkdirSync(join(project, "src"));
  for (let index = 0; index < count; index++)
    writeFileSync(
      join(project, `src/m${index}.ts`),
      `${index === 0 ? "" : `import type { T${index - 1} } from "./m${index - 1}.ts";\n`}export type T${index} = { a: number; b: ${index === 0 ? "string" : `T${index - 1} | undefined`} };\nexport const v${index}: Partial<T${index}> = { a: ${index} };\n`,
    );
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: { noEmit: true, allowImportingTsExtensions: true, types: [] },
      include: ["src"],
    }),
  );
}

function makeTests(count: number): void {
  mkdirSync(join(project, "tests"));
  for (let index = 0; index < count; index++)
    writeFileSync(
      join(project, `tests/test_${index}.py`),
      "import json, subprocess\n\ndef test_write(tmp_path):\n    (tmp_path / 'x').write_text(json.dumps([1]))\n\ndef test_run():\n    assert subprocess.run(['true']).returncode == 0\n",
    );
}

const tsc = join(checkout, "node_modules/typescript/bin/tsc");
const npm = ["npm", "ci", "--offline", "--no-audit", "--no-fund"] as const;

interface Task {
  readonly key: string;
  readonly name: string;
  readonly words: readonly string[];
  /** Commands of a shell that precede it in the same session and are not measured. */
  readonly before?: string;
}

const tasks: readonly Task[] = [
  // The home directory of an agent's session is empty at its start, and so is npm's cache.
  { key: "npm", name: "npm ci, 100 packages of 50 files, with an empty cache", words: npm, before: "rm -rf ~/.npm" },
  { key: "npm", name: "npm ci, again in the session", words: npm, before: npm.join(" ") },
  { key: "tsc", name: "a TypeScript build", words: [process.execPath, tsc, "-p", "."] },
  {
    key: "commands",
    name: "200 short shell commands",
    words: ["sh", "-c", "for i in $(seq 200); do ls /usr >/dev/null; done"],
  },
  ...(spawnSync("/usr/bin/python3", ["-c", "import pytest"]).status === 0
    ? [
        {
          key: "pytest",
          name: "pytest, 200 tests",
          words: ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        },
      ]
    : []),
];

/** Milliseconds of the work itself: a session of an agent starts once. */
const timed = ({ before = ":", words }: Task): readonly string[] => [
  ...[
    "sh",
    "-c",
    `{ ${before}; } >/dev/null && a=$(date +%s%N) && "$@" >/dev/null && b=$(date +%s%N) && echo $(((b - a) / 1000000))`,
  ],
  ...["sh", ...words],
];

const program = join(checkout, "bin/portcullis");
const agent = (words: readonly string[]) => [
  ...[program, "run", "-q", "-p", "agent", "--set", `project=${project}`, "--set", `home=${home}`],
  ...["--set", `read=${checkout}`, "--", ...words],
];
const bubblewrap = (words: readonly string[]) => [
  ...["bwrap", "--unshare-user", "--unshare-net", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"],
  ...["--tmpfs", "/tmp", "--tmpfs", home, "--bind", project, project, "--ro-bind", checkout, checkout],
  ...["--chdir", project, ...words],
];

try {
  mkdirSync(project);
  makePackages(amount(100, 2), amount(50, 2));
  makeSources(amount(2000, 5));
  makeTests(amount(100, 2));
  process.chdir(project);
  const hasBubblewrap = spawnSync("bwrap", ["--version"]).status === 0;
  const count = 7;
  const both = async (
    what: string,
    limit: string | undefined,
    measure: (words: readonly string[]) => number,
    words: readonly string[],
  ) => {
    const reference = () => measure(words);
    const common = { bench: "agents", unit: "ms", count, reference };
    await compare({
      ...common,
      case: what,
      ...(limit === undefined ? {} : { limit }),
      ours: () => measure(agent(words)),
    });
    if (hasBubblewrap)
      await compare({ ...common, case: `${what}, bubblewrap`, ours: () => measure(bubblewrap(words)) });
  };
  const isChosen = (key: string) => chosen?.includes(key) ?? true;
  for (const task of tasks) if (isChosen(task.key)) await both(task.name, "≤ 1.1", measured, timed(task));
  if (isChosen("start")) await both("a start of /bin/true", undefined, duration, ["/bin/true"]);
} finally {
  process.chdir("/");
  rmSync(home, { recursive: true, force: true });
}
