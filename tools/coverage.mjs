// make coverage: runs the suite (vitest run WORDS) and prints, for each folder of src/, which share of its lines,
// branches and functions the tests execute. What the command line does in processes of its own (dist/) is not counted.
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { dirname, relative } from "node:path";

const summary = "build/coverage/coverage-summary.json";
rmSync(summary, { force: true });
const ran = spawnSync(
  process.execPath,
  ["node_modules/vitest/vitest.mjs", "run", "--coverage", ...process.argv.slice(2)],
  { stdio: "inherit" },
);
process.exitCode = ran.status ?? 1;

const { total, ...files } = JSON.parse(readFileSync(summary, "utf8"));
const kinds = ["lines", "branches", "functions"];
const folders = new Map();
for (const [file, counts] of Object.entries(files)) {
  const folder = dirname(relative(".", file));
  const sums = folders.get(folder) ?? Object.fromEntries(kinds.map((kind) => [kind, { covered: 0, total: 0 }]));
  for (const kind of kinds) {
    sums[kind].covered += counts[kind].covered;
    sums[kind].total += counts[kind].total;
  }
  folders.set(folder, sums);
}
const width = Math.max(...[...folders.keys()].map((folder) => folder.length));
const share = ({ covered, total }) => (total === 0 ? "" : `${((100 * covered) / total).toFixed(1)} %`).padStart(11);
const row = (name, sums) => console.log(name.padEnd(width) + kinds.map((kind) => share(sums[kind])).join(""));
console.log(`\n${"".padEnd(width)}${kinds.map((kind) => kind.padStart(11)).join("")}`);
for (const [folder, sums] of [...folders].sort(([a], [b]) => (a < b ? -1 : 1))) row(folder, sums);
row("all", total);
