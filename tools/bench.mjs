// npm run bench -- [NAME...] [--json] [--smoke] [--only=WORD,WORD] [--against=FOLDER]: runs bench/NAME.ts, or all of them,
// one after the other; with --smoke only enough of each to show that it works. --only selects a part of a benchmark that
// has parts, such as servers; --against names another checkout, which is built, and `forks` compares this one with it.
// Each prints JSON objects, one a line; without --json they are shown as a table.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { basename } from "node:path";
import { build } from "esbuild";

const words = process.argv.slice(2);
const asJson = words.includes("--json");
const known = readdirSync("bench")
  .filter((file) => file.endsWith(".ts"))
  .map((file) => basename(file, ".ts"));
const wanted = words.filter((word) => !word.startsWith("-"));
const optionValue = (option) => words.findLast((word) => word.startsWith(option))?.slice(option.length);
const only = optionValue("--only=");
const against = optionValue("--against=");
const unknown = [
  ...wanted.filter((name) => !known.includes(name)),
  ...words.filter((word) => word[0] === "-" && !/^--(?:json|smoke|only=.+|against=.+)$/.test(word)),
];
if (unknown.length > 0) {
  console.error(`no such benchmark: ${unknown.join(", ")}; there are: ${known.join(", ")}`);
  process.exit(125);
}

if (spawnSync("make", ["-s", "--no-print-directory", "bench-programs"], { stdio: "inherit" }).status !== 0) {
  console.error("the benchmark programs cannot be built; `make setup-bench` installs the packages that they need");
  process.exit(125);
}
const names = wanted.length > 0 ? wanted : known;
mkdirSync("build/bench", { recursive: true });
await build({
  entryPoints: names.map((name) => `bench/${name}.ts`),
  outdir: "build/bench",
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  outExtension: { ".js": ".mjs" },
  logLevel: "warning",
});

let failed = false;
for (const name of names) {
  // A benchmark ends with this process, and its servers end with it.
  const run = spawnSync("setpriv", ["--pdeathsig", "TERM", "--", process.execPath, `build/bench/${name}.mjs`], {
    stdio: ["ignore", asJson ? "inherit" : "pipe", "inherit"],
    encoding: "utf8",
    env: {
      ...process.env,
      PORTCULLIS_BENCH_SMOKE: words.includes("--smoke") ? "1" : "",
      ...(only === undefined ? {} : { PORTCULLIS_BENCH_ONLY: only }),
      ...(against === undefined ? {} : { PORTCULLIS_BENCH_AGAINST: against }),
    },
  });
  failed ||= run.status !== 0;
  if (!asJson) show(run.stdout ?? "");
}
process.exitCode = failed ? 1 : 0;

function show(lines) {
  for (const line of lines.split("\n").filter(Boolean)) {
    const row = JSON.parse(line);
    const number = (value) => (value === undefined ? "" : Number(value).toPrecision(4));
    console.log(
      [
        row.bench.padEnd(12),
        row.case.padEnd(44),
        number(row.ours).padStart(10),
        number(row.reference).padStart(10),
        (row.unit ?? "").padEnd(12),
        row.ratio === undefined ? "" : `× ${number(row.ratio)}`,
        row.informative ? "(for context)" : row.limit === undefined ? "" : `limit ${row.limit}`,
      ].join(" "),
    );
  }
}
