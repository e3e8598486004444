/**
 * Measures builds and `npm ci` under read-only-home, which lets them write below a folder of their own and in npm's cache
 * only, against the same without a policy; and these against themselves, which shows the noise of this run. --only chooses: npm, lua, zlib.
 * With --smoke the archives of lua and zlib are not fetched.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { amount, isSmoke } from "./support/amount.ts";
import { projects, step, unpacked } from "./support/projects.ts";
import { isChosen, measure, npmProject, type Ways } from "./support/whole-programs.ts";

const folder = mkdtempSync(join(tmpdir(), "portcullis-bench-"));
const archives = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "portcullis/bench");
process.env["XDG_CACHE_HOME"] = join(folder, "cache");
const temporary = join(folder, "temporary");
mkdirSync(temporary);

const npmCache = execFileSync("npm", ["config", "get", "cache"], { encoding: "utf8" }).trim();
mkdirSync(npmCache, { recursive: true });

const underPolicy = "writing below one folder only";
const ways: Ways = {
  [underPolicy]: (command) => [
    ...[resolve("bin/portcullis"), "run", "-q", "-p", "read-only-home", "--set", `below=${folder},${npmCache}`, "--"],
    ...command,
  ],
  "no policy again": (command) => command,
};
const common = { bench: "objects", limit: "≤ 1.03", rounds: amount(15, 1) };

try {
  process.env["TMPDIR"] = temporary;
  for (const project of isSmoke ? [] : projects) {
    const short = project.name.split(" ")[0]!;
    if (!["lua", "zlib"].includes(short) || !isChosen(short)) continue;
    const cwd = unpacked(project, folder, archives);
    const program = { ...common, what: `make -j2 of ${project.name}`, cwd, command: project.make };
    measure({ ...program, prepare: () => step(project.clean, cwd) }, underPolicy, ways);
  }
  if (isChosen("npm")) measure({ ...common, rounds: amount(5, 1), ...npmProject(folder) }, underPolicy, ways);
} finally {
  rmSync(folder, { recursive: true });
}
